"""Leaves of nested Arrow data, walked by the gate's own code: which there are, and their flat values. Called by `inspect`.

What stands under a null parent is not a value of the data: it is left out under lists and maps, and null under structs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step

__all__ = ["Leaf", "LeafValues", "as_list", "is_list", "leaf_values", "plain_type", "schema_leaves"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of a schema: its path and type, dictionary encoding left out."""

    path: ColumnPath
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class LeafValues:
    """The flat values of one leaf in a batch.

    Attributes:
        values: Nulls included where a leaf, or a struct around it, is null.
        rows: Row index of each value (int64); None where each row has exactly one value.
    """

    path: ColumnPath
    values: pa.Array
    rows: np.ndarray | None = None


def plain_type(data_type: pa.DataType) -> pa.DataType:
    """The type without dictionary encoding."""
    return data_type.value_type if pa.types.is_dictionary(data_type) else data_type


def schema_leaves(schema: pa.Schema) -> tuple[Leaf, ...]:
    """Every leaf of a schema, in the order of its fields.

    Example:
        >>> schema = pa.schema({"a": pa.list_(pa.struct({"b": pa.int8()})), "m": pa.map_(pa.string(), pa.string())})
        >>> [str(leaf.path) for leaf in schema_leaves(schema)]
        ['a[].b', 'm{key}', 'm{value}']
    """
    return tuple(leaf for field in schema for leaf in _type_leaves(ColumnPath((field.name,)), field.type))


def leaf_values(batch: pa.RecordBatch) -> Iterator[LeafValues]:
    """The values of every leaf of a batch, in the order of `schema_leaves`.

    Example:
        >>> batch = pa.record_batch({"a": pa.array([[1, 2], None, [3]])})
        >>> [(str(leaf.path), leaf.values.to_pylist(), leaf.rows.tolist()) for leaf in leaf_values(batch)]
        [('a[]', [1, 2, 3], [0, 0, 2])]
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        yield from _array_leaves(LeafValues(ColumnPath((name,)), column))


def _type_leaves(path: ColumnPath, data_type: pa.DataType) -> Iterator[Leaf]:
    inner = _inside(data_type)
    if not inner:  # an empty struct counts as a leaf, so that no name goes unseen
        yield Leaf(path, plain_type(data_type))
        return
    for step, child in inner:
        yield from _type_leaves(path.child(step), child)


def _inside(data_type: pa.DataType) -> list[tuple[Step, pa.DataType]] | None:
    if pa.types.is_struct(data_type):
        return [(field.name, field.type) for field in data_type]
    if pa.types.is_map(data_type):
        return [(KEY, data_type.key_type), (VALUE, data_type.item_type)]
    if is_list(data_type):
        return [(ELEMENT, data_type.value_type)]
    return None


def is_list(data_type: pa.DataType) -> bool:
    """Whether the type is a list of any kind but a map."""
    return bool(pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type))


def _array_leaves(at: LeafValues) -> Iterator[LeafValues]:
    array = at.values
    if pa.types.is_struct(array.type) and array.type.num_fields:
        # flatten() carries the struct's nulls and its slice into the children; field() does not.
        for field, child in zip(array.type, array.flatten(), strict=True):
            yield from _array_leaves(LeafValues(at.path.child(field.name), child, at.rows))
    elif pa.types.is_map(array.type):
        entries = as_list(array)
        rows = _row_index(entries, at.rows)
        for step, child in zip((KEY, VALUE), entries.flatten().flatten(), strict=True):
            yield from _array_leaves(LeafValues(at.path.child(step), child, rows))
    elif is_list(array.type):
        rows = _row_index(array, at.rows)
        yield from _array_leaves(LeafValues(at.path.child(ELEMENT), array.flatten(), rows))
    elif at.values.null_count and pa.types.is_string_view(array.type):
        # Arrow can't leave nulls out of views.
        yield LeafValues(at.path, array.cast(pa.large_string()), at.rows)
    else:
        yield at


def as_list(array: pa.MapArray) -> pa.ListArray:
    """A map as the list of structs that it is; Arrow's `keys` and `items` ignore slices and null maps."""
    data_type = array.type
    pair = pa.struct([data_type.key_field.with_name("key"), data_type.item_field.with_name("value")])
    return array.cast(pa.list_(pa.field("entries", pair, nullable=False)))


def _row_index(array: pa.Array, rows: np.ndarray | None) -> np.ndarray:
    lengths = np.asarray(array.value_lengths().fill_null(0))
    parents = np.arange(len(array)) if rows is None else rows
    return np.repeat(parents, lengths)
