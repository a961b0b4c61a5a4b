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


class ChangeCounter:
    """Counts a split's unchanged values in the columns concerned."""

    def __init__(self, plan: Plan) -> None:
        contracts = {path: operator.contract for path, operator in plan.operators.items()}
        self._chances = {path: one.chance for path, one in contracts.items() if one.same_form and not one.partly}
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
            expected = self._values[name] * chance
            if self._same[name] > _SLACK + expected + _DEVIATIONS * math.sqrt(expected):
                raise UnchangedValuesError(
                    f"column '{name}': {self._same[name]:,} of {self._values[name]:,} values came out as they went in, expected about "
                    f"{expected:,.0f} by chance. Nothing was staged",
                    column=name,
                )
