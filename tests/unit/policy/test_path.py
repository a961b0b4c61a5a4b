"""Paths: parsing, escaping and covering."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("a.b.c", ("a", "b", "c")),
        ("a[]", ("a", ELEMENT)),
        ("a[].b", ("a", ELEMENT, "b")),
        ("a[][]", ("a", ELEMENT, ELEMENT)),
        ("a{key}", ("a", KEY)),
        ("a{value}.b[]", ("a", VALUE, "b", ELEMENT)),
        (r"a\.b", ("a.b",)),
        (r"a\[\]\{key\}", ("a[]{key}",)),
        (r"a\\b", ("a\\b",)),
        ("no", ("no",)),
        ("Straße 1", ("Straße 1",)),
    ],
)
def test_parsing(text, steps):
    path = ColumnPath.parse(text)
    assert path.steps == steps
    assert str(path) == text
    assert path.column == steps[0]


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "[]", "{key}", "a[0]", "a[", "a{k}", "a{key", "a]", "a[]b", "a\\", "a.[]"]
)
def test_what_is_no_path(text):
    with pytest.raises(ValueError, match=r"empty name|expected '\.'|backslash"):
        ColumnPath.parse(text)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
STEPS = st.tuples(NAMES, st.lists(NAMES | st.sampled_from([ELEMENT, KEY, VALUE]))).map(lambda parts: (parts[0], *parts[1]))


@given(STEPS)
def test_every_path_is_read_back(steps):
    path = ColumnPath(steps)
    assert ColumnPath.parse(str(path)) == path


@given(STEPS, STEPS)
def test_different_paths_are_written_differently(left, right):
    assert (str(ColumnPath(left)) == str(ColumnPath(right))) == (left == right)


def test_covering():
    name, first, other = (ColumnPath.parse(text) for text in ("name", "name.first", "names"))
    assert name.covers(first)
    assert name.covers(name)
    assert not first.covers(name)
    assert not name.covers(other)


def test_repeated_means_inside_a_list_or_map():
    assert ColumnPath.parse("a[].b").repeated
    assert ColumnPath.parse("a{value}").repeated
    assert not ColumnPath.parse("a.b").repeated
    assert ColumnPath.parse("a").child("b").child(ELEMENT).repeated
