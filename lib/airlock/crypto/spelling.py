"""Text as digits of an alphabet, and back: letters become digits, separators stay where they are. Called by `fpe`.

ASCII alphabets work on the column's bytes, where a text keeps its length; others on code points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.aes import BATCH, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn, is_ascii, malformed_utf8, text_array, validity

__all__ = ["Alphabet", "Spelled", "from_digits", "to_digits"]

_FOREIGN, _SEPARATOR = 255, 254

_Symbols = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class Spelled:
    """A column's texts as digits.

    Attributes:
        digits: Of all texts, one after the other, without separators.
        ends: Where each text's digits end, after a zero.
        foreign: True where a text holds a character that is neither letter nor separator.
        symbols: The texts' bytes, or code points.
        offsets: Where each text's symbols end, after a zero.
        kept: Which symbols are letters; None where all are.
    """

    digits: Uint8s
    ends: NDArray[np.int64]
    foreign: NDArray[np.bool_]
    symbols: _Symbols
    offsets: NDArray[np.int64]
    kept: NDArray[np.bool_] | None

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Digits of each text."""
        return np.diff(self.ends)


@dataclass(frozen=True)
class Alphabet:
    """Letters in the order of their digits, and the separators between them.

    Example:
        >>> alphabet = Alphabet("0123456789", " -")
        >>> spelled = alphabet.spell(pa.array(["4-1", "07", "x"], pa.large_string()))
        >>> spelled.digits.tolist(), spelled.lengths.tolist(), spelled.foreign.tolist()
        ([4, 1, 0, 7], [2, 2, 0], [False, False, True])
        >>> alphabet.write(spelled, 9 - spelled.digits, pa.array(["4-1", "07", "x"], pa.large_string())).to_pylist()
        ['5-8', '92', 'x']
    """

    letters: str
    separators: str

    @property
    def _wide(self) -> bool:
        return not (self.letters + self.separators).isascii()

    @cached_property
    def _table(self) -> Uint8s:
        """Each symbol's digit; the last entry stands for all beyond."""
        table = np.full(max(255, *map(ord, self.letters + self.separators)) + 2, _FOREIGN, np.uint8)
        table[[ord(character) for character in self.separators]] = _SEPARATOR
        table[[ord(character) for character in self.letters]] = np.arange(len(self.letters))
        return table

    @cached_property
    def _codes(self) -> _Symbols:
        return np.array([ord(letter) for letter in self.letters], np.uint32 if self._wide else np.uint8)

    @cached_property
    def _first(self) -> np.uint8 | None:
        """The first letter, where the others are the characters after it."""
        run = not self._wide and bool((np.diff(self._codes.astype(np.int64)) == 1).all())
        return np.uint8(self._codes[0]) if run else None

    def spell(self, texts: pa.Array) -> Spelled:
        """Read a string or large_string array; nulls must be without bytes."""
        column = ByteColumn.of(texts).compact()
        symbols, offsets = _points(column) if self._wide else (column.data, column.offsets)
        foreign = malformed_utf8(column) if self._wide else np.zeros(len(texts), bool)
        digits = self._digits(symbols)
        if not len(digits) or int(digits.max()) < len(self.letters):
            return Spelled(digits, offsets, foreign, symbols, offsets, None)
        kept = digits < _SEPARATOR
        ends = _counted(kept, offsets)
        strange = np.flatnonzero(digits == _FOREIGN)
        foreign[np.searchsorted(offsets, strange, side="right") - 1] = True
        return Spelled(digits[kept], ends, foreign, symbols, offsets, kept)

    def write(self, spelled: Spelled, digits: Uint8s, texts: pa.Array) -> pa.Array:
        """The texts, as a large_string array, with other digits in the places of theirs."""
        letters = self._codes.take(digits) if self._first is None else digits + self._first
        if spelled.kept is not None:
            symbols = spelled.symbols.copy()
            symbols[spelled.kept] = letters
        else:
            symbols = letters
        column = _characters(symbols, spelled.offsets) if self._wide else ByteColumn(spelled.offsets, symbols)
        return text_array(column, validity(texts))

    def _digits(self, symbols: _Symbols) -> Uint8s:
        if self._first is not None:
            # What lies before the first letter wraps around.
            digits = symbols - self._first
            if not len(digits) or int(digits.max()) < len(self.letters):
                return digits
        if symbols.dtype == np.uint8:
            return np.frombuffer(symbols.tobytes().translate(self._table[:256].tobytes()), np.uint8)
        return self._table.take(symbols, mode="clip")


def _counted(kept: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many are kept before each offset."""
    ends, before = np.zeros(len(offsets), np.int64), 0
    # Blocks stay in the cache; numbers for every byte of a column would not.
    for first in range(0, len(offsets) - 1, BATCH):
        part = offsets[first : first + BATCH + 1]
        counts = np.zeros(int(part[-1] - part[0]) + 1, np.int64)
        np.cumsum(kept[part[0] : part[-1]], out=counts[1:])
        ends[first : first + BATCH + 1] = before + counts[part - part[0]]
        before = int(ends[first + len(part) - 1])
    return ends


def _points(column: ByteColumn) -> tuple[_Symbols, NDArray[np.int64]]:
    """Code points, and where each text's end. Broken text gives wrong ones; `malformed_utf8` names it."""
    offsets, data = column
    if is_ascii(column):
        return data.astype(np.uint32), offsets
    points = np.frombuffer(data.tobytes().decode("utf-8", "surrogateescape").encode("utf-32-le", "surrogatepass"), np.uint32)
    before = np.concatenate([[0], np.cumsum(data & 0xC0 != 0x80)])  # noqa: PLR2004 - all but continuation bytes (RFC 3629, section 3)
    return points, before[offsets]


def _characters(points: _Symbols, offsets: NDArray[np.int64]) -> ByteColumn:
    widths = 1 + (points >= 1 << 7) + (points >= 1 << 11) + (points >= 1 << 16).astype(np.int64)
    before = np.concatenate([[0], np.cumsum(widths)])
    return ByteColumn(before[offsets], np.frombuffer(points.tobytes().decode("utf-32-le").encode(), np.uint8))


def to_digits(numbers: Uint64s, length: int) -> Uint8s:
    """Whole numbers as decimal digits with leading zeros: shape (n, length).

    Example:
        >>> to_digits(np.array([42], np.uint64), 3).tolist()
        [[0, 4, 2]]
    """
    made = np.empty((len(numbers), length), np.uint8)
    for place in range(length - 1, -1, -1):
        rest = numbers // np.uint64(10)
        made[:, place] = numbers - rest * np.uint64(10)
        numbers = rest
    return made


def from_digits(digits: Uint8s) -> Uint64s:
    """The inverse of `to_digits`.

    Example:
        >>> from_digits(np.array([[0, 4, 2]], np.uint8)).tolist()
        [42]
    """
    made = np.zeros(len(digits), np.uint64)
    for column in digits.T:
        made = made * np.uint64(10) + column
    return made
