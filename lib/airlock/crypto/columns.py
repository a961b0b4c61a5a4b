"""Arrow columns of text and bytes as numpy sees them, and back: no copy where the layout allows it.

Called by the primitives here and by the operators that work on bytes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.aes import Uint8s

__all__ = [
    "ByteColumn",
    "empty_nulls",
    "is_ascii",
    "is_byte_type",
    "malformed_utf8",
    "movable",
    "nulls",
    "room",
    "runs",
    "scattered",
    "takeable",
    "text_array",
    "validity",
]

Offsets = NDArray[np.signedinteger[Any]]

_SURROGATES = 0xDC
"""High byte of the lone surrogates that stand for stray bytes (PEP 383)."""

_SMALL = (pa.string(), pa.binary())
_LARGE = (pa.large_string(), pa.large_binary())
_VIEWS = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def is_byte_type(data_type: pa.DataType) -> bool:
    """Whether values of this type are runs of bytes: text or binary of any layout."""
    return data_type in (*_SMALL, *_LARGE, *_VIEWS) or pa.types.is_fixed_size_binary(data_type)


def movable(data_type: pa.DataType) -> pa.DataType:
    """The type of the same values in a layout that Arrow can filter and take from: it has neither over views."""
    if data_type in _VIEWS:
        return _VIEWS[data_type]
    if pa.types.is_struct(data_type):
        return pa.struct([field.with_type(movable(field.type)) for field in data_type])
    if pa.types.is_list(data_type):
        return pa.list_(data_type.value_field.with_type(movable(data_type.value_type)))
    if pa.types.is_map(data_type):
        return pa.map_(data_type.key_field.with_type(movable(data_type.key_type)), movable(data_type.item_type))
    return data_type


def takeable(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The same values in such a layout.

    Example:
        >>> takeable(pa.array(["a", "b"], pa.string_view())).take(pa.array([1, 0])).to_pylist()
        ['b', 'a']
    """
    data_type = movable(values.type)
    return values if data_type == values.type else values.cast(data_type)


class ByteColumn(NamedTuple):
    """Value i is `data[offsets[i] : offsets[i + 1]]`. What stands at a null means nothing.

    Attributes:
        offsets: One more than there are values, rising.
        data: Read-only view of the column's buffer; may hold bytes before the first and after the last value.
    """

    offsets: Offsets
    data: Uint8s

    @classmethod
    def of(cls, values: pa.Array) -> ByteColumn:
        """View an array of text or bytes, sliced or not.

        Raises:
            TypeError: The array holds something else.

        Example:
            >>> ByteColumn.of(pa.array(["a", "bc", "d"]).slice(1)).offsets.tolist()
            [1, 3, 4]
        """
        if not is_byte_type(values.type):
            raise TypeError(f"needs text or binary values, found {values.type}")
        if pa.types.is_fixed_size_binary(values.type):
            values = values.cast(pa.binary())
        elif values.type in _VIEWS:
            values = values.cast(_VIEWS[values.type])
        if not len(values):
            return cls(np.zeros(1, np.int64), np.zeros(0, np.uint8))
        width = np.dtype(np.int32 if values.type in _SMALL else np.int64)
        _, offsets, data = values.buffers()
        window = slice(values.offset, values.offset + len(values) + 1)
        return cls(np.frombuffer(offsets, width)[window], np.frombuffer(data or b"", np.uint8))

    def compact(self) -> ByteColumn:
        """The same values with offsets from zero and no byte beyond them (a view of the data)."""
        first, last = int(self.offsets[0]), int(self.offsets[-1])
        return ByteColumn(self.offsets.astype(np.int64) - first, self.data[first:last])


def room(size: int) -> Uint8s:
    """Bytes to write an array's data into, out of Arrow's pool: it hands out memory again that numpy would give back."""
    return np.frombuffer(pa.allocate_buffer(size), np.uint8)


def runs(data: Uint8s, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Uint8s:
    """Runs of bytes, one after the other.

    Example:
        >>> runs(np.frombuffer(b"abcdef", np.uint8), np.array([4, 1]), np.array([2, 1])).tobytes()
        b'efb'
    """
    before = np.cumsum(lengths) - lengths
    return data[np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)]


def nulls(values: pa.Array) -> NDArray[np.bool_]:
    """True where the value is null."""
    found: NDArray[np.bool_] = pc.is_null(values).to_numpy(zero_copy_only=False)
    return found


def empty_nulls(values: pa.Array) -> pa.Array:
    """The same texts (not a view layout) without bytes under their nulls.

    Example:
        >>> hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(bytes([1])), pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"ab")])
        >>> ByteColumn.of(empty_nulls(hidden)).offsets.tolist()
        [0, 1, 1]
    """
    if not values.null_count or not np.diff(ByteColumn.of(values).offsets)[nulls(values)].any():
        return values
    # `take` copies no bytes where the index is null.
    return values.take(pa.array(np.arange(len(values)), mask=nulls(values)))


def validity(values: pa.Array) -> pa.Buffer | None:
    """A validity bitmap that starts at bit zero, or None where nothing is null."""
    if not values.null_count:
        return None
    return pa.py_buffer(np.packbits(~nulls(values), bitorder="little"))


def text_array(column: ByteColumn, valid: pa.Buffer | None = None) -> pa.Array:
    """A large_string array over the column's bytes, which must be UTF-8.

    Example:
        >>> text_array(ByteColumn(np.array([0, 1, 3]), np.frombuffer(b"abc", np.uint8))).to_pylist()
        ['a', 'bc']
    """
    offsets = np.ascontiguousarray(column.offsets, np.int64)
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(column.data))]
    return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def scattered(data: Uint8s, lengths: NDArray[np.int64], at: NDArray[np.int64], count: int, *, text: bool = False) -> pa.Array:
    """An array of `count` values: those at the places `at` lie in `data` one after the other, the rest is null.

    Its type is large_binary, or string for `text`, which must be UTF-8 and less than 2 GiB.

    Example:
        >>> scattered(np.frombuffer(b"abc", np.uint8), np.array([1, 2]), np.array([0, 2]), 3).to_pylist()
        [b'a', None, b'bc']
    """
    every = np.zeros(count + 1, np.int64)
    every[at + 1] = lengths
    valid = None
    if len(at) < count:
        held = np.zeros(count, bool)
        held[at] = True
        valid = pa.py_buffer(np.packbits(held, bitorder="little"))
    offsets = np.cumsum(every, dtype=np.int32 if text else np.int64)
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.string() if text else pa.large_binary(), count, buffers)


def is_ascii(column: ByteColumn) -> bool:
    """Whether every byte of the column is below 128."""
    data = column.compact().data
    return not len(data) or int(data.view(np.int8).min()) >= 0


def malformed_utf8(column: ByteColumn) -> NDArray[np.bool_]:
    r"""True where a value is not UTF-8.

    Example:
        >>> malformed_utf8(ByteColumn.of(pa.array([b"ok", b"a\xff", "é".encode()]))).tolist()
        [False, True, False]
    """
    offsets, data = column.compact()
    count = len(offsets) - 1
    bad = np.zeros(count, bool)
    if is_ascii(column):
        return bad
    # A byte that fits no character becomes a lone surrogate of its own.
    points = np.frombuffer(data.tobytes().decode("utf-8", "surrogateescape").encode("utf-32-le", "surrogatepass"), np.uint32)
    strays = (points >> 8) == _SURROGATES
    widths = np.where(strays, 1, 1 + (points >= 1 << 7) + (points >= 1 << 11) + (points >= 1 << 16))
    starts = np.cumsum(widths) - widths
    bad[np.searchsorted(offsets, starts[strays], side="right") - 1] = True
    # A character that runs on into the next value is whole in the buffer and broken in both values.
    torn = np.ones(len(data) + 1, bool)
    torn[starts] = torn[-1] = False
    return bad | ((torn[offsets[1:]] | torn[offsets[:-1]]) & (np.diff(offsets) > 0))
