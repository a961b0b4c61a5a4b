from __future__ import annotations

import pyarrow as pa
import pytest

from airlock.gate.leaves import leaf_values, schema_leaves
from airlock.gate.rowtext import row_text
from airlock.policy.path import ColumnPath

PERSON = pa.struct({"name": pa.string(), "tags": pa.list_(pa.string())})


def flat(batch: pa.RecordBatch) -> dict[str, tuple[list, list | None]]:
    return {
        str(leaf.path): (leaf.values.to_pylist(), None if leaf.rows is None else leaf.rows.tolist())
        for leaf in leaf_values(batch)
    }


def test_every_kind_of_nesting_is_listed():
    schema = pa.schema(
        {
            "s": PERSON,
            "l": pa.large_list(pa.int8()),
            "f": pa.list_(pa.int8(), 2),
            "m": pa.map_(pa.string(), pa.list_(pa.struct({"x.y": pa.date32()}))),
            "d": pa.dictionary(pa.int8(), pa.string()),
        }
    )
    found = [(str(leaf.path), str(leaf.type)) for leaf in schema_leaves(schema)]
    assert found == [
        ("s.name", "string"), ("s.tags[]", "string"), ("l[]", "int8"), ("f[]", "int8"), ("m{key}", "string"),
        ("m{value}[].x\\.y", "date32[day]"), ("d", "string"),
    ]  # fmt: skip


def test_an_empty_struct_is_a_leaf():
    assert [str(leaf.path) for leaf in schema_leaves(pa.schema({"a": pa.struct([])}))] == ["a"]


def test_values_and_rows_of_structs_in_lists():
    data = [[{"name": "a", "tags": ["x", None]}, {"name": None, "tags": []}], None, [], [{"name": "b", "tags": None}, None]]
    batch = pa.record_batch({"p": pa.array(data, pa.list_(PERSON))})
    assert flat(batch) == {
        "p[].name": (["a", None, "b", None], [0, 0, 3, 3]),
        "p[].tags[]": (["x", None], [0, 0]),
    }


def test_slices_give_their_own_values():
    data = [[{"name": "a", "tags": ["x"]}], [{"name": "b", "tags": ["y", "z"]}], None]
    batch = pa.record_batch(
        {"p": pa.array(data, pa.list_(PERSON)), "m": pa.array([[("k", 1)], [("l", 2)], []], pa.map_(pa.string(), pa.int8()))}
    )
    assert flat(batch.slice(1)) == {
        "p[].name": (["b"], [0]), "p[].tags[]": (["y", "z"], [0, 0]), "m{key}": (["l"], [0]), "m{value}": ([2], [0]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["list", "large", "fixed", "map", "struct"])
def test_what_a_null_parent_hides_is_no_value(kind):
    hidden = pa.array(["seen", "HIDDEN"])
    offsets, mask = pa.array([0, 1, 2], pa.int32()), pa.array([False, True])
    made = {
        "list": lambda: pa.ListArray.from_arrays(offsets, hidden, mask=mask),
        "large": lambda: pa.LargeListArray.from_arrays(offsets.cast(pa.int64()), hidden, mask=mask),
        "fixed": lambda: pa.FixedSizeListArray.from_arrays(hidden, 1, mask=mask),
        "map": lambda: pa.MapArray.from_arrays(offsets, hidden, hidden, mask=mask),
        "struct": lambda: pa.StructArray.from_arrays([hidden], names=["x"], mask=mask),
    }[kind]()
    assert len(made) == 2
    for leaf in leaf_values(pa.record_batch({"a": made})):
        assert leaf.values.drop_null().to_pylist() == ["seen"]
        assert leaf.rows is None or leaf.rows.tolist() == [0]


def test_row_text_tells_null_from_empty_and_keeps_order():
    column = pa.array([[{"x": ["a"]}, {"x": ["b"]}], [{"x": ["a", "b"]}], [{"x": ["b", "a"]}], [], None, [None], [{"x": None}]])
    texts = row_text(column, ColumnPath.parse("c[].x[]")).to_pylist()
    assert texts == ["[[a,],[b,],]", "[[a,b,],]", "[[b,a,],]", "[]", "\\0", "[\\0,]", "[\\0,]"]


def test_row_text_of_maps_and_slices():
    column = pa.array([[("z", 1)], [("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())).slice(1)
    assert row_text(column, ColumnPath.parse("m{key}")).to_pylist() == ["[k,l,]", "\\0"]
    assert row_text(column, ColumnPath.parse("m{value}")).to_pylist() == ["[1,\\0,]", "\\0"]


def test_row_text_escapes_what_it_joins_with():
    column = pa.array([["a,b"], ["a", "b"], ["[a]"], ["\\0"], [None], [""], []])
    assert len(set(row_text(column, ColumnPath.parse("c[]")).to_pylist())) == 7
