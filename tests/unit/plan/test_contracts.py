"""Contracts: what an operator promises against what the policy uses it for."""

from __future__ import annotations

import pytest

from airlock.errors import PolicyFileError
from airlock.plan.bind import bind_policy


@pytest.fixture
def said(policy_file):
    """The problems of a policy of these rules, or [] where it binds: (line, message)."""

    def of(*rules, **rest):
        try:
            bind_policy(policy_file(*rules, **rest))
        except PolicyFileError as error:
            return [(problem.line, problem.message) for problem in error.problems]
        return []

    return of


@pytest.mark.parametrize(
    "operator",
    ["keep: a reason", "truncate: 3", "generalize_date: year", "generalize_number: {width: 10}", "ip_truncate: {}",
     "redact_entities: {entities: [URL]}"],
)  # fmt: skip
def test_a_direct_identifier_is_never_generalized_or_kept(said, operator):
    [(line, message)] = said(f"x: {{type: string, class: direct_identifier, {operator}}}")
    assert line == 15
    assert "may not stand on a direct_identifier" in message
    assert "one of drop, encrypt, encrypt_random, fpe, hmac, mask, null, pseudonymize, redact, surrogate" in message


@pytest.mark.parametrize("operator", ["drop: {}", "null: {}", "redact: {}", "mask: {keep_last: 4}", "pseudonymize: email"])
def test_what_a_direct_identifier_takes(said, operator):
    assert said(f"x: {{type: string, class: direct_identifier, {operator}}}") == []


def test_text_under_redact_entities_is_sensitive(said):
    assert said("x: {type: string, class: sensitive, redact_entities: {entities: [URL]}}") == []
    [(_, message)] = said("x: {type: string, class: insensitive, redact_entities: {entities: [URL]}}")
    assert "it takes sensitive" in message


def test_a_mask_shows_at_most_four_characters_of_a_direct_identifier(said):
    [(_, message)] = said("x: {type: string, class: direct_identifier, mask: {keep_first: 3, keep_last: 2}}")
    assert message == "'mask' shows 5 characters of a direct identifier; at most 4 may show"
    assert said("x: {type: string, class: sensitive, mask: {keep_first: 3, keep_last: 2}}") == []


def test_cases_that_each_write_a_text_of_their_own_are_a_look_up_table(said):
    def of(one: str, other: str) -> list[tuple[int, str]]:
        choice = f"when: {{column: id, in: [1], then: {{redact: {{with: {one}}}}}, otherwise: {{redact: {{with: {other}}}}}}}"
        return said(f"x: {{type: string, class: direct_identifier, {choice}}}")

    [(_, message)] = of("ann", "bob")
    assert "the cases of 'when' write different texts" in message
    assert of("gone", "gone") == []


def test_a_mask_that_leaves_letters_is_none_for_a_direct_identifier(said):
    [(_, message)] = said("x: {type: string, class: direct_identifier, mask: {classes: [digits]}}")
    assert "'mask' may not stand on a direct_identifier" in message
    assert said("x: {type: string, class: sensitive, mask: {classes: [digits]}}") == []


@pytest.mark.parametrize("kind", ["struct", "list", "map"])
def test_only_drop_and_null_cover_a_subtree(said, kind):
    assert said(f"x: {{type: {kind}, class: direct_identifier, drop: {{}}}}") == []
    assert said(f"x: {{type: {kind}, class: direct_identifier, null: {{}}}}") == []
    found = said(f"x: {{type: {kind}, class: direct_identifier, redact: {{}}}}")
    assert any(f"'redact' can't cover a {kind}" in message for _, message in found)


def test_a_rule_inside_another_rule_is_refused_at_its_own_line(said):
    drop = "x: {type: struct, class: direct_identifier, drop: {}}"
    assert said(drop, "x.y: {type: string, class: sensitive, truncate: 1}") == [
        (16, "lies inside 'x', which has a rule of its own; only one of them may stay")
    ]


def test_a_map_needs_both_sides(said):
    [(line, message)] = said("m{value}: {type: string, class: sensitive, redact: {}}")
    assert (line, message) == (15, "'m' is a map: 'm{key}' needs a rule, too")
    [(_, message)] = said("m{key}: {type: string, class: sensitive, redact: {}}")
    assert message == "'m' is a map: 'm{value}' needs a rule, too"


def test_one_side_of_a_map_is_not_dropped_alone(said):
    keep = "m{key}: {type: string, class: insensitive, keep: {reason: closed, values: [a]}}"
    [(line, message)] = said(keep, "m{value}: {type: string, class: sensitive, drop: {}}")
    assert (line, message) == (16, "'m{value}' can't be dropped alone: redact it, or drop 'm' with one rule")


def test_keys_of_a_map_are_never_null(said):
    [(_, message)] = said(
        "m{key}: {type: string, class: sensitive, null: {}}", "m{value}: {type: string, class: sensitive, redact: {}}"
    )
    assert "keys of a map can't be null" in message


@pytest.mark.parametrize("others", [("x.a", "x[]"), ("x[]", "x{key}", "x{value}"), ("x.a", "x{key}", "x{value}")])
def test_one_column_is_of_one_kind(said, others):
    rules = [f"{path}: {{type: string, class: sensitive, truncate: 1}}" for path in others]
    assert any("mix them" in message for _, message in said(*rules))


def test_references_are_for_tokens(said):
    [(_, message)] = said("x: {type: string, class: sensitive, references: a.b, truncate: 1}")
    assert "under 'truncate' keys don't join" in message
    [(_, message)] = said("x: {type: int64, class: direct_identifier, references: a, pseudonymize: person}")
    assert message == "references needs DATASET.COLUMN"
    [(_, message)] = said("x: {type: int64, class: direct_identifier, references: a.b, pseudonymize: person}")
    assert "is of dataset 'a'" in message


@pytest.mark.parametrize("key", ["partition_by", "statistics"])
def test_partition_and_statistics_columns_are_kept_or_generalized(said, key):
    rules = [
        "day: {type: date32, class: insensitive, keep: a day}",
        "zip: {type: string, class: quasi_identifier, truncate: 2}",
        "note: {type: string, class: sensitive, redact: {}}",
        "in.zip: {type: string, class: quasi_identifier, truncate: 2}",
    ]
    assert said(*rules, sink=f"{{path: p, {key}: [day, zip]}}") == []
    for name in ("id", "note"):
        [(line, message)] = said(*rules, sink=f"{{path: p, {key}: [{name}]}}")
        assert line == 6
        assert "only kept or generalized columns" in message
    [(_, message)] = said(*rules, sink=f"{{path: p, {key}: [in.zip]}}")
    assert message == "'in.zip' is nested; only top-level columns may stand here"


def test_a_subject_is_one_value_a_row(said):
    rules = [
        "ids[]: {type: int64, class: direct_identifier, pseudonymize: person}",
        "subject: {type: string, class: sensitive, truncate: 1}",  # a column of this name is not where the fault is
    ]
    [(line, message)] = said(*rules, subject='"ids[]"')
    assert (line, message) == (7, "'ids[]' can hold several values a row; a row is about one subject")


def test_subjects_are_counted_only_if_they_can_be_told_apart(said):
    zip_rule = "zip: {type: string, class: quasi_identifier, truncate: 2}"
    assert said(zip_rule, privacy="{k: 5, count: subjects}") == []
    dropped = "id: {type: int64, class: direct_identifier, drop: {}}"
    [(line, message)] = said(dropped, zip_rule, privacy="{k: 5, count: subjects}")
    assert line == 12
    assert "'id' has operator drop" in message
    assert said(dropped, zip_rule, privacy="{k: 5, count: rows}") == []


def test_k_needs_a_quasi_identifier(said):
    [(_, message)] = said(privacy="{k: 5}")
    assert "no column is a quasi_identifier" in message


@pytest.mark.parametrize(
    ("kind", "entity"), [("email", "EMAIL_ADDRESS"), ("phone", "PHONE_NUMBER"), ("last_name", "PERSON"), ("city", "LOCATION")]
)
def test_what_looks_real_needs_the_policys_word(said, kind, entity):
    rule = f"x: {{type: string, class: direct_identifier, surrogate: {{kind: {kind}, domain: email}}}}"
    [(line, message)] = said(rule)
    assert line == 15
    assert message == f"'surrogate' writes what looks like {entity}. Accept it under gate: `synthetic: {{x: {entity}}}`"
    assert said(rule, more=f"gate: {{synthetic: {{x: {entity}}}}}\n") == []


def test_surrogates_are_no_join_key(said):
    rule = "x: {type: string, class: direct_identifier, references: other.id, surrogate: {kind: username, domain: person}}"
    assert any("references 'other.id', but under 'surrogate' keys don't join" in message for _, message in said(rule))


@pytest.mark.parametrize("rest", ["luhn: true", "luhn: true, length: 16"])
def test_what_has_a_card_s_check_digit_needs_a_word_that_it_is_no_card(said, rest):
    rule = f"x: {{type: string, class: direct_identifier, reversible: allowed, fpe: {{domain: form, {rest}}}}}"
    [(line, message)] = said(rule)
    assert line == 15
    assert message == "'fpe' writes what looks like CREDIT_CARD. Accept it under gate: `synthetic: {x: CREDIT_CARD}`"
    assert said(rule, more="gate: {synthetic: {x: CREDIT_CARD}}\n") == []
    assert said("x: {type: string, class: direct_identifier, reversible: allowed, fpe: form}") == []


def choice(then, otherwise):
    return f"when: {{column: id, in: [7], then: {{{then}}}, otherwise: {{{otherwise}}}}}"


def test_of_a_choice_the_operator_at_fault_is_named(said):
    [(_, message)] = said(f"x: {{type: string, class: direct_identifier, {choice('mask: {}', 'truncate: 3')}}}")
    assert message.startswith("'truncate' (inside 'when') may not stand on a direct_identifier; it takes")
    inner = choice("truncate: 2", "truncate: 2")
    assert len(said(f"x: {{type: string, class: direct_identifier, {choice('redact: {}', inner)}}}")) == 1


def test_a_mask_with_a_pattern_is_named_with_it(said):
    [(_, message)] = said("x: {type: string, class: direct_identifier, mask: {pattern: '(.)(.*)', groups: [2]}}")
    assert message.startswith("'mask' with `pattern` may not stand on a direct_identifier")


@pytest.mark.parametrize(
    "operator",
    [
        "shift_date: {domain: form, subject: id}",
        "ordered: {after: y, do: {shift_date: {domain: form, subject: id}}}",
        "when: {column: id, 'null': true, then: {shift_date: {domain: form, subject: id}}, otherwise: {generalize_date: year}}",
    ],
)
def test_what_is_drawn_by_subject_is_drawn_in_the_subject_s_domain(said, operator):
    rules = [
        f"x: {{type: date32, class: sensitive, {operator}}}",
        "y: {type: date32, class: sensitive, shift_date: {domain: person, subject: id}}",
    ]
    [(line, message)] = said(*rules)
    assert line == 15
    assert message == (
        "'shift_date' draws by key domain 'form', but its subject 'id' is pseudonymized in domain 'person'. Name that one in both"
    )
    assert said(*(rule.replace("domain: form", "domain: person") for rule in rules)) == []


CONDITIONS = [
    ("int64", "[foo]", "no value of that type is 'foo', so the condition would never hold"),
    ("uint8", "[1, 300]", "no value of that type is '300'"),
    ("int32", "['01']", "'01' would never be found: such a value is written '1'"),
    ("'decimal128(9, 2)'", "['1.50']", "such a value is written '1.5'"),
    ("double", "['1.0']", "such a value is written '1'"),
    ("double", "[1.0e-5]", "such a value is written '0.00001'"),
    ("'timestamp[us]'", "['2024-01-01']", "a moment has many texts"),
]


@pytest.mark.parametrize("test", ["in", "not_in"])
@pytest.mark.parametrize(("kind", "listed", "fault"), CONDITIONS)
def test_a_condition_that_can_never_hold_is_refused(said, kind, listed, fault, test):
    other = f"y: {{type: {kind}, class: insensitive, keep: a reason}}"
    rule = f"{{column: y, {test}: {listed}, then: {{redact: {{}}}}"
    for operator in (
        f"when: {rule}, otherwise: {{mask: {{}}}}}}",
        f"first_match: {{cases: [{rule}}}], otherwise: {{mask: {{}}}}}}",
    ):
        [(line, message)] = said(f"x: {{type: string, class: sensitive, {operator}}}", other)
        assert line == 15
        assert "can't compare 'y' of type" in message
        assert fault in message


@pytest.mark.parametrize(
    ("kind", "listed"),
    [
        ("int64", "[7, -1, '8']"), ("double", "[0.5, 2, 1.0, 'nan']"), ("float", "[0.1]"), ("bool", "[true, false]"),
        ("date32", "[2024-01-01]"), ("string_view", "['01']"), ("'decimal128(9, 2)'", "['1.5', 1.50, 2]"), ("'decimal64(9, 2)'", "['1.5']"),
    ],
)  # fmt: skip
def test_conditions_that_may_hold(said, kind, listed):
    other = f"y: {{type: {kind}, class: insensitive, keep: a reason}}"
    when = f"when: {{column: y, in: {listed}, then: {{redact: {{}}}}, otherwise: {{mask: {{}}}}}}"
    assert said(f"x: {{type: string, class: sensitive, {when}}}", other) == []


def test_null_is_asked_of_moments_too(said):
    other = "y: {type: 'timestamp[us]', class: insensitive, keep: a reason}"
    when = "when: {column: y, 'null': true, then: {redact: {}}, otherwise: {mask: {}}}"
    assert said(f"x: {{type: string, class: sensitive, {when}}}", other) == []
