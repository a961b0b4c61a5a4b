"""The contract of checks: three pure functions each, and what they return. Implemented by `checks`, called by `inspect` (scan,
merge) and `decide` (merge, verdict).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import pyarrow as pa

from airlock.errors import AirlockError
from airlock.gate.leaves import LeafValues, leaf_values
from airlock.gate.rules import GateRules
from airlock.policy.path import ColumnPath

__all__ = ["Batch", "Check", "CheckResult", "Finding", "listed"]

P = TypeVar("P")

_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """What a check met: where, what, how often, and its picture. Never text of the data.

    Attributes:
        column: A path of the policy, or a place such as `schema`.
        entity: An entity, or the check's word for what is wrong.
        count: How many values or rows.
        total: Of how many.
        picture: Digits as 9, letters as a or A.
        waiver: Approver and last day, where a waiver covers it.
    """

    column: str
    entity: str
    count: int = 0
    total: int = 0
    picture: str = ""
    waiver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check's verdict.

    Attributes:
        problems: Findings that no waiver covers; empty where it passed.
        waived: Findings that a waiver covers.
        message: What happened, found against expected, what to do next; empty where it passed.
        error: The class to raise.
    """

    check: str
    problems: tuple[Finding, ...] = ()
    waived: tuple[Finding, ...] = ()
    message: str = ""
    error: type[AirlockError] = AirlockError

    @property
    def passed(self) -> bool:
        """Whether nothing stands against a release."""
        return not self.problems


class Check(Protocol[P]):
    """A check: `scan` one batch, `merge` what batches and files gave, `verdict` on the whole dataset."""

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> P:
        """What the verdict needs to know of a batch; bounded, picklable, of types that `partials` carries to other processes."""
        ...

    @staticmethod
    def merge(one: P, other: P) -> P:
        """Of two parts; associative and commutative."""
        ...

    @staticmethod
    def verdict(partial: P, rules: GateRules) -> CheckResult:
        """On everything that was scanned."""
        ...


@dataclass(frozen=True)
class Batch:
    """Some rows of a staged file, and their leaves."""

    rows: pa.RecordBatch

    @cached_property
    def leaves(self) -> dict[ColumnPath, LeafValues]:
        """Every leaf's values by path, nulls included."""
        return {leaf.path: leaf for leaf in leaf_values(self.rows)}

    @cached_property
    def present(self) -> dict[ColumnPath, pa.Array]:
        """Every leaf's values by path, without nulls."""
        return {path: leaf.values.drop_null() if leaf.values.null_count else leaf.values for path, leaf in self.leaves.items()}


def listed(parts: list[str]) -> str:
    """At most twenty parts of a message, and how many more there are.

    Example:
        >>> listed(["a", "b"])
        'a; b'
    """
    more = len(parts) - _SHOWN
    return "; ".join(parts[:_SHOWN]) + (f"; and {more:,} more" if more > 0 else "")
