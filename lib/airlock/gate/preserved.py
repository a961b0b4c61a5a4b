"""Values that kept their form: length, alphabet and check digit, by the gate's own code. Called by `shapes`."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.buffers import is_text, text_buffers
from airlock.policy.formats import Preserved

__all__ = ["preserved_offenders"]

_LETTER, _SEPARATOR, _FOREIGN = range(3)

_DOUBLED = np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9])
_TEN = 10


def preserved_offenders(values: pa.Array, shape: Preserved) -> np.ndarray:
    """True where a value is not of the form.

    Example:
        >>> shape = Preserved(alphabet="0123456789", separators=" ", shortest=6, longest=6)
        >>> preserved_offenders(pa.array(["12 34 56", "12345", "12345x", "1234567"]), shape).tolist()
        [False, True, True, True]
    """
    if pa.types.is_integer(values.type):
        negative = np.asarray(pc.less(values, pa.scalar(0, values.type)))
        digits = pc.binary_length(values.cast(pa.string()))
        return negative | np.asarray(pc.greater(digits, shape.longest))
    if not is_text(values.type):
        return np.ones(len(values), bool)
    if not (shape.alphabet + shape.separators).isascii():
        return ~np.asarray(pc.match_substring_regex(values, _pattern(shape)))
    offsets, data = text_buffers(values)
    kinds = _kinds(shape).take(data)
    letters = kinds == _LETTER
    before = np.concatenate([[0], np.cumsum(letters, dtype=np.int64)])[offsets]
    lengths = np.diff(before)
    bad = (lengths < shape.shortest) | (lengths > shape.longest)
    foreign = np.flatnonzero(kinds == _FOREIGN)
    bad[np.searchsorted(offsets, foreign, side="right") - 1] = True
    return bad | _unchecked(data[letters], before) if shape.luhn else bad


def _kinds(shape: Preserved) -> np.ndarray:
    kinds = np.full(256, _FOREIGN, np.uint8)
    kinds[list(shape.separators.encode())] = _SEPARATOR
    kinds[list(shape.alphabet.encode())] = _LETTER
    return kinds


def _unchecked(letters: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """True where the digits' sum, every second from the right doubled, is no multiple of ten (ISO/IEC 7812-1, annex B)."""
    digits = letters - ord("0")
    from_right = np.repeat(ends[1:], np.diff(ends)) - np.arange(len(digits))
    counted = np.where(from_right % 2 == 0, _DOUBLED.take(digits), digits)
    sums = np.diff(np.concatenate([[0], np.cumsum(counted, dtype=np.int64)])[ends])
    return np.asarray(sums % _TEN != 0)


def _pattern(shape: Preserved) -> str:
    letters, separators = ("".join(map(re.escape, characters)) for characters in (shape.alphabet, shape.separators))
    gap = f"[{separators}]*" if separators else ""
    return rf"\A{gap}(?:[{letters}]{gap}){{{shape.shortest},{shape.longest}}}\z"
