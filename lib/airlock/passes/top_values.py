"""The most frequent values of a column over the whole dataset; all others become one. The pass of operator `keep_top`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airlock.keys import SubKeys
from airlock.passes._base import DatasetPass, Leaf
from airlock.policy.path import ColumnPath

__all__ = ["TopValues"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopValues(DatasetPass):
    """The `n` values that stand in most rows, each in `min_count` or more; ties go to the smaller value, text by its bytes.

    A summary has each value with the number of its rows, exactly; inside a list or map a row counts once for a value. A conclusion
    has the values that stay.

    Example:
        >>> top = TopValues(path=ColumnPath(("job",)), n=1, min_count=2, other="other")
        >>> jobs = pa.array(["cook", "cook", "mayor", None])
        >>> concluded = top.conclude(top.summarize([Leaf(jobs, pa.array([0, 1, 2, 3]))]))
        >>> top.carry_out([jobs], concluded, None)[0].to_pylist()
        ['cook', 'cook', 'other', None]
    """

    path: ColumnPath
    n: int
    min_count: int
    other: str | int | None

    @property
    def reads(self) -> tuple[ColumnPath, ...]:
        """The leaf."""
        return (self.path,)

    @property
    def writes(self) -> tuple[ColumnPath, ...]:
        """The leaf."""
        return (self.path,)

    def summarize(self, leaves: Sequence[Leaf]) -> pa.Table:
        """Rows by value."""
        ((values, rows),) = leaves
        values = _plain(values)
        if self.path.repeated:
            pairs = pa.table({"value": values, "row": rows}).group_by(["value", "row"]).aggregate([])
            values = pairs["value"].combine_chunks()
        counted = pc.value_counts(values.drop_null())
        return self.merge([pa.table({"value": counted.field("values"), "rows": counted.field("counts")})])

    def merge(self, summaries: Sequence[pa.Table]) -> pa.Table:
        """Counts added, by rising value."""
        both = pa.concat_tables(summaries)
        if len(summaries) > 1:
            both = both.group_by("value").aggregate([("rows", "sum")]).rename_columns({"rows_sum": "rows"})
        return both.sort_by("value").combine_chunks()

    def conclude(self, summary: pa.Table, *, spare: int = 0) -> pa.Table:
        """The values that stay, rising: the same list gives the same table, whatever the counts."""
        enough = pc.greater_equal(summary["rows"], self.min_count + spare)
        if self.other is not None:
            enough = pc.and_(enough, pc.not_equal(summary["value"], pa.scalar(self.other, summary.schema.field("value").type)))
        frequent = summary.filter(enough)
        # The summary is in the order of values, and the sort is stable.
        top = frequent.take(pc.sort_indices(frequent, sort_keys=[("rows", "descending")]).slice(0, self.n))
        return top.select(["value"]).sort_by("value").combine_chunks()

    def nothing(self, types: Sequence[pa.DataType]) -> pa.Table:
        """No value stays."""
        (data_type,) = types
        return pa.table({"value": _plain(pa.array([], data_type))})

    def carry_out(self, columns: Sequence[pa.Array], concluded: pa.Table, keys: SubKeys | None) -> list[pa.Array]:
        """A look at each value's place among those that stay."""
        del keys
        (column,) = columns
        values, stay = _plain(column), concluded["value"].combine_chunks()
        among = pc.or_(pc.is_in(values, value_set=stay), pc.is_null(values))
        return [pc.if_else(among, values, pa.scalar(self.other, values.type)).cast(column.type)]


def _plain(values: pa.Array) -> pa.Array:
    """In a layout over which Arrow's hash functions work: of text one for all, so that summaries of any files merge."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode()
    return values.cast(pa.large_string()) if values.type in (pa.string(), pa.string_view()) else values
