"""What operators that work in a key domain share: its canonical steps, and which columns have a text to make something from.

Called by the keyed operators' `resolve` and `result_field`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Self

import pyarrow as pa

from airlock.errors import OperatorTypeError
from airlock.operators._base import Operator
from airlock.operators._canonical import why_not
from airlock.policy.model import Canonical, KeyDomain

__all__ = ["ABSENT", "DomainOperator", "keyed_field", "require_domain"]

ABSENT = pa.array([b"\xff"], pa.binary())
"""What the token of a hidden null is made from: 0xFF occurs in no UTF-8 text (RFC 3629, section 1)."""


def require_domain(domain: str, domains: Mapping[str, KeyDomain]) -> KeyDomain:
    """The policy's own word on a key domain.

    Raises:
        ValueError: The policy has no such domain.
    """
    if domain not in domains:
        found = ", ".join(sorted(domains)) or "none"
        raise ValueError(f"key domain '{domain}' is not one of the policy's keys.domains (found: {found}). Add it there")
    return domains[domain]


class DomainOperator(Operator):
    """An operator that works on canonical texts: its declaration has fields `domain` and `canonical`, which the domain fills in."""

    domain: str
    canonical: tuple[Canonical, ...]

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """With the domain's canonical steps filled in.

        Raises:
            ValueError: The policy has no such domain, or this declaration says other steps than the domain does.
        """
        steps = require_domain(self.domain, domains).canonical
        if self.canonical not in ((), steps):
            raise ValueError(
                f"canonical steps belong to keys.domains.{self.domain}; leave `canonical` out of the column's rule"
            )
        return replace(self, canonical=steps)  # type: ignore[type-var]  # every declaration is a dataclass


def keyed_field(operator: str, field: pa.Field, steps: Iterable[Canonical], problem: str | None = None) -> pa.Field:
    """The text field of an operator that works on canonical texts.

    Raises:
        OperatorTypeError: The column's values have none, or `problem` says why the operator can't take them.
    """
    problem = why_not(field.type, steps) or problem
    if problem:
        raise OperatorTypeError(
            f"'{operator}' does not take column '{field.name}' of type {field.type}: {problem}. "
            "Correct its type or the key domain's steps, or choose another operator",
            column=field.name,
        )
    return pa.field(field.name, pa.string(), nullable=field.nullable)
