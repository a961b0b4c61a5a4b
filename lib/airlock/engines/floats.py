"""Floats as they are written: every NaN with the same bits. Called by `staging`.

A NaN has 51 bits that nobody looks at; a source's would go through every operator that leaves NaN alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["one_nan"]


def one_nan(array: pa.Array) -> pa.Array:
    """The same values at every depth, all NaNs alike.

    Example:
        >>> strange = np.array([0x7FF8_0000_DEAD_BEEF], np.uint64).view(np.float64)
        >>> hex(np.asarray(one_nan(pa.array(strange))).view(np.uint64)[0])
        '0x7ff8000000000000'
    """
    kind = array.type
    if not _holds_floats(kind):
        return array
    if pa.types.is_struct(kind):
        children = [one_nan(array.field(at)) for at in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if pa.types.is_map(kind):
        first, count = _window(array)
        keys, items = (one_nan(side.slice(first, count)) for side in (array.keys, array.items))
        return pa.MapArray.from_arrays(
            pc.subtract(array.offsets, array.offsets[0]), keys, items, type=kind, mask=array.is_null()
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        first, count = _window(array)
        offsets, values = pc.subtract(array.offsets, array.offsets[0]), one_nan(array.values.slice(first, count))
        return type(array).from_arrays(offsets, values, type=kind, mask=array.is_null())
    return _floats(array)


def _holds_floats(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or any(_holds_floats(kind.field(at).type) for at in range(kind.num_fields))


def _window(array: pa.Array) -> tuple[int, int]:
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return first, last - first


def _floats(array: pa.FloatingPointArray) -> pa.Array:
    values = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())[array.offset :][: len(array)]
    nans = np.isnan(values)
    if not nans.any():
        return array
    return pa.array(np.where(nans, values.dtype.type(np.nan), values), array.type, mask=np.asarray(array.is_null()))
