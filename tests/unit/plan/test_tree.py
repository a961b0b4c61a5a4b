"""The tree of a policy's paths."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.plan.tree import expected_type, nested_kind, rule_tree, type_at
from airlock.policy.model import ColumnRule
from airlock.policy.path import ColumnPath


def tree(**types):
    """Rules by path; a type that ends with ? is optional."""
    rules = {}
    for text, data_type in types.items():
        written = {"type": data_type.rstrip("?"), "class": "sensitive", "drop": {}, "optional": data_type.endswith("?")}
        rules[ColumnPath.parse(text)] = ColumnRule.model_validate(written)
    return rule_tree(rules)


def test_paths_become_a_tree_in_the_policys_order():
    made = tree(**{"b": "int64", "a.x": "string", "c[].y": "date32", "a.w": "string"})
    assert list(made) == ["b", "a", "c"]
    assert list(made["a"].children) == ["x", "w"]
    assert made["a"].rule is None
    assert made["b"].rule is not None


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ({"a": "int64"}, pa.int64()),
        ({"a.x": "string", "a.y": "date32"}, pa.struct([("x", pa.string()), ("y", pa.date32())])),
        ({"a[]": "int32"}, pa.list_(pa.int32())),
        ({"a[].x": "int32"}, pa.list_(pa.struct([("x", pa.int32())]))),
        ({"a{key}": "string", "a{value}": "int8"}, pa.map_(pa.string(), pa.int8())),
        ({"a{value}": "int8"}, pa.map_(pa.string(), pa.int8())),
        ({"a": "struct"}, None),
        ({"a[]": "struct"}, None),
        ({"a{key}": "string", "a{value}": "list"}, None),
    ],
)
def test_the_type_that_a_policy_gives_a_column(types, expected):
    assert expected_type(tree(**types)["a"]) == expected


def test_a_dropped_subtree_leaves_the_rest_of_a_struct():
    assert expected_type(tree(**{"a.x": "string", "a.y": "struct"})["a"]) == pa.struct([("x", pa.string())])


def test_the_last_type_of_a_list_is_the_columns_own():
    rule = ColumnRule.model_validate({"type": ["int32", "int64"], "class": "sensitive", "drop": {}})
    assert expected_type(rule_tree({ColumnPath.parse("a"): rule})["a"]) == pa.int64()


def test_a_column_may_be_missing_only_if_all_of_it_may():
    assert not tree(**{"a.x": "string?", "a.y": "string"})["a"].optional
    assert tree(**{"a.x": "string?", "a.y": "string?"})["a"].optional


@pytest.mark.parametrize(
    ("data_type", "kind"),
    [
        (pa.struct([]), "struct"),
        (pa.list_(pa.int8()), "list"),
        (pa.large_list(pa.int8()), "list"),
        (pa.list_(pa.int8(), 2), "list"),
        (pa.map_(pa.string(), pa.int8()), "map"),
        (pa.string(), None),
    ],
)
def test_kinds_of_types(data_type, kind):
    assert nested_kind(data_type) == kind


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("s.l[]", pa.int8()),
        ("m{key}", pa.string()),
        ("m{value}.x", pa.date32()),
        ("s", pa.struct([("l", pa.list_(pa.int8()))])),
        ("s.other", None),
        ("s[]", None),
        ("m.key", None),
        ("none", None),
        ("none.x", None),
    ],
)
def test_the_type_at_a_path(path, expected):
    schema = pa.schema(
        [("s", pa.struct([("l", pa.list_(pa.int8()))])), ("m", pa.map_(pa.string(), pa.struct([("x", pa.date32())])))]
    )
    assert type_at(schema, ColumnPath.parse(path)) == expected
