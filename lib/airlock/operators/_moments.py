"""Dates and timestamps as ticks: how many a day has, and which ones Arrow's calendar holds.

Called by the operators that work on moments.
"""

from __future__ import annotations

import pyarrow as pa

from airlock.operators._fields import wrong_type
from airlock.operators._zones import A_DAY, PER_SECOND, is_zone

__all__ = ["FIRST", "LAST", "moments_of", "require_known_zone", "ticks_of_a_day", "ticks_of_a_second"]

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""0001-01-01 and 9999-12-31T23:59:59 (RFC 3339's years) in Unix seconds: Arrow's calendar wraps further out."""

_FIRST_NANOSECOND = -9_151_488_000
"""1680-01-01: the first decade that 64-bit nanoseconds hold whole."""


def moments_of(kind: pa.DataType, *, first: int | None = None) -> tuple[int, int]:
    """First and last tick of a date or timestamp type that operators accept: the years 1 to 9999, for nanoseconds from 1680 on.

    Args:
        kind: date32, date64 or a timestamp.
        first: Another first moment, in Unix seconds.

    Example:
        >>> moments_of(pa.date32())
        (-719162, 2932896)
    """
    first = FIRST if first is None else first
    if kind == pa.date32():
        return first // A_DAY, LAST // A_DAY
    if ticks_of_a_second(kind) == PER_SECOND["ns"]:
        return _FIRST_NANOSECOND * PER_SECOND["ns"], (1 << 63) - 1
    return first * ticks_of_a_second(kind), (LAST + 1) * ticks_of_a_second(kind) - 1


def require_known_zone(operator: str, field: pa.Field) -> None:
    """Refuse timestamps whose local time can't be told.

    Raises:
        OperatorTypeError: Their time zone is not known here.
    """
    kind = field.type
    if pa.types.is_timestamp(kind) and kind.tz is not None and not is_zone(kind.tz):
        raise wrong_type(operator, field, "its time zone is not known here")


def ticks_of_a_day(kind: pa.DataType) -> int:
    """How many ticks of a date or timestamp type a day has."""
    return 1 if kind == pa.date32() else A_DAY * ticks_of_a_second(kind)


def ticks_of_a_second(kind: pa.DataType) -> int:
    """How many ticks of date64 or a timestamp type a second has."""
    return PER_SECOND["ms" if kind == pa.date64() else kind.unit]
