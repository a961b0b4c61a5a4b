"""`add_noise`: bounds, averages, differences of releases, and the same noise made another way. The laws are in conformance."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operators._perturbing import DISTRIBUTIONS, noise, reflected

from airlock.keys import SubKeys
from airlock.keys.derive import derive
from airlock.operators._base import RejectedValuesError
from airlock.operators.add_noise import AddNoise

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])
COUNT = 20_000


def operator(distribution: str = "laplace", scale: object = 10, **more: object) -> AddNoise:
    return AddNoise.from_dict({"domain": "customer", "subject": "id", "distribution": distribution, "scale": scale, **more})


def key_of(made: AddNoise, recipient: str = "analytics", epoch: int = 1) -> bytes:
    return derive(ROOT, made.requests()[0], recipient, epoch)


def noisy(made: AddNoise, values: object, subjects: object, *, kind: pa.DataType | None = None, column: str = "amount", recipient: str = "analytics", epoch: int = 1) -> list:  # fmt: skip
    kind = kind or pa.int64()
    keys = SubKeys({made.requests()[0]: key_of(made, recipient, epoch)}, {})
    rows = pa.StructArray.from_arrays([pa.array(values, kind), pa.array(subjects)], ["value", "id"])
    return made.kernel(pa.field(column, kind), keys)(rows).to_pylist()


@pytest.mark.parametrize("frozen", GOLDEN["noise"], ids=str)
def test_frozen_noise(frozen: dict) -> None:
    made = operator(frozen["distribution"], frozen["scale"])
    assert noisy(made, [frozen["value"]], [frozen["subject"]], column=frozen["column"]) == [frozen["written"]]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@settings(deadline=None, max_examples=50)
@given(value=st.integers(-(2**60), 2**60), subject=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_noise_is_that_of_the_reference(distribution: str, value: int, subject: str) -> None:
    made = operator(distribution, 1000)
    bound = 1000 if distribution == "uniform" else 4000
    drawn = noise(key_of(made), "amount", subject, value, distribution=distribution, scale="1000", bound=bound)
    (written,) = noisy(made, [value], [subject])
    # The reference's logarithm and inverse may differ in the last bit, and so round the other way.
    assert abs(written - value - drawn) <= (0 if abs(drawn) < 3999 else 1)


@settings(deadline=None, max_examples=50)
@given(value=st.integers(-50, 200), subject=st.integers(0, 2**63 - 1))
def test_ends_reflect(value: int, subject: int) -> None:
    made = operator("gaussian", "0.5", decimals=1, within=["0", "9.5"])
    steps = value
    drawn = noise(
        key_of(made), "amount", str(subject), steps, distribution="gaussian", scale="5", bound=20, decimals=1, ends=("0", "95")
    )
    (written,) = noisy(made, [value / 10], [subject], kind=pa.float64())
    assert written == reflected(steps, drawn, 0, 95) / 10


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_nothing_is_further_than_the_bound(distribution: str) -> None:
    made = np.array(noisy(operator(distribution, 10, bound=7), np.full(COUNT, 500), np.arange(COUNT)))
    assert set(made.tolist()) == set(range(493, 508))


def test_a_value_of_a_subject_has_one_noise_in_every_run_and_type() -> None:
    wanted = noisy(operator(), [500, 501], [1, 1])
    assert noisy(operator(), [501, 500], [1, 1]) == wanted[::-1]
    assert noisy(operator(bound="40.0", scale="10.0"), [500, 501], ["1", "1"]) == wanted
    for kind in (pa.int16(), pa.uint64(), pa.float32(), pa.decimal128(12, 2)):
        assert noisy(operator(), [500, 501], [1, 1], kind=kind) == wanted


def test_releases_average_to_nothing_new() -> None:
    """However often the same value is released, the mean stays where the first release was."""
    first = np.array(noisy(operator(), np.full(COUNT, 500), np.arange(COUNT)))
    mean = np.mean([noisy(operator(), np.full(COUNT, 500), np.arange(COUNT)) for _ in range(5)], axis=0)
    assert (mean == first).all()
    assert np.abs(first - 500).mean() > 8


@pytest.mark.parametrize(
    "change", ["value", "column", "scale", "bound", "distribution", "recipient", "epoch", "domain", "within"]
)
def test_the_difference_of_two_releases_does_not_cancel_the_noise(change: str) -> None:
    """Two draws are unrelated: their correlation is that of chance, below 6 / sqrt(n)."""
    values, subjects = np.full(COUNT, 500), np.arange(COUNT)
    first = np.array(noisy(operator(), values, subjects)) - 500
    others = {
        "value": lambda: np.array(noisy(operator(), values + 1, subjects)) - 1,
        "column": lambda: noisy(operator(), values, subjects, column="total"),
        "scale": lambda: noisy(operator(scale=20, bound=40), values, subjects),
        "bound": lambda: noisy(operator(bound=41), values, subjects),
        "distribution": lambda: noisy(operator("gaussian"), values, subjects),
        "recipient": lambda: noisy(operator(), values, subjects, recipient="research"),
        "epoch": lambda: noisy(operator(), values, subjects, epoch=2),
        "domain": lambda: noisy(operator(domain="other"), values, subjects),
        "within": lambda: noisy(operator(within=[0, 1000]), values, subjects),
    }
    second = np.array(others[change]()) - 500
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / COUNT**0.5
    assert (second - first).std() > first.std()


@pytest.mark.parametrize(
    ("distribution", "scale", "more"),
    [
        ("laplace", 1, {}),
        ("gaussian", 3, {}),
        ("uniform", 5, {}),
        ("laplace", 2, {"within": [490, 510]}),
        ("gaussian", "0.02", {"decimals": 2}),
    ],
)
def test_the_contract_says_how_many_values_stay_by_chance(distribution: str, scale: object, more: dict) -> None:
    made = operator(distribution, scale, **more)
    for value in (500, 491):
        written = np.array(noisy(made, np.full(COUNT, value), np.arange(COUNT), kind=pa.float64()))
        share, chance = (written == value).mean(), made.contract.chance
        assert share < chance + 0.02
        if not more.get("within"):
            assert share > chance - 0.02


def test_digits_beyond_the_noise_do_not_go_through() -> None:
    written = noisy(operator(scale=3, decimals=1), [1.23456, 7.89], [1, 2], kind=pa.float64())
    assert written == [round(value, 1) for value in written]
    exact = noisy(operator(scale=3), [Decimal("1.23456"), Decimal("7.89")], [1, 2], kind=pa.decimal128(38, 18))
    assert all(value == value.to_integral_value() for value in exact)


def test_the_mask_names_what_is_rejected() -> None:
    with pytest.raises(RejectedValuesError, match="out-of-range") as caught:
        noisy(operator(), [2**62, 0, None], [1, 1, 1])
    assert caught.value.mask.to_pylist() == [True, False, False]


def test_a_decimal_without_room_for_a_carry_is_rejected_and_not_an_error() -> None:
    kind = pa.decimal128(38, 18)
    most = Decimal("-99999999999999999999.999999999999999999")
    with pytest.raises(RejectedValuesError, match="out-of-range") as caught:
        noisy(operator(), [most, Decimal("2.500000000000000000")], [1, 1], kind=kind)
    assert caught.value.mask.to_pylist() == [True, False]
