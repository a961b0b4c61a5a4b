"""YAML that other readers take otherwise, that says nothing Kubernetes knows, or that is made to be expensive."""

from __future__ import annotations

import pytest

from airlock.cluster._yaml import read_documents
from airlock.errors import ConfigError

LEVELS = [f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]" for before, name in zip("abcdefg", "bcdefgh", strict=True)]
LAUGHS = "\n".join(["a: &a [x]", *LEVELS])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "9" * 5000, "f.yaml:1:4: not YAML: a number of 5,000 digits"),
        ("a: !!int banana", "a value that is no int"),
        ("a: !!float banana", "a value that is no float"),
        ("a: !!bool banana", "a value that is no bool"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: &x [*x]", "a value that is a part of itself"),
        ("&x {<<: *x}", "a value that is a part of itself"),
        (LAUGHS, "aliases make [0-9,]+ values of [0-9,]+; write them out"),
        ("[" * 5000, "maximum nesting depth|nested too deeply"),
        ("{1: a, '1': b}", "key '1' stands here a second time"),
        ("{<<: {a: 1}, b: 1, b: 2}", "key 'b' stands here a second time"),
        ("? [a]\n: b", "a key of type list, expected text"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        list(read_documents(text, "f.yaml"))


def test_a_tags_error_does_not_quote_the_value():
    with pytest.raises(ConfigError) as error:
        list(read_documents("data: {password: !!int canary}", "f.yaml"))
    assert "canary" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 0x_, b: 0x1_0, c: -0b11, d: 017, e: 0o17}", {"a": "0x_", "b": 16, "c": -3, "d": 15, "e": 15}),
        ("{1: a, yes: b}", {"1": "a", "true": "b"}),
        ("a: &b {k: v, l: m}\nc: {<<: *b, k: w}", {"a": {"k": "v", "l": "m"}, "c": {"k": "w", "l": "m"}}),
        ("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}", {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}),
        ("{a: .5, b: -.INF, c: 1_0.5}", {"a": 0.5, "b": float("-inf"), "c": 10.5}),
    ],
)
def test_what_is_read(text, value):
    assert list(read_documents(text, "f.yaml")) == [(1, value)]
