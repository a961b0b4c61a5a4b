"""Columns cut into whole AES blocks, padded on the way if asked, and back to bytes. Called by `cmac`, `siv` and `encode_bytes`.

A value takes as many blocks as it needs, one after the other in one array, so that what is done to every block is one numpy call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn, room, scattered

__all__ = [
    "ITEM", "MASK", "BlockItems", "Blocks", "ByteSink", "Indices", "Sink", "batches", "cut", "items", "neighbours", "put_rows", "roomy", "rows_at", "unpadded", "windows", "words",
]  # fmt: skip

BlockItems = NDArray[np.void]
Indices = NDArray[np.int64]

ITEM = np.dtype((np.void, BLOCK))
"""A block as one thing that numpy moves at once."""

_MARK = 0x80
"""First byte of the padding of ISO/IEC 7816-4; zeros follow."""

_KEPT = np.tri(BLOCK + 1, BLOCK, -1, dtype=bool)
"""By how many bytes of a block count, 0 to 16: which."""

MASK = np.where(_KEPT, np.uint8(0xFF), np.uint8(0)).view(ITEM)[:, 0]
"""Those bytes set, by the same number."""

_BATCH_BYTES = 1 << 20

_WINDOW = 2 * BATCH
"""Values among which those of as many blocks are looked for: few enough that what is written in turns stays in the cache."""

_ALIKE = 256
"""So many values of as many blocks, on average, are worth calls of their own."""


def words(blocks: BlockItems) -> Uint64s:
    """The same memory as pairs of native words."""
    return blocks.view(np.uint64)


def batches(lengths: Indices) -> Iterator[Indices]:
    """Places of at most `BATCH` values and about a megabyte, so that what is computed on the way stays small.

    Values of as many blocks come together, by length, where a window has few such numbers: then nothing need be looked up for
    each block. Otherwise they are neighbours.
    """
    for start in range(0, len(lengths), _WINDOW):
        mine = lengths[start : start + _WINDOW]
        most = int(mine.max())
        counts = np.bincount((mine + BLOCK - 1) >> 4) if most < BLOCK * _WINDOW else np.zeros(0, np.int64)
        if 0 < np.count_nonzero(counts) <= max(1, len(mine) // _ALIKE):
            # Numbers of one or two bytes are sorted by counting.
            order = np.argsort(mine.astype(np.min_scalar_type(most)), kind="stable") + start
            ends = np.cumsum(counts)
            for count in np.flatnonzero(counts):
                yield from _parts(order[ends[count] - counts[count] : ends[count]], BLOCK * int(count))
        else:
            yield from neighbours(mine, start)


def _parts(places: Indices, length: int) -> Iterator[Indices]:
    size = min(BATCH, max(1, _BATCH_BYTES // max(1, length)))
    return (places[at : at + size] for at in range(0, len(places), size))


def neighbours(lengths: Indices, first: int = 0) -> Iterator[Indices]:
    """Places in order, from `first` on, as many at a time as in `batches`."""
    total, start = np.cumsum(lengths), 0
    while start < len(lengths):
        before = int(total[start]) - int(lengths[start])
        stop = max(start + 1, int(np.searchsorted(total, before + _BATCH_BYTES, side="right")))
        stop = min(stop, start + BATCH, len(lengths))
        yield np.arange(first + start, first + stop)
        start = stop


def roomy(data: Uint8s) -> Uint8s:
    """The same bytes and a block of zeros behind them, into which windows may reach."""
    made = room(len(data) + BLOCK)
    made[: len(data)] = data
    made[len(data) :] = 0
    return made


def rows_at(data: Uint8s, starts: Indices, width: int) -> Uint8s:
    """Runs of `width` bytes as a matrix."""
    return windows(data, width)[starts].view(np.uint8).reshape(-1, width)


@cache
def _run(width: int) -> np.dtype[np.void]:
    """So many bytes as one thing."""
    return np.dtype((np.void, width))


def put_rows(out: Uint8s, starts: Indices, rows: Uint8s, lengths: Indices) -> None:
    """Write the first bytes of rows, one move each; `lengths` has few runs of equal ones."""
    bounds = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    for start, stop in pairwise(bounds):
        length = int(lengths[start])
        if length:
            windows(out, length)[starts[start:stop]] = items(rows[start:stop, :length])


def items(rows: Uint8s) -> BlockItems:
    """Rows as one thing each."""
    return rows.view(_run(rows.shape[1]))[:, 0]


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
            data: Where value i is `data[starts[i] : starts[i] + lengths[i]]`; a block and more follows the last.
            starts: Of the values.
            lengths: Of the values.
            pad_to: Add ISO/IEC 7816-4 padding up to a multiple of so many bytes (itself a multiple of 16).
        """
        long = lengths if pad_to is None else (lengths // pad_to + 1) * pad_to
        counts = np.maximum((long + BLOCK - 1) >> 4, 1)
        firsts, each = np.cumsum(counts) - counts, int(counts[0]) if (counts == counts[0]).all() else 0
        if each and pad_to in (None, BLOCK):
            blocks = rows_at(data, starts, BLOCK * each).view(ITEM).ravel()
            _clear_ends(blocks, lengths, each)
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
        """Other blocks for values of the same lengths; what stands beyond these is set to zero, in place."""
        if self.each:
            _clear_ends(data, self.lengths, self.each)
        else:
            words(data)[:] &= words(MASK[self.held()])
        return self._replace(data=data)

    def joined(self, heads: Sequence[BlockItems] = ()) -> Uint8s:
        """The values' bytes, before each its block of every head: rows of a matrix if they have as many blocks, else in one run."""
        before = len(heads)
        if self.each:
            rows = np.empty((len(self.counts), before + self.each), ITEM)
            for place, head in enumerate(heads):
                rows[:, place] = head
            rows[:, before:] = self.data.reshape(-1, self.each)
            return rows.view(np.uint8)
        made = np.empty(len(self.data) + before * len(self.counts), ITEM)
        begins = self.firsts + before * np.arange(len(self.counts))
        for place, head in enumerate(heads):
            made[begins + place] = head
        made[self.spread(begins + before) + self.numbers()] = self.data
        whole = self._replace(data=made, lengths=self.lengths + BLOCK * before, counts=self.counts + before, firsts=begins)
        return made.view(np.uint8)[_KEPT[whole.held()].ravel()]

    def held(self) -> Indices:
        """How many of its value's bytes each block holds."""
        return np.clip(self.spread(self.lengths) - (self.numbers() << 4), 0, BLOCK)


def _clear_ends(blocks: BlockItems, lengths: Indices, each: int) -> None:
    """Zeros behind the last byte of values of `each` blocks."""
    if int(lengths.min()) == BLOCK * each:
        return
    ends = words(MASK[lengths - BLOCK * (each - 1)])
    # Word by word: numpy's inner loop then runs over the values.
    for place in (0, 1):
        words(blocks)[2 * each - 2 + place :: 2 * each] &= ends[place::2]


def cut(
    data: Uint8s, starts: Indices, lengths: Indices, counts: Indices, step: int = BLOCK
) -> tuple[BlockItems, Indices, Indices]:
    """Pieces of `step` bytes (at most 16), `counts[i]` of them of value i, zeros after its last byte; `data` as `Blocks.of` takes it.

    Returns:
        The pieces as blocks, whose value each is of, and how many bytes of it come before.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    at = (np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]) * step
    # Pieces of padding alone may lie beyond the data.
    pieces = windows(data)[np.minimum(starts[owner] + at, len(data) - BLOCK)]
    pieces.view(np.uint64)[:] &= words(MASK[np.clip(lengths[owner] - at, 0, step)])
    return pieces, owner, at


def windows(data: Uint8s, width: int = BLOCK) -> BlockItems:
    """So many bytes from every byte on that has as many after it."""
    return np.ndarray((len(data) - width + 1,), _run(width), data, strides=(1,))


class Sink(Protocol):
    """Where the bytes of a column's values go, batch by batch."""

    def put(self, batch: Indices, data: Uint8s) -> None:
        """The values at these places (of those that are not null): rows of a matrix, or neighbours in one run."""

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

    def put(self, batch: Indices, data: Uint8s) -> None:
        """Rows to their places, one move each, or all in one piece."""
        if data.ndim == 1:
            begin = self._begins[batch[0]]
            self._out[begin : begin + len(data)] = data
        else:
            put_rows(self._out, self._begins[batch], data, self._lengths[batch])

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
