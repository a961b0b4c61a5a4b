"""`generalize_date`: dates and timestamps taken back to the first moment of their year, month, week, ..."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import nulls, validity
from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._dates import Parse, Zone, check_parse, parser, require_parse
from airlock.operators._fields import INDIRECT, plain_field, wrong_type
from airlock.operators._moments import moments_of, require_known_zone, ticks_of_a_day
from airlock.operators._numbers import fixed_width, like
from airlock.operators._zones import A_DAY, from_local, to_local

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["GeneralizeDate"]

_EPOCH = dt.date(1970, 1, 1)
_FIRST_DECADE = -61_851_600_000
"""0010-01-01 in Unix seconds: the first decade that Arrow's calendar holds whole."""


@dataclass(kw_only=True, config=STRICT)
class GeneralizeDate(Operator):
    """Take a date or timestamp back to the first moment of the period it lies in; the type stays.

    Guarantee:
        Every output is the first moment of a period, so moments of one period can't be told apart. Weeks begin on Monday,
        decades in years that ten divides. A timestamp with a zone is taken by its local time: where the local first moment
        comes twice, the earlier one stands; where it does not exist, the end of the gap. Moments outside the years 1 to 9999
        (10 to 9999 for decades, from 1680 on for nanoseconds) are rejected as `out-of-range`. With `bottom`, no output is before
        the first moment of its period. With `parse`, what can't be read is rejected as `not-a-date`.

    Source: ISO/IEC 20889:2018, generalization (rounding); weeks as in ISO 8601.

    Args:
        to: The period.
        bottom: A date; earlier ones lie in its period, so that a year of birth does not tell who is 90 or older.
        parse: How texts and numbers are read: `iso`, `epoch_s`, `epoch_ms`, or a pattern such as "%d.%m.%Y". The output is a date
            (for hours a timestamp[s] in the zone).
        zone: With `parse`, in whose local time a number, or a text with an offset, counts (UTC by default); a text without an
            offset is local already.

    Example:
        >>> import datetime as dt
        >>> dates = pa.array([dt.date(2024, 2, 29), None])
        >>> GeneralizeDate(to="year").kernel(pa.field("born", pa.date32()), None)(dates).to_pylist()
        [datetime.date(2024, 1, 1), None]
    """

    name: ClassVar[str] = "generalize_date"
    example: ClassVar[str] = (
        "birth_date: {type: date32, class: quasi_identifier, generalize_date: {to: year, bottom: 1936-01-01}}"
    )
    shorthand: ClassVar[str | None] = "to"

    to: Literal["decade", "year", "quarter", "month", "week", "day", "hour"]
    bottom: dt.date | None = None
    parse: Parse | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _zone_goes_with_parse(self) -> Self:
        require_parse(self.parse, self.zone)
        return self

    @property
    def contract(self) -> Contract:
        """Equal moments stay equal; different ones may become so."""
        coded = "" if self.bottom is None else ", top and bottom coding"
        return Contract(technique=f"generalization: rounding{coded}", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type, date32, date64 or timestamp; with `parse` date32, or timestamp[s] in the zone for hours."""
        if self.parse is not None:
            check_parse(self.name, field, self.parse)
            return pa.field(field.name, self._type(field), nullable=field.nullable)
        kind = field.type
        if pa.types.is_date(kind) and self.to in ("day", "hour"):
            raise wrong_type(self.name, field, f"a date has no part finer than a day, to: {self.to} would change nothing")
        if not pa.types.is_date(kind) and not pa.types.is_timestamp(kind):
            raise wrong_type(self.name, field, "it takes dates and timestamps, or with `parse` text and integers")
        require_known_zone(self.name, field)
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Arrow's calendar, over local time where there is a zone."""
        del keys
        kind = self._type(field)
        zone, local_kind = getattr(kind, "tz", None), pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind
        zone = None if zone == "UTC" else zone
        size = ticks_of_a_day(kind) // A_DAY
        to_local_time = self._local(kind, zone, size)
        unit, multiple = ("year", 10) if self.to == "decade" else (self.to, 1)
        floor = partial(_by_arrow if self.to == "hour" else _by_day, multiple=multiple, unit=unit)
        bottom = None if self.bottom is None else (self.bottom - _EPOCH).days * ticks_of_a_day(kind)

        def first_moment(values: pa.Array) -> pa.Array:
            local = to_local_time(values)
            if bottom is not None:
                local = np.maximum(local, bottom)
            made = floor(like(values, local, local_kind))
            return made.view(kind) if zone is None else like(values, from_local(fixed_width(made), zone, size), kind)

        return first_moment

    def _type(self, field: pa.Field) -> pa.DataType:
        if self.parse is None:
            return field.type
        return pa.timestamp("s", tz=self.zone or "UTC") if self.to == "hour" else pa.date32()

    def _local(self, kind: pa.DataType, zone: str | None, size: int) -> Callable[[pa.Array], NDArray[Any]]:
        """From the column to ticks of local time, in the written type's unit; zero where null."""
        first, last = moments_of(kind, first=_FIRST_DECADE if self.to == "decade" else None)
        read = None if self.parse is None else parser(self.parse, self.zone)

        def local(values: pa.Array) -> NDArray[Any]:
            moments = values if read is None else read(values)
            tick = np.where(nulls(values), 0, fixed_width(moments)) if values.null_count else fixed_width(moments)
            tick = (tick // A_DAY).astype(np.int32) if read is not None and kind == pa.date32() else tick
            reject("out-of-range", (tick < first) | (tick > last))
            return tick if zone is None or read is not None else to_local(tick, zone, size)

        return local


def _by_arrow(values: pa.Array, *, multiple: int, unit: str) -> pa.Array:
    return pc.floor_temporal(values, multiple, unit=unit)


def _by_day(values: pa.Array, *, multiple: int, unit: str) -> pa.Array:
    """Periods of whole days: Arrow's calendar over the days that occur, a table for the values. A fifth of the time."""
    kind = values.type
    a_day = ticks_of_a_day(kind)
    # What stands at a null means nothing, and may be any number of days away.
    tick = np.asarray(values.view(pa.int32() if a_day == 1 else pa.int64()).fill_null(0))
    day = tick if a_day == 1 else tick // a_day
    low, high = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    if high - low >= len(day):
        return _by_arrow(values, multiple=multiple, unit=unit)
    days = pa.array(np.arange(low, high + 1, dtype=np.int32)).view(pa.date32())
    first = np.asarray(_by_arrow(days, multiple=multiple, unit=unit).view(pa.int32()))
    made = first[day - low] if a_day == 1 else first.astype(np.int64)[day - low] * a_day
    return pa.Array.from_buffers(kind, len(values), [validity(values), pa.py_buffer(made)])
