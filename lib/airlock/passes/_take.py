"""Values in another order, in every Arrow layout. Called by the passes that move values."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["taken"]

_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
"""Arrow has no take over views."""


def taken(column: pa.ChunkedArray, order: pa.Array) -> pa.ChunkedArray:
    """The values that stand at `order`, of the same type.

    Example:
        >>> taken(pa.chunked_array([["a", "b"]], pa.string_view()), pa.array([1, 0])).to_pylist()
        ['b', 'a']
    """
    laid_out = _VIEWS.get(column.type)
    return column.take(order) if laid_out is None else column.cast(laid_out).take(order).cast(column.type)
