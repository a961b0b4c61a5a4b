"""Conditions on another column's value. Called by `when` and `first_match`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.errors import OperatorTypeError
from airlock.operators._base import STRICT
from airlock.operators._nested import NestedOperator, branch, texts
from airlock.policy.formats import listed_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


__all__ = ["CONFIG", "Condition", "compile_choice", "require_comparable"]

CONFIG = ConfigDict(**STRICT, serialize_by_alias=True, populate_by_name=True)

_Listed = Annotated[tuple[str, ...], BeforeValidator(lambda values: tuple(map(listed_text, values))), Field(min_length=1)]


@dataclass(kw_only=True, config=CONFIG)
class Condition:
    """What another column's value must be, and the operator then. Exactly one of `in`, `not_in` and `null`.

    A null value satisfies `null: true` alone: `not_in` asks for a value that is there.

    Attributes:
        column: The other column's path.
        in: Its value is one of these.
        not_in: It has a value, and none of these.
        null: true: it has no value; false: it has one.
        then: The operator.
    """

    column: Annotated[str, Field(min_length=1)]
    in_: _Listed | None = Field(default=None, alias="in")
    not_in: _Listed | None = None
    null: bool | None = None
    then: NestedOperator

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        given = [name for name in ("in_", "not_in", "null") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of in, not_in and null")
        return self

    def holds(self, values: pa.Array) -> NDArray[np.bool_]:
        """For each of the other column's values, whether it is what it must be; a truth, never null."""
        if isinstance(values, pa.DictionaryArray):
            values = values.dictionary_decode()
        if self.null is not None:
            found = pc.is_null(values) if self.null else pc.is_valid(values)
        else:
            listed = pa.array(self.in_ or self.not_in, pa.string())
            among = pc.is_in(texts(values), value_set=listed)
            found = among if self.in_ else pc.and_not(pc.is_valid(values), among)
        return np.asarray(found)


def require_comparable(operator: str, columns: Sequence[str], types: Mapping[str, pa.DataType]) -> None:
    """Refuse conditions on columns whose values have no text.

    Raises:
        OperatorTypeError: One is nested or binary.
    """
    for column in columns:
        kind = types[column]
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise OperatorTypeError(
                f"'{operator}' can't compare '{column}' of type {kind}: conditions are on text, numbers, dates and booleans",
                operator=operator,
                column=column,
            )


def compile_choice(
    conditions: Sequence[Condition], kernels: Sequence[Callable[[pa.StructArray], pa.Array]], *, target: pa.DataType
) -> Callable[[pa.StructArray], pa.Array]:
    """A kernel: each row by that of the first condition that holds, else by the last."""

    def choose(rows: pa.StructArray) -> pa.Array:
        chosen = np.full(len(rows), len(conditions), np.intp)
        for number, condition in reversed(list(enumerate(conditions))):
            chosen[condition.holds(rows.field(condition.column))] = number
        return branch(rows, chosen, kernels, target=target)

    return choose
