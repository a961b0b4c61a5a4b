"""Passes over row groups, carried out before each is written, and the inner door's check that they did their work: the gate can't
see where a permuted value came from. Called by `task`, which gives it to the writer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import UnchangedValuesError
from airlock.keys import SubKeys
from airlock.passes import RowGroupPass

__all__ = ["GroupPasses"]

_SLACK, _DEVIATIONS = 4, 6
"""Values that may stay in their row in a split whatever the chance, and standard deviations above the expected number."""

_COMPARABLE = {
    pa.string_view(): pa.large_string(),
    pa.binary_view(): pa.large_binary(),
    pa.float16(): pa.float32(),
    pa.null(): pa.int8(),
}


class GroupPasses:
    """Some passes over row groups, and how many values they left where they were."""

    def __init__(self, passes: Sequence[RowGroupPass], keys: SubKeys) -> None:
        self._passes, self._keys = passes, keys
        self._stayed: Counter[str] = Counter()
        self._expected: Counter[str] = Counter()
        self.min_rows = max((one.min_rows for one in self._passes), default=0)

    def __call__(self, group: pa.Table, place: str) -> pa.Table:
        """The group after every pass."""
        for one in self._passes:
            made = one.carry_out(group, place, self._keys)
            for path in one.writes:
                self._compare(path.column, group.column(path.column), made.column(path.column))
            group = made
        return group

    def _compare(self, name: str, before: pa.ChunkedArray, after: pa.ChunkedArray) -> None:
        before, after = _comparable(before), _comparable(after)
        counts = pc.value_counts(before).field("counts").to_numpy().astype(float)
        self._stayed[name] += pc.equal(before, after).true_count + pc.and_(before.is_null(), after.is_null()).true_count
        # A value that stands in c of n rows falls on one of its own in c/n of c cases.
        self._expected[name] += float((counts**2).sum() / len(before))  # type: ignore[assignment]

    def demand(self) -> None:
        """Refuse the split if more values of a column stayed in their row than chance explains.

        Raises:
            UnchangedValuesError: They did; `facts` names the column.
        """
        for name, stayed in self._stayed.items():
            expected = self._expected[name]
            if stayed > _SLACK + expected + _DEVIATIONS * math.sqrt(expected):
                raise UnchangedValuesError(
                    f"column '{name}': {stayed:,} permuted values are in the row that they came from, expected about {expected:,.0f} by "
                    "chance. Nothing was staged",
                    column=name,
                )


def _comparable(column: pa.ChunkedArray) -> pa.Array:
    """In a layout that Arrow can count and compare."""
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    plain = whole.dictionary_decode() if isinstance(whole, pa.DictionaryArray) else whole
    if pa.types.is_decimal32(plain.type) or pa.types.is_decimal64(plain.type):
        return plain.cast(pa.decimal128(plain.type.precision, plain.type.scale))
    return plain.cast(_COMPARABLE.get(plain.type, plain.type))
