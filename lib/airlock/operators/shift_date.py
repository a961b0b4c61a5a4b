"""`shift_date`: all of a subject's dates moved by one number of days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import nulls
from airlock.crypto.draws import draw_words, up_to
from airlock.operators._base import STRICT, Contract, reject
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._moments import moments_of, require_known_zone, ticks_of_a_day
from airlock.operators._per_subject import Bools, PerSubject, int64_ticks, moments_like
from airlock.operators._zones import A_DAY, from_local, to_local

if TYPE_CHECKING:
    from airlock.crypto.aes import Uint64s
    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel

__all__ = ["ShiftDate"]

_WEEK = 7


@dataclass(kw_only=True, config=STRICT)
class ShiftDate(PerSubject):
    """Move a date or timestamp by a whole number of days, the same for all of a subject's dates.

    Guarantee:
        The shift is a keyed function (AES-CMAC) of the subject's canonical text, `days`, `min_days` and `keep_weekday`: the same in
        every column, row, table and run of one domain, recipient and epoch, uniform to within 2^-64 and never zero. So a
        subject's dates keep their order, the days between them and the time of day; the true ones are anywhere from `min_days` to
        `days` before or after. Other recipients, epochs and arguments draw unrelated shifts,
        and each such release of one date narrows it: of four with `days: 30` their overlap is about 24 days wide. Whoever knows one of a subject's
        true dates knows all of them, and so, nearly, does who sees the series end at a known day: keep `days` well above the
        distance between events that are known outside. Seasons, and with `keep_weekday` weekdays, stay. So does the time of day:
        where it is nearly unique the gate refuses the column; generalize it, or shift a date. Timestamps
        with a zone move by local days: the local time of day stays, a time that comes twice then becomes the earlier one, and one that
        does not exist the end of the gap. What would leave the years 1 to 9999 (nanoseconds: 1680 to 2262) is rejected as
        `out-of-range`, a value without a subject as `no-subject`.

    Source: Hripcsak et al., Preserving temporal relations in clinical data while maintaining privacy, JAMIA 23(6), 2016 (shift and
        truncate); ISO/IEC 20889:2018, randomization (noise addition).

    Args:
        domain: Key domain of the subject.
        subject: Path of the column that says whose date it is; it may be dropped.
        days: The largest shift, either way.
        min_days: The smallest.
        keep_weekday: Only whole weeks.
        no_subject: `reject` rows without a subject, or (null) write null.

    Example:
        >>> import datetime as dt
        >>> from airlock.keys import SubKeys
        >>> shift = ShiftDate(domain="patient", subject="id", keep_weekday=True)
        >>> kernel = shift.kernel(pa.field("seen", pa.date32()), SubKeys({shift.requests()[0]: bytes(32)}, {}))
        >>> visits = [dt.date(2024, 2, 29), dt.date(2024, 3, 5)]
        >>> moved = kernel(pa.array([{"value": day, "id": 7} for day in visits])).to_pylist()
        >>> moved[1] - moved[0], moved[0].weekday() == visits[0].weekday(), moved[0] == visits[0]
        (datetime.timedelta(days=5), True, False)
    """

    name: ClassVar[str] = "shift_date"
    example: ClassVar[str] = (
        "admitted: {type: date32, class: sensitive, shift_date: {domain: customer, subject: customer_id, days: 180, keep_weekday: true}}"
    )
    purpose: ClassVar[str] = "shift-date"

    days: Annotated[int, Field(ge=1, le=36_500)] = 30
    min_days: Annotated[int, Field(ge=1)] = 1
    keep_weekday: bool = False

    @model_validator(mode="after")
    def _leaves_a_choice(self) -> Self:
        if self._fewest > self._most:
            what = "a multiple of 7, as keep_weekday asks, " if self.keep_weekday else ""
            raise ValueError(f"no shift {what}lies between min_days and days")
        return self

    @property
    def contract(self) -> Contract:
        """No date stays; different ones of different subjects may become one."""
        return Contract(technique="randomization: noise addition", keyed=True, same_form=True, classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: date32, date64 or timestamp."""
        if not pa.types.is_date(field.type) and not pa.types.is_timestamp(field.type):
            raise wrong_type(self.name, field, "it takes dates and timestamps")
        require_known_zone(self.name, field)
        return self.own_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """A tag of each row's subject, a shift from each tag, one addition."""
        subjects = self.subjects(self.subkey(keys, "subject", self.days, self.min_days, self.keep_weekday))
        kind, limits, a_day = field.type, moments_of(field.type), ticks_of_a_day(field.type)
        zone = getattr(kind, "tz", None)
        clock = None if zone in (None, "UTC") else (zone, a_day // A_DAY)

        def shift(rows: pa.StructArray) -> pa.Array:
            values = rows.field("value")
            tags, missing = subjects(rows)
            null = nulls(values)
            ticks, shifts = int64_ticks(values), self._shifts(draw_words(tags))
            reject("out-of-range", _outside(ticks, limits) & ~null)
            ticks = ticks if clock is None else to_local(ticks, *clock)
            moved = ticks + shifts * a_day
            # In 64-bit nanoseconds a sum may wrap around: then it is far from where it began.
            wrapped = (moved > ticks) != (shifts > 0)
            reject("out-of-range", (_outside(moved, limits) | wrapped) & ~null)
            moved = moved if clock is None else from_local(np.where(null, 0, moved), *clock)
            return moments_like(moved, kind, null | missing)

        return shift

    def _shifts(self, words: Uint64s) -> NDArray[np.int64]:
        """Days, from the longest shift back to the longest forward, without those that are too short."""
        count = self._most - self._fewest + 1
        drawn = up_to(words, 2 * count)
        steps = np.where(drawn < count, drawn - self._most, drawn - count + self._fewest)
        return steps * self._step

    @property
    def _step(self) -> int:
        return _WEEK if self.keep_weekday else 1

    @property
    def _fewest(self) -> int:
        return -(-self.min_days // self._step)

    @property
    def _most(self) -> int:
        return self.days // self._step


def _outside(ticks: NDArray[np.int64], limits: tuple[int, int]) -> Bools:
    return (ticks < limits[0]) | (ticks > limits[1])
