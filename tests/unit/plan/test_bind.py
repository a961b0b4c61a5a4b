"""Binding: every fault of a policy at once, each with its place."""

from __future__ import annotations

import pytest

from airlock.errors import NotFoundError, PolicyFileError
from airlock.operators import operator_names
from airlock.plan.bind import bind_policy
from airlock.policy.model import Canonical
from airlock.policy.path import ColumnPath


def faults(path):
    with pytest.raises(PolicyFileError) as caught:
        bind_policy(path)
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


def test_operators_are_bound_with_their_domains_filled_in(policy_file):
    bound = bind_policy(policy_file("zip: {type: string, class: quasi_identifier, truncate: 3}"))
    assert bound.operators[ColumnPath.parse("id")].canonical == (Canonical.DECIMAL,)
    assert bound.operators[ColumnPath.parse("zip")].length == 3
    assert bound.rules.keys() == bound.operators.keys()
    assert bound.file.endswith("people.yaml")


def test_there_is_no_such_file(tmp_path):
    with pytest.raises(NotFoundError, match="there is no policy file"):
        bind_policy(tmp_path / "none.yaml")


def test_an_unknown_operator_is_named_with_the_nearest(policy_file):
    assert faults(policy_file("zip: {type: string, class: quasi_identifier, truncat: 3}")) == [
        (15, 48, "there is no operator 'truncat'; nearest: 'truncate'")
    ]


@pytest.mark.parametrize("name", ["hash", "sha256", "md5"])
def test_who_looks_for_a_hash_is_told_of_keys(policy_file, name):
    assert faults(policy_file(f"zip: {{type: string, class: sensitive, {name}: {{}}}}")) == [
        (15, 41, "an unkeyed hash does not exist here: anybody can try all values; use pseudonymize or hmac")
    ]


def test_an_operator_like_no_other_is_answered_by_the_list(policy_file):
    [(_, _, message)] = faults(policy_file("zip: {type: string, class: sensitive, xyzzy: 3}"))
    assert message.startswith(f"there is no operator 'xyzzy'; there are {', '.join(operator_names())}")


def test_every_fault_of_arguments_is_named_at_its_place(policy_file):
    path = policy_file(
        "zip: {type: string, class: quasi_identifier, truncate: {length: '3'}}",
        "note: {type: string, class: sensitive, redact: {wiht: x}}",
        "day: {type: date32, class: sensitive, generalize_date: {}}",
    )
    found = faults(path)
    assert [line for line, _, _ in found] == [15, 16, 17]
    assert "length: Input should be a valid integer" in found[0][2]
    assert found[1][2] == "unknown key 'wiht'; nearest: 'with'"
    assert found[2][2] == "'to' is missing"


def test_faults_of_form_and_of_operators_come_together(policy_file):
    path = policy_file(
        "zip: {type: strnig, class: quasi_identifier, truncate: 3}", "note: {type: string, class: sensitive, truncat: 3}"
    )
    messages = [message for _, _, message in faults(path)]
    assert any("'strnig' is not an Arrow type" in message for message in messages)
    assert any("no operator 'truncat'" in message for message in messages)


def test_a_value_stands_for_an_argument_only_where_the_operator_says_so(policy_file):
    [(line, _, message)] = faults(policy_file("note: {type: string, class: sensitive, mask: 3}"))
    assert (line, message) == (15, "'mask' takes named arguments, as in 'mask: {}'")


def test_an_unknown_domain_lists_the_known_ones(policy_file):
    [(line, _, message)] = faults(policy_file("mail: {type: string, class: direct_identifier, pseudonymize: {domain: mails}}"))
    assert line == 15
    assert message.startswith("key domain 'mails' is not one of the policy's keys.domains (found: email, form, person)")


def test_a_known_value_needs_a_rule_of_its_own_or_one_that_covers_it(policy_file):
    name = "name: {type: struct, class: direct_identifier, drop: {}}"
    text = "note: {type: string, class: sensitive, redact_entities: {entities: [URL], known_values: [%s]}}"
    assert bind_policy(policy_file(name, text % "name.first")).operators
    [(_, _, message)] = faults(policy_file(name, text % "nickname"))
    assert message == "looks at 'nickname', which has no rule under columns"
    [(_, _, message)] = faults(policy_file(name, text % "name..first"))
    assert message.startswith("looks at 'name..first', which is not a path: ")


def test_two_spellings_of_one_column_are_one_too_many(policy_file):
    path = policy_file(
        "zip: {type: string, class: sensitive, truncate: 3}", "'\\zip': {type: string, class: sensitive, drop: {}}"
    )
    [(_, _, message)] = faults(path)
    assert "'zip' and '\\zip' are one column" in message


def test_no_argument_is_converted_in_silence(policy_file):
    assert faults(policy_file("zip: {type: string, class: quasi_identifier, truncate: true}"))
    assert faults(policy_file("zip: {type: string, class: quasi_identifier, truncate: 3.0}"))


def test_a_message_never_quotes_an_argument(policy_file):
    canary = "canary-7781"
    found = faults(policy_file(f"zip: {{type: string, class: quasi_identifier, truncate: {{length: {canary}}}}}"))
    assert canary not in str(found)


@pytest.mark.parametrize("name", ["value", "known"])
def test_a_column_that_is_called_as_kernels_call_their_own_is_escaped(policy_file, name):
    other = f"{name}: {{type: string, class: sensitive, drop: {{}}}}"
    rule = "x: {type: string, class: sensitive, when: {column: '%s', in: [a], then: {redact: {}}, otherwise: {truncate: 1}}}"
    [(_, _, message)] = faults(policy_file(other, rule % name))
    assert f"write it as '\\{name}'" in message
    assert bind_policy(policy_file(other, rule % f"\\{name}")).operators
