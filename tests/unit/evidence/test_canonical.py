"""Canonical JSON: one value, one text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.evidence.canonical import canonical_json, parse_canonical, parse_time, sha256_hex, time_text
from airlock.types import Separation

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(VALUES)
def test_round_trip(value):
    data = canonical_json(value)
    assert parse_canonical(data) == value
    assert canonical_json(parse_canonical(data)) == data


def test_keys_are_sorted_and_text_is_kept():
    assert canonical_json({"b": (1, Separation.NONE), "a": "e\u0301\n"}) == '{"a":"e\u0301\\n","b":[1,"none"]}'.encode()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), {"a": [0.5]}, b"x", {1: "a"}, {"a": {1, 2}}, datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_what_has_no_one_text_is_a_type_error(value):
    with pytest.raises(TypeError, match="canonical JSON takes"):
        canonical_json(value)


def test_lone_surrogates_are_refused():
    with pytest.raises(ValueError, match="lone surrogate"):
        canonical_json("\ud800")


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1}\n', b'{"a":1.0}', b'{"a":1e2}', b"NaN", b"-Infinity",
        b'"\\u0061"', b'"\\ud800"', b"\xff", b"\xef\xbb\xbf1", b"", b"-0", b"[" * 100_000, b"1" * 5000,
    ],
)  # fmt: skip
def test_other_spellings_are_refused_without_being_quoted(data):
    with pytest.raises(ValueError, match=r"^not canonical JSON$"):
        parse_canonical(data)


def test_digest():
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_times_are_utc_in_whole_seconds():
    time = datetime(2026, 11, 22, 10, 30, 15, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(time) == "2026-11-22T08:30:15Z"
    assert parse_time("2026-11-22T08:30:15Z") == datetime(2026, 11, 22, 8, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2026-11-22", "2026-11-22T08:30:15", "2026-11-22T08:30:15+00:00", "2026-1-22T08:30:15Z", " 2026-11-22T08:30:15Z", ""],
)
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="not a time of the form"):
        parse_time(text)


def test_times_need_a_zone():
    with pytest.raises(ValueError, match="without a zone"):
        time_text(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
