"""AES-CMAC over whole columns (NIST SP 800-38B, RFC 4493). Called by `pseudonymize`, `permute`, `siv` and whatever needs a PRF.

Blocks are copied, gathered and looked up as numpy items of 16 bytes (one move each) and combined as pairs of uint64. A last
block is masked and padded by two tables of 17 rows, indexed by its length.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from airlock.crypto.aes import BATCH, BLOCK, BlockCipher, Uint8s, Uint64s
from airlock.crypto.blocks import ITEM, MASK, BlockItems, Indices, windows, words
from airlock.crypto.columns import ByteColumn

__all__ = ["RB", "Cmac", "chained", "double", "falling", "subkeys"]

RB = 0x87
"""The constant of SP 800-38B, section 5.3, for 128-bit blocks."""


def double(block: bytes) -> bytes:
    """The block times x in GF(2^128): how SP 800-38B, section 6.1, makes subkeys."""
    number = int.from_bytes(block, "big") << 1
    carry = number >> 128
    return ((number & ((1 << 128) - 1)) ^ (RB * carry)).to_bytes(BLOCK, "big")


def subkeys(cipher: BlockCipher) -> tuple[bytes, bytes]:
    """K1, which falls on whole last blocks, and K2, on padded ones (SP 800-38B, section 6.1)."""
    k1 = double(cipher.blocks(np.zeros(2, np.uint64)).tobytes())
    return k1, double(k1)


def _paddings(key: bytes) -> BlockItems:
    """What to add to a last block of 0 to 16 bytes: 10* and K2 below 16, K1 at 16."""
    k1, k2 = subkeys(BlockCipher(key))
    pad = np.frombuffer(b"".join((bytes(n) + b"\x80" + bytes(BLOCK))[:BLOCK] for n in range(BLOCK + 1)), np.uint64)
    return (pad ^ np.frombuffer(k2 * BLOCK + k1, np.uint64)).view(ITEM)


class Cmac:
    """AES-CMAC with one key (16, 24 or 32 bytes).

    Guarantee: a pseudo-random function as long as AES is one (SP 800-38B, appendix A): who lacks the key can't tell tags
    from random bytes, and two different values share a tag with probability 2^-128.

    Example:
        >>> mac = Cmac(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
        >>> mac.tags(pa.array([""])).tobytes().hex()
        'bb1d6929e95937287fa37d129b756746'
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._pad = _paddings(key)

    def __repr__(self) -> str:
        return "Cmac(<key>)"

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled: pickles end up in files and logs")

    def tags(self, values: pa.Array) -> Uint8s:
        """One tag a value.

        Args:
            values: Text or binary, of any Arrow layout, sliced or not.

        Returns:
            Shape (len(values), 16). What stands at a null means nothing.

        Raises:
            TypeError: Values of another type.
        """
        column = ByteColumn.of(values)
        out = np.empty(len(values), ITEM)
        cipher = BlockCipher(self._key)
        for start in range(0, len(values), BATCH):
            offsets = column.offsets[start : start + BATCH + 1]
            out[start : start + BATCH] = self._batch(ByteColumn(offsets, column.data), cipher)
        return out.view(np.uint8).reshape(-1, BLOCK)

    def _batch(self, column: ByteColumn, cipher: BlockCipher) -> BlockItems:
        if int(column.offsets[-1]) + BLOCK > len(column.data):
            # The window on the last block would reach beyond the buffer.
            column = column.compact()
            column = ByteColumn(column.offsets, np.append(column.data, np.zeros(BLOCK, np.uint8)))
        lengths = np.diff(column.offsets)
        longest = int(lengths.max())
        if longest and longest == lengths.min():
            return self._equal(column, longest, cipher)
        return self._mixed(column, lengths.astype(np.int64), cipher)

    def _equal(self, column: ByteColumn, length: int, cipher: BlockCipher) -> BlockItems:
        """Values of one length: block k of all of them is one strided view, nothing is looked up."""
        count, first = len(column.offsets) - 1, int(column.offsets[0])
        last = (length - 1) // BLOCK
        state, work = np.zeros(2 * count, np.uint64), np.empty(2 * count, np.uint64)
        for k in range(last + 1):
            work.view(ITEM)[:] = np.ndarray((count,), ITEM, column.data, offset=first + BLOCK * k, strides=(length,))
            if k == last:
                self._pad_equal(work, length - BLOCK * last)
            if k:
                work ^= state
            state = cipher.blocks(work)
        return state.view(ITEM)

    def _pad_equal(self, work: Uint64s, rest: int) -> None:
        for half in (0, 1):
            work[half::2] &= words(MASK)[2 * rest + half]
            work[half::2] ^= words(self._pad)[2 * rest + half]

    def _mixed(self, column: ByteColumn, lengths: Indices, cipher: BlockCipher) -> BlockItems:
        starts, window = column.offsets[:-1].astype(np.int64), windows(column.data)
        before = np.maximum(lengths - 1, 0) >> 4
        if not before.any():
            return cipher.blocks(self._last_blocks(window, starts, lengths)).view(ITEM)
        order, longer = falling(before)
        starts, before = starts[order], before[order]
        last = self._last_blocks(window, starts + (before << 4), lengths[order] - (before << 4))
        tags = np.empty(len(order), ITEM)
        tags[order] = chained(window, starts, longer, cipher=cipher, last=last)
        return tags

    def _last_blocks(self, window: BlockItems, at: Indices, rest: Indices) -> Uint64s:
        last = words(window[at])
        last &= words(MASK[rest])
        last ^= words(self._pad[rest])
        return last


def falling(before: Indices) -> tuple[Indices, list[int]]:
    """An order of values by falling number of blocks, so that each step of a chain works on a shrinking prefix of them.

    Args:
        before: How many blocks each value has before its last one.

    Returns:
        The order, and how many values there are, have a block before the last, have two, and so on down to none.
    """
    most = int(before.max())
    # Sixteen bits sort by radix; values over a megabyte are rare enough to sort slowly.
    places = most - before
    order = np.argsort(places.astype(np.uint16) if most < 1 << 16 else places, kind="stable")
    return order, [len(order), *(len(order) - np.cumsum(np.bincount(before))).tolist()]


def chained(
    blocks: BlockItems, starts: Indices, longer: list[int], *, cipher: BlockCipher, last: Uint64s | None = None
) -> BlockItems:
    """The CBC chain of SP 800-38B, section 6.2, step 6, for all values at once.

    Args:
        blocks: Those of all values, or the 16 bytes from every byte on.
        starts: Where in them each value's first block stands, in the order of `falling`.
        longer: As `falling` counts them.
        cipher: AES.
        last: What goes into the chain in place of each value's last block.
    """
    # A value's next block is the next item, or of overlapping ones the sixteenth.
    step = BLOCK // blocks.strides[0]
    state = np.zeros(2 * len(starts), np.uint64)
    for k, (active, full) in enumerate(pairwise(longer)):
        held = active if last is None else full
        state[: 2 * held] ^= words(blocks[starts[:held] + step * k])
        if last is not None:
            state[2 * full : 2 * active] ^= last[2 * full : 2 * active]
        state[: 2 * active] = cipher.blocks(state[: 2 * active])
    return state.view(ITEM)
