"""Tokens as text, a whole column at once: hexadecimal, base32 and UUIDs. Called by `pseudonymize`.

Every text of a column has the same length, so the offsets are a range and the characters one matrix, filled by table look-ups
of two bytes (hexadecimal) or ten bits (base32) at a time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, Uint8s
from airlock.crypto.columns import validity

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BASE32", "HEX", "base32_length", "encode_base32", "encode_hex", "encode_uuid", "hex_pairs", "hex_text"]

HEX = "0123456789abcdef"

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
"""The alphabet of RFC 4648, section 6, in lower case: no case to lose, no 0, 1, 8 or 9 to confuse."""

_GROUP = 10
"""Bits that one base32 look-up turns into two characters."""

_WORD = 64

_HYPHENS = (8, 13, 18, 23)


def encode_hex(tokens: Uint8s, *, prefix: str = "", nulls_of: pa.Array | None = None) -> pa.Array:
    """Lower-case hexadecimal, two characters a byte.

    Args:
        tokens: Shape (n, width), an even width.
        prefix: ASCII text before each.
        nulls_of: Array of n values; where it is null, so is the answer.

    Returns:
        A string array of n texts.

    Example:
        >>> encode_hex(np.array([[0, 255], [16, 2]], np.uint8), prefix="t_").to_pylist()
        ['t_00ff', 't_1002']
    """
    return _texts(tokens, _hex_characters, length=2 * tokens.shape[1], prefix=prefix, nulls_of=nulls_of)


def encode_base32(tokens: Uint8s, *, prefix: str = "", nulls_of: pa.Array | None = None) -> pa.Array:
    """Base32 of RFC 4648 in lower case without padding: 26 characters for 16 bytes, 20 for 12.

    Args and returns as `encode_hex`; the width is at most 16.

    Example:
        >>> encode_base32(np.frombuffer(b"foobarfoobar", np.uint8).reshape(1, -1)).to_pylist()
        ['mzxw6ytbojtg633cmfza']
    """
    return _texts(tokens, _base32_characters, length=base32_length(tokens.shape[1]), prefix=prefix, nulls_of=nulls_of)


def encode_uuid(tokens: Uint8s, *, prefix: str = "", nulls_of: pa.Array | None = None) -> pa.Array:
    """UUIDs of version 8 (RFC 9562, section 5.8): six of the 128 bits give way to version and variant.

    Args and returns as `encode_hex`; the width is 16.

    Example:
        >>> encode_uuid(np.zeros((1, 16), np.uint8)).to_pylist()
        ['00000000-0000-8000-8000-000000000000']
    """
    return _texts(tokens, _uuid_characters, length=36, prefix=prefix, nulls_of=nulls_of)


def base32_length(width: int) -> int:
    """Characters of `width` bytes in base32 without padding."""
    return -(-8 * width // 5)


def _texts(
    tokens: Uint8s, fill: Callable[[Uint8s, Uint8s], None], *, length: int, prefix: str, nulls_of: pa.Array | None
) -> pa.Array:
    start, count = len(prefix), len(tokens)
    stride = start + length
    if count * stride >= 1 << 31:
        raise ValueError(f"{count:,} tokens of {stride} characters don't fit into one string array; encode fewer at a time")
    characters = np.empty((count, stride), np.uint8)
    characters[:, :start] = np.frombuffer(prefix.encode("ascii"), np.uint8)
    # Batches keep the intermediate tables and matrices in cache.
    for at in range(0, count, BATCH):
        fill(tokens[at : at + BATCH], characters[at : at + BATCH, start:])
    offsets = np.arange(0, count * stride + 1, stride, dtype=np.int32)
    valid = None if nulls_of is None else validity(nulls_of)
    return pa.Array.from_buffers(pa.string(), count, [valid, pa.py_buffer(offsets), pa.py_buffer(characters)])


@cache
def _hex_bytes() -> NDArray[np.uint16]:
    """One byte to its two characters."""
    return np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)


def hex_text(data: Uint8s) -> Uint8s:
    """The characters of a run of bytes, lower case.

    Example:
        >>> hex_text(np.array([1, 255], np.uint8)).tobytes()
        b'01ff'
    """
    return _hex_bytes().take(data).view(np.uint8)


@cache
def hex_pairs() -> NDArray[np.uint32]:
    """Two bytes, read as one native word, to their four characters."""
    digits = np.frombuffer(HEX.encode(), np.uint8)
    pairs = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2)
    return np.stack([digits[pairs >> 4], digits[pairs & 15]], axis=2).reshape(-1, 4).view(np.uint32).ravel()


@cache
def _base32_pairs() -> NDArray[np.uint16]:
    """Ten bits to their two characters."""
    digits = np.frombuffer(BASE32.encode(), np.uint8)
    pairs = np.arange(1 << _GROUP)
    return np.stack([digits[pairs >> 5], digits[pairs & 31]], axis=1).view(np.uint16).ravel()


def _put(out: Uint8s, characters: Uint8s) -> None:
    """Copy rows as items of their whole length: numpy's own loop over short rows takes twice as long."""
    item = np.dtype((np.void, out.shape[1]))
    out.view(item)[:, 0] = characters.view(item)[:, 0]


def _hex_characters(tokens: Uint8s, out: Uint8s) -> None:
    words = np.ascontiguousarray(tokens).view(np.uint16)
    _put(out, hex_pairs()[words].view(np.uint8))


def _base32_characters(tokens: Uint8s, out: Uint8s) -> None:
    """Ten bits at a time, from the high end of two 64-bit words; the last group may reach into zeros beyond them."""
    padded = np.zeros((len(tokens), 16), np.uint8)
    padded[:, : tokens.shape[1]] = tokens
    high, low = padded.view(">u8").astype(np.int64).T.copy()
    pairs = np.empty((len(tokens), -(-8 * tokens.shape[1] // _GROUP)), np.uint16)
    for group in range(pairs.shape[1]):
        pairs[:, group] = _base32_pairs()[_bits(high, low, _GROUP * group)]
    _put(out, np.ascontiguousarray(pairs.view(np.uint8)[:, : out.shape[1]]))


def _bits(high: NDArray[np.int64], low: NDArray[np.int64], at: int) -> NDArray[np.int64]:
    """The ten bits from bit `at` on, counted from the high end of both words."""
    right = 2 * _WORD - _GROUP - at
    if right >= _WORD:
        found = high >> (right - _WORD)
    elif at < _WORD:
        # The group straddles both words.
        found = (high << (_WORD - right)) | ((low >> right) & ((1 << (_WORD - right)) - 1))
    else:
        found = low >> right if right >= 0 else low << -right
    return found & ((1 << _GROUP) - 1)


def _uuid_characters(tokens: Uint8s, out: Uint8s) -> None:
    marked = tokens.copy()
    marked[:, 6] = marked[:, 6] & 0x0F | 0x80
    marked[:, 8] = marked[:, 8] & 0x3F | 0x80
    plain = np.empty((len(tokens), 32), np.uint8)
    _hex_characters(marked, plain)
    starts = (0, *(at + 1 for at in _HYPHENS))
    for part, (start, end) in enumerate(zip(starts, (*_HYPHENS, 36), strict=True)):
        _put(out[:, start:end], plain[:, start - part : end - part])
    out[:, _HYPHENS] = ord("-")
