"""Arrow buffers as numpy arrays: bytes and offsets of text, and a 64-bit fingerprint of every value. Called by the checks.

Fingerprints count distinct values and draw samples; they leave the process only inside the outer door's own partials.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from airlock.policy.arrow import is_binary

__all__ = ["fingerprints", "is_text", "text_buffers", "words"]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = 8


def is_text(data_type: pa.DataType) -> bool:
    """Whether values of the type are text."""
    return bool(pa.types.is_string(data_type) or pa.types.is_large_string(data_type) or pa.types.is_string_view(data_type))


def text_buffers(values: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (n + 1, the first 0) and bytes of a text or binary array without nulls, whatever its slice.

    Example:
        >>> offsets, data = text_buffers(pa.array(["ab", "", "c"])[1:])
        >>> offsets.tolist(), data.tobytes()
        ([0, 0, 1], b'c')
    """
    if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
        values = values.cast(pa.large_string() if is_text(values.type) else pa.large_binary())
    elif pa.types.is_fixed_size_binary(values.type):
        values = values.cast(pa.binary())
    if len(values) == 0:
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, places, data = values.buffers()
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    offsets = np.frombuffer(places, np.int64 if wide else np.int32)[values.offset : values.offset + len(values) + 1]
    content = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return offsets - offsets[0], content[offsets[0] : offsets[-1]]


def words(values: pa.Array) -> np.ndarray:
    """Fixed-width values without nulls as little-endian uint64 words: shape (n, words of a value)."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
    width = values.type.bit_width // 8
    raw = np.frombuffer(values.buffers()[1], np.uint8)[values.offset * width : (values.offset + len(values)) * width]
    if width % _WORD == 0:
        return raw.view("<u8").reshape(len(values), width // _WORD)
    return raw.view(f"<u{width}").astype(np.uint64).reshape(len(values), 1)


def fingerprints(values: pa.Array) -> np.ndarray:
    """A 64-bit fingerprint of each value (uint64); equal values of one type have equal ones. No nulls in `values`.

    Example:
        >>> one, two, three = fingerprints(pa.array(["a", "b", "a"]))
        >>> bool(one == three), bool(one == two)
        (True, False)
    """
    if pa.types.is_dictionary(values.type):
        return fingerprints(values.dictionary)[np.asarray(values.indices)]
    if len(values) == 0:
        return np.zeros(0, np.uint64)
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.uint64)
    if is_text(values.type) or is_binary(values.type):
        return _finish(_text_state(*text_buffers(values)))
    state = np.zeros(len(values), np.uint64)
    for column in words(values).T:
        state = _stir(state, column)
    return _finish(state)


def _text_state(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    state = lengths.astype(np.uint64)
    if longest and int(lengths.min()) == longest and longest % _WORD == 0:
        for column in data.view("<u8").reshape(len(lengths), -1).T:
            state = _stir(state, column)
        return state
    # A view of 8 bytes at every offset reads a word of each value at once; the tail's foreign bytes are shifted away. Sorted by
    # length, each step works on a shrinking suffix; 16-bit lengths sort by radix.
    anywhere = np.ndarray((len(data) + 1,), "<u8", np.concatenate([data, np.zeros(_WORD, np.uint8)]), strides=(1,))
    order = np.argsort(lengths.astype(np.uint16) if longest < 1 << 16 else lengths, kind="stable")
    sizes, starts, moved = lengths[order], offsets[:-1][order], state[order]
    for done in range(0, longest, _WORD):
        first = int(np.searchsorted(sizes, done, side="right"))
        spare = ((_WORD - np.minimum(sizes[first:] - done, _WORD)) * _WORD).astype(np.uint64)
        moved[first:] = _stir(moved[first:], (anywhere[starts[first:] + done] << spare) >> spare)
    state[order] = moved
    return state


def _stir(state: np.ndarray, word: np.ndarray) -> np.ndarray:
    mixed = (state ^ word) * _ODD
    return mixed ^ (mixed >> np.uint64(32))


def _finish(state: np.ndarray) -> np.ndarray:
    # The output function of SplitMix64 (Steele, Lea, Flood 2014).
    mixed = (state ^ (state >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))
