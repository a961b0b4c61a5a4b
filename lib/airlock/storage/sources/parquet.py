"""Parquet files: footers for the listing, and row groups as bounded batches in flat memory. Called by listing and reading."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.errors import ChangedTypeError, SourceChangedError, UnreadableSourceError
from airlock.policy.arrow import type_text
from airlock.policy.unlisted import shown_path
from airlock.storage._base import Entry, Store
from airlock.storage._footer import has_signed_footer
from airlock.storage.sources.convert import bounded, conform, constant, plain_type
from airlock.storage.sources.fetched import MOST_FETCHED, Fetched, chunk_ranges
from airlock.storage.sources.model import Piece, RowGroup, SourceBatch, Wanted

__all__ = ["Footers", "open_parquet", "read_parquet", "wholly_dictionary"]

BUFFER_BYTES = 1024 * 1024
_FEW_ROWS, _FEW_BYTES = 4_096, 64 * 1024
"""Rows of a sample, for which pages are not to be read ahead."""
_INDEX_BYTES = 2.0
_MIN_VALUE_BYTES = 8
_PLAIN: dict[str, Any] = {"coerce_int96_timestamp_unit": "us", "arrow_extensions_enabled": False}
"""INT96 timestamps as microseconds: nanoseconds would overflow outside 1677-2262."""


def open_parquet(
    file: pa.NativeFile,
    *,
    metadata: pq.FileMetaData | None = None,
    read_dictionary: list[str] | None = None,
    buffer: int = BUFFER_BYTES,
) -> pq.ParquetFile:
    """Open so that memory stays flat (pages, not column chunks) and every type is a plain Arrow type.

    Raises:
        UnreadableSourceError: Some columns are encrypted.
        pa.ArrowException, OSError: Not a readable Parquet file; the text may quote its content.
    """
    opened = pq.ParquetFile(
        file,
        metadata=metadata,
        read_dictionary=read_dictionary,
        pre_buffer=False,
        buffer_size=buffer,
        **_PLAIN,
    )
    if metadata is None:
        file.seek(file.size() - 8)
        if has_signed_footer(int.from_bytes(file.read(4), "little"), opened.metadata):
            raise UnreadableSourceError("some of its columns are encrypted")
    return opened


class Footers:
    """Reads the footers of a dataset's files. A hundred thousand files share a handful of schemas: each is made plain once."""

    def __init__(self) -> None:
        self._known: list[tuple[pq.ParquetSchema, bytes | None, pa.Schema]] = []

    def read(self, store: Store, entry: Entry) -> tuple[pa.Schema, tuple[RowGroup, ...]]:
        """A file's schema in plain types, and its row groups.

        Raises:
            UnreadableSourceError: A column name occurs twice, or columns are encrypted.
            pa.ArrowException, OSError: Not a readable Parquet file; the text may quote its content.
        """
        facts = store.footer(entry)
        groups = (facts.row_group(at) for at in range(facts.num_row_groups))
        return self._schema(facts), tuple(RowGroup(group.num_rows, group.total_byte_size) for group in groups)

    def _schema(self, facts: pq.FileMetaData) -> pa.Schema:
        # Arrow's own schema, which pyarrow writes beside Parquet's, tells types that Parquet does not know.
        schema, own = facts.schema, (facts.metadata or {}).get(b"ARROW:schema")
        for known, beside, plain in self._known:
            if beside == own and known.equals(schema):
                return plain
        plain = _plain_schema(pq.ParquetFile(pa.BufferReader(b""), metadata=facts, **_PLAIN))
        self._known.append((schema, own, plain))
        return plain


def _plain_schema(parquet: pq.ParquetFile) -> pa.Schema:
    schema = parquet.schema_arrow
    paths = [parquet.schema.column(at).path for at in range(len(parquet.schema))]
    if len(set(paths)) != len(paths) or len(set(schema.names)) != len(schema.names):
        raise UnreadableSourceError("a column name occurs twice")
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


def wholly_dictionary(column: pq.ColumnChunkMetaData) -> bool:
    """Whether a text column chunk is dictionary-encoded throughout, as far as its footer shows.

    Plain text takes 4 bytes a value and more, dictionary indices at most 2 up to 65,536 distinct values: what is left of the
    chunk without its dictionary page tells them apart. (Reading a mixed chunk as dictionary is three times slower.)
    """
    if column.physical_type != "BYTE_ARRAY" or not column.has_dictionary_page or not column.total_compressed_size:
        return False
    dictionary = (column.data_page_offset - column.dictionary_page_offset) / column.total_compressed_size
    indices = column.total_uncompressed_size * (1 - dictionary)
    return bool(indices <= _INDEX_BYTES * column.num_values)


def read_parquet(store: Store, piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    """The rows of a piece, a batch at a time; see `read_batches`."""
    assert piece.row_groups is not None  # plan_splits sets them for every Parquet file
    with store.open_input(piece.path) as file:
        first = open_parquet(file)
        _require_planned(first.metadata, piece)
        groups = [group for group in range(*piece.row_groups) if first.metadata.row_group(group).num_rows]
        columns = _columns(first, wanted, dict(piece.partition))
        if not columns:
            yield from _only_constants(first, groups, piece, wanted)
            return
        encoded = [name for name in columns if _is_encoded(first, name, groups)]
        few = wanted.max_rows <= _FEW_ROWS
        opened = partial(open_parquet, metadata=first.metadata, read_dictionary=encoded)
        streamed = opened(file, buffer=_FEW_BYTES if few else BUFFER_BYTES)
        for group in groups:
            rows = _batch_rows(first.metadata.row_group(group), columns, wanted)
            held = None if few else _at_once(store, piece.path, chunk_ranges(first.metadata, group, columns))
            parquet = streamed if held is None else opened(held)
            for batch in parquet.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False):
                for part in bounded(_conformed(batch, piece, wanted), wanted.max_rows, wanted.max_bytes):
                    yield SourceBatch(part, part.num_rows, (), piece)


def _at_once(store: Store, path: str, ranges: Sequence[tuple[int, int]]) -> pa.NativeFile | None:
    """A row group's columns, from a store for whose every answer one has to wait; None where they are to be streamed."""
    if store.local_path("") is not None or sum(stop - start for start, stop in ranges) > MOST_FETCHED:
        return None
    return pa.PythonFile(Fetched(store, path, ranges), mode="r")


def _require_planned(facts: pq.FileMetaData, piece: Piece) -> None:
    """A footer that was kept from an earlier listing may be another's: rows would be left out, or read twice."""
    assert piece.row_groups is not None  # as above
    groups = range(*piece.row_groups) if facts.num_row_groups == piece.of_groups else ()
    if sum(facts.row_group(group).num_rows for group in groups) != piece.rows:
        shown = shown_path(piece.path)
        raise SourceChangedError(f"the footer of '{shown}' is not the one that was planned by. Run again", file=shown)


def _columns(parquet: pq.ParquetFile, wanted: Wanted, partition: dict[str, str | None]) -> list[str]:
    """The leaves to fetch, as Parquet names them: what the schema has of the file, and of that what is asked for."""
    asked = {names for field in wanted.schema if field.name not in partition for names in _leaves(field)}
    found = (names for field in parquet.schema_arrow for names in _leaves(field))  # in the order of the file's columns
    paths = (parquet.schema.column(at).path for at in range(len(parquet.schema)))
    kept = [path for path, names in zip(paths, found, strict=True) if any(_is_along(names, leaf) for leaf in asked)]
    return [path for path in kept if wanted.leaves is None or any(f"{path}.".startswith(f"{leaf}.") for leaf in wanted.leaves)]


def _leaves(field: pa.Field, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names on the way to each leaf; lists have none of their own."""
    path, inner = (*above, field.name), plain_type(field.type)
    while pa.types.is_list(inner) or pa.types.is_large_list(inner) or pa.types.is_fixed_size_list(inner):
        inner = inner.value_type
    if pa.types.is_struct(inner):
        for child in inner:
            yield from _leaves(child, path)
    elif pa.types.is_map(inner):
        yield from _leaves(pa.field("{key}", inner.key_type), path)
        yield from _leaves(pa.field("{value}", inner.item_type), path)
    else:
        yield path


def _is_along(found: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    """Whether one is the other or inside it: a struct where the schema has a number must be read, to be refused."""
    shorter = min(len(found), len(asked))
    return found[:shorter] == asked[:shorter]


def _is_encoded(parquet: pq.ParquetFile, name: str, groups: list[int]) -> bool:
    at = next(at for at in range(len(parquet.schema)) if parquet.schema.column(at).path == name)
    field = parquet.schema_arrow.get_field_index(name)  # -1 for nested leaves: those come plain
    is_text = field >= 0 and pa.types.is_string(parquet.schema_arrow.field(field).type)
    return is_text and all(wholly_dictionary(parquet.metadata.row_group(group).column(at)) for group in groups)


def _batch_rows(group: pq.RowGroupMetaData, columns: list[str], wanted: Wanted) -> int:
    """Rows that decode to about `max_bytes`, from the row group's sizes: so long values make small batches."""
    chunks = (group.column(at) for at in range(group.num_columns))
    asked = set(columns)
    sizes = (
        max(chunk.total_uncompressed_size, _MIN_VALUE_BYTES * chunk.num_values)
        for chunk in chunks
        if chunk.path_in_schema in asked
    )
    width = sum(sizes) / group.num_rows
    return max(1, min(wanted.max_rows, math.floor(wanted.max_bytes / max(1.0, width))))


def _conformed(batch: pa.RecordBatch, piece: Piece, wanted: Wanted) -> pa.RecordBatch:
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        raise UnreadableSourceError("a text value is not UTF-8, or the file is corrupt") from None
    partition = dict(piece.partition)
    arrays = []
    for field in wanted.schema:
        at = batch.schema.get_field_index(field.name)
        if field.name in partition:
            arrays.append(constant(partition[field.name], field, batch.num_rows))
        elif at < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            arrays.append(_column(batch.column(at), field, piece.path))
    return pa.RecordBatch.from_arrays(arrays, names=wanted.schema.names)


def _column(array: pa.Array, field: pa.Field, path: str) -> pa.Array:
    if _is_worthwhile(array, field.type):
        return array
    try:
        return conform(array, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        shown = shown_path(path)
        raise ChangedTypeError(
            f"column '{field.name}' of '{shown}' can't be read as {field.type} without loss: the file has {type_text(array.type)}. "
            "Correct `type` in the policy, or the file",
            column=field.name,
            file=shown,
        ) from None


def _is_worthwhile(array: pa.Array, wanted: pa.DataType) -> bool:
    """Whether to hand on a dictionary: every batch carries the whole of it, so it must be well shorter than the batch."""
    if array.type != pa.dictionary(pa.int32(), pa.string()) or wanted != pa.string():
        return False
    return bool(2 * len(array.dictionary) <= len(array))


def _only_constants(parquet: pq.ParquetFile, groups: list[int], piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    """Batches for a file that has none of the columns asked for: hive values and nulls."""
    for group in groups:
        left = parquet.metadata.row_group(group).num_rows
        while left:
            rows = min(left, wanted.max_rows)
            filler = pa.RecordBatch.from_arrays([pa.nulls(rows)], names=[""])
            yield SourceBatch(_conformed(filler, piece, wanted), rows, (), piece)
            left -= rows
