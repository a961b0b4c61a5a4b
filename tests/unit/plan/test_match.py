"""Drift: the source's schema against the policy's tree."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.errors import ChangedTypeError, MissingColumnError, UnclassifiedColumnError
from airlock.plan.match import drift_error, match_schema
from airlock.plan.tree import rule_tree
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath
from airlock.policy.yaml import read_yaml


def drifts(types, fields, *, partitions=(), drop_unlisted=False):
    rules = {}
    for text, data_type in types.items():
        optional = isinstance(data_type, str) and data_type.endswith("?")
        name = data_type.rstrip("?") if optional else data_type
        rule = {"type": name, "class": "sensitive", "drop": {}, "optional": optional}
        rules[ColumnPath.parse(text)] = ColumnRule.model_validate(rule)
    found = match_schema(rule_tree(rules), pa.schema(fields), partitions=frozenset(partitions), drop_unlisted=drop_unlisted)
    return [(drift.kind, drift.path) for drift in found]


def test_a_source_as_described_has_no_drift():
    types = {
        "id": "int64", "name": "struct", "a.x": "string", "l[]": "date32", "m{key}": "string", "m{value}": "timestamp[us, tz=UTC]",
        "d": "date32",
    }  # fmt: skip
    fields = [
        ("m", pa.map_(pa.string(), pa.timestamp("us", "UTC"))),
        ("id", pa.int64()),
        ("name", pa.struct([("later", pa.int8())])),
        ("a", pa.struct([("x", pa.string())])),
        ("l", pa.large_list(pa.date32())),
    ]
    assert drifts(types, fields, partitions=["d"]) == []


def test_a_new_column_is_unclassified_at_every_depth():
    types = {"a.x": "string", "l[].x": "string"}
    inner = pa.struct([("x", pa.string()), ("new", pa.int8())])
    found = drifts(types, [("a", inner), ("l", pa.list_(inner)), ("b", pa.int8())], partitions=["dt"])
    assert found == [(UnclassifiedColumnError, path) for path in ("a.new", "l[].new", "b", "dt")]


def test_a_map_needs_rules_for_keys_and_values():
    source = [("m", pa.map_(pa.string(), pa.string()))]
    assert drifts({"m{value}": "string"}, source) == [(UnclassifiedColumnError, "m{key}")]
    assert drifts({"m{value}": "string"}, source, drop_unlisted=True) == [(UnclassifiedColumnError, "m{key}")]


def test_unlisted_columns_may_be_dropped_but_not_changed():
    inner = pa.struct([("x", pa.string()), ("new", pa.int8())])
    assert drifts({"a.x": "string"}, [("a", inner), ("b", pa.int8())], partitions=["dt"], drop_unlisted=True) == []
    assert drifts({"a.x": "int8"}, [("a", inner)], drop_unlisted=True) == [(ChangedTypeError, "a.x")]


def test_a_missing_column_is_drift_unless_it_is_optional():
    assert drifts({"a": "int8", "b": "int8?", "s.x": "int8", "s.y": "int8?"}, [("s", pa.struct([]))]) == [
        (MissingColumnError, "s.x"),
        (MissingColumnError, "a"),
    ]


@pytest.mark.parametrize(
    ("policy", "source"),
    [
        ("int64", pa.int32()),
        ("int32", pa.int64()),
        ("string", pa.large_string()),
        ("timestamp[us, tz=UTC]", pa.timestamp("us")),
        ("timestamp[us]", pa.timestamp("ms")),
        ("decimal128(12, 2)", pa.decimal128(12, 3)),
        ("string", pa.struct([("x", pa.string())])),
        ("struct", pa.string()),
        ("struct", pa.list_(pa.string())),
        ("map", pa.list_(pa.string())),
    ],
)
def test_another_type_is_drift(policy, source):
    assert drifts({"a": policy}, [("a", source)]) == [(ChangedTypeError, "a")]


@pytest.mark.parametrize(
    ("policy", "source"),
    [
        (["int32", "int64"], pa.int32()),
        ("timestamp[us,tz=UTC]", pa.timestamp("us", "UTC")),
        ("decimal128(12,2)", pa.decimal128(12, 2)),
        ("double", pa.float64()),
        ("date32[day]", pa.date32()),
        ("string", pa.dictionary(pa.int32(), pa.string())),
        ("list", pa.list_(pa.string(), 3)),
    ],
)
def test_one_type_has_several_spellings(policy, source):
    assert drifts({"a": policy}, [("a", source)]) == []


def test_a_column_of_another_kind_says_what_the_policy_expects():
    assert drifts({"a.x": "string"}, [("a", pa.list_(pa.string()))]) == [(ChangedTypeError, "a")]
    assert drifts({"a[]": "string"}, [("a", pa.string())]) == [(ChangedTypeError, "a")]


def error_of(types, fields):
    rules = {
        ColumnPath.parse(name): ColumnRule.model_validate({"type": kind, "class": "sensitive", "drop": {}})
        for name, kind in types.items()
    }
    found = list(match_schema(rule_tree(rules), pa.schema(fields), partitions=frozenset(), drop_unlisted=False))
    return drift_error([*found, *found], dataset="people", where="raw/people")


def test_one_error_for_all_with_the_lines_to_paste_under_what_to_do_with_them():
    error = error_of(
        {"street": "string", "gone": "int8"}, [("street", pa.int8()), ("streets", pa.decimal128(5, 2)), ("null", pa.int8())]
    )
    assert isinstance(error, ChangedTypeError)
    assert str(error) == (
        "policy 'people' does not describe 'raw/people': 4 differences.\n"
        "- 'street' is int8; the policy says string\n"
        "- no rule for 'streets' (decimal128(5, 2)); nearest rule: 'street'\n"
        "- no rule for 'null' (int8)\n"
        "- the policy has a rule for 'gone' (int8), which the source does not have\n"
        "If that is right, change to:\n"
        "  street: {type: int8, class: sensitive, drop: {}}\n"
        "If they are gone for good, remove the rule; if some files lack them, say optional: true:\n"
        "  gone: {type: int8, class: sensitive, optional: true, drop: {}}\n"
        "Decide about each, then add under columns (or let 'airlock draft --update' append them):\n"
        '  streets: {type: "decimal128(5, 2)", class: direct_identifier, drop: {}}\n'
        "  'null': {type: int8, class: direct_identifier, drop: {}}"
    )
    assert error.facts == {"paths": ["street", "streets", "null", "gone"]}


def test_rules_to_change_or_remove_are_shown_whole():
    tree = rule_tree(
        {
            ColumnPath.parse("a.b"): ColumnRule.model_validate(
                {
                    "type": ["int32", "int64"],
                    "class": "direct_identifier",
                    "pseudonymize": {"domain": "d"},
                    "accept_frequency": "x: y",
                }
            )
        }
    )
    found = match_schema(tree, pa.schema([("c", pa.int8())]), partitions=frozenset(), drop_unlisted=True)
    (line,) = [drift.paste for drift in found]
    document = read_yaml(f"columns:\n{line}", "p.yaml")
    rule = ColumnRule.model_validate(document.data["columns"]["a.b"])
    assert (rule.type, rule.optional, rule.accept_frequency, rule.operator.arguments) == (
        ("int32", "int64"),
        True,
        "x: y",
        {"domain": "d"},
    )


def test_lines_to_paste_make_a_policy_that_reads():
    error = error_of({}, [(name, pa.string()) for name in ("plain", "two words", "a.b", "null", "Ärger", "x-y")])
    pasted = "columns:\n" + "\n".join(line for line in str(error).splitlines() if line.startswith("  "))
    document = read_yaml(pasted, "p.yaml")
    assert not document.problems
    paths = [ColumnPath.parse(text).steps for text in document.data["columns"]]
    assert paths == [("plain",), ("two words",), ("a.b",), ("null",), ("Ärger",), ("x-y",)]


def test_names_that_may_be_data_are_told_by_their_shape_alone():
    persons = ["ann@example.org", "bob@example.com", "+49 30 1234567", "tel 030 1234567", "1979-05-17", "x" * 65, "a: b"]
    inner = pa.struct([(name, pa.int8()) for name in persons])
    error = error_of({"m.a": "int8"}, [("m", pa.struct([("a", pa.int8()), *inner])), *inner, ("new", pa.int8())])
    text = str(error) + repr(error.facts)
    assert not [name for name in persons if name in text]
    assert "- no rule for 'new' (int8)" in text.splitlines()[1]
    assert "- no rule for a name that may be data, of the shape 'm.aaa@aaaaaaa.aaa' (int8), 2 times" in text
    assert "15 differences" in text
    assert "No line can be given for a name that is not shown" in text
    assert [line for line in text.splitlines() if line.startswith("  ")] == [
        "  new: {type: int8, class: direct_identifier, drop: {}}"
    ]


def test_a_difference_does_not_show_its_path_in_a_repr():
    found = list(match_schema({}, pa.schema([("ann@example.org", pa.int8())]), partitions=frozenset(), drop_unlisted=False))
    assert "ann@" not in repr(found)


def test_at_most_twenty_differences_are_said():
    error = error_of({}, [(f"c{number:02}", pa.int8()) for number in range(30)])
    assert "30 differences" in str(error)
    assert "c19" in str(error)
    assert "c20" not in str(error) + repr(error.facts)
    assert "- and 10 more" in str(error)
