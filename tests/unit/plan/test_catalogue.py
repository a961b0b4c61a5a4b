"""The catalogue: what is said of every operator, and that its example is a rule which binds."""

from __future__ import annotations

import json
import re

import pytest

from airlock.operators import Operator, operator_class, operator_names
from airlock.plan.bind import bind_policy
from airlock.plan.catalogue import KINDS, describe, taken_types
from airlock.policy.path import ColumnPath
from airlock.policy.yaml import read_yaml

POLICY = """\
apiVersion: airlock/v1
dataset: examples
owner: a@example.org
purpose: examples
source: {path: examples, format: parquet}
sink: {path: examples}
subject: customer_id
keys:
  recipient: analytics
  epoch: 1
  domains:
    account: {}
    customer: {canonical: [decimal]}
    email: {canonical: [trim, nfc, casefold]}
    person: {canonical: [trim, nfc]}
columns:
  customer_id: {type: int64, class: direct_identifier, pseudonymize: customer}
  country: {type: string, class: quasi_identifier, keep: counted in k}
  longitude: {type: double, class: quasi_identifier, geo_grid: "0.1"}
"""
REST = """\
gate: {synthetic: {SYNTHETIC}}
privacy: {k_anonymity: {k: 5, count: subjects}}
"""
MAIL = "  email: {type: string, class: direct_identifier, drop: {}}\n"
SYNTHETIC = {"fpe": "card: [CREDIT_CARD]", "surrogate": "name: PERSON"}


@pytest.mark.parametrize("name", operator_names())
def test_an_example_is_a_rule_that_binds(name, tmp_path):
    example = operator_class(name).example
    assert example is not None, "every operator shows how a rule has it"
    (tmp_path / "icd.csv").write_text("J45,asthma\nE11,diabetes\n")
    rules = "".join(f"  {line}\n" for line in example.splitlines())
    others = MAIL if "\n  email:" not in f"\n{rules}" else ""
    file = tmp_path / "examples.yaml"
    file.write_text(POLICY + others + rules + REST.replace("SYNTHETIC", SYNTHETIC.get(name, "")))
    last = [*read_yaml(example, name).data][-1]
    assert bind_policy(file).operators[ColumnPath.parse(last)].name == name


@pytest.mark.parametrize("name", operator_names())
def test_an_entry_leaves_nothing_open(name):
    entry = describe(operator_class(name))
    assert entry.kind in KINDS
    assert entry.summary.endswith(".")
    assert "\n" not in entry.summary
    assert "Guarantee:" in entry.text
    assert not re.search(r"^(Args|Attributes|Example):", entry.text, re.MULTILINE)
    assert [one.name for one in entry.arguments if not one.meaning] == []
    assert {one.name for one in entry.arguments} == entry.schema["properties"].keys()
    assert {one.name for one in entry.arguments if one.default is None} == set(entry.schema.get("required", ()))
    assert json.loads(json.dumps(entry.to_dict()))["name"] == name


def test_kinds_follow_the_technique():
    kinds = {name: describe(operator_class(name)).kind for name in ("hmac", "fpe", "age", "permute", "keep", "mask", "ordered")}
    expected = ["keyed", "keyed", "generalizing", "perturbing", "plain", "plain", "conditional"]
    assert [*kinds.values()] == expected


def test_only_hierarchies_are_said_by_a_file():
    silent = [name for name in operator_names() if describe(operator_class(name)).writes is None]
    assert silent == ["hierarchy"]


def test_types_are_asked_of_the_operator():
    assert taken_types(operator_class("zip3")) == ("text", "integers")
    assert taken_types(operator_class("shift_date")) == ("dates", "timestamps")
    assert taken_types(operator_class("null"))[-1] == "structs, lists and maps as a whole"


def test_a_third_partys_operator_needs_no_example(monkeypatch):
    plain = operator_class("truncate")
    monkeypatch.setattr(plain, "example", Operator.example)
    assert (describe(plain).example, describe(plain).writes, taken_types(plain)) == (None, None, ("text",))
