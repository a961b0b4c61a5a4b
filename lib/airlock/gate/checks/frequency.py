"""Frequencies of deterministic pseudonyms must not invert them: counted from the written tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from airlock.errors import FrequencyError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import merge_tallies
from airlock.gate.buffers import fingerprints
from airlock.gate.rules import GateRules, LeafRule

__all__ = ["Counts", "FrequencyCheck"]

_MANY = 10_000
_ROWS = 100
_SHARE = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of values by fingerprint: exact up to 10,000 distinct ones, then a Misra-Gries summary of as many counters
    (mergeable: Agarwal et al., Mergeable Summaries, 2012): a true count is at most the kept one and `error` more.

    Example:
        >>> counts = Counts.of(pa.array(["a", "b", "a"])) + Counts.of(pa.array(["a"]))
        >>> counts.rows, counts.distinct, counts.top
        (4, 2, 3)
    """

    prints: np.ndarray
    counts: np.ndarray
    rows: int
    error: int = 0
    many: bool = False

    @classmethod
    def of(cls, values: pa.Array) -> Counts:
        """Count values (no nulls)."""
        if pa.types.is_dictionary(values.type):
            uses = np.bincount(np.asarray(values.indices), minlength=len(values.dictionary))
            prints = fingerprints(values.dictionary)[uses > 0]
            return _summary(*_grouped(prints, uses[uses > 0]), rows=len(values))
        prints = fingerprints(values)
        return _summary(*_grouped(prints, np.ones(len(prints), np.int64)), rows=len(values))

    def __add__(self, other: Counts) -> Counts:
        grouped = _grouped(np.concatenate([self.prints, other.prints]), np.concatenate([self.counts, other.counts]))
        return _summary(*grouped, rows=self.rows + other.rows, error=self.error + other.error, many=self.many or other.many)

    @property
    def distinct(self) -> int:
        """Distinct values; 10,000 where there are as many or more."""
        return _MANY if self.many else len(self.prints)

    @property
    def top(self) -> int:
        """No value occurs more often."""
        return int(self.counts.max(initial=0)) + self.error

    @property
    def invertible(self) -> bool:
        """Few values that repeat, or one that stands out."""
        few = self.distinct < _MANY and 10 * self.distinct < 9 * self.rows
        return few or (self.top >= _ROWS and _SHARE * self.top > self.rows)


class FrequencyCheck:
    """Deterministic pseudonyms do not show who they are by how often they occur.

    Guarantee:
        Refused where a column has under 10,000 distinct tokens and under 0.9 x its non-null rows, or a token in 100 rows or more
        that are over 1 % of them. The subject, keys to one, and columns with `accept_frequency` are exempt.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> dict[str, Counts]:
        """Counts by column."""
        return {str(rule.path): Counts.of(batch.present[rule.path]) for rule in rules.leaves if _counted(rule, batch)}

    @staticmethod
    def merge(one: dict[str, Counts], other: dict[str, Counts]) -> dict[str, Counts]:
        """Counts added, at most 10,000 counters a column kept."""
        return merge_tallies(one, other)

    @staticmethod
    def verdict(partial: dict[str, Counts], rules: GateRules) -> CheckResult:
        """Refused where frequencies would invert a column."""
        bad = {column: counts for column, counts in sorted(partial.items()) if counts.invertible}
        if not bad:
            return CheckResult(check="frequency")
        parts = [
            f"column '{column}' has {counts.distinct:,} distinct tokens in {counts.rows:,} rows, the most frequent in {counts.top:,}"
            for column, counts in bad.items()
        ]
        return CheckResult(
            check="frequency",
            problems=tuple(
                Finding(column=column, entity="FREQUENCY", count=counts.distinct, total=counts.rows)
                for column, counts in bad.items()
            ),
            error=FrequencyError,
            message=f"{listed(parts)}: who knows how often a value occurs can tell it (needed: 10,000 distinct or 90 % of rows, and no "
            f"token over 1 %). Nothing was released from '{rules.dataset}'. Drop or generalise the column, or accept it with "
            "accept_frequency: REASON",
        )


def _counted(rule: LeafRule, batch: Batch) -> bool:
    return rule.frequency and rule.path in batch.present


def _grouped(prints: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(prints) == 0:
        return prints, counts.astype(np.int64)
    order = np.argsort(prints)
    ordered = prints[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[first], np.add.reduceat(counts[order].astype(np.int64), first)


def _summary(prints: np.ndarray, counts: np.ndarray, *, rows: int, error: int = 0, many: bool = False) -> Counts:
    many = many or len(prints) >= _MANY
    if len(prints) > _MANY:
        cut = int(np.partition(counts, len(counts) - _MANY - 1)[len(counts) - _MANY - 1])
        prints, counts, error = prints[counts > cut], counts[counts > cut] - cut, error + cut
    return Counts(prints, counts, rows, error, many)
