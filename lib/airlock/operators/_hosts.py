"""Where the host stands in a URL, on a column's bytes: usual URLs by one load of 32 bytes each, others by their delimiters. Called by `url`."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.blocks import windows
from airlock.crypto.columns import ByteColumn, text_array
from airlock.operators._suffixes import substrings

__all__ = ["host_names", "hosts"]

Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

_WIDTH = 32
_BLOCK = 1 << 15
_NAME = 253
_SLASH = ord("/")

_HOST_NAME = r"\A(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}\.?\z"
_BRACKETS = r"\A\[[^\[\]]*\]\z"
_NUMBER = r"(?:\A|\.)(?:[0-9]+|0x[0-9a-f]*)\z"
"""Names whose last label is a number: browsers read these as IPv4 (URL Standard, section 3.5)."""

_HTTP, _HTTPS, _HTTP_CASE, _HTTPS_CASE, _SEVEN = (
    np.uint64(int.from_bytes(text, "little"))
    for text in (b"http://", b"https://", b"    ", b"     ", b"\xff\xff\xff\xff\xff\xff\xff")
)
"""Both schemes, what sets their letters to lower case, and seven bytes of a word."""

_LOWEST = np.uint32(0x077CB531)
"""Times a power of two: its exponent, by way of a table (Leiserson, Prokop, Randall 1998)."""


def hosts(values: pa.Array) -> pa.DictionaryArray:
    """What stands in each URL where its host belongs, lower case, without user, password and port; null where it is none.

    Args:
        values: Text of type string or large_string.

    Example:
        >>> hosts(pa.array(["HTTPS://WWW.Example.org/ann?q=1", "ftp://ann:pw@example.org:21/", "ann@example.org"])).to_pylist()
        ['www.example.org', 'example.org', None]
    """
    # Blocks stay in the cache with all that is made of them.
    parts = [_block(values.slice(at, _BLOCK)) for at in range(0, max(1, len(values)), _BLOCK)]
    return pa.chunked_array(parts).unify_dictionaries().combine_chunks()


def host_names(texts: pa.Array) -> pa.Array:
    """Each text of large_string if it is a host's name, `ip` if it is an address, else null. One dot at the end goes.

    Called with distinct texts: patterns take a microsecond each.
    """
    trimmed = pc.replace_substring_regex(texts, r"\.\z", "")
    name = pc.and_(pc.match_substring_regex(texts, _HOST_NAME), pc.less_equal(pc.binary_length(trimmed), _NAME))
    address = pc.or_(pc.match_substring_regex(texts, _BRACKETS), pc.and_(name, pc.match_substring_regex(trimmed, _NUMBER)))
    named = pc.if_else(name, trimmed, pa.scalar(None, texts.type))
    return pc.if_else(address, pa.scalar("ip", texts.type), named)


def _block(values: pa.Array) -> pa.DictionaryArray:
    codes, names = _usual(ByteColumn.of(values))
    left = np.flatnonzero(codes < 0)
    if len(left):
        others = _by_delimiters(values.take(pa.array(left))).dictionary_encode()
        found = others.indices.to_numpy(zero_copy_only=False)
        codes[left] = np.where(np.isnan(found), -1, found + len(names)) if others.null_count else found + len(names)
        names = pa.concat_arrays([names, others.dictionary])
    if values.null_count:
        codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = -1
    indices = pa.array(codes, mask=codes < 0) if (codes < 0).any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, names)


def _usual(column: ByteColumn) -> tuple[NDArray[np.int32], pa.Array]:
    """Hosts of up to 31 bytes behind `http://` or `https://`: for each value a place in the distinct ones, -1 for others."""
    coded = _coded(_usual_keys(column))
    keys = np.frombuffer(coded.dictionary.buffers()[1] or b"", np.uint8)[: len(coded.dictionary) * _WIDTH].reshape(-1, _WIDTH)
    inside, names = keys != 0, keys ^ np.uint8(_SLASH)
    lower = names | np.uint8(32)
    usual = (_is_host_byte(names, lower) | ~inside).all(axis=1) & inside[:, 0]
    codes = coded.indices.to_numpy()
    if not usual.all():
        codes = np.where(usual.take(codes), codes, np.int32(-1))
    inside &= usual[:, None]
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    return codes.copy(), text_array(ByteColumn(offsets, lower[inside]))


def _coded(keys: NDArray[np.uint64]) -> pa.DictionaryArray:
    return pa.Array.from_buffers(pa.binary(_WIDTH), len(keys), [None, pa.py_buffer(keys)]).dictionary_encode()


def _usual_keys(column: ByteColumn) -> NDArray[np.uint64]:
    """What stands behind each value's scheme up to a delimiter, less a slash each byte, so that no byte is zero; zeros behind it.

    Nothing where that is longer. Shape (n, 4).
    """
    text, offsets = _with_room(column)
    starts, stops = offsets[:-1], offsets[1:]
    word = windows(text, 8)[starts].view("<u8")
    secure = (word | _HTTPS_CASE) == _HTTPS
    plain = ((word | _HTTP_CASE) & _SEVEN) == _HTTP
    begins = starts + 7 + secure
    matrix = windows(text, _WIDTH)[begins].view(np.uint8)
    # One bit lies between '/' and '?'.
    delimiter = (matrix & np.uint8(0xEF)) == _SLASH
    delimiter |= matrix == ord("#")
    size = np.minimum(_lowest_bit(np.packbits(delimiter, bitorder="little").view("<u4")), stops - begins)
    # A scheme may run on into the next value.
    usual = (secure | plain) & (size > 0) & (size < _WIDTH)
    words = matrix.view(np.uint64)
    words ^= np.uint64(_SLASH * 0x0101010101010101)
    return words.reshape(-1, _WIDTH // 8) & _first_bytes().take(size * usual, axis=0)


def _with_room(column: ByteColumn) -> tuple[NDArray[np.uint8], Places]:
    """The column's bytes with as many behind the last value as are loaded there, and offsets from zero."""
    offsets, data = column.compact()
    first, size = int(column.offsets[0]), len(data) + _WIDTH + 8
    text = column.data[first : first + size]
    return (text if len(text) == size else np.concatenate([data, np.zeros(_WIDTH + 8, np.uint8)])), offsets


@cache
def _first_bytes() -> NDArray[np.uint64]:
    """As many bytes set as the row's number says."""
    return np.tril(np.full((_WIDTH + 1, _WIDTH), 255, np.uint8), -1).view(np.uint64)


def _is_host_byte(data: NDArray[np.uint8], lower: NDArray[np.uint8]) -> Flags:
    """Letters, digits, '-' and '.'; unsigned wrap-around makes one comparison of two."""
    found = lower - np.uint8(ord("a")) < 26  # noqa: PLR2004 - letters
    found |= (data - np.uint8(ord("-")) < 13) & (data != ord("/"))  # noqa: PLR2004 - from '-' to '9'
    return found


def _lowest_bit(words: NDArray[np.uint32]) -> Places:
    """The number of each word's lowest bit that is set; 32 where none is."""
    exponent = _exponents().take(((words & (~words + np.uint32(1))) * _LOWEST) >> np.uint32(27))
    return np.where(words == 0, 32, exponent)


@cache
def _exponents() -> Places:
    table = np.zeros(32, np.int64)
    table[(np.uint32(1) << np.arange(32, dtype=np.uint32)) * _LOWEST >> np.uint32(27)] = np.arange(32)
    return table


# --- by delimiters ------------------------------------------------------------------------------------------------------


def _by_delimiters(values: pa.Array) -> pa.Array:
    """The hosts of any URLs, lower case; null where there is none (RFC 3986, section 3.2)."""
    column = ByteColumn.of(values).compact()
    offsets, data = column
    begins, good = _authorities(values, column)
    stops = np.minimum(_next(_places(data, b"/?#"), begins, len(data)), offsets[1:])
    begins = np.minimum(begins, stops)
    # What RFC 3986 forbids, browsers and servers read in different ways.
    odd = np.flatnonzero((data <= ord(" ")) | (data >= 127) | (data == ord("\\")))  # noqa: PLR2004 - the last printable one is 126
    good &= _next(odd, begins, len(data)) >= stops
    begins = np.maximum(begins, _previous(_places(data, b"@"), stops) + 1)
    colon = _previous(_places(data, b":"), stops)
    digits = _next(np.flatnonzero(data - np.uint8(ord("0")) > 9), colon + 1, len(data)) >= stops  # noqa: PLR2004
    # A colon inside brackets is an IPv6 address': what stands behind it is no port.
    port = (colon >= begins) & digits
    stops = np.where(port, colon, stops)
    good &= stops > begins
    found = pc.ascii_lower(substrings(data, begins, np.where(good, stops, begins)))
    return pc.if_else(pa.array(good), found, pa.scalar(None, found.type))


def _authorities(values: pa.Array, column: ByteColumn) -> tuple[Places, Flags]:
    """Where the text behind `//` begins, and whether a scheme with a colon, or nothing, stands before that."""
    offsets, data = column
    at = pc.fill_null(pc.find_substring(values, "//"), -1).to_numpy(zero_copy_only=False)
    slashes = offsets[:-1] + np.maximum(at, 0)
    lower = data | np.uint8(32)
    letter = lower - np.uint8(ord("a")) < 26  # noqa: PLR2004 - letters
    foreign = np.flatnonzero(~(letter | np.isin(data, np.frombuffer(b"0123456789+-.", np.uint8))))
    padded = np.concatenate([letter, [False]])
    schemed = (_next(foreign, offsets[:-1], len(data)) == slashes - 1) & padded[np.minimum(offsets[:-1], len(data))]
    schemed[schemed] = data[slashes[schemed] - 1] == ord(":")
    return slashes + 2 * (at >= 0), (at == 0) | ((at > 1) & schemed)


def _places(data: NDArray[np.uint8], marks: bytes) -> Places:
    found = data == marks[0]
    for mark in marks[1:]:
        found |= data == mark
    return np.flatnonzero(found)


def _next(places: Places, start: Places, nothing: int) -> Places:
    """The first of the places at or behind each start."""
    return np.append(places, nothing)[np.searchsorted(places, start)]


def _previous(places: Places, stop: Places) -> Places:
    """The last of the places before each stop; -1 where there is none."""
    return np.append(-1, places)[np.searchsorted(places, stop)]
