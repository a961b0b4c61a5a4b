"""HIPAA Safe Harbor: every kind is covered, and each operator is right for its kind or named as wrong."""

from __future__ import annotations

from datetime import date

import pytest

from airlock.errors import PolicyFileError
from airlock.plan.bind import bind_policy
from airlock.policy.model import HIPAA_KINDS, Policy
from airlock.policy.packs import pack_faults

TODAY = date(2026, 11, 28)
OTHERS = [kind for kind in HIPAA_KINDS if kind not in ("dates", "geography")]


def policy(columns, **pack):
    named = {rule.get("identifier") for rule in columns.values()}
    absent = {kind: "none here" for kind in HIPAA_KINDS if kind not in named}
    return Policy.model_validate(
        {
            "apiVersion": "airlock/v1",
            "dataset": "stays",
            "owner": "o",
            "purpose": "p",
            "source": {"path": "stays"},
            "sink": {"path": "stays"},
            "subject": next(iter(columns)),
            "keys": {"recipient": "r", "epoch": 1, "domains": {"d": {}}},
            "pack": {"name": "hipaa-safe-harbor", "absent": absent} | pack,
            "columns": columns,
            "privacy": {"k_anonymity": {"none": "a test"}},
        }
    )


def faults(kind, operator, arguments=None, *, data_type="string", **pack):
    rule = {"type": data_type, "class": "sensitive", "identifier": kind, operator: arguments}
    return [fault.message for fault in pack_faults(policy({"x": rule}, **pack), today=TODAY)]


def test_there_are_eighteen_kinds_from_a_to_r():
    assert list(HIPAA_KINDS.values()) == [chr(ord("A") + place) for place in range(18)]


@pytest.mark.parametrize("kind", [*HIPAA_KINDS, "free_text"])
@pytest.mark.parametrize(("operator", "arguments"), [("drop", {}), ("null", {}), ("redact", {"with": "-"}), ("mask", {})])
def test_what_is_gone_is_right_for_every_kind(kind, operator, arguments):
    assert faults(kind, operator, arguments) == []


@pytest.mark.parametrize("kind", [*HIPAA_KINDS, "free_text"])
@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        ("keep", "a reason"), ("mask", {"keep_last": 4}), ("mask", {"classes": ["digits"]}), ("truncate", 3), ("ip_truncate", {}),
        ("url", {"to": "host"}), ("surrogate", {"kind": "full_name", "domain": "d"}), ("encrypt", "d"), ("fpe", "d"), ("shift_date", "d"),
        ("redact_entities", {"entities": ["US_SSN"]}), ("add_noise", {}), ("permute", "r"),
        ("when", {"column": "x", "in": [1], "then": {"redact": {}}, "otherwise": {"keep": "a reason"}}),
    ],
)  # fmt: skip
def test_what_stays_is_wrong_for_every_kind(kind, operator, arguments):
    [message] = faults(kind, operator, arguments)
    assert message.startswith(f"pack hipaa-safe-harbor: is {kind}")


@pytest.mark.parametrize("kind", OTHERS)
def test_one_way_codes_need_a_word(kind):
    [message] = faults(kind, "pseudonymize", "d")
    assert "pack.codes.x" in message
    assert faults(kind, "pseudonymize", "d", codes={"x": "the key is destroyed"}) == []
    assert faults(kind, "hmac", "d", codes={"x": "the key is destroyed"}) == []


@pytest.mark.parametrize("form", ["int64", "int32"])
def test_a_code_that_can_be_turned_back_is_none(form):
    [message] = faults("medical_record", "pseudonymize", {"domain": "d", "form": form}, codes={"x": "a word"})
    assert "'pseudonymize' does not remove it, or can be turned back" in message


@pytest.mark.parametrize("kind", ["dates", "geography", "free_text"])
def test_codes_of_dates_places_and_texts_are_never_right(kind):
    assert len(faults(kind, "pseudonymize", "d", codes={"x": "a word"})) == 1


@pytest.mark.parametrize(
    ("operator", "arguments", "right"),
    [
        ("generalize_date", "year", False),
        ("generalize_date", {"to": "year", "bottom": "1936-01-01"}, True),
        ("generalize_date", {"to": "decade", "bottom": "1940-01-01"}, True),
        ("generalize_date", {"to": "year", "bottom": "1935-12-31"}, False),
        ("generalize_date", {"to": "year", "bottom": date(1936, 1, 1)}, True),
        ("generalize_date", {"to": "month", "bottom": "1936-01-01"}, False),
        ("generalize_date", {"to": "year", "bottom": "long ago"}, False),
        ("age", {"at": "2026-01-01"}, True),
        ("age", {"at": "2026-01-01", "top": 90}, True),
        ("age", {"at": "2026-01-01", "top": 91}, False),
        ("age", "2026-01-01", True),
        ("age", {"at": "2000-01-01"}, False),
        ("age", {"at": "then"}, False),
        ("clamp", {"bottom": 0, "top": 90}, True),
        ("clamp", {"top": 90}, False),
        ("clamp", {"bottom": -14610, "top": 90}, False),
        ("clamp", {"bottom": 18}, False),
        ("clamp", {"bottom": "NaN", "top": 90}, False),
        ("generalize_number", {"width": 10, "bottom": 0, "top": 90}, True),
        ("generalize_number", {"width": "0.5", "top": 90}, False),
        ("interval", {"breaks": [-14610, 18, 90]}, False),
        ("generalize_number", {"width": 10}, False),
        ("interval", {"breaks": [18, 65, 90]}, True),
        ("interval", {"breaks": [18, 65, 95]}, False),
        ("interval", {}, False),
    ],
)
def test_dates_and_ages(operator, arguments, right):
    assert (faults("dates", operator, arguments, data_type="int64") == []) is right


def test_ages_are_counted_up_to_the_pack_s_day_or_today():
    arguments = {"to": "year", "bottom": "1930-01-01"}
    [message] = faults("dates", "generalize_date", arguments)
    assert "bottom: 1936-01-01" in message
    arguments = {"to": "year", "bottom": "1935-01-01"}
    assert faults("dates", "generalize_date", arguments, as_of=date(2025, 12, 31)) == []
    [message] = faults("dates", "generalize_date", arguments, as_of=date(2025, 11, 1))
    assert "as_of 2025-11-01 is more than a year ago" in message


def test_places():
    assert faults("geography", "zip3") == []
    assert len(faults("geography", "truncate", 3)) == 1


@pytest.mark.parametrize(
    "arguments", [{"as_of": "2000-04-01"}, {"as_of": "2026-01-01", "restricted": []}, {"as_of": "then"}, {"restricted": 7}]
)
def test_no_older_or_shorter_list_shows_more_places(arguments):
    assert len(faults("geography", "zip3", arguments)) == 1


@pytest.mark.parametrize("part", [{"keep_last": 4}, {"keep_first": 1}, {"keep_domain": "common"}])
def test_a_code_stands_alone(part):
    [message] = faults("names", "pseudonymize", {"domain": "d", **part}, codes={"x": "a word"})
    assert "leaves a part of it readable" in message


def test_no_identifier_is_none():
    rule = {"type": "string", "class": "direct_identifier", "identifier": "none", "mask": {"keep_last": 4}}
    [fault] = pack_faults(policy({"x": rule}), today=TODAY)
    assert "'x' is a direct_identifier, so `identifier` is not none" in fault.message
    [message] = faults("none", "redact_entities", {"entities": ["US_SSN"]})
    assert "so `identifier` is free_text" in message


def test_every_kind_is_named_or_said_to_be_absent():
    rule = {"type": "string", "class": "sensitive", "identifier": "names", "drop": {}}
    absent = {kind: "none" for kind in HIPAA_KINDS if kind not in ("names", "fax", "photo")}
    [fault] = pack_faults(policy({"x": rule}, absent=absent), today=TODAY)
    assert fault.column is None
    assert "nothing is said of fax (E), photo (Q)" in fault.message
    absent = dict.fromkeys(HIPAA_KINDS, "none")
    [fault] = pack_faults(policy({"x": rule}, absent=absent), today=TODAY)
    assert "names stands under pack.absent, yet a column is of this kind" in fault.message


def test_every_column_says_its_kind_and_codes_name_columns():
    rule = {"type": "string", "class": "sensitive", "drop": {}}
    first, second = pack_faults(policy({"x": rule}, codes={"y": "no such"}), today=TODAY)
    assert "'x' needs `identifier`" in first.message
    assert "pack.codes names y" in second.message


def test_no_pack_no_faults():
    rule = {"type": "string", "class": "sensitive", "keep": "a reason"}
    assert list(pack_faults(policy({"x": rule}).model_copy(update={"pack": None}), today=TODAY)) == []


def test_the_faults_are_told_with_their_place_and_code(tmp_path):
    text = """\
apiVersion: airlock/v1
dataset: stays
owner: o
purpose: p
source: {path: stays}
sink: {path: stays}
subject: id
pack: hipaa-safe-harbor
keys: {recipient: r, epoch: 1, domains: {d: {}}}
columns:
  id: {type: string, class: direct_identifier, identifier: medical_record, pseudonymize: d}
  name: {type: string, class: direct_identifier, identifier: initials, drop: {}}
privacy: {k_anonymity: {none: a test}}
"""
    path = tmp_path / "stays.yaml"
    path.write_text(text)
    with pytest.raises(PolicyFileError, match="identifier: is one of names, geography"):
        bind_policy(path)
    path.write_text(text.replace("initials", "names"))
    with pytest.raises(PolicyFileError) as caught:
        bind_policy(path)
    assert caught.value.facts["codes"] == ["pack"]
    assert [(problem.line, problem.code) for problem in caught.value.problems] == [(8, "pack"), (11, "pack")]
