"""Bytes of any length as text and back, a whole column at once: base64url without padding (RFC 4648, section 5) and hexadecimal.

Called by the operators whose output is as long as its input. Values are cut into pieces that become 16 characters each; the pieces
are written in order, so that what the last one of a value writes too much the next value overwrites.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pybase64
from numpy.typing import NDArray

from airlock.crypto.aes import BLOCK, Uint8s, Uint64s
from airlock.crypto.blocks import ITEM, BlockItems, Blocks, Indices, batches, cut, items, neighbours, put_rows, roomy, windows
from airlock.crypto.columns import ByteColumn, nulls, room, scattered
from airlock.crypto.encode import HEX, hex_pairs

__all__ = ["BASE64URL", "TextSink", "decode_bytes", "encode_bytes"]

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_THREE = 3
"""So many bytes become four characters."""

_WRONG = 0x80
"""Marks a byte that is no character of the alphabet: above every value of one."""


def encode_bytes(values: pa.Array, form: str, *, prefix: str = "") -> pa.Array:
    """Each value as text.

    Args:
        values: Binary, of any layout.
        form: `base64url` or `hex`.
        prefix: ASCII text before each.

    Returns:
        A string array; null stays null.

    Example:
        >>> encode_bytes(pa.array([b"ann", b"", None]), "base64url", prefix="x_").to_pylist()
        ['x_YW5u', 'x_', None]
    """
    valid = np.flatnonzero(~nulls(values))
    data, starts, lengths = _places(values, valid)
    sink = TextSink(lengths, valid, len(values), form=form, prefix=prefix)
    for batch in batches(lengths):
        blocks = (lengths[batch] + BLOCK - 1) >> 4
        if (blocks == blocks[0]).all():
            sink.put(batch, Blocks.of(data, starts[batch], lengths[batch]).joined())
        else:
            sink.put_pieces(batch, data, starts[batch])
    return sink.array()


class TextSink:
    """Takes the bytes of a column batch by batch and gives them as text.

    Args:
        lengths: Of the values that are not null, in bytes.
        valid: Their places.
        count: Of all values.
        form: `base64url` or `hex`.
        prefix: ASCII text before each.
    """

    def __init__(self, lengths: Indices, valid: Indices, count: int, *, form: str, prefix: str = "") -> None:
        self._codec, self._lengths, self._valid, self._count = _CODECS[form], lengths, valid, count
        self._prefix = np.frombuffer(prefix.encode("ascii"), np.uint8)
        self._sizes = len(prefix) + -(-BLOCK * lengths // self._codec.bytes)
        total = int(self._sizes.sum())
        if total >= 1 << 31:
            raise ValueError(f"{total:,} characters don't fit into one string array; encode fewer values at a time")
        self._out, self._begins = room(total + BLOCK), np.cumsum(self._sizes) - self._sizes

    def put(self, batch: Indices, data: Uint8s) -> None:
        """The bytes of the values at these places (of those that are not null): rows of a matrix, or neighbours in one run."""
        if data.ndim == 1:
            lengths = self._lengths[batch]
            self.put_pieces(batch, roomy(data), np.cumsum(lengths) - lengths)
        else:
            lengths = self._sizes[batch] - len(self._prefix)
            put_rows(self._out, self._begins[batch] + len(self._prefix), self._codec.encode(data), lengths)
            self._put_prefix(batch)

    def put_pieces(self, batch: Indices, data: Uint8s, starts: Indices) -> None:
        """The same of neighbours that begin in `data` at `starts`; a block and more follows the last."""
        codec, lengths = self._codec, self._lengths[batch]
        pieces, owner, at = cut(data, starts, lengths, -(-lengths // codec.bytes), codec.bytes)
        rows = pieces.view(np.uint8).reshape(-1, BLOCK)[:, : codec.bytes]
        places = (self._begins[batch] + len(self._prefix))[owner] + at // codec.bytes * BLOCK
        windows(self._out)[places] = items(codec.encode(rows))
        self._put_prefix(batch)

    def _put_prefix(self, batch: Indices) -> None:
        if len(self._prefix):
            windows(self._out, len(self._prefix))[self._begins[batch]] = items(self._prefix[None])

    def array(self) -> pa.Array:
        """A string array, null where no value was announced."""
        return scattered(self._out[:-BLOCK], self._sizes, self._valid, self._count, text=True)


def decode_bytes(texts: pa.Array, form: str, *, prefix: str = "") -> tuple[pa.Array, NDArray[np.bool_]]:
    """What `encode_bytes` made such texts from; nothing else is read, not even with other case, padding or left-over bits.

    Returns:
        A large_binary array, null where `texts` is; and true where a value is no such text (its bytes mean nothing).

    Example:
        >>> made, wrong = decode_bytes(pa.array(["YW5u", "YW5", "YW=="]), "base64url")
        >>> made[0].as_py(), wrong.tolist()
        (b'ann', [False, True, True])
    """
    codec, valid = _CODECS[form], np.flatnonzero(~nulls(texts))
    data, starts, lengths = _places(texts, valid)
    wrong = ~_has_prefix(data, starts, lengths, prefix)
    starts, lengths = starts + np.where(wrong, 0, len(prefix)), np.where(wrong, 0, lengths - len(prefix))
    sizes = lengths * codec.bytes // BLOCK
    # A character too many, or bits that no byte has: only what encoding gives back is right.
    wrong |= -(-BLOCK * sizes // codec.bytes) != lengths
    out, begins = np.empty(int(sizes.sum()) + BLOCK, np.uint8), np.cumsum(sizes) - sizes
    for batch in neighbours(lengths):
        pieces, owner, at = cut(data, starts[batch], lengths[batch], -(-lengths[batch] // BLOCK))
        beyond = np.clip(lengths[batch][owner] - at, 0, BLOCK)
        digits = codec.digits[pieces.view(np.uint8)].reshape(-1, BLOCK)
        digits[np.arange(BLOCK) >= beyond[:, None]] = 0
        bad = (digits.view(np.uint64) & np.uint64(_lanes(_WRONG, 8))).any(axis=1)
        made = codec.decode(digits.view(">u8").astype(np.uint64))
        bad |= _left_over(made, np.minimum(beyond * codec.bytes // BLOCK, codec.bytes))
        wrong[batch[owner[bad]]] = True
        windows(out)[begins[batch][owner] + at // BLOCK * codec.bytes] = made
    everywhere = np.zeros(len(texts), bool)
    everywhere[valid] = wrong
    return scattered(out[:-BLOCK], sizes, valid, len(texts)), everywhere


def _places(values: pa.Array, valid: Indices) -> tuple[Uint8s, Indices, Indices]:
    """The bytes, room behind them, and where in them the values that are not null begin and how long they are."""
    offsets, data = ByteColumn.of(values).compact()
    return roomy(data), offsets[:-1][valid], np.diff(offsets)[valid]


def _has_prefix(data: Uint8s, starts: Indices, lengths: Indices, prefix: str) -> NDArray[np.bool_]:
    found = lengths >= len(prefix)
    wanted = np.frombuffer(prefix.encode("ascii"), np.uint8)
    rows = starts[found][:, None] + np.arange(len(prefix))
    found[found] = (data[rows] == wanted).all(axis=1)
    return found


def _left_over(made: BlockItems, held: Indices) -> NDArray[np.bool_]:
    """Whether anything but zeros follows the bytes that a piece holds."""
    rows = made.view(np.uint8).reshape(-1, BLOCK)
    return ((rows != 0) & (np.arange(BLOCK) >= held[:, None])).any(axis=1)


# --- base64url ----------------------------------------------------------------------------------------------------------


def _lanes(value: int, width: int) -> int:
    """`value` in every lane of `width` bits of a 64-bit word."""
    return sum(value << at for at in range(0, 64, width))


_STEPS = (
    (np.uint64(_lanes(0xFFFFFF << 24, 64)), np.uint64(_lanes(0xFFFFFF, 64)), np.uint64(8)),
    (np.uint64(_lanes(0xFFF << 12, 32)), np.uint64(_lanes(0xFFF, 32)), np.uint64(4)),
    (np.uint64(_lanes(0x3F << 6, 16)), np.uint64(_lanes(0x3F, 16)), np.uint64(2)),
)
"""48 bits become two lanes of 24, four of 12, eight of 6: which bits move, which stay, and how far."""


def _encode_base64url(rows: Uint8s) -> Uint8s:
    count, length = rows.shape
    whole = np.ascontiguousarray(rows)
    if length % _THREE:
        # So that each row begins with characters of its own.
        whole = np.zeros((count, -(-length // _THREE) * _THREE), np.uint8)
        whole[:, :length] = rows
    return np.frombuffer(pybase64.b64encode(whole.data, b"-_"), np.uint8).reshape(count, -1)


def _decode_base64url(digits: Uint64s) -> BlockItems:
    for moves, stays, by in reversed(_STEPS):
        digits = ((digits & (moves << by)) >> by) | (digits & stays)
    high = (digits[:, 0] << np.uint64(16)) | (digits[:, 1] >> np.uint64(32))
    return np.stack([high, digits[:, 1] << np.uint64(32)], axis=1).astype(">u8").view(ITEM)[:, 0]


# --- hexadecimal --------------------------------------------------------------------------------------------------------


def _encode_hex(rows: Uint8s) -> Uint8s:
    if rows.shape[1] % 2:
        rows = np.pad(rows, ((0, 0), (0, 1)))
    return hex_pairs()[rows.view(np.uint16)].view(np.uint8)


def _decode_hex(digits: Uint64s) -> BlockItems:
    nibbles = digits.astype(">u8").view(np.uint8).reshape(-1, BLOCK)
    made = np.zeros((len(digits), BLOCK), np.uint8)
    made[:, :8] = (nibbles[:, 0::2] << 4) | (nibbles[:, 1::2] & 0xF)
    return made.view(ITEM)[:, 0]


def _digits(alphabet: str) -> Uint8s:
    table = np.full(256, _WRONG, np.uint8)
    table[np.frombuffer(alphabet.encode(), np.uint8)] = np.arange(len(alphabet))
    return table


@dataclass(frozen=True, slots=True)
class _Codec:
    """How `bytes` bytes become 16 characters, and back.

    Attributes:
        encode: A matrix of bytes to one of characters, the last few of which may be too many.
        digits: Each character's value.
    """

    bytes: int
    encode: Callable[[Uint8s], Uint8s]
    decode: Callable[[Uint64s], BlockItems]
    digits: Uint8s


_CODECS = {
    "base64url": _Codec(12, _encode_base64url, _decode_base64url, _digits(BASE64URL)),
    "hex": _Codec(8, _encode_hex, _decode_hex, _digits(HEX)),
}
