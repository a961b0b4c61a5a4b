"""Columns cut into whole AES blocks, padded on the way if asked, and back to bytes. Called by `siv` and `encode_bytes`.

A value takes as many blocks as it needs, one after the other in one array, so that what is done to every block is one numpy call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn, room, scattered

__all__ = [
    "ITEM", "BlockItems", "Blocks", "ByteSink", "Indices", "Sink", "batches", "cut", "put_rows", "rows_at", "unpadded", "windows", "words",
]  # fmt: skip

BlockItems = NDArray[np.void]
Indices = NDArray[np.int64]

ITEM = np.dtype((np.void, BLOCK))
"""A block as one thing that numpy moves at once."""

_MARK = 0x80
"""First byte of the padding of ISO/IEC 7816-4; zeros follow."""

_KEPT = np.tri(BLOCK + 1, BLOCK, -1, dtype=bool)
"""By how many bytes of a block count, 0 to 16: which."""
_MASK = np.where(_KEPT, np.uint8(0xFF), np.uint8(0)).view(ITEM)[:, 0]

_BATCH_BYTES = 1 << 20

_ALIKE = 2_048
"""So many values of one length, on average, are worth calls of their own."""


def words(blocks: BlockItems) -> Uint64s:
    """The same memory as pairs of native words."""
    return blocks.view(np.uint64)


def batches(lengths: Indices) -> Iterator[Indices]:
    """Places of at most `BATCH` values and about a megabyte, so that what is computed on the way stays small.

    Values of one length come together where a batch has few lengths: then nothing need be looked up for each block.
    """
    total = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(total[start]) - int(lengths[start])
        stop = max(start + 1, int(np.searchsorted(total, before + _BATCH_BYTES, side="right")))
        stop = min(stop, start + BATCH, len(lengths))
        mine, places = lengths[start:stop], np.arange(start, stop)
        found = np.unique(mine) if int(mine.max()) >= BATCH else np.flatnonzero(np.bincount(mine))
        if 1 < len(found) <= len(mine) // _ALIKE:
            yield from (places[mine == length] for length in found)
        else:
            yield places
        start = stop


def rows_at(data: Uint8s, starts: Indices, width: int) -> Uint8s:
    """Runs of `width` bytes as a matrix."""
    return _runs(data, width)[starts].view(np.uint8).reshape(-1, width)


def put_rows(out: Uint8s, starts: Indices, rows: BlockItems) -> None:
    """Write runs of bytes, one move each, in order where they overlap."""
    _runs(out, rows.itemsize)[starts] = rows


def _runs(data: Uint8s, width: int) -> BlockItems:
    return np.ndarray((len(data) - width + 1,), np.dtype((np.void, width)), data, strides=(1,))


class Blocks(NamedTuple):
    """Value i is the first `lengths[i]` bytes of `counts[i]` blocks from `firsts[i]` on; an empty one has a block, too.

    Attributes:
        each: How many blocks every value has, if all have as many, else 0.
    """

    data: BlockItems
    lengths: Indices
    counts: Indices
    firsts: Indices
    each: int

    @classmethod
    def of(cls, data: Uint8s, starts: Indices, lengths: Indices, pad_to: int | None = None) -> Blocks:
        """Cut values, zeros after the last byte of each.

        Args:
            data: Where value i is `data[starts[i] : starts[i] + lengths[i]]`.
            starts: Of the values.
            lengths: Of the values.
            pad_to: Add ISO/IEC 7816-4 padding up to a multiple of so many bytes (itself a multiple of 16).
        """
        long = lengths if pad_to is None else (lengths // pad_to + 1) * pad_to
        counts = np.maximum((long + BLOCK - 1) >> 4, 1)
        firsts, most = np.cumsum(counts) - counts, int(counts.max())
        each = most if most == int(counts.min()) else 0
        if each and pad_to in (None, BLOCK):
            roomy = np.concatenate([data, np.zeros(BLOCK * each, np.uint8)])
            blocks = rows_at(roomy, starts, BLOCK * each).view(ITEM)
            ends = words(_MASK[lengths - BLOCK * (each - 1)]).reshape(-1, 2)
            blocks.view(np.uint64).reshape(len(counts), -1)[:, -2:] &= ends
            blocks = blocks.ravel()
        else:
            blocks, _, _ = cut(data, starts, lengths, counts)
        if pad_to:
            blocks.view(np.uint8)[(firsts << 4) + lengths] = _MARK
        return cls(blocks, long, counts, firsts, each)

    def spread(self, what: NDArray[Any]) -> NDArray[Any]:
        """For each block what its value has."""
        return np.repeat(what, self.each or self.counts)

    def numbers(self) -> Indices:
        """Each block's place in its value, from 0."""
        if self.each:
            return np.tile(np.arange(self.each), len(self.counts))
        return np.arange(len(self.data)) - self.spread(self.firsts)

    def masked(self, data: BlockItems) -> Blocks:
        """Other blocks for values of the same lengths; what stands beyond them becomes zero."""
        made = data.copy()
        words(made)[:] &= words(_MASK[self.held()])
        return self._replace(data=made)

    def joined(self, heads: Sequence[BlockItems] = ()) -> Uint8s:
        """The values' bytes one after the other, before each its block of every head."""
        before = len(heads)
        if self.each:
            rows = np.empty((len(self.counts), before + self.each), ITEM)
            for place, head in enumerate(heads):
                rows[:, place] = head
            rows[:, before:] = self.data.reshape(-1, self.each)
            return self._bytes(rows.ravel(), before)
        made = np.empty(len(self.data) + before * len(self.counts), ITEM)
        begins = self.firsts + before * np.arange(len(self.counts))
        for place, head in enumerate(heads):
            made[begins + place] = head
        made[self.spread(begins + before) + self.numbers()] = self.data
        return self._bytes(made, before)

    def held(self) -> Indices:
        """How many of its value's bytes each block holds."""
        return np.clip(self.spread(self.lengths) - (self.numbers() << 4), 0, BLOCK)

    def _bytes(self, data: BlockItems, before: int) -> Uint8s:
        whole = data.view(np.uint8)
        if not (self.lengths - (self.counts << 4)).any():
            return whole
        counts, each = self.counts + before, self.each and self.each + before
        return whole[
            _KEPT[Blocks(data, self.lengths + BLOCK * before, counts, np.cumsum(counts) - counts, each).held()].ravel()
        ]


def cut(
    data: Uint8s, starts: Indices, lengths: Indices, counts: Indices, step: int = BLOCK
) -> tuple[BlockItems, Indices, Indices]:
    """Pieces of `step` bytes (at most 16), `counts[i]` of them of value i, zeros after its last byte.

    Returns:
        The pieces as blocks, whose value each is of, and how many bytes of it come before.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    at = (np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]) * step
    # The last windows reach beyond the data; so may pieces of padding alone.
    roomy = np.concatenate([data, np.zeros(BLOCK, np.uint8)])
    pieces = windows(roomy)[np.minimum(starts[owner] + at, len(data))]
    pieces.view(np.uint64)[:] &= words(_MASK[np.clip(lengths[owner] - at, 0, step)])
    return pieces, owner, at


def windows(data: Uint8s) -> BlockItems:
    """A block from every byte on that has 16 after it."""
    return _runs(data, BLOCK)


class Sink(Protocol):
    """Where the bytes of a column's values go, batch by batch."""

    def put(self, batch: Indices, data: Uint8s, starts: Indices) -> None:
        """The values at these places (of those that are not null) begin in `data` at `starts`."""

    def array(self) -> pa.Array:
        """All of them."""


class ByteSink:
    """Gives a large_binary array of values that come one after the other.

    Args:
        lengths: Of the values that are not null.
        valid: Their places.
        count: Of all values.
    """

    def __init__(self, lengths: Indices, valid: Indices, count: int) -> None:
        self._lengths, self._valid, self._count = lengths, valid, count
        self._begins = np.cumsum(lengths) - lengths
        self._out = room(int(lengths.sum()))

    def put(self, batch: Indices, data: Uint8s, starts: Indices) -> None:
        """Neighbours in one piece, or values of one length that others lie between."""
        begin = self._begins[batch[0]]
        if batch[-1] - batch[0] == len(batch) - 1:
            self._out[begin : begin + len(data)] = data
        elif len(data):
            put_rows(self._out, self._begins[batch], data.view(np.dtype((np.void, len(data) // len(starts)))))

    def array(self) -> pa.Array:
        """A large_binary array, null where no value was announced."""
        return scattered(self._out, self._lengths, self._valid, self._count)


def unpadded(column: ByteColumn) -> tuple[Indices, NDArray[np.bool_]]:
    r"""How long each value is without its ISO/IEC 7816-4 padding, and which values have none.

    Example:
        >>> lengths, bad = unpadded(ByteColumn(np.array([0, 3, 4]), np.frombuffer(b"a\x80\x00b", np.uint8)))
        >>> lengths.tolist(), bad.tolist()
        ([1, 0], [False, True])
    """
    offsets, data = column.compact()
    if not len(data):
        return np.zeros(len(offsets) - 1, np.int64), np.ones(len(offsets) - 1, bool)
    # The last byte before each value's end that is not zero.
    filled = np.maximum.accumulate(np.where(data != 0, np.arange(len(data)), -1))
    last = filled[np.maximum(offsets[1:] - 1, 0)]
    bad = (last < offsets[:-1]) | (data[last] != _MARK) | (offsets[1:] == offsets[:-1])
    return np.where(bad, 0, last - offsets[:-1]), bad
