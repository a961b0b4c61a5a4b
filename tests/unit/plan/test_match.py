"""Drift: the source's schema against the policy's tree."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.errors import ChangedTypeError, MissingColumnError, UnclassifiedColumnError
from airlock.plan.match import drift_error, match_schema
from airlock.plan.tree import rule_tree
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath


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


def test_one_error_for_all_with_the_lines_to_paste():
    rules = {ColumnPath.parse("street"): ColumnRule.model_validate({"type": "string", "class": "sensitive", "drop": {}})}
    schema = pa.schema([("street", pa.int8()), ("streets", pa.decimal128(5, 2))])
    found = list(match_schema(rule_tree(rules), schema, partitions=frozenset(), drop_unlisted=False))
    error = drift_error([*found, *found], dataset="people", where="raw/people")
    assert isinstance(error, ChangedTypeError)
    assert str(error) == (
        "policy 'people' does not describe 'raw/people': 2 differences.\n"
        "- 'street' is int8; the policy says string\n"
        "- no rule for 'streets' (decimal128(5, 2)); nearest rule: 'street'\n"
        "Decide about each, then add under columns (or let 'airlock draft --update' append them):\n"
        "  street: {type: int8, ...}\n"
        '  streets: {type: "decimal128(5, 2)", class: direct_identifier, drop: {}}'
    )
    assert error.facts == {"paths": ["street", "streets"]}


def test_at_most_twenty_differences_are_said():
    schema = pa.schema([(f"c{number:02}", pa.int8()) for number in range(30)])
    error = drift_error(list(match_schema({}, schema, partitions=frozenset(), drop_unlisted=False)), dataset="p", where="raw/p")
    assert "30 differences" in str(error)
    assert "c19" in str(error)
    assert "c20" not in str(error)
