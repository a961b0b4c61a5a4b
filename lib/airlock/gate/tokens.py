"""Tokens, matched on the raw bytes: a pass over equal-length text costs a few operations a byte. Called by `shapes`."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.buffers import is_text, text_buffers
from airlock.policy.arrow import is_binary
from airlock.policy.formats import Token

__all__ = ["token_offenders"]

_HYPHENS = (8, 13, 18, 23)
_BLOCK = 1 << 16
"""Bytes checked at once: they stay in the cache between the steps."""


def token_offenders(values: pa.Array, shape: Token) -> np.ndarray:
    """True where a value is not such a token; numbers are judged by their text.

    Example:
        >>> token_offenders(pa.array(["t_0f", "t_0g", "t_0f0"]), Token(alphabet="0123456789abcdef", length=2, prefix="t_")).tolist()
        [False, True, True]
    """
    if not (is_text(values.type) or is_binary(values.type)):
        values = values.cast(pa.string())
    if shape.domains is not None or shape.first or shape.last or not (shape.alphabet + shape.prefix).isascii():
        return _by_pattern(values, shape)
    offsets, data = text_buffers(values)
    width = len(shape.prefix) + shape.length
    fits = np.diff(offsets) == width
    if not fits.all():
        rows = offsets[:-1][fits][:, None] + np.arange(width)
        bad = ~fits
        bad[fits] = _rows_off(data[rows], shape)
        return bad
    matrix = data.reshape(len(values), width)
    if _all_right(matrix, shape):
        return np.zeros(len(values), bool)
    return _rows_off(matrix, shape)


def _all_right(matrix: np.ndarray, shape: Token) -> bool:
    rows = max(1, _BLOCK // matrix.shape[1])
    return not any(_bytes_off(matrix[start : start + rows], shape).any() for start in range(0, len(matrix), rows))


def _rows_off(matrix: np.ndarray, shape: Token) -> np.ndarray:
    return np.asarray(_bytes_off(matrix, shape).any(axis=1))


def _bytes_off(matrix: np.ndarray, shape: Token) -> np.ndarray:
    off = ~_in_alphabet(matrix, shape.alphabet)
    start = len(shape.prefix)
    if start:
        off[:, :start] = matrix[:, :start] != np.frombuffer(shape.prefix.encode(), np.uint8)
    if shape.hyphens:
        places = [start + at for at in _HYPHENS]
        off[:, places] = matrix[:, places] != ord("-")
    return off


def _in_alphabet(matrix: np.ndarray, alphabet: str) -> np.ndarray:
    found = np.zeros(matrix.shape, bool)
    for first, last in _ranges(alphabet):
        # Unsigned wrap-around makes one comparison of two.
        found |= (matrix - np.uint8(first)) <= np.uint8(last - first)
    return found


def _ranges(alphabet: str) -> list[tuple[int, int]]:
    codes = sorted(set(alphabet.encode()))
    breaks = [at for at, (one, other) in enumerate(pairwise(codes), 1) if other != one + 1]
    return [(codes[start], codes[stop - 1]) for start, stop in pairwise([0, *breaks, len(codes)])]


def _by_pattern(values: pa.Array, shape: Token) -> np.ndarray:
    letters = "[" + "".join(re.escape(character) for character in shape.alphabet) + "]"
    sizes = (8, 4, 4, 4, shape.length - 24) if shape.hyphens else (shape.length,)
    core = "-".join(f"{letters}{{{size}}}" for size in sizes)
    ending = "" if shape.domains is None else "@(?:" + "|".join(map(re.escape, shape.domains)) + ")"
    token = f"{re.escape(shape.prefix)}{core}{ending}"
    around = rf"(?s:.{{{shape.first}}}){token}(?s:.{{{shape.last}}})|" if shape.first or shape.last else ""
    pattern = rf"\A(?:{around}{token})\z"
    return ~np.asarray(pc.match_substring_regex(values, pattern))
