"""generalize_date: against Python's calendar, and zones against zoneinfo."""

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.errors import OperatorTypeError
from airlock.operators import RejectedValuesError
from airlock.operators.generalize_date import GeneralizeDate
from airlock.types import Classification

UNITS = ["year", "quarter", "month", "week", "day", "hour", "decade"]
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
]


def first_of(moment, unit):
    """Of a naive moment."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "hour": moment.replace(minute=0, second=0, microsecond=0),
        "day": day,
        "week": day - dt.timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "year": day.replace(month=1, day=1),
        "decade": day.replace(year=max(day.year // 10 * 10, 1), month=1, day=1),
    }[unit]


def instant_of(local, zone):
    """The first instant whose local time is `local`, or the end of the gap that swallowed it, in UTC."""
    earlier = local.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if earlier.astimezone(zone).replace(tzinfo=None, fold=0) == local:
        return earlier
    # In a gap, fold=1 reads the local time by the offset after it: an instant before the gap, by as much as local is inside.
    before = local.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    inside = earlier.astimezone(zone).replace(tzinfo=None) - local
    for minutes in range(int(inside.total_seconds() // 60) + 1):
        instant = before + dt.timedelta(minutes=minutes)
        if instant.astimezone(zone).replace(tzinfo=None) >= local:
            return instant
    raise AssertionError("no end of the gap")


def run(unit, values, data_type):
    made = GeneralizeDate(to=unit).kernel(pa.field("c", data_type), None)(pa.array(values, data_type)).to_pylist()
    # Python never finds a local time that comes twice equal to one of another zone.
    return [moment.astimezone(dt.UTC) for moment in made] if getattr(data_type, "tz", None) else made


@settings(deadline=None)
@given(
    st.lists(st.dates(dt.date(10, 1, 1)) | st.none()), st.sampled_from([unit for unit in UNITS if unit not in ("day", "hour")])
)
def test_dates(values, unit):
    want = [None if day is None else first_of(dt.datetime(day.year, day.month, day.day), unit).date() for day in values]  # noqa: DTZ001
    assert run(unit, values, pa.date32()) == want
    assert run(unit, values, pa.date64()) == want


@settings(deadline=None)
@given(st.lists(st.datetimes(dt.datetime(10, 1, 1)) | st.none()), st.sampled_from(UNITS))  # noqa: DTZ001
def test_local_timestamps(values, unit):
    assert run(unit, values, pa.timestamp("us")) == [None if moment is None else first_of(moment, unit) for moment in values]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**31 - 1).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC))),
    st.sampled_from(UNITS),
    st.sampled_from(ZONES),
)
def test_zoned_timestamps(values, unit, name):
    zone = ZoneInfo(name)
    want = [instant_of(first_of(moment.astimezone(zone).replace(tzinfo=None, fold=0), unit), zone) for moment in values]
    assert run(unit, values, pa.timestamp("us", tz=name)) == want


@pytest.mark.parametrize(
    ("zone", "start"),
    [
        ("Europe/Berlin", dt.datetime(2024, 10, 26, 22, tzinfo=dt.UTC)),
        ("Europe/Berlin", dt.datetime(2024, 3, 30, 22, tzinfo=dt.UTC)),
        ("America/Havana", dt.datetime(2024, 11, 3, 2, tzinfo=dt.UTC)),
        ("America/Sao_Paulo", dt.datetime(2018, 11, 4, 1, tzinfo=dt.UTC)),
        ("America/Sao_Paulo", dt.datetime(2018, 2, 18, 0, tzinfo=dt.UTC)),
        ("Australia/Lord_Howe", dt.datetime(2024, 10, 5, 13, tzinfo=dt.UTC)),
        ("Australia/Lord_Howe", dt.datetime(2024, 4, 6, 13, tzinfo=dt.UTC)),
    ],
)
@pytest.mark.parametrize("unit", ["hour", "day", "month"])
def test_around_every_kind_of_change_of_clocks(zone, start, unit):
    values = [start + dt.timedelta(minutes=10 * i) for i in range(40)]
    known = ZoneInfo(zone)
    want = [instant_of(first_of(moment.astimezone(known).replace(tzinfo=None, fold=0), unit), known) for moment in values]
    made = run(unit, values, pa.timestamp("us", tz=zone))
    assert made == want
    assert all(after <= before for after, before in zip(made, values, strict=True))


@pytest.mark.parametrize(
    ("unit", "data_type", "inside", "outside"),
    [
        ("year", pa.date32(), [-719_162, 2_932_896], [-719_163, 2_932_897, 2**31 - 1, -(2**31)]),
        ("decade", pa.date32(), [-715_875], [-715_876]),
        ("year", pa.date64(), [-62_135_596_800_000, 253_402_300_799_999], [-62_135_596_800_001, 253_402_300_800_000]),
        (
            "hour",
            pa.timestamp("s"),
            [-62_135_596_800, 253_402_300_799],
            [-62_135_596_801, 253_402_300_800, 2**63 - 1, -(2**63)],
        ),
        ("day", pa.timestamp("us"), [253_402_300_799_999_999], [253_402_300_800_000_000, -(2**63)]),
        ("week", pa.timestamp("ns"), [-9_151_488_000 * 10**9, 2**63 - 1], [-9_151_488_000 * 10**9 - 1, -(2**63)]),
    ],
)
def test_the_ends_of_time(unit, data_type, inside, outside):
    bits = pa.int32() if data_type == pa.date32() else pa.int64()
    kernel = GeneralizeDate(to=unit).kernel(pa.field("c", data_type), None)
    made = kernel(pa.array(inside, bits).view(data_type)).view(bits).to_pylist()
    assert all(after <= before for after, before in zip(made, inside, strict=True))
    with pytest.raises(RejectedValuesError, match="out-of-range") as raised:
        kernel(pa.array([*outside, inside[0], None], bits).view(data_type))
    assert raised.value.mask.to_pylist() == [True] * len(outside) + [False, False]


@pytest.mark.parametrize("data_type", [pa.int64(), pa.string(), pa.time32("s"), pa.duration("us"), pa.list_(pa.date32())])
def test_other_types_are_refused(data_type):
    with pytest.raises(OperatorTypeError, match="it takes dates and timestamps"):
        GeneralizeDate(to="year").result_field(pa.field("c", data_type))


def test_a_day_of_birth_does_not_stay_on_a_direct_identifier():
    assert Classification.DIRECT_IDENTIFIER not in GeneralizeDate(to="year").contract.classes
