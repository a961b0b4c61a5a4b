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

from airlock.crypto.columns import nulls
from airlock.errors import OperatorTypeError
from airlock.operators._base import STRICT
from airlock.operators._nested import Nested, NestedOperator, branch, texts
from airlock.policy.arrow import is_binary
from airlock.policy.formats import listed_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


__all__ = ["CONFIG", "Condition", "compile_choice", "require_comparable"]

CONFIG = ConfigDict(**STRICT, serialize_by_alias=True, populate_by_name=True)


def _listed(value: object) -> str:
    """A listed value as text: fractions, too, by the shortest text that stands for them."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else listed_text(value)


_Listed = Annotated[tuple[str, ...], BeforeValidator(lambda values: tuple(map(_listed, values))), Field(min_length=1)]


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

    @property
    def listed(self) -> tuple[str, ...]:
        """The values that it names."""
        return self.in_ or self.not_in or ()

    def holds(self, listed: Sequence[str]) -> NDArray[np.bool_]:
        """Whether the column is what it must be: for each of these values, for any other, and for null."""
        if self.null is not None:
            return np.array([not self.null] * (len(listed) + 1) + [self.null])
        among = np.array([*(value in self.listed for value in listed), False])
        return np.append(among if self.in_ else ~among, False)  # null is neither


def require_comparable(operator: str, conditions: Sequence[Condition], types: Mapping[str, pa.DataType]) -> None:
    """Refuse conditions that can't hold: on columns whose values have no text, or with values that a column can't have.

    Raises:
        OperatorTypeError: One is nested or binary, or lists moments, or a text that no value of its column's type is written as.
    """
    for condition in conditions:
        fault = _fault(condition, types[condition.column])
        if fault is not None:
            raise OperatorTypeError(
                f"'{operator}' can't compare '{condition.column}' of type {types[condition.column]}: {fault}",
                operator=operator,
                column=condition.column,
            )


def _fault(condition: Condition, kind: pa.DataType) -> str | None:
    if pa.types.is_nested(kind) or is_binary(kind):
        return "conditions are on text, numbers, dates and booleans"
    if condition.null is not None:
        return None
    if pa.types.is_timestamp(kind):
        return "a moment has many texts, by zone and precision; ask for `null`, or read it as a date"
    return next((fault for text in condition.listed if (fault := _unlike(text, kind))), None)


def _unlike(text: str, kind: pa.DataType) -> str | None:
    """Why no value of a type is written as this text."""
    try:
        (written,) = texts(pa.array([text]).cast(kind))
    except pa.ArrowNotImplementedError:  # no way from text to this type: it stays unchecked
        return None
    except pa.ArrowInvalid:
        return f"no value of that type is '{text}', so the condition would never hold. Correct the list"
    return (
        None
        if str(written) == text
        else f"'{text}' would never be found: such a value is written '{written}'. Correct the list"
    )


def compile_choice(
    conditions: Sequence[Condition], kernels: Sequence[Nested], *, target: pa.DataType
) -> Callable[[pa.StructArray], pa.Array]:
    """A kernel: each row by that of the first condition that holds, else by the last."""
    listed: dict[str, tuple[str, ...]] = {}
    for condition in conditions:
        listed[condition.column] = tuple(dict.fromkeys((*listed.get(condition.column, ()), *condition.listed)))
    truths = [condition.holds(listed[condition.column]) for condition in conditions]

    def choose(rows: pa.StructArray) -> pa.Array:
        codes = {column: _codes(rows.field(column), values) for column, values in listed.items()}
        chosen = np.full(len(rows), len(conditions), np.min_scalar_type(len(conditions)))
        for number, condition in reversed(list(enumerate(conditions))):
            chosen[truths[number].take(codes[condition.column])] = number
        return branch(rows, chosen, kernels, target=target)

    return choose


def _codes(values: pa.Array, listed: Sequence[str]) -> NDArray[np.int32]:
    """Each value's place among the listed ones; behind them any other's, and then null's. Looked up once for all conditions."""
    found = pc.index_in(texts(values), value_set=pa.array(listed, pa.string()))
    codes = np.frombuffer(found.buffers()[1], np.int32)[: len(values)] if len(values) else np.zeros(0, np.int32)
    if found.null_count:
        codes = np.where(nulls(found), np.int32(len(listed)), codes)
    return np.where(nulls(values), np.int32(len(listed) + 1), codes) if values.null_count else codes
