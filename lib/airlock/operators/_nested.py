"""Operators inside operators: how a declaration holds them, and how their kernels run over some of a column's rows.

Called by the conditional operators.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, ValidationError, WithJsonSchema

from airlock.crypto.columns import takeable
from airlock.errors import ContractError
from airlock.operators._base import Contract, Operator, RejectedValuesError, RowOperator
from airlock.operators._fields import wrong_type
from airlock.operators._registry import operator_class
from airlock.policy.arrow import is_binary
from airlock.policy.formats import common_type
from airlock.policy.model import OperatorSpec
from airlock.policy.path import ColumnPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.keys import KeyRequest, SubKeys

__all__ = [
    "Composite",
    "FilledOperator",
    "Nested",
    "NestedOperator",
    "branch",
    "leaf_operators",
    "run_nested",
    "texts",
    "undone_type",
]


def declare_nested(value: object) -> Operator:
    """An operator that may stand inside another one, from `{name: arguments}`, as a rule has it.

    Raises:
        ValueError: It is not one operator with right arguments, or may not stand there.
    """
    made = declare_operator(value)
    if not made.nests:
        raise ValueError(f"'{made.name}' can't stand inside another operator; it takes the other as its own argument")
    if getattr(made, "presence", "keep") == "hide":
        raise ValueError(f"{made.name}: `presence: hide` can't stand inside another operator")
    if made.pass_over(ColumnPath(("value",))) is not None:
        raise ValueError(f"'{made.name}' can't stand inside another operator: it looks at more than one row")
    if made.contract.subtree:
        raise ValueError(f"'{made.name}' can't stand inside another operator: it takes a column as a whole. Use redact")
    return made


def declare_operator(value: object) -> Operator:
    """An operator from `{name: arguments}`.

    Raises:
        ValueError: It is not one operator with right arguments; the message says which is wrong.
    """
    if isinstance(value, Operator):
        return value
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("needs exactly one operator, as in {redact: {}}")
    name, arguments = next(iter(value.items()))
    try:
        kind = operator_class(str(name))
    except KeyError:
        raise ValueError(f"there is no operator '{name}'") from None
    try:
        return kind.from_dict(OperatorSpec(name=name, arguments=arguments).mapping(kind.shorthand))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}" for fault in faults
        )
        raise ValueError(f"{name}: {said}") from None


NestedOperator = Annotated[
    Any,
    PlainValidator(declare_nested),
    PlainSerializer(lambda operator: {operator.name: operator.to_dict()}),
    WithJsonSchema({"type": "object", "minProperties": 1, "maxProperties": 1, "description": "one operator"}),
]
"""A field of a declaration that holds another operator's: written as a rule writes it."""

FilledOperator = Annotated[
    Any,
    PlainValidator(lambda value: None if value is None else declare_operator(value)),
    PlainSerializer(lambda operator: None if operator is None else {operator.name: operator.to_dict()}),
    WithJsonSchema({"type": "object"}),
]
"""A field that another column's rule fills in, by `beside`."""


class Composite(RowOperator):
    """An operator that sends each of the column's values through one of several others."""

    @property
    @abstractmethod
    def operators(self) -> tuple[Operator, ...]:
        """The operators, in a fixed order."""

    @property
    def contract(self) -> Contract:
        """What all of them promise."""
        contracts = [operator.contract for operator in self.operators]
        opened = [contract for contract in contracts if _goes_back(contract)]
        return Contract(
            technique="; ".join(dict.fromkeys(contract.technique for contract in contracts)),
            deterministic=all(contract.deterministic for contract in contracts),
            reversible=bool(opened),
            authentic=bool(opened) and all(contract.authentic for contract in opened),
            keyed=any(contract.keyed for contract in contracts),
            partly=True,
            same_form=all(contract.same_form for contract in contracts),
            chance=max(contract.chance for contract in contracts),
            classes=frozenset.intersection(*(contract.classes for contract in contracts)),
        )

    @property
    def shown(self) -> int:
        """Characters that stay readable, at most."""
        return max(getattr(operator, "shown", 0) for operator in self.operators)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the operators look at."""
        found = [path for operator in self.operators if isinstance(operator, RowOperator) for path in operator.inputs]
        return tuple(dict.fromkeys(found))

    @property
    def known(self) -> tuple[str, ...]:
        """What the operators look for."""
        found = [path for operator in self.operators if isinstance(operator, RowOperator) for path in operator.known]
        return tuple(dict.fromkeys(found))

    def requests(self) -> tuple[KeyRequest, ...]:
        """The operators' subkeys."""
        return tuple(dict.fromkeys(request for operator in self.operators for request in operator.requests()))

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Each operator needs what it needs by itself."""
        for operator in self.operators:
            if isinstance(operator, RowOperator):
                operator.require_inputs(types)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The field that all of them write.

        Raises:
            OperatorTypeError: One does not take the column, or they write different types.
        """
        made = [operator.result_field(field) for operator in self.operators]
        types = [None if one is None else one.type for one in made]
        data_type = common_type(types)
        if data_type is None:
            raise wrong_type(self.name, field, f"its operators write different types ({', '.join(map(str, types))})")
        return pa.field(field.name, data_type, nullable=field.nullable)

    def compiled(self, field: pa.Field, keys: SubKeys) -> list[Nested]:
        """Each operator's kernel, over rows."""
        return [run_nested(operator, field, keys) for operator in self.operators]

    def undone(self, field: pa.Field, keys: SubKeys) -> list[Nested]:
        """Each operator's way back, over rows; where it has none, nulls.

        Raises:
            ContractError: None has one.
        """
        if not any(_goes_back(operator.contract) for operator in self.operators):
            raise ContractError(
                f"'{self.name}' can't be reversed: none of its operators ({', '.join(one.name for one in self.operators)}) encrypts. "
                "Ask the data's owner, who has the source"
            )
        return [undo_nested(operator, field, keys) for operator in self.operators]


def _goes_back(contract: Contract) -> bool:
    """Whether a key opens it: what `keep` wrote needs no way back."""
    return contract.reversible and contract.keyed


def leaf_operators(operator: Operator) -> tuple[Operator, ...]:
    """The operator itself, or all that a conditional one may send a value through, however deep."""
    if not isinstance(operator, Composite):
        return (operator,)
    return tuple(leaf for one in operator.operators for leaf in leaf_operators(one))


class Nested(NamedTuple):
    """A kernel over rows, and the columns that it looks at."""

    names: tuple[str, ...]
    run: Callable[[pa.StructArray], pa.Array]


def run_nested(operator: Operator, field: pa.Field, keys: SubKeys) -> Nested:
    """The operator's kernel over rows that hold `value` and whatever any of the column's operators looks at."""
    return _over_rows(operator, operator.kernel(field, keys))


def undo_nested(operator: Operator, field: pa.Field, keys: SubKeys) -> Nested:
    """The operator's way back over such rows; nulls where no key opens what it wrote."""
    if not _goes_back(operator.contract):
        return Nested(("value",), lambda rows: pa.nulls(len(rows), field.type))
    return _over_rows(operator, operator.reverse(field, keys))


def _over_rows(operator: Operator, kernel: Callable[[pa.Array], pa.Array]) -> Nested:
    if not isinstance(operator, RowOperator):
        return Nested(("value",), lambda rows: kernel(rows.field("value")))
    named = ("value", *(["known"] if operator.known else []), *operator.inputs)
    return Nested(named, lambda rows: kernel(pa.StructArray.from_arrays([rows.field(name) for name in named], named)))


def undone_type(data_type: pa.DataType) -> pa.DataType:
    """What comes back from several operators in one column: text, or bytes; one may give back what its type does not hold."""
    return data_type if is_binary(data_type) else pa.string()


def branch(
    rows: pa.StructArray,
    chosen: NDArray[np.integer[Any]],
    kernels: Sequence[Nested],
    *,
    target: pa.DataType,
) -> pa.Array:
    """Each row through the kernel that was chosen for it, in the rows' order.

    Args:
        rows: What the kernels take.
        chosen: For each row the number of its kernel.
        kernels: One for each number.
        target: The type to which their outputs are cast.

    Raises:
        RejectedValuesError: From the first kernel that rejects; the mask is as long as `rows`.
    """
    places = [np.flatnonzero(chosen == number) for number in range(len(kernels))]
    used = [number for number, at in enumerate(places) if len(at)] or [0]
    if len(used) == 1:
        return kernels[used[0]].run(rows).cast(target)
    made = []
    for number in used:
        try:
            taken = _rows_at(rows, kernels[number].names, places[number])
            made.append(takeable(kernels[number].run(taken).cast(target)))
        except RejectedValuesError as error:
            mask = np.zeros(len(rows), bool)
            mask[places[number]] = np.asarray(error.mask)
            raise RejectedValuesError(error.code, pa.array(mask)) from None
    order = np.empty(len(rows), np.int64)
    order[np.concatenate([places[number] for number in used])] = np.arange(len(rows))
    return pa.concat_arrays(made).take(pa.array(order)).cast(target)


def _rows_at(rows: pa.StructArray, names: Sequence[str], places: NDArray[np.int64]) -> pa.StructArray:
    index = pa.array(places)
    columns = dict(zip((field.name for field in rows.type), rows.flatten(), strict=True))
    taken = [takeable(columns[name]).take(index).cast(columns[name].type) for name in names]
    return pa.StructArray.from_arrays(taken, names)


def texts(values: pa.Array) -> pa.Array:
    """Values as the text that policies write them in: numbers shortest, dates ISO 8601, true and false."""
    if pa.types.is_decimal(values.type) or pa.types.is_floating(values.type):
        return pc.replace_substring_regex(values.cast(pa.string()), r"\.0*$|(\.\d*[1-9])0+$", r"\1")
    return values.cast(pa.string())
