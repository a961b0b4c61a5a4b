"""YAML with places."""

from __future__ import annotations

import datetime as dt

import pytest

from airlock.policy.yaml import read_yaml


def problems(text):
    return [(found.line, found.column, found.message) for found in read_yaml(text, "p.yaml").problems]


def test_data_is_plain_and_places_are_one_based():
    document = read_yaml("a: 1\nb:\n  c: [x, {d: true}]\n  e: 2026-11-22\n  f: 0.5\n  g: '1'\n  h:\n", "p.yaml")
    assert document.data == {"a": 1, "b": {"c": ["x", {"d": True}], "e": dt.date(2026, 11, 22), "f": 0.5, "g": "1", "h": None}}
    assert {type(value) for value in document.data["b"].values()} == {list, dt.date, float, str, type(None)}
    assert document.place(("b", "c")) == (3, 3)
    assert document.place(("b", "c", 1, "d")) == (3, 11)
    assert document.place(("b", "c", 0, "none", "none")) == (3, 7)
    assert document.place(("none",)) == (1, 1)


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "n"])
def test_words_of_yaml_1_1_stay_texts(word):
    assert read_yaml(f"{word}: {word}", "p.yaml").data == {word: word}


def test_null_is_the_operators_name():
    assert read_yaml("null: {}", "p.yaml").data == {"null": {}}
    assert problems("null: {}\n'null': {}") == [(2, 1, "key 'null' stands here a second time; each key may stand once")]


def test_all_equal_keys_are_told_and_the_first_value_counts():
    document = read_yaml("a: 1\na: 2\nc:\n  s: {t: 1, d: {}, d: 2}\n  s: [{x: 1, x: 2}]\n", "p.yaml")
    assert [(problem.line, problem.column) for problem in document.problems] == [(2, 1), (4, 20), (5, 3), (5, 14)]
    assert document.data == {"a": 1, "c": {"s": {"t": 1, "d": {}}}}


@pytest.mark.parametrize(
    ("text", "place"), [("a: 1\na: 2", (2, 1)), ("x: {a: 1, b: 2, a: 3}", (1, 17)), ("x:\n  'a': 1\n  a: 2", (3, 3))]
)
def test_equal_keys_are_an_error(text, place):
    [(line, column, message)] = problems(text)
    assert (line, column) == place
    assert message == "key 'a' stands here a second time; each key may stand once"


@pytest.mark.parametrize("key", ["1", "true", "2026-11-22", "1.5"])
def test_a_key_that_is_no_text_is_an_error(key):
    [(line, column, message)] = problems(f"a:\n  {key}: 1")
    assert (line, column) == (2, 3)
    assert message.endswith("is not a text; put it in quotes")


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\ta: 1", "a: *none", "%YAML", "a: 'x", "--- 1\n--- 2", "a: \x00"])
def test_what_is_no_yaml_is_one_problem_with_a_place(text):
    [(line, column, message)] = problems(text)
    assert line >= 1
    assert column >= 1
    assert message.startswith("not YAML")


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system ['true']", "a: !tag x", "a: !tag {b: 1}", "a: !!str 1", "a: !!omap [x: 1]"]
)
def test_tags_are_refused(text):
    assert problems(text) == [(1, 1, "tags ('!') are not read; write the value without one")]


@pytest.mark.parametrize("text", ["a: !!set {x}", "a: !!binary aGk="])
def test_other_kinds_of_values_are_refused(text):
    [(_, _, message)] = problems(text)
    assert message.startswith("is neither a text")


def test_merged_keys_are_refused():
    assert problems("x: &a {b: 1}\nc:\n  <<: *a\n  d: 2") == [(2, 1, "key 'b' is merged in with '<<'; write every key out")]


def test_nothing_is_read_as_nothing():
    assert read_yaml("", "p.yaml").data is None
    assert read_yaml("# only a comment\n", "p.yaml").data is None


def test_anchors_are_followed():
    assert read_yaml("a: &x {b: 1}\nc: *x\n", "p.yaml").data == {"a": {"b": 1}, "c": {"b": 1}}
