"""`first_match`: a chain of conditions on other columns, each with its operator."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import Operator
from airlock.operators._conditions import CONFIG, Condition, compile_choice, require_comparable
from airlock.operators._nested import Composite, NestedOperator, undone_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel
    from airlock.policy.model import KeyDomain

__all__ = ["FirstMatch"]


@dataclass(kw_only=True, config=CONFIG)
class FirstMatch(Composite):
    """The operator of the first case whose condition holds; `otherwise` where none does.

    Guarantee:
        Every value passes through exactly one of the operators, whatever the other columns hold. What all of them promise holds.

    Source: conditional rules as in Greenmask (`when`) and Microsoft's FHIR tool (generalize by cases).

    Args:
        cases: In order; each has `column`, exactly one of `in`, `not_in`, `null`, and `then`, as `when` takes them.
        otherwise: The operator where no case holds. All operators write one type.

    Example:
        >>> cases = [
        ...     {"column": "kind", "in": ["work"], "then": {"keep": "printed on cards"}},
        ...     {"column": "kind", "in": ["home"], "then": {"mask": {"keep_last": 2}}},
        ... ]
        >>> kernel = FirstMatch.from_dict({"cases": cases, "otherwise": {"redact": {}}}).kernel(pa.field("number", pa.string()), None)
        >>> kernel(pa.array([{"value": "5550100", "kind": kind} for kind in ("work", "home", None)])).to_pylist()
        ['5550100', '*****00', '[redacted]']
    """

    name: ClassVar[str] = "first_match"
    example: ClassVar[str] = """\
number:
  type: string
  class: direct_identifier
  first_match:
    cases:
      - {column: country, in: [DE, AT], then: {mask: {keep_last: 2}}}
      - {column: country, null: true, then: {redact: {}}}
    otherwise: {mask: {}}
"""
    least: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"cases": [{"column": "x", "null": True, "then": {"redact": {}}}], "otherwise": {"redact": {"with": "-"}}}
    )

    cases: Annotated[tuple[Condition, ...], Field(min_length=1)]
    otherwise: NestedOperator

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The cases' operators and the last."""
        return (*(case.then for case in self.cases), self.otherwise)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The conditions' columns, and what the operators look at."""
        return tuple(dict.fromkeys((*(case.column for case in self.cases), *super().inputs)))

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """With all operators resolved."""
        cases = tuple(replace(case, then=case.then.resolve(domains)) for case in self.cases)
        return replace(self, cases=cases, otherwise=self.otherwise.resolve(domains))

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Conditions need texts, numbers, dates or booleans; each operator what it needs itself."""
        require_comparable(self.name, self.cases, types)
        super().require_inputs(types)

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Rows parted by the conditions, each part through its operator's kernel."""
        return compile_choice(self.cases, self.compiled(field, keys), target=self.result_field(field).type)

    def reverse(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Rows parted as before, each part back by its operator; as text, and null where no key opens what was written."""
        return compile_choice(self.cases, self.undone(field, keys), target=undone_type(field.type))
