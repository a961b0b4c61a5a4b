"""The look that spares most rows the search for their own identifiers: against a plain loop."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from airlock.crypto.columns import ByteColumn
from airlock.engines.residue import ResidueCheck, _marked, _possible
from airlock.policy.path import ColumnPath

VALUES = st.lists(st.text("a1@é ", max_size=5), max_size=8)
ABSENT = st.sampled_from(["@", "0123456789", "0123456789@"])


@given(VALUES, ABSENT)
def test_marked_values_are_those_that_hold_a_mark(texts, absent):
    found = _marked(ByteColumn.of(pa.array(texts, pa.string())).compact(), absent)
    assert found.tolist() == [any(char in absent for char in text) for text in texts]


@given(st.lists(st.none() | st.text("a1@", max_size=4), max_size=8), ABSENT, st.integers(0, 3))
def test_nulls_and_slices(texts, absent, start):
    made = _possible(absent, pa.array(texts, pa.string()).slice(start))
    assert made.to_pylist() == [text is not None and not any(char in absent for char in text) for text in texts[start:]]


def test_numbers_hold_digits():
    assert _possible("0123456789", pa.array([7, None])).to_pylist() == [False, False]
    assert _possible("@", pa.array([7, None])).to_pylist() == [True, False]


def test_bytes_that_are_text_are_looked_at_on_both_sides():
    raw = pa.record_batch({"name": pa.array([b"Ann Lee", b"Ann\xffLee", b"Bob Ray", None])})
    written = pa.record_batch({"blob": pa.array([b"of Ann Lee", b"of Ann\xffLee", b"of Ann Lee", b"of Ann Lee"])})
    check = ResidueCheck((ColumnPath(("name",)),), ((ColumnPath(("blob",)), frozenset()),))
    assert sum(check.count(raw, written).values()) == 1
