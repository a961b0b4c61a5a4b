"""AES-CMAC over whole columns (NIST SP 800-38B, RFC 4493). Called by `pseudonymize`, `permute`, `siv` and whatever needs a PRF.

Blocks are copied, gathered and looked up as numpy items of 16 bytes (one move each) and combined as pairs of uint64. A last
block is masked and padded by two tables of 17 rows, indexed by its length.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, BLOCK, BlockCipher, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn

__all__ = ["RB", "Cmac", "double"]

_Blocks = NDArray[np.void]
_Indices = NDArray[np.int64]

_ITEM = np.dtype((np.void, BLOCK))

RB = 0x87
"""The constant of SP 800-38B, section 5.3, for 128-bit blocks."""


def double(block: bytes) -> bytes:
    """The block times x in GF(2^128): how SP 800-38B, section 6.1, makes subkeys."""
    number = int.from_bytes(block, "big") << 1
    carry = number >> 128
    return ((number & ((1 << 128) - 1)) ^ (RB * carry)).to_bytes(BLOCK, "big")


def _tables(key: bytes) -> tuple[_Blocks, _Blocks]:
    """What to keep, then what to add, for a last block of 0 to 16 bytes: 10* and K2 below 16, K1 at 16."""
    k1 = double(BlockCipher(key).blocks(np.zeros(2, np.uint64)).tobytes())
    k2 = double(k1)
    lengths = range(BLOCK + 1)
    mask = b"".join(b"\xff" * n + bytes(BLOCK - n) for n in lengths)
    pad = np.frombuffer(b"".join((bytes(n) + b"\x80" + bytes(BLOCK))[:BLOCK] for n in lengths), np.uint64)
    subkeys = np.frombuffer(k2 * BLOCK + k1, np.uint64)
    return np.frombuffer(mask, _ITEM), (pad ^ subkeys).view(_ITEM)


def _words(blocks: _Blocks) -> Uint64s:
    return blocks.view(np.uint64)


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
        self._mask, self._pad = _tables(key)

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
        out = np.empty(len(values), _ITEM)
        cipher = BlockCipher(self._key)
        for start in range(0, len(values), BATCH):
            offsets = column.offsets[start : start + BATCH + 1]
            out[start : start + BATCH] = self._batch(ByteColumn(offsets, column.data), cipher)
        return out.view(np.uint8).reshape(-1, BLOCK)

    def _batch(self, column: ByteColumn, cipher: BlockCipher) -> _Blocks:
        if int(column.offsets[-1]) + BLOCK > len(column.data):
            # The window on the last block would reach beyond the buffer.
            column = column.compact()
            column = ByteColumn(column.offsets, np.append(column.data, np.zeros(BLOCK, np.uint8)))
        lengths = np.diff(column.offsets)
        longest = int(lengths.max())
        if longest and longest == lengths.min():
            return self._equal(column, longest, cipher)
        return self._mixed(column, lengths.astype(np.int64), cipher)

    def _equal(self, column: ByteColumn, length: int, cipher: BlockCipher) -> _Blocks:
        """Values of one length: block k of all of them is one strided view, nothing is looked up."""
        count, first = len(column.offsets) - 1, int(column.offsets[0])
        last = (length - 1) // BLOCK
        state, work = np.zeros(2 * count, np.uint64), np.empty(2 * count, np.uint64)
        for k in range(last + 1):
            work.view(_ITEM)[:] = np.ndarray((count,), _ITEM, column.data, offset=first + BLOCK * k, strides=(length,))
            if k == last:
                self._pad_equal(work, length - BLOCK * last)
            if k:
                work ^= state
            state = cipher.blocks(work)
        return state.view(_ITEM)

    def _pad_equal(self, work: Uint64s, rest: int) -> None:
        for half in (0, 1):
            work[half::2] &= _words(self._mask)[2 * rest + half]
            work[half::2] ^= _words(self._pad)[2 * rest + half]

    def _mixed(self, column: ByteColumn, lengths: _Indices, cipher: BlockCipher) -> _Blocks:
        """Values by falling number of blocks, so that each step works on a shrinking prefix of them."""
        starts = column.offsets[:-1].astype(np.int64)
        window = np.ndarray((len(column.data) - BLOCK + 1,), _ITEM, column.data, strides=(1,))
        before = np.maximum(lengths - 1, 0) >> 4
        most = int(before.max())
        if not most:
            return cipher.blocks(self._last_blocks(window, starts, lengths)).view(_ITEM)
        # Sixteen bits sort by radix; values over a megabyte are rare enough to sort slowly.
        falling = most - before
        order = np.argsort(falling.astype(np.uint16) if most < 1 << 16 else falling, kind="stable")
        starts, before = starts[order], before[order]
        last = self._last_blocks(window, starts + (before << 4), lengths[order] - (before << 4))
        longer = len(order) - np.cumsum(np.bincount(before))
        tags = np.empty(len(order), _ITEM)
        tags[order] = _chain(window, starts, last=last, longer=[len(order), *longer.tolist()], cipher=cipher)
        return tags

    def _last_blocks(self, window: _Blocks, at: _Indices, rest: _Indices) -> Uint64s:
        last = _words(window[at])
        last &= _words(self._mask[rest])
        last ^= _words(self._pad[rest])
        return last


def _chain(window: _Blocks, starts: _Indices, *, last: Uint64s, longer: list[int], cipher: BlockCipher) -> _Blocks:
    """The CBC chain of SP 800-38B, section 6.2, step 6, for all values at once."""
    state, work = np.zeros_like(last), np.empty_like(last)
    for k, active in enumerate(longer[:-1]):
        full = longer[k + 1]
        if full:
            work.view(_ITEM)[:full] = window[starts[:full] + BLOCK * k]
        work[2 * full : 2 * active] = last[2 * full : 2 * active]
        if k:
            work[: 2 * active] ^= state[: 2 * active]
        state[: 2 * active] = cipher.blocks(work[: 2 * active])
    return state.view(_ITEM)
