from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.text.folding import fold
from airlock.text.known import PLACEHOLDERS, KnownValues, occurrences, placeholder

LISTS = pa.list_(pa.string())


def occur(texts, known, **options):
    return occurrences(pa.array(texts, pa.string()), pa.array(known, LISTS), **options).to_pylist()


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("see ANNA BERG", "Anna Berg", True),
        ("see Anna\n  Berg", "Anna Berg", True),
        ("jose@X.org", "José@x.org", True),
        ("Strasse 12", "straße 12", True),
        ("whole", "whole", True),
        ("Bob", "Bob", False),
        ("bobs", "Bob", False),
        ("Anna", "Anna Berg", False),
        ("王伟来电", "王伟", True),
        ("王先生", "王", False),
        ("김철수", "김철수", True),
        ("김", "김", False),
        ("  ", "    ", False),
        ("", "", False),
        ("call 555.123.4567", "+1 (555) 123-4567", True),
        ("+49 151 2345678", "0151 2345678", True),
        ("0151 2345678", "+49 (0)151/2345678", True),
        ("555 123 4567", "001-555-123-4567x8910", True),
        ("555 123 4567", "(555) 123-4567 ext. 89", True),
        ("1234567", "12-34-567", True),
        ("123456", "12-34-56", False),
        ("1985 0412", "jo.19850412@x.org", False),
        ("4111111111111111", "4111 1111 1111 1111", True),
        ("٥٥٥ ١٢٣ ٤٥٦٧", "555-123-4567", True),
    ],
)
def test_what_counts_as_an_occurrence(text, value, expected):
    assert occur([text], [[value]]) == [expected]


def test_each_row_has_its_own_values():
    texts = ["anna", "anna", "anna", None, "bert and anna", "anna"]
    known = [["Anna"], ["Bert"], [], ["Anna"], [None, "x", "Bert"], None]
    assert occur(texts, known) == [True, False, False, False, True, False]


def test_placeholders_are_not_a_persons_name():
    assert occur(["<EMAIL_ADDRESS> and <US_SSN>"], [["Address", "email"]]) == [False]
    assert occur(["<EMAIL_ADDRESS>, Ms Address"], [["Address"]]) == [True]
    assert occur(["[removed]", "[removed]"], [["Removed"]] * 2, placeholders=["[REMOVED]", ""]) == [False, False]
    assert occur(["[removed]"], [["Removed"]]) == [True]
    assert placeholder("KNOWN_VALUE") in PLACEHOLDERS


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_text_type_and_slices(kind):
    texts = pa.array(["pad", "anna", "Bert", None, "pad"]).cast(kind).slice(1, 3)
    known = pa.array([["pad"], ["Anna"], ["Anna"], ["Anna"], ["pad"]], pa.list_(pa.large_string())).slice(1, 3)
    assert occurrences(texts, known).to_pylist() == [True, False, False]
    assert occurrences(texts.slice(0, 0), known.slice(0, 0)).to_pylist() == []


def test_one_preparation_serves_every_column():
    known = KnownValues.of(pa.array([["Anna", "ab", "+1 555 123 4567"], [], ["Bert"]], LISTS))
    assert (known.rows.tolist(), known.digits.to_pylist()) == ([0, 0, 2], ["", "15551234567", ""])
    assert occurrences(pa.array(["5551234567", "anna", "anna"]), known).to_pylist() == [True, False, False]
    assert occurrences(pa.array(["", "", "bert"]), known).to_pylist() == [False, False, True]
    with pytest.raises(ValueError, match="2 texts, but known values of 3 rows"):
        occurrences(pa.array(["a", "b"]), known)


def test_the_letters_gate_loses_nothing():
    # Short texts pass the gate, the same text padded to a long one does not meet it.
    draw = random.Random(5)
    alphabet = "abcdeé 0123-"
    texts = ["".join(draw.choices(alphabet, k=draw.randint(0, 30))) for _ in range(3000)]
    known = [[text[i : i + draw.randint(3, 6)] for i in (0, draw.randint(0, 9))] + ["eab 1"] for text in texts]
    padded = [text + " ~" * 80 for text in texts]
    gated, all_pairs = occur(texts, known), occur(padded, known)
    assert gated == all_pairs
    assert 300 < sum(gated) < 2700


words = st.text("aB é1-_<\n", max_size=12)


@given(st.lists(st.tuples(words, st.lists(words, max_size=3)), max_size=6), st.integers(0, 6))
def test_chunks_agree_with_the_whole(rows, cut):
    texts, known = [text for text, _ in rows], [values for _, values in rows]
    assert occur(texts, known) == occur(texts[:cut], known[:cut]) + occur(texts[cut:], known[cut:])


@given(st.text(min_size=4, max_size=10), st.text(" .,;()\n", max_size=4), st.text(" .,;()\n", max_size=4))
def test_a_value_between_separators_is_always_found(value, before, after):
    if len(fold(value)) >= 4:
        assert occur([f"{before}{value}{after}", f"x {before}{value.upper()}{after} x"], [[value]] * 2) == [True, True]
