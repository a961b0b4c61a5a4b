"""The inner door's check of itself: no direct identifier of a row in a text cell written for that row. Called by `task`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.columns import ByteColumn
from airlock.engines.rows import known_values, leaf_values, spelled
from airlock.plan.compile import Plan
from airlock.plan.known import identifier_paths, open_text, shape_of
from airlock.policy.choices import MASKED, open_masks
from airlock.policy.formats import shape_parts
from airlock.policy.path import ColumnPath
from airlock.text.known import PLACEHOLDERS, KnownValues, occurrences

__all__ = ["ResidueCheck", "residue_check"]

_TEXT = (pa.string(), pa.large_string(), pa.string_view())

_MARKERS = ("0123456789", "@")
"""Characters that folding neither adds, drops nor changes. A value that holds one of a kind can't occur in a text without any of
that kind; so a column of city names is done with at a glance, whatever the ids, phones and addresses of its rows."""


_Known = dict[str, tuple[pa.ListArray, KnownValues]]
"""What to look for, by the markers that texts lack."""


@dataclass(frozen=True, slots=True)
class ResidueCheck:
    """Which raw values to look for, in which written columns.

    Attributes:
        identifiers: Raw leaves.
        texts: Written leaves, and what an operator itself puts in there; words in that are not the row's.
        masks: Of masked ones the characters that may stand where the row's own identifier had another.
    """

    identifiers: tuple[ColumnPath, ...]
    texts: tuple[tuple[ColumnPath, frozenset[str]], ...]
    masks: Mapping[ColumnPath, frozenset[str]] = field(default_factory=dict)

    def count(self, raw: pa.RecordBatch, written: pa.RecordBatch) -> Counter[str]:
        """How many written cells hold a direct identifier of their row, by column (rows of both batches correspond)."""
        found: Counter[str] = Counter()
        known: _Known = {}
        for path, placeholders in self.texts:
            texts, rows = leaf_values(written, path)
            if texts.type not in _TEXT:
                texts = spelled(texts)
            cells = [self._cells(again, rows, placeholders, raw, known) for again in self._readings(path, texts)]
            found[str(path)] += int(np.logical_or.reduce(cells).sum())
        return +found

    def _readings(self, path: ColumnPath, texts: pa.Array) -> Iterator[pa.Array]:
        yield texts
        for char in self.masks.get(path, ()):
            yield from (pc.replace_substring(texts.cast(pa.large_string()), char, each) for each in MASKED if each != char)

    def _cells(
        self, texts: pa.Array, rows: pa.Array, placeholders: frozenset[str], raw: pa.RecordBatch, known: _Known
    ) -> NDArray[np.bool_]:
        """Which texts hold an identifier of their row."""
        absent = _absent(texts)
        if absent not in known:
            values = known_values(raw, self.identifiers, partial(_possible, absent))
            known[absent] = (values, KnownValues.of(values))
        values, whole = known[absent]
        if not len(texts) or not len(values.values):
            return np.zeros(len(texts), dtype=bool)
        aligned = whole if _is_identity(rows, raw.num_rows) else values.take(rows)
        return np.asarray(occurrences(texts, aligned, placeholders=placeholders))


def _absent(texts: pa.Array) -> str:
    """The markers of which a column holds none; '' where it is not plain ASCII, for folding may bring them in."""
    content = ByteColumn.of(texts).compact().data
    present = np.bincount(content, minlength=256) > 0
    if present[128:].any():
        return ""
    return "".join(kind for kind in _MARKERS if not any(present[ord(char)] for char in kind))


def _possible(absent: str, values: pa.Array) -> pa.BooleanArray:
    if not absent:
        return values.is_valid()
    if pa.types.is_integer(values.type):
        return values.is_valid() if "0" not in absent else pa.array(np.zeros(len(values), dtype=bool))
    text = spelled(values)
    return pc.and_(pa.array(~_marked(ByteColumn.of(text).compact(), absent)), text.is_valid())


def _marked(column: ByteColumn, absent: str) -> NDArray[np.bool_]:
    """Which values hold one of the characters `absent`. Most are done with by their last byte (phones, SSNs) or one '@' each."""
    marks = np.zeros(256, dtype=bool)
    marks[[ord(char) for char in absent]] = True
    starts, stops = column.offsets[:-1], column.offsets[1:]
    found = np.zeros(len(starts), dtype=bool)
    filled = stops > starts
    found[filled] = marks[column.data[stops[filled] - 1]]
    if "@" in absent and not found.all():
        at = np.flatnonzero(column.data == ord("@"))
        found[np.searchsorted(stops, at, side="right")] = True
    if not found.all():
        left = np.flatnonzero(~found)
        seen = np.concatenate([[0], np.cumsum(marks[column.data], dtype=np.int64)])
        found[left] = seen[stops[left]] > seen[starts[left]]
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
        {path: frozenset(open_masks(shape_parts(shape_of(plan.policy, path)))) for path in texts},
    )
