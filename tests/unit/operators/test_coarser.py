"""Rounding, coding, intervals, areas and cells against arithmetic on single values."""

import datetime as dt
from bisect import bisect
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.operators import RejectedValuesError
from airlock.operators.clamp import Clamp
from airlock.operators.geo_grid import GeoGrid
from airlock.operators.geohash import Geohash
from airlock.operators.interval import Interval
from airlock.operators.round import Round
from airlock.operators.zip3 import Zip3
from airlock.policy.coarse import GEOHASH
from airlock.policy.zip3 import TABLES, prefixes_in_use, shown_prefixes

INTEGERS = {
    pa.int8(): (-128, 127),
    pa.int16(): (-(2**15), 2**15 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


def run(operator, values, data_type):
    return operator.kernel(pa.field("c", data_type), None)(pa.array(values, data_type)).to_pylist()


@settings(deadline=None)
@given(st.data())
def test_integers_to_the_nearest(data):
    data_type = data.draw(st.sampled_from(list(INTEGERS)))
    low, high = INTEGERS[data_type]
    width = data.draw(st.integers(2, min(high, 10**6)))
    near = st.integers(0, 2).map(lambda n: high - n * width // 2) | st.integers(0, 2).map(lambda n: low + n * width // 2)
    values = data.draw(st.lists(st.integers(low, high) | near, min_size=1))
    want = [round(Fraction(value, width)) * width for value in values]
    bad = [not low <= value <= high for value in want]
    if any(bad):
        with pytest.raises(RejectedValuesError) as raised:
            run(Round(to=Decimal(width)), values, data_type)
        assert raised.value.mask.to_pylist() == bad
    else:
        assert run(Round(to=Decimal(width)), values, data_type) == want


@settings(deadline=None)
@given(st.lists(st.decimals(-(10**9), 10**9, places=2)), st.sampled_from(["0.05", "0.1", "1", "2.5", "100"]))
def test_decimals_to_the_nearest(values, width):
    want = [round(Fraction(value) / Fraction(width)) * Fraction(width) for value in values]
    assert list(map(Fraction, run(Round(to=Decimal(width)), values, pa.decimal128(14, 2)))) == want


@settings(deadline=None)
@given(st.lists(st.floats(-1e12, 1e12)), st.sampled_from(["0.01", "0.5", "3", "1000"]))
def test_floats_to_a_multiple_at_most_half_a_width_away(values, width):
    made = run(Round(to=Decimal(width)), values, pa.float64())
    for before, after in zip(values, made, strict=True):
        count = round(Fraction(after) / Fraction(width))
        assert after == float(count * Fraction(width))
        assert abs(after - before) <= float(width) / 2 * (1 + 1e-9) + abs(before) * 1e-15


@settings(deadline=None)
@given(st.lists(st.integers(-(2**15), 2**15 - 1) | st.none()), st.integers(-500, 0), st.integers(1, 500))
def test_clamped_integers(values, bottom, top):
    operator = Clamp(bottom=Decimal(bottom), top=Decimal(top))
    assert run(operator, values, pa.int16()) == [None if value is None else min(max(value, bottom), top) for value in values]


@settings(deadline=None)
@given(st.sets(st.integers(-1000, 1000), min_size=1, max_size=8), st.lists(st.integers(-1200, 1200) | st.none()))
def test_intervals_of_every_type(breaks, values):
    ends = sorted(breaks)
    labels = [f"label {at}" for at in range(len(ends) + 1)]
    operator = Interval(breaks=tuple(map(Decimal, ends)), labels=tuple(labels))
    want = [None if value is None else labels[bisect(ends, value)] for value in values]
    for data_type in (
        pa.int16(),
        pa.int64(),
        pa.float64(),
        pa.decimal64(9, 1),
        pa.decimal128(12, 2),
        pa.decimal128(30, 2),
        pa.decimal256(50, 3),
    ):
        raw = [None if value is None else Decimal(value) if pa.types.is_decimal(data_type) else value for value in values]
        assert run(operator, raw, data_type) == want


@settings(deadline=None)
@given(st.lists(st.floats(-180, 180) | st.none()), st.sampled_from(["0.001", "0.1", "0.5", "5"]))
def test_grid_cells_hold_their_coordinates(values, cell):
    for before, after in zip(values, run(GeoGrid(cell=Decimal(cell)), values, pa.float64()), strict=True):
        if before is None:
            assert after is None
        else:
            assert after <= before < after + float(cell) * (1 + 1e-9)


def degrees(furthest):
    return st.integers(-furthest * 10**5, furthest * 10**5).map(lambda number: number / 10**5)


def halved(latitude, longitude, length):
    """Geohash as it is defined: halve the longitude's range, then the latitude's, and so on."""
    ranges, number = [[-180.0, 180.0], [-90.0, 90.0]], 0
    for bit in range(5 * length):
        ends, value = ranges[bit % 2], (longitude, latitude)[bit % 2]
        middle = sum(ends) / 2
        number = number * 2 + (value >= middle)
        ends[value < middle] = middle
    return "".join(GEOHASH[number >> 5 * (length - 1 - at) & 31] for at in range(length))


@settings(deadline=None)
@given(st.lists(st.tuples(degrees(90), degrees(180)), min_size=1), st.integers(1, 8))
def test_geohashes(places, length):
    rows = pa.array([{"value": latitude, "lon": longitude} for latitude, longitude in places])
    made = Geohash(length=length, longitude="lon").kernel(pa.field("lat", pa.float64()), None)(rows).to_pylist()
    assert made == [halved(latitude, longitude, length) for latitude, longitude in places]


def test_a_place_that_is_not_known_leaves_no_byte():
    rows = pa.array([{"value": 52.5, "lon": None}, {"value": 52.5, "lon": 13.4}])
    made = Geohash(length=5, longitude="lon").kernel(pa.field("lat", pa.float64()), None)(rows)
    assert bytes(made.buffers()[2])[:5] == b"s0000"


def test_a_longitude_is_of_degrees():
    from airlock.errors import OperatorTypeError

    operator = Geohash(length=5, longitude="lon")
    operator.require_inputs({"lon": pa.decimal128(9, 6)})
    with pytest.raises(OperatorTypeError, match="looks at 'lon' of type string: it takes floating numbers and decimals"):
        operator.require_inputs({"lon": pa.string()})


def test_zip_codes_of_every_area_as_text_and_as_integer():
    codes = [f"{number:05}" for number in range(501, 100_000, 7)]
    shown = set(shown_prefixes(None, None))
    want = [code[:3] if code[:3] in shown else "000" for code in codes]
    assert run(Zip3(), codes, pa.string()) == want
    assert run(Zip3(), list(map(int, codes)), pa.int64()) == want
    assert run(Zip3(), [f"{code}-0001" for code in codes], pa.string()) == want
    assert run(Zip3(), [int(f"{code}0001") for code in codes], pa.int64()) == want


def test_the_tables_of_areas():
    assert [(table.as_of, len(table.restricted)) for table in TABLES] == [(dt.date(2000, 4, 1), 17), (dt.date(2010, 4, 1), 18)]
    assert len(prefixes_in_use()) == 930
    assert all(table.restricted <= set(prefixes_in_use()) for table in TABLES)
    assert not set(shown_prefixes(None, None)) & {*TABLES[-1].restricted, "000", "090", "340", "962", "966"}
    assert {"006", "007", "008", "009", "969"} <= set(shown_prefixes(None, None))


def test_nulls_say_nothing_of_what_lies_under_them():
    hidden = pa.array(np.array([5, 700]), mask=np.array([True, False]))
    assert run(Interval(breaks=(Decimal(10),)), hidden, pa.int64()) == [None, ">=10"]
