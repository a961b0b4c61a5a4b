"""The inner door's check of operators that the gate can't see through: more values than by chance came out as they went in.
Called by `task`, split by split.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.crypto.columns import ByteColumn, text_array, validity
from airlock.engines.rows import aligned_values, leaf_values
from airlock.errors import UnchangedValuesError
from airlock.operators import Operator, leaf_operators
from airlock.plan.compile import Plan
from airlock.policy.path import ColumnPath

__all__ = ["ChangeCounter"]

_RARE = 1e-6
"""Below it a chance is so small that values can be compared in all rows, and with those of other rows."""

_ONCE, _MANY, _DEVIATIONS = 1e-9, 500, 6
"""How often chance alone may refuse a split; and, of expected numbers above 500, standard deviations that are as rare."""

_LOOKED_AT = 65_536
"""Rows of a split in which pairs are told apart: that costs a hundred nanoseconds a row, comparing alone one."""

_TEXT = (pa.string(), pa.large_string())


class ChangeCounter:
    """Counts a split's unchanged values in the columns concerned: those of keyed operators, and of any that keep a value's form.

    Where some come out unchanged by chance (surrogates), a frequent value would count in all its rows: there a value counts once
    with each output it has, over the split's first rows.
    """

    def __init__(self, plan: Plan) -> None:
        self._columns = {path: _Column(operator) for path, operator in plan.operators.items() if _changes_all(path, operator)}

    def add(self, raw: pa.RecordBatch, written: pa.RecordBatch) -> None:
        """Compare a batch with what became of it; rows correspond."""
        for path, column in self._columns.items():
            before, after = leaf_values(raw, path)[0], leaf_values(written, path)[0]
            if before.type != after.type and before.type in _TEXT and after.type in _TEXT:
                before, after = before.cast(pa.large_string()), after.cast(pa.large_string())
            if before.type == after.type:
                column.add(before, after, aligned_values(raw, path, column.subject) if column.subject else None)

    def demand(self) -> None:
        """Refuse the split if a column has more unchanged values than chance explains.

        Raises:
            UnchangedValuesError: It has; `facts` names the column.
        """
        for path, column in self._columns.items():
            for found, of, expected, what in column.counts():
                if found > _most(expected):
                    raise UnchangedValuesError(
                        f"column '{path}': {found:,} of {of:,} values {what}, expected about {expected:,.0f} by chance. Nothing was staged",
                        column=str(path),
                    )


def _changes_all(path: ColumnPath, operator: Operator) -> bool:
    """Whether every value passes through what must change it; a pass over row groups has a check of its own."""
    leaves = [leaf.contract for leaf in leaf_operators(operator)]
    return all(one.same_form or one.keyed for one in leaves) and operator.pass_over(path) is None


def _most(expected: float) -> float:
    """The highest number that chance explains: Poisson's law, as each value is itself for its own reason.

    Example:
        >>> _most(0.0), _most(1e-4), _most(10.0)
        (0, 2, 34)
    """
    if expected > _MANY:
        return expected + _DEVIATIONS * math.sqrt(expected)
    count, share = 0, math.exp(-expected)
    more = 1 - share
    while more > _ONCE:
        count += 1
        share *= expected / count
        more -= share
    return count


_Counts = list[tuple[int, int, float, str]]
"""Values found, of how many, how many were expected, and what happened to them."""


class _Counter(Protocol):
    def add(self, before: pa.Array, after: pa.Array, subject: pa.Array | None) -> None: ...

    def counts(self) -> _Counts: ...


class _Column:
    """One column's comparison."""

    def __init__(self, operator: Operator) -> None:
        subject = getattr(operator, "subject", None)
        self.subject = ColumnPath.parse(subject) if subject else None
        self._ignored = getattr(operator, "ignored", "")
        chance = operator.contract.chance
        self._counter: _Counter = _Rows(chance) if chance < _RARE else _Pairs(chance)

    def add(self, before: pa.Array, after: pa.Array, subject: pa.Array | None) -> None:
        if self._ignored and before.type in _TEXT:
            before, after = _without(before, self._ignored), _without(after, self._ignored)
        self._counter.add(before, after, subject)

    def counts(self) -> _Counts:
        return self._counter.counts()


def _without(texts: pa.Array, characters: str) -> pa.Array:
    """Texts without some characters, of those that are ASCII.

    Example:
        >>> _without(pa.array(["12-34", None, "5 6"]), " -").to_pylist()
        ['1234', None, '56']
    """
    column = ByteColumn.of(texts).compact()
    kept = np.ones(256, bool)
    kept[[ord(one) for one in characters if one.isascii()]] = False
    stays = kept[column.data]
    before = np.concatenate([[0], np.cumsum(stays, dtype=np.int64)])
    return text_array(ByteColumn(before[column.offsets], column.data[stays]), validity(texts)).cast(pa.large_string())


class _Rows:
    """Every row; and, where there is a chance at all, whether a value that went in came out anywhere in the batch."""

    def __init__(self, chance: float) -> None:
        self._chance = chance
        self._values = self._same = 0
        self._stayed: list[pa.Array] = []
        self._moved: list[pa.Array] = []
        self._expected = 0.0

    def add(self, before: pa.Array, after: pa.Array, subject: pa.Array | None) -> None:
        del subject
        same = pc.equal(before, after)
        self._values += len(same) - same.null_count
        if not self._chance:
            self._same += same.true_count
            return
        # A value that is itself by chance is so in all its rows: each counts once.
        self._stayed.append(before.filter(same).unique())
        known = before.drop_null().unique()
        self._moved.append(after.filter(pc.is_in(after, value_set=known)).unique())
        self._expected += len(known) * (len(after) - after.null_count) * self._chance

    def counts(self) -> _Counts:
        same = self._same + _different(self._stayed)
        return [
            (same, self._values, self._values * self._chance, "came out as they went in"),
            (_different(self._moved), self._values, self._expected, "came out that went in, in these rows or others"),
        ]


def _different(arrays: list[pa.Array]) -> int:
    return len(pa.concat_arrays(arrays).unique()) if arrays else 0


class _Pairs:
    """Different pairs of a value, of one subject where that matters, and what became of it."""

    def __init__(self, chance: float) -> None:
        self._chance = chance
        self._rows = 0
        self._found: list[pa.Table] = []

    def add(self, before: pa.Array, after: pa.Array, subject: pa.Array | None) -> None:
        columns = {"before": before, "after": after} | ({} if subject is None else {"subject": subject})
        table = pa.table(columns).slice(0, _LOOKED_AT - self._rows)
        self._rows += len(table)
        if len(table):
            self._found.append(_distinct(table))

    def counts(self) -> _Counts:
        if not self._found:
            return []
        pairs = _distinct(pa.concat_tables(self._found))
        equal = pc.equal(pairs["before"], pairs["after"]).drop_null()
        same = int(pc.sum(equal).as_py() or 0)
        return [(same, len(equal), len(equal) * self._chance, "came out as they went in")]


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(table.column_names).aggregate([])
