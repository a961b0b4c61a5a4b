from __future__ import annotations

import pickle
from datetime import date

import pyarrow as pa
import pytest

from airlock.errors import DisclosureError, NotProvenError, PolicyError
from airlock.gate.entities import FLOOR
from airlock.gate.rules import GateConfig, Waiver
from airlock.operators import operator_class, operator_names
from airlock.plan.schema import smallest
from airlock.policy import formats
from airlock.policy.formats import ON_DIRECT_IDENTIFIERS, Free, MaxLength, Token
from airlock.policy.path import ColumnPath
from airlock.types import Classification


def waiver(expires: date, **other: str) -> Waiver:
    said = {"dataset": "people", "column": "note", "entity": "EMAIL_ADDRESS", "approver": "dpo", "reason": "r", **other}
    return Waiver(expires=expires, **said)


def test_what_each_leaf_must_be(column, rules_of):
    rules = rules_of(
        {
            "id": column("int64", pseudonymize={"domain": "d"}),
            "mail": column("string", pseudonymize={"domain": "e"}),
            "accepted": {**column("string", pseudonymize={"domain": "e"}), "accept_frequency": "r"},
            "zip": column("string", kind="quasi_identifier", truncate={"length": 3}),
            "city": column("string", keep="r"),
            "dt": column("date32", keep="r"),
            "n": column(["int32", "int64"], keep="r"),
            "gone": column("struct", kind="direct_identifier", drop={}),
            "blank": column("list", kind="quasi_identifier", null={}),
        },
        sink={"partition_by": ["dt"], "statistics": ["dt"]},
        privacy={"k_anonymity": {"k": 5, "count": "subjects"}},
        gate={"synthetic": {"city": "URL"}, "absent": ["URL"], "max_rejects": 3},
    )
    by_name = {str(rule.path): rule for rule in rules.leaves}
    assert isinstance(by_name["id"].shape(pa.string()), Token)
    assert by_name["zip"].shape(pa.string()) == MaxLength(length=3)
    assert [name for name, rule in by_name.items() if rule.frequency] == ["mail"]
    assert [name for name, rule in by_name.items() if rule.kept] == ["city", "dt", "n"]
    assert [name for name, rule in by_name.items() if rule.absent] == ["gone"]
    assert by_name["n"].types == (pa.int32(), pa.int64())
    assert "URL" in by_name["dt"].forbidden
    assert "URL" not in by_name["city"].forbidden
    assert "EMAIL_ADDRESS" in by_name["city"].forbidden
    assert by_name["zip"].forbidden == by_name["mail"].forbidden == ()
    assert (rules.k, rules.subject, rules.max_rejects) == (5, ColumnPath(("id",)), 3)
    assert [str(path) for path in rules.quasi_identifiers] == ["zip", "blank"]
    assert by_name["blank"].types == (pa.string(),)
    assert rules.rule(ColumnPath.parse("blank[].x")) is None
    assert rules.rule(ColumnPath.parse("unheard")) is None
    assert pickle.loads(pickle.dumps(rules)) == rules


DIRECT: dict[str, list[dict[str, object]]] = {
    "refused": [
        {"keep": "r"}, {"keep": {"reason": "r", "values": ["a"]}}, {"truncate": 1}, {"ip_truncate": {}}, {"redact_entities": {}},
        {"mask": {"keep_last": 5}}, {"mask": {"keep_first": 3, "keep_last": 2}}, {"mask": {"classes": ["digits", "letters"]}},
        {"mask": {"keep_first": -9, "keep_last": 13}}, {"mask": {"keep_last": True}},
        {"mask": {"pattern": "(.)(.*)", "groups": [2]}}, {"url": "host"},
        {"rot13": {}, "unshaped": "r"}, {"pseudonymize": {"domain": "e", "keep_first": 3, "keep_last": 2}}, {"pseudonymize": {"domain": "e", "keep_last": True}},
        {"pseudonymize": {"domain": "e", "keep_domain": "common", "keep_first": 4}},
        {"when": {"column": "id", "in": [1], "then": {"redact": {"with": "ann"}}, "otherwise": {"redact": {"with": "bob"}}}},
        {"when": {"column": "id", "in": [1], "then": {"pseudonymize": {"domain": "e", "prefix": "ann_"}}, "otherwise": {"encrypt": {"domain": "e", "prefix": "bob_"}}}, "reversible": "allowed"},
        {"when": {"column": "id", "in": [1], "then": {"mask": {"char": "a"}}, "otherwise": {"mask": {"char": "b"}}}},
    ],
    "accepted": [{"drop": {}}, {"null": {}}, {"redact": {}}, {"pseudonymize": "e"}, {"mask": {"keep_first": 2, "keep_last": 2}}, {"mask": {}},
        {"pseudonymize": {"domain": "e", "keep_first": 2, "keep_last": 2}}, {"pseudonymize": {"domain": "e", "form": "int64"}, "reversible": "allowed"}, {"fpe": "e", "reversible": "allowed"},
        {"when": {"column": "id", "in": [1], "then": {"redact": {}}, "otherwise": {"pseudonymize": {"domain": "e", "prefix": "e_"}}}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    "operator",
    [{"encrypt": "e"}, {"encrypt_random": "e"}, {"fpe": "e"}, {"pseudonymize": {"domain": "e", "form": "int64"}}],
    ids=str,
)
def test_what_can_be_turned_back_needs_leave(column, rules_of, operator):
    with pytest.raises(DisclosureError, match=r"'x' can be turned back under .*, without `reversible: allowed`"):
        rules_of({"x": column("string", **operator)})
    assert rules_of({"x": column("string", reversible="allowed", **operator)}).leaves


@pytest.mark.parametrize("operator", DIRECT["refused"], ids=str)
def test_a_direct_identifier_is_let_through_by_no_operator(column, rules_of, operator):
    columns = {"id": column("int64", pseudonymize="d"), "x": column("string", kind="direct_identifier", **operator)}
    with pytest.raises(DisclosureError, match=r"'x' is a direct identifier .*Nothing was released\. Mend the rules"):
        rules_of(columns, gate={"not_proven": {"PERSON": "r", "LOCATION": "r"}})


@pytest.mark.parametrize("operator", DIRECT["accepted"], ids=str)
def test_what_hides_a_direct_identifier(column, rules_of, operator):
    columns = {"id": column("int64", pseudonymize="d"), "x": column("string", kind="direct_identifier", **operator)}
    assert len(rules_of(columns).leaves) == 2


def test_no_operator_without_a_form_lowers_the_floor(column, rules_of):
    made = {**column("string", rot13={}), "unshaped": "r"}
    for rule in (
        made,
        {
            **column("string", when={"column": "id", "in": [1], "then": {"rot13": {}}, "otherwise": {"redact": {}}}),
            "unshaped": "r",
        },
    ):
        columns = {"id": column("int64", pseudonymize="d"), "x": rule}
        gate = {"synthetic": {"x": ["EMAIL_ADDRESS", "URL"]}, "absent": ["URL"]}
        assert set(rules_of(columns, gate=gate).leaves[1].forbidden) == set(FLOOR)


def test_what_keeps_its_form_is_scanned_but_for_what_the_policy_accepts(column, rules_of):
    card = column("string", kind="direct_identifier", fpe={"domain": "e", "luhn": True}, reversible="allowed")

    def forbidden(synthetic, rule):
        columns = {"id": column("int64", pseudonymize="d"), "x": rule}
        return set(rules_of(columns, gate={"synthetic": {"x": synthetic}}).leaves[1].forbidden)

    assert {"CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS"} <= forbidden([], card)
    assert forbidden("CREDIT_CARD", card) == set(FLOOR) - {"CREDIT_CARD"}
    assert forbidden(["CREDIT_CARD", "PHONE_NUMBER"], card) == set(FLOOR) - {"CREDIT_CARD", "PHONE_NUMBER"}
    assert forbidden(["EMAIL_ADDRESS", "IBAN_CODE"], card) == set(FLOOR)  # no digits look like these
    letters = column("string", fpe={"domain": "e", "alphabet": "upper"}, reversible="allowed")
    assert forbidden("CREDIT_CARD", letters) == set(FLOOR)
    ids = column("string", fpe={"domain": "e", "alphabet": "alphanumeric"}, reversible="allowed")
    assert forbidden("IBAN_CODE", ids) == set(FLOOR) - {"IBAN_CODE"}
    assert forbidden("CREDIT_CARD", column("string", keep="r")) == set(FLOOR)


def test_a_way_back_needs_leave(column, rules_of):
    with pytest.raises(DisclosureError, match="'x' can be turned back under fpe"):
        rules_of({"id": column("int64", pseudonymize="d"), "x": column("string", fpe="e")})


SAID = {
    "EMAIL_ADDRESS": {"keep": {"reason": "r", "values": ["home", "marigold@example.org"]}},
    "PHONE_NUMBER": {"redact": {"with": "call 212-555-0147"}},
    "CREDIT_CARD": {"keep": {"reason": "r", "values": [4111111111111111]}},
    "US_SSN": {"pseudonymize": {"domain": "e", "prefix": "536-90-4399_"}},
    "US_ITIN": {"encrypt": {"domain": "e", "prefix": "912-70-1234_"}, "reversible": "allowed"},
    "IP_ADDRESS": {"pseudonymize": {"domain": "e", "keep_domain": ["192.0.2.17"]}},
    "IBAN_CODE": {"mask": {"char": "DE89 3704 0044 0532 0130 00"}},
    "PL_PESEL": {"keep": {"reason": "r", "values": [60011012344, 61021112356, 62031212368, 63041312370, 64051412382, 65061512394, 66071612405,
                                                    67081712417, 68091812429, 69101912434]}},
}  # fmt: skip


@pytest.mark.parametrize("entity", SAID)
def test_the_texts_of_a_policy_hold_nothing_of_the_floor(column, rules_of, entity):
    columns = {"id": column("int64", pseudonymize="d"), "x": column("string", **SAID[entity])}
    with pytest.raises(DisclosureError, match=rf"the rule of 'x' itself holds {entity}.*Take it out") as caught:
        rules_of(columns)
    assert not [word for word in ("marigold", "0147", "1111", "4399", "1234", "192.0", "3704") if word in str(caught.value)]


@pytest.mark.parametrize("key", ["partition_by", "statistics"])
@pytest.mark.parametrize("operator", [{"pseudonymize": "e"}, {"redact": {}}, {"mask": {"keep_first": 2}}], ids=str)
def test_folder_names_and_footers_show_kept_and_generalized_columns_only(column, rules_of, key, operator):
    columns = {"id": column("int64", pseudonymize="d"), "x": column("string", **operator), "y": column("date32", keep="r")}
    assert len(rules_of(columns, sink={key: ["y"]}).leaves) == 3
    with pytest.raises(DisclosureError, match=rf"sink\.{key} names 'x', which is neither kept nor generalized"):
        rules_of(columns, sink={key: ["x"]})


def test_the_operators_on_direct_identifiers_are_those_whose_contracts_allow_it():
    """Two lists, kept apart on purpose: neither door relies on the other's."""
    made = {name: operator_class(name) for name in operator_names()}
    declared = {name: smallest(kind) for name, kind in made.items() if name not in formats.NESTED}
    allowed = {name for name, operator in declared.items() if Classification.DIRECT_IDENTIFIER in operator.contract.classes}
    assert allowed == set(ON_DIRECT_IDENTIFIERS)


@pytest.mark.parametrize(("operator", "said"), [("keep", "kept"), ("permute", "permuted")])
@pytest.mark.parametrize("arguments", [None, {}, "", " ", {"reason": ""}, {"values": ["a"]}, {"reason": 7}], ids=str)
def test_a_raw_value_stays_for_a_reason_only(column, rules_of, arguments, operator, said):
    with pytest.raises(DisclosureError, match=f"'x' is {said} without a reason"):
        rules_of({"x": column("string", **{operator: arguments})})


@pytest.mark.parametrize("arguments", [{"n": "7"}, {"n": 2, "min_count": 19}, {"min_count": 20.5}, {"other": ["x"]}], ids=str)
def test_the_gate_reads_for_itself_how_many_rows_make_a_value_frequent(column, rules_of, arguments):
    with pytest.raises(PolicyError, match="the arguments of 'keep_top' can't be read"):
        rules_of({"x": column("string", keep_top=arguments)})


def test_the_text_that_stands_for_others_holds_no_entity(column, rules_of):
    with pytest.raises(DisclosureError, match="the rule of 'x' itself holds EMAIL_ADDRESS"):
        rules_of({"x": column("string", keep_top={"n": 2, "other": "ann@example.org"})})


def test_the_floor_stands_whatever_the_policy_says(column, rules_of):
    rules = rules_of(
        {"note": column("string", keep="r")}, gate={"absent": [], "not_proven": {"EMAIL_ADDRESS": "we do not mind"}}
    )
    assert "EMAIL_ADDRESS" in rules.leaves[0].forbidden


def test_waivers_count_for_this_dataset_until_their_day(column, rules_of):
    config = GateConfig(
        waivers=(
            waiver(date(2026, 11, 22)),
            waiver(date(2026, 11, 21), entity="US_SSN"),
            waiver(date(2030, 1, 1), dataset="others"),
        )
    )
    rules = rules_of({"note": column("string", keep="r")}, config=config)
    assert rules.waiver("note", "EMAIL_ADDRESS") == config.waivers[0]
    assert rules.waiver("note", "US_SSN") is None
    assert rules.waiver("other", "EMAIL_ADDRESS") is None
    assert rules.expired == config.waivers[1:2]


def test_an_entity_that_nothing_finds_needs_a_reason(column, rules_of):
    columns = {"note": column("string", keep="r")}
    with pytest.raises(
        NotProvenError, match=r"can't prove the absence of NRP, PERSON\. Nothing was released\. Say under gate.not_proven"
    ):
        rules_of(columns, gate={"absent": ["PERSON", "EMAIL_ADDRESS", "NRP", "PL_PESEL"]})
    rules = rules_of(columns, gate={"absent": ["PERSON"], "not_proven": {"PERSON": "no model"}})
    assert rules.not_proven == (("PERSON", "no model"),)
    assert "PERSON" not in rules.entities


def test_redacted_text_needs_a_word_on_names_and_places(column, rules_of):
    columns = {
        "id": column("int64", pseudonymize={"domain": "d"}),
        "note": column("string", redact_entities={"entities": ["EMAIL_ADDRESS"]}),
    }
    with pytest.raises(NotProvenError, match=r"LOCATION in redacted text"):
        rules_of(columns, gate={"not_proven": {"PERSON": "r"}})
    rules = rules_of(columns, gate={"not_proven": {"PERSON": "r", "LOCATION": "r"}})
    assert rules.leaves[1].shape(pa.string()) == Free()


def test_subjects_that_are_not_written_cannot_be_counted(column, rules_of):
    for operator in ({"drop": {}}, {"null": {}}):
        with pytest.raises(NotProvenError, match=r"counts subjects in k, but 'id' is not written"):
            rules_of(
                {"id": column("int64", kind="direct_identifier", **operator)},
                privacy={"k_anonymity": {"k": 2, "count": "subjects"}},
            )


@pytest.mark.parametrize(
    ("operator", "counts"), [("encrypt", True), ("hmac", True), ("pseudonymize", True), ("encrypt_random", False)]
)
def test_frequencies_count_where_equal_values_stay_equal(column, rules_of, operator, counts):
    allowed = {"reversible": "allowed"} if operator.startswith("encrypt") else {}
    columns = {
        "id": column("int64", pseudonymize={"domain": "d"}),
        "a": column("string", **allowed, **{operator: {"domain": "e"}}),
        "b": column("string", references="people.id", **allowed, **{operator: {"domain": "d"}}),
        "of the subject's domain": column("string", **allowed, **{operator: {"domain": "d"}}),
        "c": column("string", accept_frequency="r", **allowed, **{operator: {"domain": "e"}}),
        "elsewhere": column("string", references="orders.buyer", **allowed, **{operator: {"domain": "d"}}),
        "itself": column("string", references="people.itself", **allowed, **{operator: {"domain": "d"}}),
        "no subject": column("string", references="orders.note", **allowed, **{operator: {"domain": "e"}}),
    }
    found = [leaf.frequency for leaf in rules_of(columns).leaves]
    assert found == [False, counts, False, counts, False, False, counts, counts]


def test_an_operator_without_a_format_is_a_policy_error(column, rules_of):
    with pytest.raises(PolicyError, match=r"declares no output format"):
        rules_of({"a": column("string", sparkle={})})


@pytest.mark.parametrize(
    ("data_type", "operator"),
    [
        ("date32", {"age": "2026-11-22"}),
        ("int64", {"clamp": {"top": 90}}),
        ("double", {"geo_grid": 1}),
        ("double", {"geohash": {"length": 5, "longitude": "lon"}}),
        ("int64", {"interval": [18]}),
        ("int64", {"round": 10}),
        ("string", {"replace": {"map": {"a": "b"}}}),
        ("string", {"zip3": {}}),
    ],
)
def test_what_is_generalized_must_not_be_nearly_unique_and_may_name_folders(column, rules_of, data_type, operator):
    columns = {"id": column("int64", pseudonymize="d"), "x": column(data_type, **operator)}
    rules = rules_of(columns, sink={"partition_by": ["x"], "statistics": ["x"]})
    assert [leaf.kept for leaf in rules.leaves] == [False, True]
