"""Keyed permutations within row groups: of all rows, and of one column alone. Carried out where staged row groups are made."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from airlock.crypto.permute import permutation
from airlock.errors import FewRowsError
from airlock.keys import KeyRequest, SubKeys
from airlock.passes._base import RowGroupPass
from airlock.passes._take import taken
from airlock.policy.path import ColumnPath

__all__ = ["ORDER", "PERMUTE", "Permutation", "RowOrder"]

ORDER = KeyRequest("order", "aes-ctr")
PERMUTE = KeyRequest("permute", "aes-ctr")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOrder(RowGroupPass):
    """All rows of a group in another order: input order is a quasi-identifier. Rows stay whole."""

    @property
    def reads(self) -> tuple[ColumnPath, ...]:
        """No value: their places alone."""
        return ()

    @property
    def writes(self) -> tuple[ColumnPath, ...]:
        """No value: their places alone."""
        return ()

    def carry_out(self, group: pa.Table, place: str, keys: SubKeys) -> pa.Table:
        """Every column in the same new order."""
        order = pa.array(permutation(keys[ORDER], place, group.num_rows))
        return pa.Table.from_arrays([taken(column, order) for column in group.columns], schema=group.schema)


@dataclass(frozen=True, kw_only=True)
class Permutation(RowGroupPass):
    """One top-level column's values, nulls among them, in another order than the rest of the rows.

    Each column of each group has a key stream of its own, and none shares one with the order of rows.

    Example:
        >>> keys = SubKeys({PERMUTE: bytes(32)}, {PERMUTE: "permute/r/1:0"})
        >>> group = pa.table({"id": [1, 2, 3, 4], "pay": [10, 20, 30, 40]})
        >>> Permutation(column="pay", min_rows=4).carry_out(group, "split/0", keys).to_pydict()
        {'id': [1, 2, 3, 4], 'pay': [20, 40, 10, 30]}
    """

    column: str
    min_rows: int

    @property
    def reads(self) -> tuple[ColumnPath, ...]:
        """The column."""
        return (ColumnPath((self.column,)),)

    @property
    def writes(self) -> tuple[ColumnPath, ...]:
        """The column."""
        return self.reads

    def carry_out(self, group: pa.Table, place: str, keys: SubKeys) -> pa.Table:
        """The column's values elsewhere."""
        if group.num_rows < self.min_rows:
            raise FewRowsError(
                f"column '{self.column}': a row group of a split has {group.num_rows:,} rows, its values are permuted among "
                f"{self.min_rows:,} or more. Nothing was staged. Join small files at the source, lower min_rows, or drop the column",
                column=self.column,
            )
        order = pa.array(permutation(keys[PERMUTE], f"{place}/{self.column}", group.num_rows))
        at = group.schema.get_field_index(self.column)
        return group.set_column(at, group.schema.field(at), taken(group.column(at), order))
