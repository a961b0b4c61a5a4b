"""generalize_number: against exact arithmetic in fractions."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from airlock.errors import OperatorTypeError
from airlock.operators import RejectedValuesError
from airlock.operators.generalize_number import GeneralizeNumber
from airlock.types import Classification

INTEGERS = {
    pa.int8(): (-128, 127),
    pa.int16(): (-(2**15), 2**15 - 1),
    pa.int64(): (-(2**63), 2**63 - 1),
    pa.uint64(): (0, 2**64 - 1),
}


def operator(**arguments):
    return GeneralizeNumber.from_dict(arguments)


def run(made, values, data_type):
    return made.kernel(pa.field("c", data_type), None)(pa.array(values, data_type)).to_pylist()


def exact(steps, scale):
    return Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -scale))


@settings(deadline=None)
@given(st.data())
def test_integers(data):
    data_type = data.draw(st.sampled_from(list(INTEGERS)))
    low, high = INTEGERS[data_type]
    width = data.draw(st.integers(2, high))
    values = data.draw(st.lists(st.integers(low, high) | st.none()))
    want = [None if value is None else value // width * width for value in values]
    if any(value is not None and value < low for value in want):
        with pytest.raises(RejectedValuesError) as raised:
            run(operator(width=width), values, data_type)
        assert raised.value.mask.to_pylist() == [value is not None and value < low for value in want]
        assert raised.value.code == "out-of-range"
    else:
        assert run(operator(width=width), values, data_type) == want


@settings(deadline=None)
@given(st.data())
def test_decimals(data):
    precision = data.draw(st.integers(2, 76))
    scale = data.draw(st.integers(0, precision - 1))
    sizes = [(9, pa.decimal32), (18, pa.decimal64), (38, pa.decimal128), (76, pa.decimal256)]
    data_type = data.draw(st.sampled_from([make for digits, make in sizes if digits >= precision]))(precision, scale)
    largest = 10**precision - 1
    width = data.draw(st.integers(2, largest))
    steps = data.draw(st.lists(st.integers(-(largest // width) * width, largest)))
    made = run(operator(width=str(exact(width, scale))), [exact(n, scale) for n in steps], data_type)
    assert made == [exact(n // width * width, scale) for n in steps]


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.1, 0.3, 0.7, -0.1, 2.675, 1e-300]) | st.none()),
    st.sampled_from(["0.1", "0.01", "0.25", "3", "1000", "0.7", "1.1"]),
)
def test_floats_are_nearest_to_a_multiple_not_above(values, width):
    exact_width = Fraction(width)
    for value, made in zip(values, run(operator(width=width), values, pa.float64()), strict=True):
        if value is None:
            assert made is None
            continue
        count = round(Fraction(made) / exact_width)
        assert made == float(count * exact_width)
        assert made <= value < float((count + 1) * exact_width)


@pytest.mark.parametrize("data_type", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("width", ["0.1", "0.25", "7"])
def test_multiples_are_fixed_points(data_type, width):
    kind = data_type.to_pandas_dtype()
    values = [kind(i * Fraction(width)) for i in range(-200, 200)]
    made = run(operator(width=width), values, data_type)
    assert made == [float(value) for value in values]


def test_special_floats():
    made = run(operator(width=10), [math.nan, -0.0, None, 5e-324], pa.float64())
    assert math.isnan(made[0])
    assert made[1:] == [0.0, None, 0.0]
    assert math.copysign(1, made[1]) == 1


def test_infinity_is_rejected_with_the_too_large_at_once():
    with pytest.raises(RejectedValuesError) as raised:
        run(operator(width=10, bottom=0), [math.inf, -math.inf, 1e300, 1.0, None, math.nan, -1e300], pa.float64())
    assert raised.value.mask.to_pylist() == [True, True, True, False, False, False, False]


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000)))
def test_ends_are_coded_in_every_type(values):
    made = operator(width=10, bottom=-50, top=120)
    want = [-50 if value < -50 else 120 if value >= 120 else value // 10 * 10 for value in values]
    for data_type in (pa.int16(), pa.float32(), pa.decimal32(6, 1), pa.decimal128(20, 2)):
        column = [Decimal(value) for value in values] if pa.types.is_decimal(data_type) else values
        assert run(made, column, data_type) == want


def test_nulls_do_not_become_ends():
    assert run(operator(width=10, bottom=0, top=50), [None, 70], pa.int64()) == [None, 50]
    assert run(operator(width=10, bottom=0, top=50), [None, 70], pa.float64()) == [None, 50.0]


def test_a_sliced_float_column_with_nulls():
    values = pa.array([1.0, None, 25.0, None, 37.0]).slice(1, 3)
    assert operator(width=10).kernel(pa.field("c", pa.float64()), None)(values).to_pylist() == [None, 20.0, None]


def test_values_do_not_show_in_rejections():
    with pytest.raises(RejectedValuesError, match=r"^1 of 1 values rejected: out-of-range$"):
        run(operator(width=100), [-127], pa.int8())


@pytest.mark.parametrize("data_type", [pa.decimal128(5, -2), pa.bool_(), pa.string(), pa.duration("s"), pa.time64("us")])
def test_other_types_are_refused(data_type):
    with pytest.raises(OperatorTypeError, match="does not take column 'c'"):
        operator(width=1000).result_field(pa.field("c", data_type))


@pytest.mark.parametrize("width", [True, None, "", "ten", -1, "NaN", [1]])
def test_other_widths_are_refused(width):
    with pytest.raises(ValidationError, match="width"):
        operator(width=width)


def test_the_type_of_fractions_is_kept_in_the_declaration():
    assert operator(width=0.1).width == Decimal("0.1")
    assert operator(width="0.10").to_dict() == {"width": "0.10", "bottom": None, "top": None}


def test_contract():
    assert Classification.DIRECT_IDENTIFIER not in operator(width=10).contract.classes
    assert operator(width=10).contract.technique == "generalization: rounding"
    assert operator(width=10, top=90).contract.technique == "generalization: rounding, top and bottom coding"


def test_a_long_column_in_one_piece():
    values = np.random.default_rng(7).integers(-(10**12), 10**12, 100_000)
    made = operator(width=1000).kernel(pa.field("c", pa.int64()), None)(pa.array(values))
    assert np.array_equal(np.asarray(made), values // 1000 * 1000)
