"""The policy as a value: strict, frozen, with one canonical form."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re

import pytest
from pydantic import ValidationError

from airlock.policy.model import (
    RULE_KEYS,
    Canonical,
    ColumnRule,
    KAnonymity,
    NoPrivacyModel,
    OperatorSpec,
    Policy,
    Sink,
    Source,
)
from airlock.types import Classification

DATA = {
    "apiVersion": "airlock/v1",
    "dataset": "people",
    "owner": "o",
    "purpose": "p",
    "source": {"path": "crm/people", "where": {"dt": [dt.date(2026, 11, 22), 3, "x"]}},
    "sink": {"path": "people"},
    "subject": "id",
    "keys": {"recipient": "r", "epoch": 1, "domains": {"person": {"canonical": ["decimal", "trim"]}}},
    "columns": {
        "id": {"type": "int64", "class": "direct_identifier", "pseudonymize": {"domain": "person"}},
        "n": {"type": ["int32", "int64"], "class": "sensitive", "generalize_number": {"width": 10}, "optional": True},
    },
    "privacy": {"k_anonymity": {"k": 5, "count": "subjects"}},
}


def policy(**changes):
    return Policy.model_validate(copy.deepcopy(DATA) | changes)


def test_a_policy_says_what_was_written():
    made = policy()
    assert made.columns["n"].type == ("int32", "int64")
    assert made.columns["id"].classification is Classification.DIRECT_IDENTIFIER
    assert made.columns["id"].operator == OperatorSpec(name="pseudonymize", arguments={"domain": "person"})
    assert made.keys.domains["person"].canonical == (Canonical.DECIMAL, Canonical.TRIM)
    assert made.privacy.k_anonymity == KAnonymity(k=5, count="subjects")


def test_the_defaults_are_the_strict_ones():
    made = policy()
    assert made.unlisted_columns == "refuse"
    assert made.order == "shuffled"
    assert made.gate.max_rejects == 0
    assert made.source.exclude is None
    assert made.sink.retain.releases == 1
    assert KAnonymity(k=2).count == "rows"


def test_the_canonical_form_is_read_back():
    made = policy()
    again = Policy.model_validate_json(made.canonical())
    assert again.canonical() == made.canonical()
    assert again.digest == made.digest
    assert json.loads(made.canonical())["source"]["where"] == {"dt": ["2026-11-22", 3, "x"]}


def test_the_digest_does_not_depend_on_the_order_of_keys():
    turned = dict(reversed(list(DATA.items())))
    assert Policy.model_validate(turned).digest == policy().digest
    assert policy(owner="other").digest != policy().digest
    assert len(policy().digest) == 64


def test_the_order_of_columns_is_the_files():
    assert [str(path) for path in policy().rules()] == ["id", "n"]


def test_nothing_can_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        policy().dataset = "other"


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "s3://a/b", "a/./b"])
def test_paths_stay_in_their_zone(path):
    with pytest.raises(ValidationError, match="relative to its zone"):
        Source(path=path)


@pytest.mark.parametrize(
    "changes",
    [
        {"order": {}},
        {"order": {"kept": ""}},
        {"order": "kept"},
        {"unlisted_columns": "keep"},
        {"columns": {}},
        {"gate": {"not_proven": {"PERSON": ""}}},
        {"gate": {"max_rejects": True}},
        {"gate": {"synthetic": {"none": "URL"}}},
        {"sink": {"path": "p", "partition_by": ["none"]}},
        {"sink": {"path": "p", "retain": {"releases": -1}}},
        {"keys": {"recipient": "R", "epoch": 1}},
        {"keys": {"recipient": "r", "epoch": 0}},
        {"keys": {"recipient": "r", "epoch": 1, "domains": {"d": {"canonical": ["sort"]}}}},
        {"privacy": {"k_anonymity": {"k": 5, "none": "both"}}},
        {"privacy": {}},
        {"source": {"path": "p", "delimiter": "||"}},
        {"source": {"path": "p", "format": "orc"}},
    ],
)
def test_what_is_refused(changes):
    with pytest.raises(ValidationError):
        policy(**changes)


def test_reasons_may_be_given():
    assert policy(order={"kept": "a time series"}).order == {"kept": "a time series"}
    assert policy(privacy={"k_anonymity": {"none": "a reason"}}).privacy.k_anonymity == NoPrivacyModel(none="a reason")


def test_a_rule_has_exactly_one_operator():
    base = {"type": "int64", "class": "sensitive"}
    assert ColumnRule.model_validate(base | {"drop": None}).operator == OperatorSpec(name="drop")
    for others in ({}, {"drop": {}, "keep": "x"}):
        with pytest.raises(ValidationError, match="exactly one operator"):
            ColumnRule.model_validate(base | others)


@pytest.mark.parametrize("key", RULE_KEYS)
def test_a_rules_own_keys_are_no_operators(key):
    with pytest.raises(ValidationError, match="exactly one operator, found none"):
        ColumnRule.model_validate({"type": "int64", "class": "sensitive", key: "sensitive" if key == "class" else "int64"})


@pytest.mark.parametrize(
    ("arguments", "shorthand", "mapping"),
    [(None, None, {}), (None, "a", {}), ({"b": 1}, "a", {"b": 1}), (3, "a", {"a": 3}), ([1, 2], "a", {"a": [1, 2]})],
)
def test_a_bare_value_is_the_shorthand_argument(arguments, shorthand, mapping):
    assert OperatorSpec(name="x", arguments=arguments).mapping(shorthand) == mapping


def test_a_bare_value_needs_a_shorthand():
    with pytest.raises(ValueError, match="'x' takes named arguments"):
        OperatorSpec(name="x", arguments=3).mapping(None)


@pytest.mark.parametrize(
    "path", [".pending", ".pending/foo", "things/data", "things/history", "_x", ".new-x", "a/.pending/b", "evidence"]
)
def test_a_sink_is_no_part_of_a_sink(path):
    wrong = next(part for part in path.split("/") if part in ("data", "history", "evidence") or part[0] in "._")
    with pytest.raises(ValidationError, match=rf"has the part '{re.escape(wrong)}': no part of a sink's path"):
        Sink.model_validate({"path": path})
    assert Sink.model_validate({"path": "team/data-x"}).path == "team/data-x"
