"""Dates and date-times in texts and numbers, by whole columns: a cursor a value walks over the bytes, directive by directive.

Called by the operators on dates where the policy says `parse`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import AfterValidator

from airlock.crypto.columns import nulls
from airlock.operators._base import reject
from airlock.operators._cursor import Cursor, Mask, read_texts
from airlock.operators._fields import TEXT, wrong_type
from airlock.operators._moments import FIRST, LAST, ticks_of_a_second
from airlock.operators._numbers import fixed_width, like
from airlock.operators._zones import A_DAY, Ints, is_zone, to_local

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.operators._base import Kernel

__all__ = ["Parse", "Zone", "check_parse", "days_of", "parser", "require_parse"]

_EPOCHS = {"epoch_s": 1, "epoch_ms": 1_000}
_DIRECTIVES = {"Y": "year", "m": "month", "d": "day", "H": "hour", "M": "minute", "S": "second"}
_HOURS, _MINUTES = 24, 60
_ISO_DATE = "%Y-%m-%d"

_NO_DATE = LAST + 1 + A_DAY
"""Stands for what is none, until it is rejected."""


def _known_parse(parse: str) -> str:
    if parse == "iso" or parse in _EPOCHS:
        return parse
    letters = re.findall("%(.)", parse)
    if not {"Y", "m", "d"} <= set(letters) <= set(_DIRECTIVES) or len(set(letters)) < len(letters) or not parse.isascii():
        raise ValueError("parse is iso, epoch_s, epoch_ms, or a pattern with %Y, %m and %d (and %H, %M, %S), each once")
    return parse


def _known_zone(zone: str) -> str:
    if not is_zone(zone):
        raise ValueError("zone is no time zone that is known here, such as Europe/Berlin")
    return zone


Parse = Annotated[str, AfterValidator(_known_parse)]
"""How a text or number is read: `iso` (ISO 8601 dates and date-times, RFC 3339), `epoch_s`, `epoch_ms`, or a pattern of `%Y` (four
digits), `%m`, `%d`, `%H`, `%M`, `%S` (one or two) and any other characters.
"""

Zone = Annotated[str, AfterValidator(_known_zone)]
"""In whose local time a number, or a text with an offset, counts."""


def check_parse(operator: str, field: pa.Field, parse: str) -> None:
    """Check that a column can be read so.

    Raises:
        OperatorTypeError: Texts are read by `iso` or a pattern, integers by `epoch_s` or `epoch_ms`.
    """
    if parse in _EPOCHS:
        if not pa.types.is_integer(field.type):
            raise wrong_type(operator, field, f"parse: {parse} is for integers")
    elif field.type not in TEXT:
        raise wrong_type(operator, field, f"parse: {parse} is for text")


def require_parse(parse: str | None, zone: str | None) -> None:
    """Refuse a zone where nothing is read. Raises ValueError."""
    if zone is not None and parse is None:
        raise ValueError("zone goes with parse: a timestamp has its own, in its type")


def days_of(field: pa.Field, parse: str | None, zone: str | None) -> Callable[[pa.Array], NDArray[Any]]:
    """From a column of dates, timestamps, or with `parse` texts or numbers, to local days since 1970."""
    kind = field.type
    if parse is not None:
        read = parser(parse, zone)
        return lambda values: fixed_width(read(values)) // A_DAY
    if kind == pa.date32():
        return fixed_width
    size = ticks_of_a_second(kind)
    own = getattr(kind, "tz", None)
    if own in (None, "UTC"):
        return lambda values: fixed_width(values) // (A_DAY * size)
    return lambda values: to_local(fixed_width(values.fill_null(0)), own, size) // (A_DAY * size)


def parser(parse: str, zone: str | None) -> Kernel:
    """From a column to timestamp[s] in local time; a blank text is rejected like any other that is no date.

    The kernel raises RejectedValuesError, code `not-a-date`.

    Example:
        >>> parser("iso", "Europe/Berlin")(pa.array(["2024-02-29", "2024-02-29T23:30:00.5Z"])).to_pylist()
        [datetime.datetime(2024, 2, 29, 0, 0), datetime.datetime(2024, 3, 1, 0, 30)]
    """
    steps = [] if parse in _EPOCHS else _steps(_ISO_DATE if parse == "iso" else parse)

    def read(cursor: Cursor) -> tuple[Ints, Mask]:
        seconds = cursor.moment(steps)
        return seconds, _iso_time(cursor, seconds) if parse == "iso" else np.zeros(len(seconds), bool)

    def parsed(values: pa.Array) -> pa.Array:
        if parse in _EPOCHS:
            seconds = _epoch(fixed_width(values), _EPOCHS[parse])
            instant, bad = np.ones(len(values), bool), seconds == _NO_DATE
        else:
            seconds, instant, bad = read_texts(values, read)
        reject("not-a-date", bad & ~nulls(values))
        if zone is not None and instant.any():
            seconds = np.where(instant, to_local(seconds, zone, 1), seconds)
        return like(values, seconds, pa.timestamp("s"))

    return parsed


def _epoch(numbers: NDArray[Any], per_second: int) -> Ints:
    inside = (numbers >= FIRST * per_second) & (numbers <= (LAST + 1) * per_second - 1)
    return np.where(inside, np.where(inside, numbers, 0).astype(np.int64) // per_second, _NO_DATE)


def _steps(pattern: str) -> list[tuple[str, int]]:
    """Directives with their least number of digits (two where digits follow or precede), and literal characters with 0."""
    parts = re.findall("%[A-Za-z]|.", pattern, re.DOTALL)
    near = [False, *(len(part) > 1 for part in parts), False]
    found = [
        (_DIRECTIVES.get(part[1:], part), len(part) > 1, before or after)
        for part, before, after in zip(parts, near, near[2:], strict=False)
    ]
    return [(name, 0 if not named else 4 if name == "year" else 2 if beside else 1) for name, named, beside in found]


def _iso_time(cursor: Cursor, seconds: Ints) -> Mask:
    """Read on where something stands behind the date: `T12:30`, seconds, fraction and offset as they come."""
    instant = cursor.bad & False
    more = np.flatnonzero(cursor.at < cursor.ends)
    if not len(more):
        return instant
    time = cursor.at_rows(more)
    time.literal(b"T t")
    clock = time.moment([("hour", 2), (":", 0), ("minute", 2)])
    point = time.optional(b":")
    if point.any():
        # A leap second belongs to its minute.
        clock += np.minimum(time.number(2, where=None if point.all() else point), 59)
    digits = time.optional(b".,")
    time.bad |= digits & ~time.is_digit()
    while digits.any():
        digits = digits & time.is_digit()
        time.at += digits
    utc = time.optional(b"Zz")
    clock -= 0 if utc.all() else _offset(time, utc)
    seconds[more] += clock
    instant[more] = utc
    if time is not cursor:
        cursor.bad[more] |= time.bad
        cursor.at[more] = time.at
    return instant


def _offset(time: Cursor, zoned: Mask) -> Ints:
    """Seconds of `+01:00`, `-0530` or `+01` where one stands; `zoned` becomes true there."""
    west = time.optional(b"-")
    signed = time.optional(b"+") | west
    if not signed.any():
        return np.zeros(len(west), np.int64)
    zoned |= signed
    hours = time.number(2, where=signed).astype(np.int64)
    inside = signed & (time.at < time.ends)
    time.optional(b":", where=inside)
    minutes = time.number(2, where=inside)
    time.bad |= (hours >= _HOURS) | (minutes >= _MINUTES)
    return np.where(west, -1, 1) * (hours * 3600 + minutes * 60)
