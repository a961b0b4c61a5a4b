"""The inner door's check of operators whose output looks like their input: more values than by chance came out as they went in.
Called by `task`, split by split; the gate can't see it.
"""

from __future__ import annotations

import math
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from airlock.engines.rows import leaf_values
from airlock.errors import UnchangedValuesError
from airlock.plan.compile import Plan

__all__ = ["ChangeCounter"]

_SLACK = 4
"""Values that may come out unchanged in a split whatever the chance: a permutation has fixed points."""

_DEVIATIONS = 6
"""Standard deviations above the expected number: once in a billion splits."""

_LOOKED_AT = 65_536
"""Rows of a split in which pairs are told apart: that costs a hundred nanoseconds a row, comparing alone one."""


class ChangeCounter:
    """Counts a split's unchanged values in the columns concerned.

    Where some come out unchanged by chance (surrogates), a frequent value would count in all its rows: there a value counts once
    with each output it has, over the split's first rows.
    """

    def __init__(self, plan: Plan) -> None:
        contracts = {path: operator.contract for path, operator in plan.operators.items()}
        self._chances = {path: one.chance for path, one in contracts.items() if one.same_form and not one.partly}
        self._pairs = {path: _Pairs() for path, chance in self._chances.items() if chance}
        self._values: Counter[str] = Counter()
        self._same: Counter[str] = Counter()

    def add(self, raw: pa.RecordBatch, written: pa.RecordBatch) -> None:
        """Compare a batch with what became of it; rows correspond."""
        for path in self._chances:
            before, after = leaf_values(raw, path)[0], leaf_values(written, path)[0]
            if before.type != after.type:
                continue
            if before.type == pa.string_view():
                before, after = before.cast(pa.large_string()), after.cast(pa.large_string())
            if path in self._pairs:
                self._pairs[path].add(before, after)
                continue
            same = pc.equal(before, after)
            self._values[str(path)] += len(same) - same.null_count
            self._same[str(path)] += same.true_count

    def demand(self) -> None:
        """Refuse the split if a column has more unchanged values than chance explains.

        Raises:
            UnchangedValuesError: It has; `facts` names the column.
        """
        for path, chance in self._chances.items():
            name = str(path)
            if path in self._pairs:
                self._values[name], self._same[name] = self._pairs[path].count()
            expected = self._values[name] * chance
            if self._same[name] > _SLACK + expected + _DEVIATIONS * math.sqrt(expected):
                raise UnchangedValuesError(
                    f"column '{name}': {self._same[name]:,} of {self._values[name]:,} values came out as they went in, expected about "
                    f"{expected:,.0f} by chance. Nothing was staged",
                    column=name,
                )


class _Pairs:
    """Different pairs of a value and what became of it."""

    def __init__(self) -> None:
        self._rows = 0
        self._found: list[pa.Table] = []

    def add(self, before: pa.Array, after: pa.Array) -> None:
        table = pa.table({"before": before, "after": after}).slice(0, _LOOKED_AT - self._rows)
        self._rows += len(table)
        if len(table):
            self._found.append(_distinct(table))

    def count(self) -> tuple[int, int]:
        """How many there are that are not null, and how many of them are of two equal values."""
        if not self._found:
            return 0, 0
        pairs = _distinct(pa.concat_tables(self._found))
        equal = pc.equal(pairs["before"], pairs["after"]).drop_null()
        return len(equal), int(pc.sum(equal).as_py() or 0)


def _distinct(table: pa.Table) -> pa.Table:
    return table.group_by(["before", "after"]).aggregate([])
