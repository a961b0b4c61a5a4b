"""What operators that work in a key domain share: its canonical steps, and which columns have a text to make something from.

Called by the keyed operators' `resolve` and `result_field`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from airlock.errors import OperatorTypeError
from airlock.operators._canonical import why_not
from airlock.policy.model import Canonical, KeyDomain

__all__ = ["domain_steps", "keyed_field", "require_domain"]


def require_domain(domain: str, domains: Mapping[str, KeyDomain]) -> KeyDomain:
    """The policy's own word on a key domain.

    Raises:
        ValueError: The policy has no such domain.
    """
    if domain not in domains:
        found = ", ".join(sorted(domains)) or "none"
        raise ValueError(f"key domain '{domain}' is not one of the policy's keys.domains (found: {found}). Add it there")
    return domains[domain]


def domain_steps(domain: str, declared: tuple[Canonical, ...], domains: Mapping[str, KeyDomain]) -> tuple[Canonical, ...]:
    """The domain's canonical steps.

    Raises:
        ValueError: The policy has no such domain, or the rule declares other steps than the domain does.
    """
    canonical = require_domain(domain, domains).canonical
    if declared not in ((), canonical):
        raise ValueError(f"canonical steps belong to keys.domains.{domain}; leave `canonical` out of the column's rule")
    return canonical


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
