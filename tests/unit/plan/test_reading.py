"""What is read: dropped columns are not, unless something looks at them."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.errors import MissingColumnError, PolicyError
from airlock.plan.bind import bind_policy
from airlock.plan.known import identifier_paths, looked_at
from airlock.plan.reading import plan_reading
from airlock.plan.tree import rule_tree
from airlock.policy.path import ColumnPath

NAME = pa.struct([("first", pa.string()), ("last", pa.string()), ("age", pa.int8())])
ID_ONLY = [("id", pa.int64())]


@pytest.fixture
def read(policy_file):
    def of(*rules, source=None, needed=(), **rest):
        bound = bind_policy(policy_file(*rules, **rest))
        actual = None if source is None else pa.schema([*ID_ONLY, *source])
        wanted = [ColumnPath.parse(text) for text in needed]
        return plan_reading(rule_tree(bound.rules), bound.operators, actual=actual, needed=wanted)

    return of


DROP = "name: {type: struct, class: direct_identifier, drop: {}}"


def test_dropped_columns_are_not_read(read):
    found = read(DROP, "x.a: {type: string, class: sensitive, drop: {}}", "x.b: {type: int8, class: sensitive, drop: {}}")
    assert found.schema == pa.schema(ID_ONLY)
    assert found.ignored == ("name", "x.a", "x.b")


def test_structs_lists_and_maps_are_pruned(read):
    keep = "class: insensitive, keep: a reason"
    found = read(
        f"l[].a: {{type: string, {keep}}}", "l[].b: {type: string, class: sensitive, drop: {}}", f"m{{key}}: {{type: string, {keep}}}",
        f"m{{value}}.x: {{type: int8, {keep}}}", "m{value}.y: {type: int8, class: sensitive, drop: {}}",
    )  # fmt: skip
    assert found.schema.field("l").type == pa.list_(pa.struct([("a", pa.string())]))
    assert found.schema.field("m").type == pa.map_(pa.string(), pa.struct([("x", pa.int8())]))
    assert found.ignored == ("l[].b", "m{value}.y")


def test_what_is_looked_at_is_read_in_the_sources_form(read):
    found = read(DROP, source=[("name", NAME)], needed=["name.first", "name.age"])
    assert found.schema.field("name").type == pa.struct([("first", pa.string()), ("age", pa.int8())])
    assert found.ignored == ("name",)


def test_what_is_looked_at_is_text_where_no_schema_is_known(read):
    found = read(DROP, needed=["name.first", "name.parts[]"], source_format="jsonl")
    assert found.schema.field("name").type == pa.struct([("first", pa.string()), ("parts", pa.list_(pa.string()))])


def test_a_dropped_leaf_that_is_looked_at_has_its_own_type(read):
    found = read("born: {type: date32, class: direct_identifier, drop: {}}", needed=["born"])
    assert found.schema.field("born").type == pa.date32()
    assert found.ignored == ()


@pytest.mark.parametrize(
    ("needed", "item"), [(["m{key}", "m{value}"], pa.string()), (["m{key}"], pa.string()), (["m{value}"], pa.string())]
)
def test_a_dropped_map_is_read_whole(read, needed, item):
    drop = "m: {type: map, class: direct_identifier, drop: {}}"
    found = read(drop, source=[("m", pa.map_(pa.string(), item))], needed=needed)
    assert found.schema.field("m").type == pa.map_(pa.string(), item)


def test_a_side_of_a_map_that_nobody_looks_at_keeps_the_sources_type(read):
    drop = "m: {type: map, class: direct_identifier, drop: {}}"
    found = read(drop, source=[("m", pa.map_(pa.int64(), pa.struct([("x", pa.string())])))], needed=["m{value}.x"])
    assert found.schema.field("m").type == pa.map_(pa.int64(), pa.struct([("x", pa.string())]))


def test_looking_at_what_the_source_lacks_is_drift(read):
    with pytest.raises(MissingColumnError, match=r"look at 'name\.middle'"):
        read(DROP, source=[("name", NAME)], needed=["name.middle"])


def test_looking_at_a_struct_as_a_whole_is_refused(read):
    with pytest.raises(PolicyError, match="it is a struct here"):
        read(DROP, source=[("name", NAME)], needed=["name"])


def test_a_subtree_cant_be_fields_and_elements_at_once(read):
    with pytest.raises(PolicyError, match="it can't have both"):
        read(DROP, needed=["name.a", "name[]"])


def test_null_over_a_subtree_needs_its_form(read):
    null = "name: {type: struct, class: direct_identifier, null: {}}"
    assert read(null, source=[("name", NAME)]).schema.field("name").type == NAME
    with pytest.raises(PolicyError, match="only drop can cover it"):
        read(null, source_format="jsonl")


def test_identifiers_of_dropped_subtrees_are_found_at_every_depth(policy_file):
    policy = bind_policy(
        policy_file(
            "person.name: {type: struct, class: direct_identifier, drop: {}}", "photo: {type: binary, class: direct_identifier, drop: {}}",
            "tags: {type: map, class: direct_identifier, drop: {}}", "x: {type: struct, class: sensitive, drop: {}}",
        )
    ).policy  # fmt: skip
    schema = pa.schema(
        [
            *ID_ONLY,
            ("person", pa.struct([("name", NAME)])),
            ("photo", pa.binary()),
            ("tags", pa.map_(pa.string(), pa.list_(pa.string()))),
            ("x", NAME),
        ]
    )
    assert [str(path) for path in identifier_paths(policy, schema)] == [
        "id", "person.name.first", "person.name.last", "photo", "tags{key}", "tags{value}[]",
    ]  # fmt: skip
    assert [str(path) for path in identifier_paths(policy, None)] == ["id", "photo"]


def test_identifiers_are_looked_at_only_where_text_could_hold_them(policy_file):
    rules = [DROP, "zip: {type: string, class: quasi_identifier, truncate: 3}"]
    bound = bind_policy(policy_file(*rules))
    schema = pa.schema([*ID_ONLY, ("name", NAME), ("zip", pa.string())])
    assert looked_at(bound.policy, bound.operators, schema) == ()
    bound = bind_policy(policy_file(*rules, "note: {type: string, class: sensitive, keep: a reason}"))
    assert [str(path) for path in looked_at(bound.policy, bound.operators, schema)] == ["id", "name.first", "name.last"]
