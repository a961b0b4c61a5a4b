"""`ordered`: an operator whose output stays on its side of another column's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.errors import ContractError, OperatorTypeError
from airlock.operators._base import STRICT, Contract, Operator, RowOperator
from airlock.operators._fields import wrong_type
from airlock.operators._nested import FilledOperator, NestedOperator, run_nested
from airlock.operators._numbers import widened
from airlock.policy.formats import Shape, output_of
from airlock.policy.model import OperatorSpec

if TYPE_CHECKING:
    from airlock.keys import KeyRequest, SubKeys
    from airlock.operators._base import Kernel, RowKernel
    from airlock.policy.model import KeyDomain

__all__ = ["Ordered"]


@dataclass(kw_only=True, config=STRICT)
class Ordered(RowOperator):
    """What `do` makes of the value, but never less than what is written in column `after`, unless the raw value was less.

    Guarantee:
        Where a raw value is equal to the other column's or greater, what is written is equal to what is written there or greater:
        `created_at <= updated_at` stays true. Otherwise it is what `do` makes of it. Both columns have one type and their
        operators write one form, so a value taken from the other column says nothing in another form than that column does.
        Chains are possible; circles are refused.

    Args:
        after: The other column's path: of the same row or list element.
        do: The operator.
        other: The other column's operator; its own rule fills it in.

    Example:
        >>> import datetime as dt
        >>> rule = {"after": "created", "do": {"generalize_date": "year"}, "other": {"generalize_date": {"to": "year"}}}
        >>> kernel = Ordered.from_dict(rule).kernel(pa.field("updated", pa.date32()), None)
        >>> kernel(pa.array([{"value": dt.date(2024, 3, 1), "created": dt.date(2024, 2, 29)}])).to_pylist()
        [datetime.date(2024, 1, 1)]
    """

    name: ClassVar[str] = "ordered"
    example: ClassVar[str] = """\
created_at: {type: date32, class: sensitive, generalize_date: {to: month}}
updated_at: {type: date32, class: sensitive, ordered: {after: created_at, do: {generalize_date: {to: month}}}}
"""
    nests: ClassVar[bool] = False
    filled: ClassVar[tuple[str, ...]] = ("other",)
    least: ClassVar[Mapping[str, Any]] = {"do": {"generalize_date": {"to": "year"}}}

    after: Annotated[str, Field(min_length=1)]
    do: NestedOperator
    other: FilledOperator = None

    @property
    def contract(self) -> Contract:
        """What both promise. How often the other's output is the value itself depends on the data: at most half the time."""
        contracts = [operator.contract for operator in self._both]
        return Contract(
            technique="; ".join(dict.fromkeys(contract.technique for contract in contracts)),
            reversible=any(contract.reversible for contract in contracts),
            keyed=any(contract.keyed for contract in contracts),
            same_form=self.do.contract.same_form,
            chance=(1 + self.do.contract.chance) / 2,
            classes=frozenset.intersection(*(contract.classes for contract in contracts)),
        )

    @property
    def _both(self) -> tuple[Operator, ...]:
        return (self.do,) if self.other is None else (self.do, self.other)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The other column, and what both operators look at."""
        found = [path for operator in self._both if isinstance(operator, RowOperator) for path in operator.inputs]
        return tuple(dict.fromkeys((self.after, *found)))

    def requests(self) -> tuple[KeyRequest, ...]:
        """Both operators' subkeys."""
        return tuple(dict.fromkeys(request for operator in self._both for request in operator.requests()))

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """With the operators resolved."""
        other = None if self.other is None else self.other.resolve(domains)
        return replace(self, do=self.do.resolve(domains), other=other)

    def beside(self, operators: Mapping[str, Operator]) -> Self:
        """With the other column's operator filled in, and that with those which it follows.

        Raises:
            ValueError: There is none, the columns follow each other in a circle, or one operator is not deterministic.
        """
        if self.after not in operators:
            raise ValueError(f"follows '{self.after}', which has no rule of its own, or follows this column itself")
        rest = {path: operator for path, operator in operators.items() if path != self.after}
        other = operators[self.after].beside(rest)
        if self.other not in (None, other):
            raise ValueError(f"`other` belongs to the rule of '{self.after}'; leave it out")
        for operator in (self.do, other):
            if not operator.contract.deterministic:
                raise ValueError(f"'{operator.name}' writes something else each time: no order can be kept")
        return replace(self, other=other)

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Both columns need one type, and their operators must write one type and one form.

        Raises:
            OperatorTypeError: They do not, or one operator does not take what it looks at.
        """
        mine, theirs = types["value"], types[self.after]
        if mine != theirs:
            raise self._misfit(f"it is {theirs}, this column {mine}")
        for operator in self._both:
            if isinstance(operator, RowOperator):
                operator.require_inputs(types)
        if self.other is None:
            return
        made = [operator.result_field(pa.field(self.after, theirs)) for operator in self._both]
        if made[1] is None or made[0] is None or made[0].type != made[1].type:
            raise self._misfit(f"'{self.other.name}' there and '{self.do.name}' here write different types")
        if _shape(self.do, mine) != _shape(self.other, theirs):
            raise self._misfit(f"'{self.other.name}' there and '{self.do.name}' here write different forms")

    def _misfit(self, what: str) -> OperatorTypeError:
        message = f"'{self.name}' can't keep the order with '{self.after}': {what}. Both columns need one type, and operators of one form"
        return OperatorTypeError(message, operator=self.name, column=self.after)

    def result_field(self, field: pa.Field) -> pa.Field:
        """What `do` writes, if that has an order."""
        made = self.do.result_field(field)
        if made is None or not _has_order(made.type):
            raise wrong_type(self.name, field, f"what '{self.do.name}' writes is no number, date or timestamp")
        return made

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Both operators' kernels, and the greater where the raw values ask for it."""
        if self.other is None:
            raise wrong_type(self.name, field, f"the operator of '{self.after}' is not known")
        mine = run_nested(self.do, field, keys).run
        theirs = _elsewhere(self.other, self.after, field.type, keys)

        def ordered(rows: pa.StructArray) -> pa.Array:
            written, there = mine(rows), theirs(rows)
            follows = pc.greater_equal(_comparable(rows.field("value")), _comparable(rows.field(self.after)))
            before = pc.less(_comparable(written), _comparable(there))
            # Arrow chooses among narrow decimals by widening them.
            return pc.if_else(pc.fill_null(pc.and_(follows, before), fill_value=False), there, written).cast(written.type)

        return ordered

    def reverse(self, field: pa.Field, keys: SubKeys) -> Kernel:
        """There is none.

        Raises:
            ContractError: Always.
        """
        del field, keys
        raise ContractError(
            f"'{self.name}' can't be reversed: where the order asked for it, what stands there was made from '{self.after}'. Reverse that "
            "column, or ask the data's owner, who has the source"
        )


def _elsewhere(operator: Operator, path: str, kind: pa.DataType, keys: SubKeys) -> Callable[[pa.StructArray], pa.Array]:
    """The kernel of another column's operator, over rows in which that column stands beside."""
    kernel = run_nested(operator, pa.field(path, kind), keys).run
    looked_at = operator.inputs if isinstance(operator, RowOperator) else ()

    def run(rows: pa.StructArray) -> pa.Array:
        columns = {"value": rows.field(path)} | {name: rows.field(name) for name in looked_at}
        return kernel(pa.StructArray.from_arrays(list(columns.values()), list(columns)))

    return run


def _has_order(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(number or pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _comparable(values: pa.Array) -> pa.Array:
    """In a type that Arrow compares: narrow decimals and half floats widened."""
    return values.cast(pa.float32() if pa.types.is_float16(values.type) else widened(values.type))


def _shape(operator: Operator, kind: pa.DataType) -> Shape:
    return output_of(OperatorSpec(name=operator.name, arguments=operator.to_dict()), kind, unshaped=None).shape
