"""IP addresses to their networks on the raw bytes of a column: the forms that data has. What it leaves, `ip_truncate` reads by pattern.

As many bytes as the longest address has are loaded at once, and compared to a bit each: where dots or colons stand, and whether
it is an address, is then arithmetic on one number a value.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.blocks import items, windows
from airlock.crypto.columns import ByteColumn

__all__ = ["Networks", "networks"]

Words = NDArray[np.uint64]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

_LONGEST = 24
"""Bytes of an output: at most four groups and a gap, or four octets."""

_HALF_V6 = 64
"""With a prefix up to this, the last zeros of an IPv6 address are its longest run: they alone are written as "::"."""

_LONGEST_V4 = 15

_TWO_WORDS = 48
"""With a prefix up to this, an IPv6 network is no longer than sixteen bytes: three groups and a gap."""

_LOADED = 16

_LOADED_V6 = 40
"""More than the longest IPv6 address, which has 39 bytes."""

_ROOM = 128
"""Bytes behind a column: a group is looked for up to 65 bytes behind a value's start where it has too few colons."""

_BLOCK_V6 = 1 << 13
"""IPv6 values at a time: forty bytes of each, several times over, stay in the cache."""

_LENGTH = 56
"""The bit of a word from which on a text's length stands."""

_NO_OCTET = 4 << 12
"""Behind the places of up to three digits in the table of octets."""

_WORD = 0xFFFF


class Networks(NamedTuple):
    """Value i is the first `length[i]` bytes of row i of `words`, where `done[i]`; nothing otherwise.

    Attributes:
        words: Shape (n, 2) or (n, 3), little-endian.
    """

    words: Words
    length: Places
    done: Flags

    def text(self, data_type: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
        """An array of type string or large_string; empty where nothing was done."""
        offsets = np.zeros(len(self.length) + 1, np.int32 if data_type == pa.string() else np.int64)
        np.cumsum(self.length, out=offsets[1:])
        data = np.zeros(int(offsets[-1]) + _LONGEST, np.uint8)
        # Values are written in order, each whole word over the surplus of the one before.
        windows(data, 8 * self.words.shape[1])[offsets[:-1]] = items(self.words.view(np.uint8))
        buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(data[: offsets[-1]])]
        return pa.Array.from_buffers(data_type, len(self.length), buffers)


def networks(column: ByteColumn, *, v4: int, v6: int) -> Networks:
    """The networks of the addresses in usual form.

    Usual is dotted decimal, and, where `v6` is at most 64, IPv6 in full or with a gap that neither begins the text nor has more
    than four groups behind it.

    Args:
        column: Offsets from zero; values of any form.
        v4: Bits kept of an IPv4 address.
        v6: Bits kept of an IPv6 address.

    Example:
        >>> texts = pa.array(["192.0.2.77", "2001:DB8:1:2::3", "::1", "1.2.3"])
        >>> found = networks(ByteColumn.of(texts).compact(), v4=24, v6=48)
        >>> found.text(pa.string(), None).to_pylist(), found.done.tolist()
        (['192.0.2.0', '2001:db8:1::', '', ''], [True, True, False, False])
    """
    padded = _Padded.of(column)
    count = len(padded.size)
    # What stands behind a value's length is written over by the next one.
    made = Networks(
        np.empty((count, 2 if v6 <= _TWO_WORDS else 3), np.uint64), np.zeros(count, np.int64), np.zeros(count, bool)
    )
    _four(_Loaded.of(padded), v4, made)
    left = np.flatnonzero(~made.done) if v6 <= _HALF_V6 else np.zeros(0, np.int64)
    for start in range(0, len(left), _BLOCK_V6):
        _six(padded, left[start : start + _BLOCK_V6], v6, made)
    return made


class _Padded(NamedTuple):
    """A column's bytes and room behind them, so that a load at any place of a value stays inside."""

    starts: Places
    size: Places
    data: NDArray[np.uint8]

    @classmethod
    def of(cls, column: ByteColumn) -> _Padded:
        offsets, data = column
        return cls(offsets[:-1], np.diff(offsets), np.concatenate([data, np.zeros(_ROOM, np.uint8)]))

    def load(self, at: Places, size: int) -> NDArray[np.void]:
        """As many bytes at each place."""
        return windows(self.data, size)[at]


# --- IPv4 -------------------------------------------------------------------------------------------------------------


class _Loaded(NamedTuple):
    """The first sixteen bytes of some values: a gather at any place costs as much as one of four bytes.

    Attributes:
        rows: Which values.
        block: Shape (n, 16).
        size: How many bytes each value has.
        dots: Where its three dots are, a byte each; anything where `good` is not.
        good: Whether it is nothing but digits and three dots.
    """

    rows: Places | slice
    block: NDArray[np.uint8]
    size: Places
    dots: NDArray[np.uint32]
    good: Flags

    @classmethod
    def of(cls, column: _Padded) -> _Loaded:
        size, block = column.size, column.load(column.starts, _LOADED).view(np.uint8)
        whole = _low_bits().take(np.minimum(size, _LOADED))
        dots = _bits(block == ord(".")) & whole
        found = _dot_places().take(dots)
        good = (_bits(block - np.uint8(ord("0")) < 10) | dots) & whole == whole  # noqa: PLR2004 - unsigned wrap-around makes one comparison of two
        good &= (found != 0) & (size <= _LONGEST_V4)
        made = cls(slice(None), block.reshape(-1, _LOADED), size, found, good)
        # Gathering some rows and scattering their results costs about as much as doing them all.
        return made if 2 * int(good.sum()) > len(size) else made._some(np.flatnonzero(good))

    def _some(self, rows: Places) -> _Loaded:
        return _Loaded(rows, self.block[rows], self.size[rows], self.dots[rows], self.good[rows])


def _bits(flags: Flags) -> NDArray[np.uint16]:
    return np.packbits(flags, bitorder="little").view("<u2")


@cache
def _low_bits() -> NDArray[np.uint16]:
    """As many low bits set as the number says."""
    return ((1 << np.arange(_LOADED + 1)) - 1).astype(np.uint16)


@cache
def _dot_places() -> NDArray[np.uint32]:
    """Where three bits are set, a byte each, the first lowest; zero for any other number of them."""
    bits = np.arange(1 << _LOADED)[:, None] >> np.arange(_LOADED) & 1
    three = bits.sum(axis=1) == 3  # noqa: PLR2004
    table = np.zeros(1 << _LOADED, np.uint32)
    table[three] = np.nonzero(bits[three])[1].reshape(-1, 3) @ (1 << np.array([0, 8, 16]))
    return table


def _four(values: _Loaded, bits: int, made: Networks) -> None:
    if not len(values.size):
        return
    bounds = [(values.dots >> np.uint32(at) & np.uint32(0xFF)).astype(np.uint64) for at in (0, 8, 16)]
    first, second = np.ascontiguousarray(values.block.view("<u8").T)
    octets, begin = [], np.zeros(1, np.uint64)
    for part, stop in enumerate((*bounds, values.size.astype(np.uint64))):
        skipped = begin << np.uint64(3)
        word = first >> skipped if part else first
        if part > 1:  # two octets and their dots take up to eight bytes; numpy shifts by 64 and more to zero
            word |= second << (np.uint64(64) - skipped)
            word |= second >> (skipped - np.uint64(64))
        size = (stop - begin).astype(np.uint32)
        # Right-aligned, so that what follows the number is shifted away.
        word = word.astype(np.uint32) << np.uint32(32) - (size << np.uint32(3))
        begin = stop + np.uint64(1)
        # Three digits of four bits, in the order that one multiplication brings them to.
        key = ((word & np.uint32(0x0F0F0F00)) * np.uint32(0x1001)) >> np.uint32(20)
        octets.append(_octet_values().take(np.minimum(key + (size << np.uint32(12)), _NO_OCTET)))
    good = values.good & ((octets[0] | octets[1] | octets[2] | octets[3]) < 256)  # noqa: PLR2004 - eight bits
    network = ((1 << bits) - 1) << (32 - bits)
    high, low = (octets[i] << np.uint32(8) | octets[i + 1] for i in (0, 2))
    _put_four(made, values.rows, good, high & np.uint32(network >> 16), low & np.uint32(network & _WORD))


def _put_four(made: Networks, rows: Places | slice, good: Flags, high: NDArray[np.uint32], low: NDArray[np.uint32]) -> None:
    left, size = _parted(_pairs().take(high))
    right, behind = _parted(_pairs().take(low))
    left |= np.uint64(ord(".")) << (size << np.uint64(3))
    shift = (size + np.uint64(1)) << np.uint64(3)
    made.words[rows, 0] = left | right << shift
    made.words[rows, 1] = right >> (np.uint64(64) - shift)
    made.length[rows] = np.where(good, size + behind + np.uint64(1), 0)
    made.done[rows] = good


@cache
def _octet_values() -> NDArray[np.uint32]:
    """The number at (length, its digits); not below 256 where it is no octet in shortest form."""
    table = np.full(_NO_OCTET + 1, 256, np.uint32)
    for number in range(256):
        hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
        table[len(str(number)) << 12 | tens << 8 | ones << 4 | hundreds] = number
    return table


@cache
def _pairs() -> Words:
    """Two octets in dotted decimal, at the number that they make."""
    return _texts([f"{pair >> 8}.{pair & 255}" for pair in range(1 << 16)])


def _texts(texts: list[str]) -> Words:
    """Texts of up to seven bytes, little-endian, and their length in the highest byte: one look-up gives both."""
    return np.array([int.from_bytes(text.encode(), "little") | len(text) << _LENGTH for text in texts], np.uint64)


def _parted(found: Words) -> tuple[Words, Words]:
    """The text and its length."""
    return found & np.uint64((1 << _LENGTH) - 1), found >> np.uint64(_LENGTH)


# --- IPv6 -------------------------------------------------------------------------------------------------------------


class _Colons(NamedTuple):
    """Where some values have their colons, and which of them are addresses of usual form.

    Attributes:
        bits: Bit i of a value's number is byte i.
        before_gap: How many groups stand before the gap; 8 where there is none.
        good: Of usual form.
    """

    bits: Words
    before_gap: NDArray[np.uint8]
    good: Flags

    @classmethod
    def of(cls, block: NDArray[np.uint8], size: Places) -> _Colons:
        """Of values whose first bytes are the rows of `block`, of shape (n, 40)."""
        one = np.uint64(1)
        whole = _low_bits64().take(np.minimum(size, _LOADED_V6))
        colon = _bits40(block == ord(":")) & whole
        digit = block - np.uint8(ord("0")) < 10  # noqa: PLR2004 - unsigned wrap-around makes one comparison of two
        digit |= (block | np.uint8(32)) - np.uint8(ord("a")) < 6  # noqa: PLR2004
        digits = _bits40(digit) & whole
        five = digits & digits >> one
        five &= five >> np.uint64(2)
        five &= digits >> np.uint64(4)
        good = (digits | colon == whole) & (five == 0) & (colon & one == 0)
        good &= size < _LOADED_V6
        count = np.bitwise_count(colon)
        last = colon & (whole ^ whole >> one)
        gap = colon & colon >> one
        full = (gap | last == 0) & (count == 7)  # noqa: PLR2004 - between eight groups
        before = np.bitwise_count(colon & gap - one) + np.uint8(1)
        behind = np.where(last, np.uint8(0), count - before)
        # A gap stands for at least one group; three colons in a row are two gaps.
        short = (gap != 0) & (gap & gap - one == 0) & (last & ~(gap << one) == 0) & (behind <= 4) & (before + behind < 8)  # noqa: PLR2004
        return cls(colon, np.where(gap, before, np.uint8(8)), good & (full | short))


def _bits40(flags: Flags) -> Words:
    bits = np.zeros((len(flags), 8), np.uint8)
    bits[:, : _LOADED_V6 // 8] = np.packbits(flags, bitorder="little").reshape(-1, _LOADED_V6 // 8)
    return bits.view("<u8").ravel()


@cache
def _low_bits64() -> Words:
    """As many low bits set as the number says."""
    return (np.uint64(1) << np.arange(_LOADED_V6 + 1, dtype=np.uint64)) - np.uint64(1)


def _six(column: _Padded, rows: Places, bits: int, made: Networks) -> None:
    start = column.starts[rows]
    colons = _Colons.of(column.load(start, _LOADED_V6).view(np.uint8).reshape(-1, _LOADED_V6), column.size[rows])
    good, left, groups = colons.good, colons.bits, -(-bits // 16)
    written, values, begin = np.zeros(len(rows), np.uint8), [], np.zeros(1, np.uint8)
    for number in range(max(groups, 1)):
        end = np.bitwise_count((left & -left) - np.uint64(1))
        value = _group(column.load(start + begin, 4).view("<u4"), end - begin) * (number < colons.before_gap)
        if number == 0:
            good &= value != 0  # may be a mapped address
        value &= np.uint32(_group_mask(bits, number))
        written = np.where(value != 0, np.uint8(number + 1), written)
        values.append(value)
        begin = end + np.uint8(1)
        left &= left - np.uint64(1)
    words = [np.zeros(len(rows), np.uint64) for _ in range(made.words.shape[1])]
    length = np.zeros(len(rows), np.uint64)
    for number, value in enumerate(values[:groups]):
        shown = number < written
        _append(words, length, *_parted(_hexadecimal().take(value) * shown))
    # Each group ended with a colon: one more makes the gap, two where nothing stands before it.
    nothing = (written == 0).astype(np.uint64)
    _append(words, length, np.uint64(0x3A) + nothing * np.uint64(0x3A00), nothing + np.uint64(1))
    made.words[rows] = np.stack(words, axis=1)
    made.length[rows] = length * good
    made.done[rows] = good


def _group(word: NDArray[np.uint32], length: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The number that up to four hexadecimal digits make; what follows them in the word is shifted away."""
    word = word << (np.uint32(32) - (np.minimum(length, 4).astype(np.uint32) << np.uint32(3)))
    digits = (word & np.uint32(0x0F0F0F0F)) + ((word >> np.uint32(6)) & np.uint32(0x01010101)) * np.uint32(9)
    pairs = (digits << np.uint32(4) | digits >> np.uint32(8)) & np.uint32(0x00FF00FF)
    return (pairs << np.uint32(8) | pairs >> np.uint32(16)) & np.uint32(_WORD)


def _group_mask(bits: int, number: int) -> int:
    kept = min(16, max(0, bits - 16 * number))
    return _WORD << (16 - kept) & _WORD


@cache
def _hexadecimal() -> Words:
    """Each group in hexadecimal with a colon behind."""
    return _texts([f"{group:x}:" for group in range(1 << 16)])


def _append(words: list[Words], length: Words, piece: Words, size: Words) -> None:
    """Write pieces of up to eight bytes behind what the rows hold already. numpy shifts by 64 and more to zero."""
    bit = length << np.uint64(3)
    for column in range(len(words)):
        base = np.uint64(64 * column)
        words[column] |= piece << (bit - base)
        if column:
            words[column] |= piece >> (base - bit)
    length += size
