"""What a rule promises its readers: each promise that its operator breaks has an error of its own."""

from __future__ import annotations

import pytest

from airlock.errors import ContractError, PolicyFileError, all_errors
from airlock.operators import Contract, Operator, operator_class
from airlock.plan.bind import bind_policy
from airlock.plan.promises import promise_faults
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath

IDENTIFIER = "type: string, class: direct_identifier"


@pytest.fixture
def codes(policy_file):
    """The codes of the contracts that a policy of these rules breaks."""

    def of(*rules, **rest):
        try:
            bind_policy(policy_file(*rules, **rest))
        except PolicyFileError as error:
            return error.facts["codes"]
        return []

    return of


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("type: string, class: sensitive, references: a.b, truncate: 3", "join-lossy"),
        ("type: string, class: sensitive, references: a.b, redact: {}", "join-lossy"),
        (f"{IDENTIFIER}, references: a.b, pseudonymize: person", "join-domain"),
        (f"{IDENTIFIER}, truncate: 3", "identifier-exposed"),
        (f"{IDENTIFIER}, generalize_date: year", "identifier-exposed"),
        ("type: string, class: sensitive, unique: true, truncate: 3", "uniqueness-lost"),
        (f"{IDENTIFIER}, unique: true, redact: {{}}", "uniqueness-lost"),
        ("type: int64, class: direct_identifier, output: int64, pseudonymize: person", "output-type"),
        ("type: string, class: sensitive, output: string, drop: {}", "output-type"),
        (f"{IDENTIFIER}, encrypt: person", "reversible"),
        ("type: int64, class: direct_identifier, pseudonymize: {domain: person, form: int64}", "reversible"),
        ("type: string, class: sensitive, replace: {map: {a: x, b: y}}", "reversible"),
        (f"{IDENTIFIER}, encrypt_random: person", "reversible"),
        (
            f"{IDENTIFIER}, when: {{column: id, null: true, then: {{redact: {{}}}}, otherwise: {{encrypt: person}}}}",
            "reversible",
        ),
        (f"{IDENTIFIER}, fpe: {{domain: form, min_length: 6}}", "reversible"),
        (f"{IDENTIFIER}, reversible: allowed, fpe: {{domain: form, min_length: 5}}", "fpe-domain-small"),
        (
            f"{IDENTIFIER}, reversible: allowed, when: {{column: id, null: true, then: {{redact: {{}}}}, otherwise: {{fpe: {{domain: form, length: 5}}}}}}",
            "fpe-domain-small",
        ),
    ],
)
def test_each_broken_contract_has_an_error_of_its_own(codes, rule, code):
    assert codes(f"x: {{{rule}}}") == [code]
    assert issubclass(all_errors()[code], ContractError)
    assert all_errors()[code].remedy != ContractError.remedy


@pytest.mark.parametrize(
    "rule",
    [
        f"{IDENTIFIER}, unique: true, output: string, pseudonymize: person",
        "type: int64, class: sensitive, unique: true, output: int64, keep: a reason",
        f"{IDENTIFIER}, unique: true, output: string, reversible: allowed, encrypt: person",
        "type: date32, class: sensitive, output: date32, generalize_date: year",
        "type: int64, class: direct_identifier, unique: true, output: int32, reversible: allowed, pseudonymize: {domain: person, form: int32}",
        "type: string, class: sensitive, replace: {map: {a: x, b: x}}",
        "type: string, class: sensitive, replace: {map: {a: x, b: y}, otherwise: z}",
        "type: string, class: sensitive, when: {column: id, null: true, then: {redact: {}}, otherwise: {keep: a reason}}",
    ],
)
def test_promises_that_hold(codes, rule):
    assert codes(f"x: {{{rule}}}") == []


@pytest.mark.parametrize("rule", ["reversible: yes", "output: list", "output: nonsense", "unique: 1"])
def test_promises_are_written_in_their_own_words(policy_file, rule):
    name = rule.partition(":")[0]
    with pytest.raises(PolicyFileError, match=rf"\b{name}\b") as caught:
        bind_policy(policy_file(f"x: {{type: string, class: sensitive, {rule}, truncate: 1}}"))
    assert len(caught.value.problems) == 1


class Scrambled(Operator):
    """A third party's operator: one output for each value, and no key."""

    name = "scrambled"

    def __init__(self, **flags):
        self.flags = flags

    @property
    def contract(self):
        return Contract(technique="pseudonymization", **self.flags)

    def result_field(self, field):
        return field

    def kernel(self, field, keys):
        return lambda values: values


@pytest.mark.parametrize(
    ("flags", "allowed", "count"),
    [
        ({"injective": True}, None, 1),
        ({"injective": True}, "allowed", 0),
        ({"injective": True, "keyed": True}, None, 0),
        ({"keyed": True, "reversible": True}, None, 1),
        ({}, None, 0),
    ],
)
def test_an_unkeyed_token_of_a_third_party_needs_leave(flags, allowed, count):
    rule = ColumnRule.model_validate({"type": "string", "class": "sensitive", "scrambled": {}, "reversible": allowed})
    found = list(promise_faults(ColumnPath.parse("x"), rule, Scrambled(**flags)))
    assert [kind.code for _, kind in found] == ["reversible"] * count


def test_the_message_names_the_code(policy_file):
    with pytest.raises(PolicyFileError, match=r"may make different values one \[uniqueness-lost\]"):
        bind_policy(policy_file("x: {type: string, class: sensitive, unique: true, truncate: 3}"))


def test_a_fresh_ciphertext_is_not_said_to_make_values_one(policy_file):
    with pytest.raises(PolicyFileError, match="'encrypt_random' makes one value several"):
        bind_policy(policy_file(f"x: {{{IDENTIFIER}, unique: true, reversible: allowed, encrypt_random: person}}"))


def test_there_is_no_unkeyed_hash():
    with pytest.raises(KeyError):
        operator_class("hash")


@pytest.mark.parametrize(
    ("then", "found"),
    [
        ("keep: a reason", []),
        ("fpe: form", ["reversible"]),
        ("encrypt: person", ["reversible"]),
    ],
)
def test_of_a_choice_each_operator_is_judged_by_itself(codes, then, found):
    """A value that is kept is not encrypted: nothing is turned back by a key."""
    when = f"when: {{column: id, in: [7], then: {{{then}}}, otherwise: {{pseudonymize: person}}}}"
    assert codes(f"x: {{type: string, class: sensitive, {when}}}") == found
    assert codes(f"x: {{type: string, class: sensitive, reversible: allowed, {when}}}") == []
