"""A bounded sample of a raw dataset with inferred types, for `airlock draft` alone: everything else reads the policy's types."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from airlock.errors import ChangedTypeError
from airlock.policy.model import Source
from airlock.storage._base import Store
from airlock.storage.sources.convert import conform, from_text, plain_type
from airlock.storage.sources.csv import parse_records, quote_aware_ends, read_header
from airlock.storage.sources.jsonl import object_lines
from airlock.storage.sources.listing import unreadable
from airlock.storage.sources.model import Listing, SourceFile
from airlock.storage.sources.parquet import open_parquet
from airlock.storage.sources.records import joined, newline_ends, open_text, record_blocks

__all__ = ["infer_text", "sample"]

_MOST_FILES = 16
_CELL_TYPES = (pa.int64(), pa.float64(), pa.bool_())
_TEXT_TYPES = (pa.date32(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
_PATTERNS = {  # narrower than Arrow's casts: leading zeros, hex, 'nan' and 20 digits are more likely codes than numbers
    pa.int64(): r"^(0|-?[1-9][0-9]{0,18})$",
    pa.float64(): r"^-?(0|[1-9][0-9]{0,14})\.[0-9]{1,9}$|^(0|-?[1-9][0-9]{0,14})$",
    pa.bool_(): r"^(?i:true|false)$",
}


def sample(store: Store, listing: Listing, source: Source, rows: int = 10_000) -> pa.Table:
    """The first rows of up to 16 files, evenly chosen, at most about `rows` in all; hive columns last.

    Parquet has the files' types; CSV cells and JSON text become numbers (CSV), dates or timestamps where every value is one.

    Raises:
        UnreadableSourceError: A chosen file can't be read, or one JSON field has values of several types.
        ChangedTypeError: The files disagree on a column's type.
    """
    chosen = listing.files[:: max(1, -(-len(listing.files) // _MOST_FILES))]
    share = -(-rows // len(chosen))
    try:
        tables = [_with_partition(_head(store, file, source, share), file) for file in chosen]
    except (pa.ArrowException, OSError, ValueError):
        raise unreadable([file.path for file in chosen], f"not all are complete, unencrypted {source.format} files") from None
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        raise ChangedTypeError(f"the files of '{source.path}' disagree on the type of a column. Sample one of them") from None
    if source.format == "parquet":
        return _retyped(table, set(listing.partition_columns), cells=True)
    cells = set(table.schema.names) if source.format == "csv" else set(listing.partition_columns)
    return _retyped(_retyped(table, cells, cells=True), set(table.schema.names) - cells, cells=False)


def _with_partition(table: pa.Table, file: SourceFile) -> pa.Table:
    for name, value in file.partition:
        table = table.append_column(pa.field(name, pa.string()), pa.array([value], pa.string()).take(_zeros(table.num_rows)))
    return table


def _zeros(count: int) -> pa.Array:
    return pa.repeat(0, count)


def _head(store: Store, file: SourceFile, source: Source, rows: int) -> pa.Table:
    if source.format == "parquet":
        return _parquet_head(store, file, rows)
    return _csv_head(store, file, source, rows) if source.format == "csv" else _jsonl_head(store, file, rows)


def _parquet_head(store: Store, file: SourceFile, rows: int) -> pa.Table:
    assert file.schema is not None  # the listing has read the footer
    with store.open_input(file.path) as opened:
        batches = open_parquet(opened).iter_batches(min(rows, 4_096), use_threads=False)
        read = list(_until(batches, rows))
    if not read:
        return file.schema.empty_table()
    table = pa.Table.from_batches(read)
    columns = [conform(column.combine_chunks(), plain_type(column.type)) for column in table.columns]
    return pa.table(columns, names=table.schema.names).slice(0, rows)


def _until(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch
        rows -= batch.num_rows
        if rows <= 0:
            return


def _csv_head(store: Store, file: SourceFile, source: Source, rows: int) -> pa.Table:
    names, start = read_header(store, file.path, source.delimiter)
    with open_text(store, file.path) as stream:
        stream.read(start)
        block = next(record_blocks(stream, quote_aware_ends(source.delimiter)), None)
    if block is None:
        return pa.schema([pa.field(name, pa.string()) for name in names]).empty_table()
    _, table, _ = parse_records(block.slice(0, rows), names, source.delimiter, kept=list(names))
    return table


def _jsonl_head(store: Store, file: SourceFile, rows: int) -> pa.Table:
    with open_text(store, file.path) as stream:
        block = next(record_blocks(stream, newline_ends), None)
    lines = None if block is None else object_lines(block.slice(0, rows), first=True)[0]
    if not lines:
        return pa.table({})
    inferred = _read_json(lines, None, file)
    # Arrow takes every text that looks like a timestamp for one, and drops its zone: read those again as text.
    return _read_json(lines, pa.schema([pa.field(field.name, _as_text(field.type)) for field in inferred.schema]), file)


def _read_json(lines: pa.BinaryArray, schema: pa.Schema | None, file: SourceFile) -> pa.Table:
    data = joined(lines)
    try:
        return pa.json.read_json(
            pa.BufferReader(data),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=data.size + 1),
            parse_options=pa.json.ParseOptions(explicit_schema=schema),
        )
    except pa.ArrowInvalid:
        raise unreadable([file.path], "a line is no JSON object, or a field has values of several types") from None


def _as_text(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(data_type):
        return pa.struct([pa.field(field.name, _as_text(field.type)) for field in data_type])
    if pa.types.is_list(data_type):
        return pa.list_(_as_text(data_type.value_type))
    return pa.string() if pa.types.is_timestamp(data_type) else data_type


def _retyped(table: pa.Table, names: set[str], *, cells: bool) -> pa.Table:
    columns = []
    for name in table.schema.names:
        array = table[name].combine_chunks()
        if name in names and cells and pa.types.is_string(array.type):
            array = pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
        wanted = _inferred(array, cells=cells) if name in names else array.type
        columns.append(table[name] if wanted == array.type else conform(array, wanted, from_text))
    return pa.table(columns, names=table.schema.names)


def _inferred(array: pa.Array, *, cells: bool) -> pa.DataType:
    if pa.types.is_struct(array.type):
        inner = zip(array.type, array.flatten(), strict=True)
        return pa.struct([pa.field(field.name, _inferred(child, cells=cells)) for field, child in inner])
    if pa.types.is_list(array.type):
        return pa.list_(_inferred(array.flatten(), cells=cells))
    return infer_text(array, cells=cells) if pa.types.is_string(array.type) else array.type


def infer_text(array: pa.StringArray, *, cells: bool) -> pa.DataType:
    """The narrowest type that all values have: dates and timestamps, with `cells` numbers and booleans too; else text.

    Example:
        >>> infer_text(pa.array(["2026-11-22", None]), cells=False), infer_text(pa.array(["02139"]), cells=True)
        (DataType(date32[day]), DataType(string))
    """
    if array.null_count == len(array):
        return array.type
    for wanted in (*(_CELL_TYPES if cells else ()), *_TEXT_TYPES):
        pattern = _PATTERNS.get(wanted)
        if pattern and not pc.all(pc.match_substring_regex(array, pattern)).as_py():
            continue
        try:
            from_text(array, wanted)
        except pa.ArrowInvalid:
            continue
        return wanted
    return array.type
