"""Canonical Parquet: what was decoded and checked, written anew. No foreign metadata, no dictionary entry that no row uses,
one bit pattern for every NaN, statistics only where the policy names them. Called by `inspect`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airlock.gate.leaves import is_list, schema_leaves
from airlock.gate.rules import GateRules

__all__ = ["CanonicalWriter", "Partition", "Sinks", "clean_schema", "plainly"]

Partition = tuple[tuple[str, str], ...]
Sinks = Callable[[Partition], BinaryIO]

_GROUP = 131_072
_SAMPLE = 8192
_REPEATS = 4
"""A dictionary pays where a sample has at least this many values for each distinct one."""

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class CanonicalWriter:
    """Writes batches of one staged file, one output for each tuple of partition values; row order is kept.

    Args:
        schema: Of the staged file, already found to be the policy's.
        sinks: Opens the output for a tuple of partition values; the caller closes it.
    """

    def __init__(self, schema: pa.Schema, rules: GateRules, sinks: Sinks) -> None:
        self._partition_by = rules.partition_by
        self._names = [name for name in schema.names if name not in rules.partition_by]
        self.schema = clean_schema(pa.schema([schema.field(name) for name in self._names]))
        self._statistics = [name for name in rules.statistics if name in self._names]
        self._sinks = sinks
        self._dictionaries: list[str] | None = None
        self._outputs: dict[Partition, _Output] = {}

    @property
    def outputs(self) -> tuple[tuple[Partition, int], ...]:
        """Rows of each output, sorted."""
        return tuple(sorted((partition, output.rows) for partition, output in self._outputs.items()))

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        if self._dictionaries is None:
            self._dictionaries = [name for name in self._names if _repeats(batch.column(name))]
        for partition, part in _parts(batch, self._partition_by):
            self._output(partition, part).add(part.select(self._names))

    def close(self) -> None:
        """Write what is left and every footer; the sinks stay open."""
        for output in self._outputs.values():
            output.close()

    def _output(self, partition: Partition, batch: pa.RecordBatch) -> _Output:
        if partition not in self._outputs:
            held = pa.schema([_held(batch.schema.field(field.name), field) for field in self.schema])
            writer = pq.ParquetWriter(
                self._sinks(partition),
                held,
                compression="zstd",
                use_dictionary=self._dictionaries or False,
                write_statistics=self._statistics or False,
                store_schema=False,
            )
            # Arrow's own key keeps time zones and large types for Arrow readers; it holds the clean schema and nothing else.
            writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(self.schema.serialize())})
            self._outputs[partition] = _Output(writer, held, buffered=bool(partition))
        return self._outputs[partition]


class _Output:
    """One file being written. Partitioned parts are small: they are gathered into full row groups."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema, *, buffered: bool) -> None:
        self._writer, self._schema, self._buffered = writer, schema, buffered
        self._parts: list[pa.RecordBatch] = []
        self._waiting = self.rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._parts.append(_compact(batch, self._schema))
        self._waiting += batch.num_rows
        self.rows += batch.num_rows
        if not self._buffered or self._waiting >= _GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._parts, schema=self._schema)
            table = table.unify_dictionaries() if len(self._parts) > 1 else table
            self._writer.write_table(table, row_group_size=_GROUP)
        self._parts, self._waiting = [], 0


def clean_schema(schema: pa.Schema) -> pa.Schema:
    """The schema without metadata at any depth, and without dictionary encoding.

    Example:
        >>> field = pa.field("a", pa.dictionary(pa.int8(), pa.string()), metadata={"k": "v"})
        >>> clean_schema(pa.schema([field], metadata={"k": "v"}))
        a: string
    """
    return pa.schema([_clean_field(field) for field in schema])


def plainly(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with dictionaries decoded but for text columns, and without metadata.

    Raises:
        pa.ArrowException: Arrow can't decode a dictionary deep inside a column.
    """
    fields = [_held(field, _clean_field(field)) for field in batch.schema]
    columns = [column.cast(field.type) for column, field in zip(batch.columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _clean_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _clean_type(field.type), nullable=field.nullable)


def _clean_type(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(data_type):
        return _clean_type(data_type.value_type)
    if pa.types.is_struct(data_type):
        return pa.struct([_clean_field(field) for field in data_type])
    if pa.types.is_map(data_type):
        return pa.map_(_clean_field(data_type.key_field), _clean_field(data_type.item_field), keys_sorted=data_type.keys_sorted)
    if pa.types.is_fixed_size_list(data_type):
        return pa.list_(_clean_item(data_type.value_field), data_type.list_size)
    if is_list(data_type):
        make = pa.large_list if pa.types.is_large_list(data_type) else pa.list_
        return make(_clean_item(data_type.value_field))
    return data_type


def _clean_item(field: pa.Field) -> pa.Field:
    """No path names what a list's items are called, so no check has seen it."""
    return _clean_field(field).with_name("element")


def _held(field: pa.Field, clean: pa.Field) -> pa.Field:
    """The field as it is held in memory: text may stay a dictionary."""
    if pa.types.is_dictionary(field.type) and pa.types.is_string(clean.type):
        return pa.field(field.name, pa.dictionary(pa.int32(), pa.string()), nullable=field.nullable)
    return clean


def _compact(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_used(column) if pa.types.is_dictionary(column.type) else _one_nan(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _one_nan(column: pa.Array) -> pa.Array:
    """The same values; a NaN's 51 free bits could carry anything, and no check looks at them."""
    kind = column.type
    if pa.types.is_floating(kind):
        values = np.frombuffer(column.buffers()[1], kind.to_pandas_dtype())[column.offset :][: len(column)]
        nans = np.isnan(values)
        plain = np.where(nans, values.dtype.type(np.nan), values)
        return pa.array(plain, kind, mask=np.asarray(column.is_null())) if nans.any() else column
    if not any(pa.types.is_floating(leaf.type) for leaf in schema_leaves(pa.schema([pa.field("", kind)]))):
        return column
    nulls = column.is_null()
    if pa.types.is_struct(kind):
        parts = [_one_nan(column.field(at)) for at in range(kind.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=nulls)
    if pa.types.is_fixed_size_list(kind):
        inner = column.values.slice(column.offset * kind.list_size, len(column) * kind.list_size)
        return pa.FixedSizeListArray.from_arrays(_one_nan(inner), type=kind, mask=nulls)
    start = column.offsets[0]
    where = slice(start.as_py(), column.offsets[-1].as_py())
    offsets = pc.subtract(column.offsets, start)
    if pa.types.is_map(kind):
        sides = (_one_nan(side[where]) for side in (column.keys, column.items))
        return pa.MapArray.from_arrays(offsets, *sides, type=kind, mask=nulls)
    return type(column).from_arrays(offsets, _one_nan(column.values[where]), type=kind, mask=nulls)


def _used(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same values over a dictionary of those that occur."""
    indices = column.indices
    present = np.asarray(indices.drop_null())
    used = np.zeros(len(column.dictionary), bool)
    used[present] = True
    if used.all() and column.dictionary.null_count == 0:
        return column
    if column.dictionary.null_count:
        return column.dictionary_decode().dictionary_encode()
    numbers = pa.array((np.cumsum(used) - 1).astype(np.int32))
    return pa.DictionaryArray.from_arrays(numbers.take(indices), column.dictionary.filter(pa.array(used)))


def _repeats(column: pa.Array) -> bool:
    if pa.types.is_dictionary(column.type):
        return True
    if pa.types.is_nested(column.type) or len(column) == 0:
        return pa.types.is_nested(column.type)
    sample = column.slice(0, _SAMPLE)
    return len(sample) >= _REPEATS * len(sample.unique())


def _parts(batch: pa.RecordBatch, partition_by: tuple[str, ...]) -> list[tuple[Partition, pa.RecordBatch]]:
    if not partition_by:
        return [((), batch)]
    encoded = [_partition_text(batch.column(name)).dictionary_encode() for name in partition_by]
    codes = np.zeros(batch.num_rows, np.int64)
    for column in encoded:
        codes = codes * len(column.dictionary) + np.asarray(column.indices)
    found = []
    for code in np.flatnonzero(np.bincount(codes)) if batch.num_rows else ():
        mask = codes == code
        first = int(mask.argmax())
        partition = tuple((name, str(column[first])) for name, column in zip(partition_by, encoded, strict=True))
        found.append((partition, batch if mask.all() else batch.filter(pa.array(mask))))
    return found


def _partition_text(column: pa.Array) -> pa.Array:
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return pc.fill_null(plain.cast(pa.string()), _HIVE_NULL)
