"""`shift_date`: what is kept, what differs, and the same shifts made another way. The laws of all operators are in conformance."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operators._perturbing import shift

from airlock.keys import SubKeys
from airlock.keys.derive import derive
from airlock.operators._base import RejectedValuesError
from airlock.operators.shift_date import ShiftDate

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])
MOMENTS = st.integers(315_532_800, 1_893_456_000).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))
DATES = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))


def shifted(operator: ShiftDate, dates: list, subjects: list, *, kind: pa.DataType | None = None, recipient: str = "analytics", epoch: int = 1) -> list:  # fmt: skip
    kind = kind or pa.date32()
    keys = SubKeys({request: derive(ROOT, request, recipient, epoch) for request in operator.requests()}, {})
    rows = pa.StructArray.from_arrays([pa.array(dates, kind), pa.array(subjects)], ["value", "id"])
    return operator.kernel(pa.field("seen", kind), keys)(rows).to_pylist()


def operator(**more: object) -> ShiftDate:
    return ShiftDate(domain="customer", subject="id", **more)


@pytest.mark.parametrize("frozen", GOLDEN["shifts"], ids=str)
def test_frozen_shifts(frozen: dict) -> None:
    (made,) = shifted(
        operator(days=frozen["days"], keep_weekday=frozen["keep_weekday"]), [dt.date(2024, 2, 29)], [frozen["subject"]]
    )
    assert (made - dt.date(2024, 2, 29)).days == frozen["shift"]


@settings(deadline=None, max_examples=50)
@given(days=st.integers(7, 400), least=st.integers(1, 7), weekday=st.booleans(), subject=st.integers(-(2**63), 2**63 - 1))
def test_shifts_are_those_of_the_reference(days: int, least: int, weekday: bool, subject: int) -> None:
    made = operator(days=days, min_days=least, keep_weekday=weekday)
    key = derive(ROOT, made.requests()[0], "analytics", 1)
    (day,) = shifted(made, [dt.date(2000, 1, 1)], [subject])
    assert (day - dt.date(2000, 1, 1)).days == shift(key, str(subject), days=days, min_days=least, keep_weekday=weekday)


@settings(deadline=None, max_examples=50)
@given(dates=st.lists(DATES, min_size=2, max_size=6), weekday=st.booleans(), subject=st.text(max_size=5))
def test_intervals_are_kept_and_no_date_is(dates: list, weekday: bool, subject: str) -> None:
    made = shifted(operator(days=45, keep_weekday=weekday), dates, [subject] * len(dates))
    (moved,) = {after - before for before, after in zip(dates, made, strict=True)}
    assert 1 <= abs(moved.days) <= 45
    assert not weekday or moved.days % 7 == 0


@settings(deadline=None, max_examples=50)
@given(moment=MOMENTS, subject=st.integers(0, 50))
def test_the_local_time_of_day_is_kept_where_it_is_there(moment: dt.datetime, subject: int) -> None:
    zone = ZoneInfo("Europe/Berlin")
    (made,) = shifted(operator(), [moment], [subject], kind=pa.timestamp("us", tz="Europe/Berlin"))
    (day,) = shifted(operator(), [dt.date(2000, 1, 1)], [subject])
    wanted = moment.astimezone(zone).replace(tzinfo=None) + (day - dt.date(2000, 1, 1))
    if wanted.replace(tzinfo=zone).astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) == wanted:
        assert made.astimezone(zone).replace(tzinfo=None) == wanted


def test_a_time_in_the_gap_becomes_its_end_and_one_that_comes_twice_the_earlier() -> None:
    kind, zone = pa.timestamp("us", tz="Europe/Berlin"), ZoneInfo("Europe/Berlin")
    forward = next(number for number in range(50) if shifted(operator(days=1), [dt.date(2024, 1, 1)], [number])[0].day == 2)
    gap, twice = dt.datetime(2024, 3, 30, 2, 30, tzinfo=zone), dt.datetime(2024, 10, 26, 2, 30, tzinfo=zone)
    made = shifted(operator(days=1), [gap, twice], [forward] * 2, kind=kind)
    assert [one.astimezone(dt.UTC) for one in made] == [
        dt.datetime(2024, 3, 31, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 10, 27, 0, 30, tzinfo=dt.UTC),
    ]


def test_every_shift_occurs_about_as_often() -> None:
    made = shifted(operator(days=10), [dt.date(2000, 1, 1)] * 20_000, list(range(20_000)))
    counts = Counter((day - dt.date(2000, 1, 1)).days for day in made)
    assert set(counts) == set(range(-10, 11)) - {0}
    assert all(abs(count - 1000) < 200 for count in counts.values())


@pytest.mark.parametrize("change", ["recipient", "epoch", "domain", "days", "min_days"])
def test_other_circumstances_draw_unrelated_shifts(change: str) -> None:
    dates, subjects = [dt.date(2000, 1, 1)] * 1000, list(range(1000))
    base = shifted(operator(), dates, subjects)
    others = {
        "recipient": lambda: shifted(operator(), dates, subjects, recipient="research"),
        "epoch": lambda: shifted(operator(), dates, subjects, epoch=2),
        "domain": lambda: shifted(ShiftDate(domain="other", subject="id"), dates, subjects),
        "days": lambda: shifted(operator(days=31), dates, subjects),
        "min_days": lambda: shifted(operator(min_days=2), dates, subjects),
    }
    # Unrelated shifts agree once in sixty.
    assert sum(one == other for one, other in zip(base, others[change](), strict=True)) < 60


def test_what_stands_under_a_null_rejects_nothing() -> None:
    far = pa.array(np.array([2**31 - 1, 0]), pa.int32(), mask=np.array([True, False])).view(pa.date32())
    rows = pa.StructArray.from_arrays([far, pa.array([1, 1])], ["value", "id"])
    made = operator()
    keys = SubKeys({made.requests()[0]: bytes(32)}, {})
    assert made.kernel(pa.field("seen", pa.date32()), keys)(rows)[0].as_py() is None


def test_a_rejected_row_is_the_one_without_a_subject() -> None:
    with pytest.raises(RejectedValuesError, match="no-subject") as caught:
        shifted(operator(), [dt.date(2000, 1, 1), None, dt.date(2000, 1, 1)], [1, None, None])
    assert caught.value.mask.to_pylist() == [False, False, True]
