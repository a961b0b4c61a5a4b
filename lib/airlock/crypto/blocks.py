"""Columns cut into whole AES blocks, padded on the way if asked, and back to bytes. Called by `siv`.

A value takes as many blocks as it needs, one after the other in one array, so that what is done to every block is one numpy call.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn

__all__ = ["ITEM", "BlockItems", "Blocks", "Indices", "batches", "unpadded", "words"]

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


def words(blocks: BlockItems) -> Uint64s:
    """The same memory as pairs of native words."""
    return blocks.view(np.uint64)


def batches(lengths: Indices) -> Iterator[slice]:
    """Runs of at most `BATCH` values and about a megabyte, so that what is computed on the way stays small."""
    total = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        before = int(total[start]) - int(lengths[start])
        stop = max(start + 1, int(np.searchsorted(total, before + _BATCH_BYTES, side="right")))
        stop = min(stop, start + BATCH, len(lengths))
        yield slice(start, stop)
        start = stop


class Blocks(NamedTuple):
    """Value i is the first `lengths[i]` bytes of `counts[i]` blocks from `firsts[i]` on; an empty one has a block, too.

    Attributes:
        owner: The value that each block belongs to.
        at: How many bytes of its value come before each block.
    """

    data: BlockItems
    lengths: Indices
    counts: Indices
    firsts: Indices
    owner: Indices
    at: Indices

    @classmethod
    def of(cls, data: Uint8s, starts: Indices, lengths: Indices, pad_to: int | None = None) -> Blocks:
        """Cut values, zeros after the last byte of each.

        Args:
            data: Where value i is `data[starts[i] : starts[i] + lengths[i]]`.
            starts: Of the values.
            lengths: Of the values.
            pad_to: Add ISO/IEC 7816-4 padding up to a multiple of so many bytes (itself a multiple of 16).
        """
        if pad_to:
            long = (lengths // pad_to + 1) * pad_to
            counts = long >> 4
        else:
            long = lengths
            counts = np.maximum((lengths + BLOCK - 1) >> 4, 1)
        firsts = np.cumsum(counts) - counts
        owner = np.repeat(np.arange(len(counts)), counts)
        at = (np.arange(len(owner)) - firsts[owner]) << 4
        blocks = _windows(data)[np.minimum(starts[owner] + at, len(data))]
        held = np.clip(lengths[owner] - at, 0, BLOCK)
        blocks.view(np.uint64)[:] &= words(_MASK[held])
        if pad_to:
            blocks.view(np.uint8)[(firsts << 4) + lengths] = _MARK
        return cls(blocks, long, counts, firsts, owner, at)

    def masked(self, data: BlockItems) -> Blocks:
        """Other blocks for values of the same lengths; what stands beyond them becomes zero."""
        made = data.copy()
        words(made)[:] &= words(_MASK[self._held()])
        return self._replace(data=made)

    def joined(self, heads: list[BlockItems]) -> Uint8s:
        """The values' bytes one after the other, before each its block of every head."""
        if not heads:
            return self._bytes(self.data, self._held())
        every, before = np.arange(len(self.counts)), len(heads)
        made = np.empty(len(self.data) + before * len(every), ITEM)
        body = np.arange(len(self.data)) + before * (self.owner + 1)
        made[body] = self.data
        for place, head in enumerate(heads):
            made[self.firsts + before * every + place] = head
        held = np.full(len(made), BLOCK)
        held[body] = self._held()
        return self._bytes(made, held)

    def _held(self) -> Indices:
        return np.clip(self.lengths[self.owner] - self.at, 0, BLOCK)

    @staticmethod
    def _bytes(data: BlockItems, held: Indices) -> Uint8s:
        whole = data.view(np.uint8)
        return whole if int(held.min(initial=BLOCK)) == BLOCK else whole[_KEPT[held].ravel()]


def _windows(data: Uint8s) -> BlockItems:
    """A block from every byte on, the last ones reaching into zeros."""
    roomy = np.concatenate([data, np.zeros(BLOCK, np.uint8)])
    return np.ndarray((len(data) + 1,), ITEM, roomy, strides=(1,))


def unpadded(column: ByteColumn) -> tuple[Indices, NDArray[np.bool_]]:
    """How long each value is without its ISO/IEC 7816-4 padding, and which values have none.

    Example:
        >>> lengths, bad = unpadded(ByteColumn(np.array([0, 3, 4]), np.frombuffer(b"a\\x80\\x00b", np.uint8)))
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
