"""One staged file: decoded once, every check's scan run, and the same arrays written anew. Called by the outer door's workers.

Nothing is written from bytes that were not scanned, and nothing is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.errors import SchemaMismatchError
from airlock.evidence.schema import schema_fields
from airlock.gate._check import Batch
from airlock.gate.canonical import CanonicalWriter, Sinks, plainly
from airlock.gate.checks import CHECKS
from airlock.gate.checks.names import NamesCheck
from airlock.gate.checks.schema import SchemaCheck
from airlock.gate.decide import FilePartial, GateVerdict, decide
from airlock.gate.facts import ManifestFacts
from airlock.gate.rules import GateRules

__all__ = ["FilePartial", "GateVerdict", "ManifestFacts", "decide", "inspect_file"]

_ROWS = 131_072
_BYTES = 256 * 1024 * 1024
_DICTIONARY_BYTES = 4
"""A text column whose values take no more bytes than this in the file is held as a dictionary there."""


def inspect_file(data: bytes | pa.Buffer | Path, rules: GateRules, sinks: Sinks) -> FilePartial:
    """Scan and re-encode one staged Parquet file.

    Args:
        data: Its bytes, or the path of a private copy, which is mapped into memory.
        rules: What the gate demands.
        sinks: Called once for each tuple of partition values, `((column, text), ...)`, empty where the policy has no partitions;
            returns where to write. The caller closes it and takes its size and digest.

    Returns:
        The partials of all checks. Where the schema is not the policy's nothing is scanned further, and nothing written.

    Raises:
        SchemaMismatchError: The bytes are not Parquet, or hold text that is not UTF-8.
    """
    try:
        return _inspected(_opened(data), rules, sinks)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        # Arrow's messages may quote what they choke on.
        raise SchemaMismatchError(
            f"a staged file of '{rules.dataset}' can't be decoded as Parquet ({type(error).__name__}). Nothing was released. "
            "Treat it as tampering until explained; run again from the source"
        ) from None


def _inspected(file: pq.ParquetFile, rules: GateRules, sinks: Sinks) -> FilePartial:
    empty = Batch(pa.RecordBatch.from_pylist([], schema=file.schema_arrow))
    schema, names = SchemaCheck.scan(empty, rules), NamesCheck.scan(empty, rules)
    if schema.problems or names:
        return FilePartial(parts={"schema": schema, "names": names}, rows=file.metadata.num_rows)
    writer = CanonicalWriter(file.schema_arrow, rules, sinks)
    parts: dict[str, Any] = {name: check.scan(empty, rules) for name, check in CHECKS.items()}
    rows = 0
    for batch in _batches(file):
        scanned = Batch(batch)
        parts = {name: check.merge(parts[name], check.scan(scanned, rules)) for name, check in CHECKS.items()}
        writer.write(batch)
        rows += batch.num_rows
    writer.close()
    written = schema_fields(writer.schema) if writer.outputs else ()
    return FilePartial(parts=parts, rows=rows, outputs=writer.outputs, schema=written)


def _opened(data: bytes | pa.Buffer | Path) -> pq.ParquetFile:
    source = pa.memory_map(str(data)) if isinstance(data, Path) else pa.BufferReader(data)
    plain = pq.ParquetFile(source, pre_buffer=False)
    dictionaries = _dictionary_columns(plain)
    return (
        pq.ParquetFile(source, metadata=plain.metadata, read_dictionary=dictionaries, pre_buffer=False)
        if dictionaries
        else plain
    )


def _dictionary_columns(file: pq.ParquetFile) -> list[str]:
    """Top-level text columns that the first row group holds as a dictionary: they are checked once per distinct value."""
    if file.num_row_groups == 0:
        return []
    group = file.metadata.row_group(0)
    texts = {field.name for field in file.schema_arrow if pa.types.is_string(field.type)}
    chunks = [group.column(number) for number in range(group.num_columns)]
    return [
        chunk.path_in_schema
        for chunk in chunks
        if chunk.path_in_schema in texts and chunk.total_uncompressed_size <= _DICTIONARY_BYTES * chunk.num_values
    ]


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows <= _ROWS and group.total_byte_size <= _BYTES:
            found = file.read_row_group(number).combine_chunks().to_batches()
        else:
            pieces = max(-(-group.num_rows // _ROWS), -(-group.total_byte_size // _BYTES), 1)
            found = file.iter_batches(batch_size=-(-group.num_rows // pieces) or 1, row_groups=[number])
        for batch in found:
            batch.validate(full=True)
            yield plainly(batch)
