"""`when`: one operator or another, by another column's value."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow as pa
from pydantic.dataclasses import dataclass

from airlock.operators._base import Operator
from airlock.operators._conditions import CONFIG, Condition, compile_choice, require_comparable
from airlock.operators._nested import Composite, NestedOperator, undone_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel
    from airlock.policy.model import KeyDomain

__all__ = ["When"]


@dataclass(kw_only=True, config=CONFIG)
class When(Condition, Composite):
    """`then` where the other column's value is what the condition says, `otherwise` everywhere else.

    Guarantee:
        Every value passes through one of the two operators, whatever the other column holds; null, and a value that is not
        listed, take `otherwise`. What both promise holds.

    Source: conditional rules as in Greenmask (`when`) and Google's Sensitive Data Protection (record conditions).

    Args:
        column: The other column's path: of the same row or list element. It is read even where its rule drops it.
        in: Its value is one of these.
        not_in: It has a value, and none of these.
        null: true: it has no value; false: it has one.
        then: The operator where that holds.
        otherwise: The operator where it does not. Both write one type.

    Example:
        >>> rule = {"column": "country", "in": ["DE"], "then": {"truncate": 2}, "otherwise": {"redact": {"with": "-"}}}
        >>> kernel = When.from_dict(rule).kernel(pa.field("zip", pa.string()), None)
        >>> kernel(pa.array([{"value": "10115", "country": "DE"}, {"value": "75001", "country": None}])).to_pylist()
        ['10', '-']
    """

    name: ClassVar[str] = "when"
    example: ClassVar[str] = (
        "zip: {type: string, class: quasi_identifier, when: {column: country, in: [DE], then: {truncate: {length: 2}}, otherwise: {redact: {}}}}"
    )
    least: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"in": ["x"], "then": {"redact": {}}, "otherwise": {"redact": {"with": "-"}}}
    )

    otherwise: NestedOperator

    @property
    def operators(self) -> tuple[Operator, Operator]:
        """One and the other."""
        return self.then, self.otherwise

    @property
    def inputs(self) -> tuple[str, ...]:
        """The condition's column, and what the operators look at."""
        return tuple(dict.fromkeys((self.column, *super().inputs)))

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """With both operators resolved."""
        return replace(self, then=self.then.resolve(domains), otherwise=self.otherwise.resolve(domains))

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """The condition needs a text, number, date or boolean; each operator what it needs itself."""
        require_comparable(self.name, (self,), types)
        super().require_inputs(types)

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Rows parted by the condition, each part through its operator's kernel."""
        return compile_choice((self,), self.compiled(field, keys), target=self.result_field(field).type)

    def reverse(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Rows parted as before, each part back by its operator; as text, and null where no key opens what was written."""
        return compile_choice((self,), self.undone(field, keys), target=undone_type(field.type))
