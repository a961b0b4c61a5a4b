"""The inner door's check of itself: no direct identifier of a row in a text cell written for that row. Called by `task`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from airlock.engines.rows import known_values, leaf_values
from airlock.plan.compile import Plan
from airlock.plan.known import identifier_paths, open_text
from airlock.policy.path import ColumnPath
from airlock.text.known import PLACEHOLDERS, KnownValues, occurrences

__all__ = ["ResidueCheck", "residue_check"]


@dataclass(frozen=True, slots=True)
class ResidueCheck:
    """Which raw values to look for, in which written columns.

    Attributes:
        identifiers: Raw leaves.
        texts: Written leaves.
        placeholders: By written leaf, what an operator itself puts in; words in them are not the row's.
    """

    identifiers: tuple[ColumnPath, ...]
    texts: tuple[tuple[ColumnPath, frozenset[str]], ...]

    def count(self, raw: pa.RecordBatch, written: pa.RecordBatch) -> int:
        """How many written cells hold a direct identifier of their row (rows of both batches correspond)."""
        known = known_values(raw, self.identifiers)
        whole = KnownValues.of(known)
        found = 0
        for path, placeholders in self.texts:
            texts, rows = leaf_values(written, path)
            if not len(texts):
                continue
            aligned = whole if _is_identity(rows, written.num_rows) else known.take(rows)
            found += occurrences(texts, aligned, placeholders=placeholders).true_count
        return found


def _is_identity(rows: pa.Array, count: int) -> bool:
    return len(rows) == count and bool((rows.to_numpy() == np.arange(count)).all())


def residue_check(plan: Plan) -> ResidueCheck | None:
    """The check that a plan needs; None where no written column leaves room for an identifier."""
    identifiers = identifier_paths(plan.policy, plan.reading.schema)
    texts = open_text(plan.policy)
    if not texts or not identifiers:
        return None
    return ResidueCheck(
        identifiers,
        tuple((path, PLACEHOLDERS | frozenset(getattr(plan.operators[path], "placeholders", ()))) for path in texts),
    )
