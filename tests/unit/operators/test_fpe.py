"""The operator `fpe`: lengths mixed and equal, tweaks, the way back, threads. Cases and laws are in conformance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.errors import OperatorTypeError
from airlock.operators import RejectedValuesError
from airlock.operators.fpe import Fpe
from airlock.operators.when import When
from airlock.testing.laws import unsafe_subkeys

NUMBERS = st.from_regex(r"\A(?:[0-9][ -]?){6,20}\Z")


def run(operator: Fpe, values: pa.Array, *, back: bool = False, **beside: pa.Array) -> pa.Array:
    compiled = (operator.reverse if back else operator.kernel)(
        pa.field("column", values.type), unsafe_subkeys(operator.requests())
    )
    rows = {"value": values} | beside
    return compiled(pa.StructArray.from_arrays(list(rows.values()), list(rows)))


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERS | st.none(), max_size=20))
def test_each_value_by_itself_and_back(values):
    operator, column = Fpe(domain="d"), pa.array(values, pa.string())
    made = run(operator, column)
    made.validate(full=True)
    assert made.to_pylist() == [run(operator, pa.array([value], pa.string()))[0].as_py() for value in values]
    assert run(operator, made, back=True).equals(column)
    for before, after in zip(values, made.to_pylist(), strict=True):
        assert before is None or [c if c in " -" else "9" for c in before] == [c if c in " -" else "9" for c in after]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(NUMBERS | st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)), max_size=12
    )
)
def test_a_tweak_of_each_row_and_back(rows):
    operator = Fpe(domain="d", tweak_column="other")
    column, tweaks = (pa.array(part, pa.string()) for part in (zip(*rows, strict=True) if rows else ([], [])))
    made = run(operator, column, other=tweaks)
    for place, (value, tweak) in enumerate(rows):
        assert run(operator, pa.array([value], pa.string()), other=pa.array([tweak], pa.string()))[0] == made[place]
    assert run(operator, made, back=True, other=tweaks).equals(column)


def test_a_constant_tweak_is_that_of_every_row():
    column = pa.array(["123456", "999 999 999"])
    assert run(Fpe(domain="d", tweak="eu"), column).equals(
        run(Fpe(domain="d", tweak_column="other"), column, other=pa.array(["eu", "eu"]))
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**9 - 1) | st.none(), max_size=12))
def test_integers_are_their_digits(numbers):
    operator = Fpe(domain="d", length=9)
    texts = pa.array([None if number is None else f"{number:09}" for number in numbers], pa.string())
    made = run(operator, pa.array(numbers, pa.int64()))
    assert made.equals(run(operator, texts).cast(pa.int64()))
    assert run(operator, made, back=True).to_pylist() == numbers


def test_cards_keep_a_check_digit_and_turn_back():
    operator, cards = (
        Fpe(domain="d", luhn=True),
        pa.array(["4111 1111 1111 1111", None, "378282246310005", "5555-5555-5555-4444"]),
    )
    made = run(operator, cards)
    assert run(operator, made, back=True).equals(cards)
    with pytest.raises(RejectedValuesError, match="not-luhn") as caught:
        run(operator, pa.array(["4111 1111 1111 1111", None, "4111 1111 1111 1112"]))
    assert caught.value.mask.to_pylist() == [False, False, True]


def test_what_stands_under_a_null_is_of_no_account():
    hidden = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([0, 6, 9], np.int32)), pa.py_buffer(b"123456x y")]
    )
    assert run(Fpe(domain="d"), hidden).to_pylist() == [run(Fpe(domain="d"), pa.array(["123456"]))[0].as_py(), None]


@pytest.mark.parametrize("mixed", [False, True])
def test_more_than_a_batch(mixed):
    numbers = np.random.default_rng(1).integers(10**6, 10 ** (12 if mixed else 6) * 9, 30_000)
    column = pa.array(numbers).cast(pa.string())
    made = run(Fpe(domain="d"), column)
    some = [0, 8_191, 8_192, 29_999]
    assert made.take(pa.array(some)).equals(run(Fpe(domain="d"), column.take(pa.array(some))))
    assert run(Fpe(domain="d"), made, back=True).equals(column)


def test_a_rejected_row_without_its_tweak():
    with pytest.raises(RejectedValuesError, match="no-tweak") as caught:
        run(
            Fpe(domain="d", tweak_column="o"), pa.array(["123456", None, "123456", "123456"]), o=pa.array([None, None, "x", ""])
        )
    assert caught.value.mask.to_pylist() == [True, False, False, True]


def test_no_two_declarations_of_a_domain_share_a_permutation():
    """Neither 15 digits and the first 15 of a card, nor two alphabets of ten letters."""
    plain = run(Fpe(domain="d"), pa.array(["411111111111111"]))[0].as_py()
    assert run(Fpe(domain="d", luhn=True), pa.array(["4111111111111111"]))[0].as_py()[:-1] != plain
    letters = run(Fpe(domain="d", alphabet="abcdefghij"), pa.array(["ebbbbbbbbbbbbbb"]))[0].as_py()
    assert letters.translate(str.maketrans("abcdefghij", "0123456789")) != plain


def test_tweaks_are_of_types_that_have_a_text():
    operator = Fpe(domain="d", tweak_column="o")
    operator.require_inputs({"o": pa.date32()})
    with pytest.raises(OperatorTypeError, match="takes no tweak from column 'o' of type bool"):
        operator.require_inputs({"o": pa.bool_()})


def test_contract():
    contract = Fpe(domain="d").contract
    assert (contract.technique, contract.chance) == ("cryptographic: format-preserving encryption", 1e-6)
    assert (contract.keyed, contract.reversible, contract.injective, contract.same_form) == (True, True, True, True)
    assert not Fpe(domain="d", tweak_column="x").contract.injective


def test_one_kernel_serves_two_threads():
    operator, column = Fpe(domain="d"), pa.array([f"{number:010}" for number in range(60_000)])
    kernel = operator.kernel(pa.field("column", column.type), unsafe_subkeys(operator.requests()))
    rows = pa.StructArray.from_arrays([column], ["value"])
    expected = kernel(rows)
    with ThreadPoolExecutor(2) as pool:
        assert all(made.equals(expected) for made in pool.map(kernel, [rows] * 8))


def test_what_others_look_at_is_no_tweak():
    """Inside a conditional operator stand the condition's columns too."""
    Fpe(domain="d").require_inputs({"value": pa.string(), "flag": pa.bool_()})
    rule = {
        "column": "flag",
        "in": ["true"],
        "then": {"fpe": {"domain": "d", "tweak_column": "o"}},
        "otherwise": {"redact": {}},
    }
    types = {"value": pa.string(), "flag": pa.bool_()}
    When.from_dict(rule).require_inputs(types | {"o": pa.string()})
    with pytest.raises(OperatorTypeError, match="takes no tweak from column 'o' of type bool"):
        When.from_dict(rule).require_inputs(types | {"o": pa.bool_()})
