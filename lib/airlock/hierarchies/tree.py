"""What stands above a value in a generalization tree. Pure; called by `hierarchy`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["climb"]


def climb(values: pa.Array, leaves: pa.Array, labels: pa.Array) -> pa.Array:
    """Each value's label; null where it is no leaf, or null.

    Args:
        values: Text.
        leaves: Distinct texts of the same type.
        labels: As long as `leaves`.

    Example:
        >>> climb(pa.array(["flu", "?", None]), pa.array(["ulcer", "flu"]), pa.array(["gut", "lung"])).to_pylist()
        ['lung', None, None]
    """
    return labels.take(pc.index_in(values, value_set=leaves))
