"""`age`: dates of birth to completed years on a fixed day, the old under one number."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import nulls
from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._dates import Parse, Zone, check_parse, days_of, require_parse
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._moments import require_known_zone
from airlock.operators._numbers import like

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Age"]

_OLDEST = 150


@dataclass(kw_only=True, config=STRICT)
class Age(Operator):
    """Write the age on a day, in completed years and at most `top`: int16.

    Guarantee:
        Every output is a whole multiple of `width` from 0 to `top`, so persons of one age can't be told apart, and those of `top`
        years and more neither: 90 stands for "90 or older". Who was born on 29 February completes a year on 1 March where there
        is no such day. A birth after `at` is rejected as `not-born`; with `parse`, what can't be read as `not-a-date`.

    Source: ISO/IEC 20889:2018, generalization (rounding; top and bottom coding); 45 CFR 164.514(b)(2)(i)(C): all ages over 89 into
    a single category of age 90 or older.

    Args:
        at: The day on which the years are counted. It is fixed: one that moved would tell birthdays.
        top: Everybody of this age and older has it; a multiple of `width`.
        width: How many years are one.
        parse: How texts and numbers are read, as in `generalize_date`.
        zone: With `parse`, in whose local time a number, or a text with an offset, counts (UTC by default).

    Example:
        >>> born = pa.array([dt.date(1936, 11, 22), dt.date(1936, 11, 23), dt.date(1900, 1, 1), None])
        >>> Age.from_dict({"at": "2026-11-22"}).kernel(pa.field("born", pa.date32()), None)(born).to_pylist()
        [90, 89, 90, None]
    """

    name: ClassVar[str] = "age"
    example: ClassVar[str] = "birth_date: {type: date32, class: quasi_identifier, age: {at: 2026-01-01, width: 5}}"
    shorthand: ClassVar[str | None] = "at"
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({"at": "2026-01-01"})

    at: dt.date
    top: int = Field(default=90, ge=1, le=_OLDEST)
    width: int = Field(default=1, ge=1)
    parse: Parse | None = None
    zone: Zone | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.top % self.width:
            raise ValueError("top must be a whole multiple of width")
        require_parse(self.parse, self.zone)
        if self.at.year <= self.top:
            raise ValueError("at must be later")
        return self

    @property
    def contract(self) -> Contract:
        """Equal dates stay equal; different ones may become so."""
        return Contract(technique="generalization: rounding, top and bottom coding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """int16; from date32, date64 or timestamp, or with `parse` from text or integers."""
        kind = field.type
        if self.parse is not None:
            check_parse(self.name, field, self.parse)
        elif not pa.types.is_date(kind) and not pa.types.is_timestamp(kind):
            raise wrong_type(self.name, field, "it takes dates and timestamps, or with `parse` text and integers")
        require_known_zone(self.name, field)
        return pa.field(field.name, pa.int16(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """A table over the days of `top` years."""
        del keys
        ages, at, days = self._table(), (self.at - dt.date(1970, 1, 1)).days, days_of(field, self.parse, self.zone)

        def years(values: pa.Array) -> pa.Array:
            lived = at - days(values).astype(np.int64)
            reject("not-born", (lived < 0) & ~nulls(values))
            return like(values, ages[np.clip(lived, 0, len(ages) - 1)], pa.int16())

        return years

    def _table(self) -> NDArray[np.int16]:
        """The age by days lived on `at`; the last one is that of all who lived longer."""
        last = [_years_before(self.at, age) for age in range(1, self.top + 1)]
        lived = np.array([(self.at - day).days for day in last])
        whole = np.searchsorted(lived, np.arange(lived[-1] + 1), side="right")
        return (whole // self.width * self.width).astype(np.int16)


def _years_before(day: dt.date, years: int) -> dt.date:
    """The last day of birth on which so many years are complete: 28 February where there is no 29th."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
