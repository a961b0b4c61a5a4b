"""What a column's program looks at beside the column: leaves of the batch, aligned, and known values of each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.crypto.columns import ByteColumn, is_byte_type, malformed_utf8, movable, takeable
from airlock.operators import RowOperator
from airlock.plan.program import Inputs
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath, Step

__all__ = ["Chosen", "aligned_values", "inputs_of", "known_values", "leaf_values", "rows_where", "spelled"]

_EXACT = float(1 << 53)
"""Below it a whole float stands for one number only."""


def rows_where(batch: pa.RecordBatch, mask: pa.BooleanArray) -> pa.RecordBatch:
    """The rows where `mask` is true."""
    laid_out = pa.schema([field.with_type(movable(field.type)) for field in batch.schema], batch.schema.metadata)
    if laid_out == batch.schema:
        return batch.filter(mask)
    return batch.cast(laid_out).filter(mask).cast(batch.schema)


def leaf_values(batch: pa.RecordBatch, path: ColumnPath) -> tuple[pa.Array, pa.Array]:
    """A leaf's values, flat, and the row of each (both of one length); empty where the batch has no such leaf.

    They can be filtered and taken from: views come as large texts and bytes.
    """
    rows = pa.array(np.arange(batch.num_rows))
    if path.column not in batch.schema.names:
        return pa.array([], pa.string()), rows.slice(0, 0)
    array = batch.column(path.column)
    for step in path.steps[1:]:
        if isinstance(step, str) and array.type.get_field_index(step) < 0:
            return pa.array([], pa.string()), rows.slice(0, 0)
        array, parents = _inside(array, step)
        if parents is not None:
            rows = rows.take(parents)
    if isinstance(array, pa.DictionaryArray):
        array = pa.DictionaryArray.from_arrays(array.indices, takeable(array.dictionary)).dictionary_decode()
    return takeable(array), rows


def _inside(array: pa.Array, step: Step) -> tuple[pa.Array, pa.Array | None]:
    if isinstance(step, str):
        names = [array.type.field(i).name for i in range(array.type.num_fields)]
        return array.flatten()[names.index(step)], None
    if step is ELEMENT:
        return pc.list_flatten(array), pc.list_parent_indices(array)
    entries = array.cast(pa.list_(pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])))
    keys, items = pc.list_flatten(entries).flatten()
    assert step in (KEY, VALUE)
    return (keys if step is KEY else items), pc.list_parent_indices(entries)


def inputs_of(batch: pa.RecordBatch) -> Inputs:
    """What row operators look at in this batch: their inputs, and the row's known values, for each flat value of their leaf."""

    def look(path: ColumnPath, operator: RowOperator) -> dict[str, pa.Array]:
        found = {text: aligned_values(batch, path, ColumnPath.parse(text)) for text in operator.inputs}
        if operator.known:
            values = known_values(batch, [ColumnPath.parse(text) for text in operator.known])
            found["known"] = values if len(path.repeated_steps) == 0 else values.take(leaf_values(batch, path)[1])
        return found

    return look


def aligned_values(batch: pa.RecordBatch, path: ColumnPath, wanted: ColumnPath) -> pa.Array:
    """The values at `wanted` that stand beside the flat values at `path`: of the same row, list element or map entry.

    Args:
        batch: Has both columns.
        path: The leaf whose values are transformed.
        wanted: No deeper in lists and maps than `path`, and in the same ones (`plan.contracts` sees to it).
    """
    values, _ = leaf_values(batch, wanted)
    index: pa.Array | None = None
    for parents in reversed(list(_parents(batch, path))[len(wanted.repeated_steps) :]):
        index = parents if index is None else parents.take(index)
    return values if index is None else values.take(index)


def _parents(batch: pa.RecordBatch, path: ColumnPath) -> Iterator[pa.Array]:
    """For each list or map on the way, where each of its flat values stands in the one before."""
    array = batch.column(path.column)
    for step in path.steps[1:]:
        array, parents = _inside(array, step)
        if parents is not None:
            yield parents


Chosen = Callable[[pa.Array], pa.BooleanArray]
"""Which of a leaf's values to look at; never nulls."""


def known_values(batch: pa.RecordBatch, paths: Sequence[ColumnPath], chosen: Chosen = pc.is_valid) -> pa.ListArray:
    """Each row's own values at `paths`, as text, nulls left out: a list of strings as long as the batch."""
    texts, owners = [], []
    for path in paths:
        values, rows = leaf_values(batch, path)
        present = chosen(values)
        text, owner = spelled(values.filter(present)), rows.filter(present)
        if text.null_count:
            text, owner = text.drop_null(), owner.filter(text.is_valid())
        texts.append(text)
        owners.append(owner.to_numpy())
    owner = np.concatenate(owners) if owners else np.zeros(0, dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    joined = pa.concat_arrays(texts) if texts else pa.array([], pa.string())
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=batch.num_rows))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), joined.take(pa.array(order)))


def spelled(values: pa.Array) -> pa.Array:
    r"""Values as a text would have them; null for bytes that are no UTF-8. Whole numbers have no decimal places.

    Example:
        >>> spelled(pa.array([4e15, 0.5])).to_pylist(), spelled(pa.array([b"Ann", b"\xff"])).to_pylist()
        (['4000000000000000', '0.5'], ['Ann', None])
    """
    kind = values.type
    if pa.types.is_floating(kind):
        return _spelled_floats(values.cast(pa.float64()))
    if pa.types.is_decimal(kind):
        return pc.replace_substring_regex(values.cast(pa.string()), r"\.0+$", "")
    if is_byte_type(kind) and kind not in (pa.string(), pa.large_string(), pa.string_view()):
        malformed = malformed_utf8(ByteColumn.of(values)) if len(values) else np.zeros(0, dtype=bool)
        plain = values.cast(pa.binary())
        return pc.if_else(pa.array(~malformed), plain, pa.scalar(None, pa.binary())).cast(pa.string())
    return values.cast(pa.string())


def _spelled_floats(values: pa.Array) -> pa.Array:
    whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), _EXACT))
    numbers = pc.if_else(whole, values, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(numbers, values.cast(pa.string()))
