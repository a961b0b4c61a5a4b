"""`generalize_date`: dates and timestamps taken back to the first moment of their year, month, week, ..."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import validity
from airlock.operators._base import STRICT, Contract, Operator, RejectedValuesError
from airlock.operators._fields import INDIRECT, plain_field, wrong_type
from airlock.operators._moments import moments, require_zone, ticks_of_a_day

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["GeneralizeDate"]

_FIRST_DECADE = -61_851_600_000
"""0010-01-01 in Unix seconds: the first decade that Arrow's calendar holds whole."""


@dataclass(kw_only=True, config=STRICT)
class GeneralizeDate(Operator):
    """Take a date or timestamp back to the first moment of the period it lies in; the type stays.

    Guarantee:
        Every output is the first moment of a period, so moments of one period can't be told apart. Weeks begin on Monday,
        decades in years that ten divides. A timestamp with a zone is taken by its local time: where the local first moment
        comes twice, the earlier one stands; where it does not exist, the end of the gap. Moments outside the years 1 to 9999
        (10 to 9999 for decades, from 1680 on for nanoseconds) are rejected as `out-of-range`.

    Source: ISO/IEC 20889:2018, generalization (rounding); weeks as in ISO 8601.

    Example:
        >>> import datetime as dt
        >>> dates = pa.array([dt.date(2024, 2, 29), None])
        >>> GeneralizeDate(to="year").kernel(pa.field("born", pa.date32()), None)(dates).to_pylist()
        [datetime.date(2024, 1, 1), None]
    """

    name: ClassVar[str] = "generalize_date"
    shorthand: ClassVar[str | None] = "to"

    to: Literal["decade", "year", "quarter", "month", "week", "day", "hour"]

    @property
    def contract(self) -> Contract:
        """Equal moments stay equal; different ones may become so."""
        return Contract(technique="generalization: rounding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: date32, date64 or timestamp."""
        kind = field.type
        if pa.types.is_date(kind) and self.to in ("day", "hour"):
            raise wrong_type(self.name, field, f"a date has no part finer than a day, to: {self.to} would change nothing")
        if not pa.types.is_date(kind) and not pa.types.is_timestamp(kind):
            raise wrong_type(self.name, field, "it takes dates and timestamps")
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            require_zone(self.name, field)
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Arrow's calendar, over local time where there is a zone."""
        del keys
        unit, multiple = ("year", 10) if self.to == "decade" else (self.to, 1)
        zone = getattr(field.type, "tz", None)
        first, last = moments(field.type, first=_FIRST_DECADE if self.to == "decade" else None)
        ticks = pa.int32() if field.type == pa.date32() else pa.int64()
        floor = partial(_by_arrow if self.to == "hour" else _by_day, multiple=multiple, unit=unit)

        def first_moment(values: pa.Array) -> pa.Array:
            tick = values.view(ticks)
            outside = pc.fill_null(pc.or_(pc.less(tick, first), pc.greater(tick, last)), fill_value=False)
            if outside.true_count:
                raise RejectedValuesError("out-of-range", outside)
            if zone in (None, "UTC"):
                return floor(values)
            # Arrow's own rounding of zoned time fails where local midnight comes twice or never.
            local = floor(pc.local_timestamp(values))
            return pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest")

        return first_moment


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
