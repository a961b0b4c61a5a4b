"""The gate's walk over nested arrays against a plain walk over Python values, slices included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.gate.buffers import fingerprints
from airlock.gate.leaves import leaf_values, schema_leaves
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step

LEAVES = st.sampled_from([pa.string(), pa.int32(), pa.large_string()])


def nested(inner: st.SearchStrategy[pa.DataType]) -> st.SearchStrategy[pa.DataType]:
    return st.one_of(
        inner.map(pa.list_),
        inner.map(pa.large_list),
        inner.map(lambda kind: pa.list_(kind, 2)),
        inner.map(lambda kind: pa.map_(pa.string(), kind)),
        st.lists(inner, min_size=1, max_size=2).map(
            lambda kinds: pa.struct([(f"f{number}", kind) for number, kind in enumerate(kinds)])
        ),
    )


TYPES = st.recursive(LEAVES, nested, max_leaves=5)


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_struct(kind):
        made = st.fixed_dictionaries({field.name: values_of(field.type) for field in kind})
    elif pa.types.is_map(kind):
        made = st.lists(st.tuples(st.text("ab", max_size=2), values_of(kind.item_type)), max_size=2)
    elif pa.types.is_fixed_size_list(kind):
        made = st.lists(values_of(kind.value_type), min_size=2, max_size=2)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        made = st.lists(values_of(kind.value_type), max_size=3)
    else:
        made = st.integers(0, 9) if kind == pa.int32() else st.text("xyé", max_size=3)
    return st.one_of(st.none(), made)


@st.composite
def arrays(draw: st.DrawFn) -> pa.Array:
    kind = draw(TYPES)
    array = pa.array(draw(st.lists(values_of(kind), max_size=6)), kind)
    start = draw(st.integers(0, len(array)))
    return array.slice(start, draw(st.integers(0, len(array) - start)))


def walk(value: Any, kind: pa.DataType, steps: tuple[Step, ...]) -> Iterator[tuple[ColumnPath, Any]]:
    if pa.types.is_struct(kind):
        for field in kind:
            yield from walk(None if value is None else value[field.name], field.type, (*steps, field.name))
    elif pa.types.is_map(kind):
        for key, item in value or ():
            yield from walk(key, kind.key_type, (*steps, KEY))
            yield from walk(item, kind.item_type, (*steps, VALUE))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        for item in value or ():
            yield from walk(item, kind.value_type, (*steps, ELEMENT))
    else:
        yield ColumnPath(steps), value


@settings(deadline=None)
@given(array=arrays())
def test_values_and_rows_are_those_of_a_plain_walk(array):
    batch = pa.record_batch({"c": array})
    expected = defaultdict(list)
    for row, value in enumerate(array.to_pylist()):
        for path, leaf in walk(value, array.type, ("c",)):
            expected[path].append((row, leaf))
    found = {leaf.path: leaf for leaf in leaf_values(batch)}
    assert list(found) == [leaf.path for leaf in schema_leaves(batch.schema)]
    for path, leaf in found.items():
        assert leaf.values.to_pylist() == [value for _, value in expected[path]]
        rows = range(len(array)) if leaf.rows is None else leaf.rows.tolist()
        assert list(rows) == [row for row, _ in expected[path]]


@settings(deadline=None)
@given(values=st.lists(st.text(max_size=40), max_size=20), other=st.lists(st.text(max_size=40), max_size=20))
def test_fingerprints_depend_on_the_value_alone(values, other):
    alone = fingerprints(pa.array(values, pa.string()))
    among = fingerprints(pa.array([*other, *values], pa.string()))[len(other) :]
    assert np.array_equal(alone, among)
    assert len(set(alone.tolist())) == len(set(values))
