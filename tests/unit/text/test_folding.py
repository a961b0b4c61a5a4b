from __future__ import annotations

import sys
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.text.folding import fold, fold_column, trace

CODES = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


def nfkc_casefold(text):
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("İstanbul", "istanbul"),
        ("IŞIK", "ışık"),
        ("José", "JOSE\u0301"),
        ("Ｊｏｅ １２", "joe 12"),
        ("O’Brien", "o'brien"),
        ("O´Brien", "o`brien"),
        ("Anna–Lena", "anna-lena"),
        ("so\u00adft\u200bly", "softly"),
        ("a \t\n\u00a0 b", "A b"),
        ("٠١٢٣", "0123"),
        ("ﬁnn", "FINN"),
        ("한", "\u1112\u1161\u11ab"),
    ],
)
def test_spellings_of_one_word_fold_alike(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("Anna", "Hanna"), ("Ann a", "Anna"), ("5", "6"), ("กา", "กี")])
def test_different_words_stay_different(one, other):
    assert fold(one) != fold(other)


def test_every_character_folds_like_its_nfkc_casefold_and_folds_once():
    wrong = [hex(code) for code in CODES if fold(chr(code)) != fold(nfkc_casefold(chr(code)))]
    again = [hex(code) for code in CODES if fold(fold(chr(code))) != fold(chr(code))]
    assert (wrong, again) == (["0xb4"], [])


def test_the_column_agrees_on_every_character():
    words = [f" {chr(code)}X" for code in CODES] + [chr(code) for code in CODES[:256]]
    assert fold_column(pa.array(words)).to_pylist() == [fold(word) for word in words]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_columns_of_any_text_type(kind):
    texts = pa.array(["Ä  b", None, "C\td", "", "x"]).cast(kind)
    assert fold_column(texts).to_pylist() == ["a b", None, "c d", "", "x"]
    assert fold_column(texts.slice(1, 2)).to_pylist() == [None, "c d"]
    assert fold_column(texts).type == pa.large_string()
    assert len(fold_column(texts.slice(0, 0))) == 0


@given(st.text(max_size=40))
def test_the_way_back_is_ordered_and_covers(text):
    traced = trace(text)
    assert traced.text == fold(text)
    assert len(traced.starts) == len(traced.ends) == len(traced.text)
    assert traced.starts == sorted(traced.starts)
    for folded, start, end in zip(traced.text, traced.starts, traced.ends, strict=True):
        assert start < end <= len(text)
        assert folded == " " or folded in fold(text[start:end])


@given(st.lists(st.none() | st.text(max_size=20), max_size=8))
def test_the_column_agrees_with_the_scalar(texts):
    assert fold_column(pa.array(texts, pa.string())).to_pylist() == [None if text is None else fold(text) for text in texts]
