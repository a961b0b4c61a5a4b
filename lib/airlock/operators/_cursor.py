"""A cursor in each of many texts at once, which reads digits and characters on the way. Called by `_dates` and `zip3`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from airlock.crypto.columns import ByteColumn
from airlock.operators._zones import A_DAY, Ints

__all__ = ["Cursor", "Mask", "read_texts"]

_MOST = 64
"""Bytes that a cursor may go; longer texts are bad."""

_CHUNK = 16_384
"""Values whose cursors and digits stay in cache."""

Mask = NDArray[np.bool_]

_LIMITS = {"hour": (23, 3600), "minute": (59, 60), "second": (59, 1)}
_BASE = 10


def read_texts(values: pa.Array, read: Callable[[Cursor], tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """What `read` reads of each text, and last where it is bad; what stands at a null means nothing.

    Example:
        >>> read_texts(pa.array(["12", "1x", "123"]), lambda cursor: (cursor.number(2),))[1].tolist()
        [False, True, True]
    """
    offsets, data = ByteColumn.of(values).compact()
    parts = []
    for first in range(0, max(1, len(offsets) - 1), _CHUNK):
        starts, ends = offsets[:-1][first : first + _CHUNK], offsets[1:][first : first + _CHUNK]
        base = starts[0] if len(starts) else 0
        # Room behind the last value for a cursor that runs over its end.
        held = np.concatenate([data[base : ends[-1] if len(ends) else 0], np.zeros(_MOST, np.uint8)])
        cursor = Cursor(held, starts - base, ends - base)
        made = read(cursor)
        parts.append((*made, cursor.bad | (cursor.at != cursor.ends)))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


class Cursor:
    """Where each text is being read, and which ones are `bad` already.

    A cursor may run over its text's end into the next one's bytes: it never comes back, so that `at` differs from `ends` in the end.

    Attributes:
        at: The next byte of each text.
        ends: The byte behind it.
        bad: True where something else stood than what was read.
    """

    def __init__(self, data: NDArray[np.uint8], starts: Ints, ends: Ints) -> None:
        self._data, self.at, self.ends = data, starts, ends
        self.bad: Mask = ends - starts > _MOST // 2

    def at_rows(self, rows: Ints) -> Cursor:
        """A cursor of its own in some of the texts; this one where they are all."""
        if len(rows) == len(self.at):
            return self
        return Cursor(self._data, self.at[rows], self.ends[rows])

    def is_digit(self) -> Mask:
        """Whether a digit comes next, inside the text."""
        return (self._peek() < _BASE) & (self.at < self.ends)

    def number(self, digits: int, *, least: int | None = None, where: Mask | None = None) -> NDArray[np.int32]:
        """The number of so many digits, or of `least` at least; zero, and nothing read, except `where`."""
        made = np.zeros(len(self.at), np.int32)
        for count in range(digits):
            digit = self._peek()
            needed = least is None or count < least
            if where is None and needed:
                # Most digits of most texts are read here: a third of the time of the general way.
                self.bad |= digit >= _BASE
                made *= _BASE
                made += digit
                self.at += 1
                continue
            there = (digit < _BASE) & (self.at < self.ends) if where is None else where
            if needed:
                self.bad |= (digit >= _BASE) & there
            made = np.where(there, made * _BASE + digit, made)
            self.at += there
        return made

    def literal(self, among: bytes) -> None:
        """One of these bytes."""
        self.bad |= ~self._one_of(among)
        self.at += 1

    def optional(self, among: bytes, *, where: Mask | None = None) -> Mask:
        """Where one of these bytes comes next, which is read."""
        found = self._one_of(among) & (self.at < self.ends)
        found = found if where is None else found & where
        self.at += found
        return found

    def moment(self, steps: Sequence[tuple[str, int]]) -> Ints:
        """Seconds since 1970, or since midnight: directives with their least number of digits, characters with 0."""
        read: dict[str, NDArray[np.int32]] = {}
        for name, least in steps:
            if least == 0:
                self.literal(name.encode())
            else:
                read[name] = self.number(4 if name == "year" else 2, least=least)
        seconds = self._days(read) * A_DAY if "day" in read else np.zeros(len(self.at), np.int64)
        for name, (limit, size) in _LIMITS.items():
            if name in read:
                self.bad |= read[name] > limit
                seconds += read[name].astype(np.int64) * size
        return seconds

    def _days(self, read: dict[str, NDArray[np.int32]]) -> Ints:
        year, month, day = read["year"], read["month"], read["day"]
        self.bad |= (year < 1) | (month < 1) | (month > 12) | (day < 1)  # noqa: PLR2004 - months
        at = np.where(self.bad, 0, year * 12 + month - 1)
        first = _months()[at]
        self.bad |= day > _months()[at + 1] - first
        return first + day - 1

    def _one_of(self, among: bytes) -> Mask:
        byte = self._data.take(self.at)
        found = byte == among[0]
        for one in among[1:]:
            found |= byte == one
        return found

    def _peek(self) -> NDArray[np.uint8]:
        # Bytes wrap: nothing but a digit is below ten.
        return self._data.take(self.at) - np.uint8(48)


@cache
def _months() -> Ints:
    """The first day of each month of the years 0 to 10000."""
    return np.arange("0000-01", "10001-01", dtype="M8[M]").astype("M8[D]").astype(np.int64)
