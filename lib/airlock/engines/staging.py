"""Write a split's staged files: row groups of bounded size, passes over each carried out, no statistics. Called by `task`."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.engines.floats import one_nan
from airlock.engines.records import RecordedFile
from airlock.storage import DigestWriter, Store

__all__ = ["GROUP_BYTES", "GROUP_ROWS", "SplitWriter"]

GROUP_ROWS = 131_072
GROUP_BYTES = 64 * 1024 * 1024
_FILE_BYTES = 256 * 1024 * 1024


class Regroup(Protocol):
    """Makes each row group anew before it is written.

    Attributes:
        min_rows: Fewest rows that it takes: so many are kept back from each group for the next.
    """

    min_rows: int

    def __call__(self, group: pa.Table, place: str) -> pa.Table:
        """From a group's rows and the name of its place."""
        ...


class _AbandonedError(Exception):
    """Tells a store that the file that it is writing shall not appear."""


class SplitWriter:
    """Collects transformed batches into row groups and rolls files over at 256 MiB. An error within leaves none of them.

    Args:
        store: Zone `staging`.
        folder: The run's data folder there.
        name: The split's keyed name.
        regroup: What becomes of each row group before it is written.
        tokens: Top-level columns, by name, whose values hardly repeat: neither a dictionary nor Snappy helps them.
    """

    def __init__(
        self,
        store: Store,
        folder: str,
        name: str,
        *,
        schema: pa.Schema,
        codec: str,
        tokens: frozenset[str],
        regroup: Regroup,
    ) -> None:
        self._store, self._folder, self._name, self._schema = store, folder, name, schema
        self._regroup, self._min_rows = regroup, regroup.min_rows
        # Snappy finds next to nothing in tokens and takes three times as long as all else that is done to write them.
        self._codec = {leaf: "none" if leaf in tokens and codec == "snappy" else codec for leaf in _leaves(schema)}
        self._dictionary = [field.name for field in schema if field.name not in tokens and not pa.types.is_nested(field.type)]
        self._buffered: list[pa.RecordBatch] = []
        self._rows = self._bytes = self._groups = 0
        self._open: tuple[ExitStack, pq.ParquetWriter, DigestWriter, str] | None = None
        self._file_rows = 0
        self.files: list[RecordedFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            self.finish()
            self._close()
        except BaseException:
            self._abandon()
            raise

    def finish(self) -> None:
        """Write what is buffered. The last file still gets its name on leaving only: whoever raises before leaves nothing staged."""
        self._flush(keep=0)

    def _abandon(self) -> None:
        """Delete what was written: the file at hand, which has no name yet, and those that were full."""
        if self._open is not None:
            (stack, writer, _, _), self._open = self._open, None
            writer.is_open = False  # the footer of a failed file is not worth writing
            with suppress(_AbandonedError), stack:
                raise _AbandonedError
        for file in self.files:
            self._store.delete(f"{self._folder}/{file.name}")
        self.files = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch of transformed rows."""
        if batch.num_rows == 0:
            return
        if self._rows + batch.num_rows > GROUP_ROWS + self._min_rows or self._bytes + batch.nbytes > GROUP_BYTES:
            self._flush(keep=self._min_rows)
        for part in _parts(batch):
            self._buffered.append(part)
            self._rows += part.num_rows
            self._bytes += part.nbytes
            if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
                self._flush(keep=self._min_rows)

    def _flush(self, *, keep: int) -> None:
        if not self._rows:
            return
        group = _joined(self._buffered)
        # The last group must have enough rows, too; where there are not enough for both, this one has all.
        written = group.num_rows - keep if group.num_rows >= 2 * keep else group.num_rows
        kept, group = group.slice(written), group.slice(0, written)
        group = self._regroup(group, f"{self._name}/{self._groups}")
        if self._open is None:
            self._open = self._new_file()
        stack, writer, digest, _ = self._open
        writer.write_table(_decoded(group, self._schema), row_group_size=GROUP_ROWS)
        self._file_rows += group.num_rows
        self._groups += 1
        self._buffered, self._rows, self._bytes = kept.to_batches() if keep else [], kept.num_rows, kept.nbytes
        if digest.size >= _FILE_BYTES - GROUP_BYTES:
            self._close()
        del stack

    def _new_file(self) -> tuple[ExitStack, pq.ParquetWriter, DigestWriter, str]:
        name = f"{self._name}-{secrets.token_hex(16)}.parquet"
        stack = ExitStack()
        digest = stack.enter_context(self._store.open_output(f"{self._folder}/{name}"))
        writer = pq.ParquetWriter(
            digest, self._schema, compression=self._codec, use_dictionary=self._dictionary, write_statistics=False
        )
        return stack, writer, digest, name

    def _close(self) -> None:
        if self._open is None:
            return
        stack, writer, digest, name = self._open
        with stack:
            writer.close()
        self.files.append(RecordedFile(name, digest.sha256, digest.size, self._file_rows))
        self._open, self._file_rows = None, 0


def _leaves(schema: pa.Schema) -> list[str]:
    """The names of a schema's leaf columns in a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.ParquetWriter(sink, schema).close()
    written = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [written.column(number).path for number in range(len(written))]


def _parts(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """A batch cut so that each part fits into a row group by bytes."""
    pieces = max(1, -(-batch.nbytes // GROUP_BYTES))
    step = -(-batch.num_rows // pieces)
    return [batch.slice(start, step) for start in range(0, batch.num_rows, step)]


def _joined(batches: list[pa.RecordBatch]) -> pa.Table:
    if len(batches) == 1:
        return pa.Table.from_batches(batches)
    # Each batch may have brought a dictionary of its own, or none.
    schema = pa.schema(
        [
            field if not pa.types.is_dictionary(field.type) else pa.field(field.name, field.type.value_type)
            for field in batches[0].schema
        ]
    )
    return pa.Table.from_batches([_plain(batch, schema) for batch in batches]).combine_chunks()


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _decoded(table: pa.Table, schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([_as_written(column) for column in table.columns], schema=schema)


def _as_written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return pa.chunked_array([one_nan(chunk) for chunk in column.chunks], type=column.type)
    plain = [one_nan(chunk.dictionary_decode()) for chunk in column.chunks]
    return pa.chunked_array(plain, type=column.type.value_type)
