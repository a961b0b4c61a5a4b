"""Dates in texts, numbers and zones against the standard library: parsing, ages, periods by local time."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.operators import RejectedValuesError
from airlock.operators._dates import parser
from airlock.operators._zones import from_local, to_local
from airlock.operators.age import Age
from airlock.operators.generalize_date import GeneralizeDate

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
]
OFFSETS = ["", "Z", "+01:00", "-0530", "+14"]
EPOCH = dt.date(1970, 1, 1)
# Arrow reads no change of a clock after 2037.
MOMENTS = st.builds(dt.datetime.combine, st.dates(dt.date(1880, 1, 2), dt.date(2037, 12, 30)), st.times())


def shifted(moment, offset, zone):
    """What a clock in the zone shows at a moment that was written with an offset."""
    if not offset:
        return moment
    hours = {"Z": 0.0, "+01:00": 1.0, "-0530": -5.5, "+14": 14.0}[offset]
    instant = moment.replace(tzinfo=dt.UTC) - dt.timedelta(hours=hours)
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@settings(deadline=None)
@given(
    st.lists(st.tuples(MOMENTS, st.sampled_from(OFFSETS)), min_size=1),
    st.sampled_from(ZONES),
)  # fmt: skip
def test_iso_texts(drawn, zone):
    texts = [moment.isoformat() + offset for moment, offset in drawn]
    want = [shifted(moment, offset, zone).replace(microsecond=0) for moment, offset in drawn]
    assert parser("iso", zone)(pa.array(texts)).to_pylist() == want


@settings(deadline=None)
@given(st.lists(st.dates() | st.none()), st.sampled_from(["%d.%m.%Y", "%Y%m%d", "%m/%d/%Y", "born %Y-%m-%d."]))
def test_patterns(days, pattern):
    texts = [None if day is None else day.strftime(pattern.replace("%Y", f"{day.year:04}")) for day in days]
    want = [None if day is None else dt.datetime.combine(day, dt.time()) for day in days]
    assert parser(pattern, None)(pa.array(texts, pa.string())).to_pylist() == want


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("0123456789-T:Z+. "), max_size=24) | st.dates().map(str), min_size=1))
def test_what_is_no_date_is_rejected_and_nothing_else(texts):
    good = []
    for text in texts:
        try:
            dt.date.fromisoformat(text)
            good.append(len(text) == 10 and text[4] == "-")
        except ValueError:
            good.append(False)
    plain = [text for text, date in zip(texts, good, strict=True) if date or ":" not in text]
    bad = [not date for text, date in zip(texts, good, strict=True) if date or ":" not in text]
    column = pa.array(plain, pa.string())
    if not any(bad):
        assert parser("iso", None)(column).null_count == 0
        return
    with pytest.raises(RejectedValuesError, match="not-a-date") as rejected:
        parser("iso", None)(column)
    assert rejected.value.mask.to_pylist() == bad


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("size", [1, 10**6])
def test_local_time_and_back_is_arrow_s(zone, size):
    unit = {1: "s", 10**6: "us"}[size]
    seconds = np.random.default_rng(1).integers(-2_500_000_000, 4_500_000_000, 20_000)
    # And every quarter of an hour of a year, changes of the clock among them.
    ticks = np.concatenate([seconds, np.arange(1_514_764_800, 1_546_300_800, 900)]) * size
    zoned = pa.array(ticks).view(pa.timestamp(unit, tz=zone))
    local = np.asarray(pc.local_timestamp(zoned).view(pa.int64()))
    assert np.array_equal(to_local(ticks, zone, size), local)
    naive = pa.array(ticks).view(pa.timestamp(unit))
    want = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="latest").view(pa.int64())
    assert np.array_equal(from_local(ticks, zone, size), np.asarray(want))


def years(born, at):
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))


@settings(deadline=None)
@given(
    st.dates(dt.date(1901, 1, 1), dt.date(2300, 1, 1)) | st.just(dt.date(2024, 2, 29)),
    st.lists(st.integers(0, 60_000), min_size=1),
    st.sampled_from([(90, 1), (90, 10), (85, 5), (1, 1), (120, 1)]),
)
def test_ages(at, lived, ends):
    top, width = ends
    days = [at - dt.timedelta(one) for one in lived if one < (at - dt.date.min).days]
    made = Age(at=at, top=top, width=width).kernel(pa.field("c", pa.date32()), None)(pa.array(days, pa.date32()))
    assert made.to_pylist() == [min(top, years(day, at) // width * width) for day in days]


@pytest.mark.parametrize(("born", "age"), [("1937-11-22", 89), ("1936-11-23", 89), ("1936-11-22", 90), ("1935-11-22", 90)])
def test_ages_of_89_90_and_91_in_every_form(born, age):
    day = dt.date.fromisoformat(born)
    epoch = (day - EPOCH).days * 86_400
    forms = [
        (None, pa.array([day], pa.date32())),
        (None, pa.array([day], pa.date64())),
        (None, pa.array([dt.datetime.combine(day, dt.time(23, 59))], pa.timestamp("ns"))),
        ("iso", pa.array([born])),
        ("iso", pa.array([f"{born}T12:00:00+01:00"], pa.string_view())),
        ("%d.%m.%Y", pa.array([day.strftime("%d.%m.%Y")], pa.large_string())),
        ("epoch_s", pa.array([epoch])),
        ("epoch_ms", pa.array([epoch * 1000])),
    ]
    for parse, values in forms:
        operator = Age(at=dt.date(2026, 11, 22), parse=parse)
        assert operator.kernel(pa.field("c", values.type), None)(values).to_pylist() == [age]


def test_a_year_of_birth_that_tells_more_than_89_years_is_coded():
    operator = GeneralizeDate(to="year", bottom=dt.date(1937, 1, 1), parse="iso")
    made = operator.kernel(pa.field("c", pa.string()), None)(pa.array(["1901-05-05", "1936-12-31", "1938-01-01"]))
    assert made.to_pylist() == [dt.date(1937, 1, 1), dt.date(1937, 1, 1), dt.date(1938, 1, 1)]
