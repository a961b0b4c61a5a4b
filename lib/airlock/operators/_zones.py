"""Local time and back, by whole columns: two tables of days for each zone, Arrow's calendar for days on which a clock changes.

Called by the operators on dates. Arrow looks each value's zone up by search, which takes ten times as long.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.operators._numbers import fixed_width

__all__ = ["A_DAY", "PER_SECOND", "Ints", "from_local", "is_zone", "to_local"]

A_DAY = 86_400

Ints = NDArray[np.int64]

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_UNITS = {size: unit for unit, size in PER_SECOND.items()}
_FIRST, _LAST = "1900-01-01", "2100-01-01"
"""The days of the tables; others go the long way."""


def is_zone(zone: str) -> bool:
    """Whether the zone's clock is known here."""
    try:
        _by_arrow(np.zeros(1, np.int64), zone, 1)
    except pa.ArrowInvalid:
        return False
    return True


def to_local(ticks: Ints, zone: str, size: int) -> Ints:
    """What a clock in the zone showed.

    Args:
        ticks: Since 1970 in UTC.
        zone: A name of the time zone database, or an offset.
        size: Ticks of a second.

    Example:
        >>> int(to_local(np.array([0]), "Europe/Berlin", 1)[0])
        3600
    """
    offsets = _offsets(zone)
    # A day at whose ends the same offset counts has no other in it.
    day, known = _days(ticks, size, len(offsets))
    shift = offsets[day]
    known &= shift == offsets[day + 1]
    made = ticks + shift * np.int64(size)
    rest = np.flatnonzero(~known)
    if len(rest):
        made[rest] = _by_arrow(ticks[rest], zone, size)
    return made


def from_local(local: Ints, zone: str, size: int) -> Ints:
    """The moment at which a clock in the zone first shows a time; of one that it skips, the end of the gap."""
    starts = _starts(zone)
    day, known = _days(local, size, len(starts))
    start = starts[day]
    within = local - (day + _first_day()) * (A_DAY * size)
    # Midnights are in the table themselves, whatever the clock does later that day.
    known &= (within == 0) | (starts[day + 1] - start == A_DAY)
    made = start * size + within
    rest = np.flatnonzero(~known)
    if len(rest):
        made[rest] = _moments(local[rest], zone, size)
    return made


def _days(ticks: Ints, size: int, count: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Each tick's place in a table of days, zero where it lies in none; and where it does."""
    day = ticks // (A_DAY * size) - _first_day()
    known = (day >= 0) & (day < count - 1)
    return np.where(known, day, 0), known


@cache
def _first_day() -> int:
    return int(np.datetime64(_FIRST, "D").astype(np.int64))


def _midnights() -> Ints:
    return np.arange(_FIRST, _LAST, dtype="M8[D]").astype(np.int64) * A_DAY


@cache
def _offsets(zone: str) -> Ints:
    """Seconds that local time is ahead at each midnight of UTC."""
    return _by_arrow(_midnights(), zone, 1) - _midnights()


@cache
def _starts(zone: str) -> Ints:
    """The first moment of each local day, in seconds."""
    return _moments(_midnights(), zone, 1)


def _by_arrow(ticks: Ints, zone: str, size: int) -> Ints:
    return fixed_width(pc.local_timestamp(pa.array(ticks).view(pa.timestamp(_UNITS[size], tz=zone))))


def _moments(local: Ints, zone: str, size: int) -> Ints:
    naive = pa.array(local).view(pa.timestamp(_UNITS[size]))
    return fixed_width(pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest"))
