"""Values in another order, in every Arrow layout. Called by the passes that move values."""

from __future__ import annotations

import pyarrow as pa

from airlock.crypto.columns import takeable

__all__ = ["taken"]


def taken(column: pa.ChunkedArray, order: pa.Array) -> pa.ChunkedArray:
    """The values that stand at `order`, of the same type.

    Example:
        >>> taken(pa.chunked_array([["a", "b"]], pa.string_view()), pa.array([1, 0])).to_pylist()
        ['b', 'a']
    """
    return takeable(column).take(order).cast(column.type)
