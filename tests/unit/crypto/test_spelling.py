"""Text as digits and back, whatever the alphabet; check digits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto.luhn import check_digits
from airlock.crypto.spelling import Alphabet

ALPHABETS = [
    Alphabet("0123456789", " -"), Alphabet("ACGT", ""), Alphabet("abcdef0123456789", ".:"), Alphabet("äöü", " "), Alphabet("abc", "–"),
    Alphabet("a👍é日", "-"),
]  # fmt: skip


@pytest.mark.parametrize("alphabet", ALPHABETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_digits_and_back(alphabet, data):
    letters = st.sampled_from(alphabet.letters + alphabet.separators)
    texts = data.draw(st.lists(st.text(letters, max_size=9) | st.none(), max_size=8))
    column = pa.array(["cut", *texts], pa.large_string()).slice(1)
    spelled = alphabet.spell(column)
    plain = ["".join(c for c in text or "" if c in alphabet.letters) for text in texts]
    assert spelled.digits.tolist() == [alphabet.letters.index(letter) for letter in "".join(plain)]
    assert spelled.lengths.tolist() == [len(text) for text in plain]
    assert not spelled.foreign.any()
    turned = np.uint8(len(alphabet.letters) - 1) - spelled.digits
    made = alphabet.write(spelled, turned, column)
    made.validate(full=True)
    swap = dict(zip(alphabet.letters, alphabet.letters[::-1], strict=True))
    assert made.to_pylist() == [None if text is None else "".join(swap.get(c, c) for c in text) for text in texts]


@pytest.mark.parametrize("alphabet", ALPHABETS)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6))
def test_foreign_characters_are_named_by_row(alphabet, texts):
    known = set(alphabet.letters + alphabet.separators)
    found = alphabet.spell(pa.array(texts, pa.large_string()))
    assert found.foreign.tolist() == [not set(text) <= known for text in texts]


def test_broken_text_is_foreign():
    broken = pa.array([b"\xc3\xa4", b"\xc3", b"\xa4", b"a"], pa.large_binary()).view(pa.large_string())
    assert Alphabet("äa", "").spell(broken).foreign.tolist() == [False, True, True, False]


@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "378282246310005", "79927398713", "0" * 64])
def test_check_digits(number):
    digits = np.array([[int(digit) for digit in number]], np.uint8)
    assert check_digits(digits[:, :-1]).tolist() == [digits[0, -1]]
