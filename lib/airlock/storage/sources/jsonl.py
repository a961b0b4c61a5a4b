"""JSON lines: one object a line, typed exactly as the policy says, never inferred. Called by reading and sampling.

A field that the policy does not know, at any depth, is drift and stops the run; a value of another type, or a line that is no
object, is a rejected row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from airlock.errors import PolicyError, UnclassifiedColumnError
from airlock.policy.path import ColumnPath
from airlock.storage._base import Store
from airlock.storage.sources.convert import Mask, conform, from_text
from airlock.storage.sources.model import Piece, RejectedRows, SourceBatch, Wanted
from airlock.storage.sources.records import BOM, assemble, joined, newline_ends, open_text, record_blocks, rejected, valid_text

__all__ = ["FieldNames", "object_lines", "parse_lines", "read_jsonl", "read_schema"]

Names = tuple[str, ...]

# pyarrow dies of a `null` between objects and of very deep nesting: such lines are parsed by `json` first.
_NULL_BETWEEN = re.compile(rb"\}[ \t\r]*null")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG, _DEEP = 1_000, 200
_MANY = 20


def read_schema(schema: pa.Schema) -> pa.Schema:
    """The types that JSON itself has: dates, times, decimals and binary are text there and cast afterwards.

    Raises:
        PolicyError: JSON lines can't hold that type here (maps, durations).

    Example:
        >>> read_schema(pa.schema([("a", pa.int8()), ("b", pa.list_(pa.date32()))])).field("b").type
        ListType(list<item: string>)
    """
    return pa.schema([pa.field(field.name, _json_type(field.type, field.name)) for field in schema])


def _json_type(wanted: pa.DataType, column: str) -> pa.DataType:
    if pa.types.is_struct(wanted):
        return pa.struct([pa.field(field.name, _json_type(field.type, column)) for field in wanted])
    if pa.types.is_list(wanted):
        return pa.list_(_json_type(wanted.value_type, column))
    if _is_native(wanted):
        return wanted
    try:
        from_text(pa.array([], pa.string()), wanted)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        raise PolicyError(
            f"column '{column}': JSON lines can't be read as {wanted}. Name an object's fields one by one "
            "(struct), or drop the column",
            column=column,
        ) from None
    return pa.string()


def _is_native(wanted: pa.DataType) -> bool:
    number = pa.types.is_integer(wanted) or (pa.types.is_floating(wanted) and not pa.types.is_float16(wanted))
    text = pa.types.is_string(wanted) or pa.types.is_large_string(wanted)
    return bool(number or text or pa.types.is_boolean(wanted) or pa.types.is_null(wanted))


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Which field names may occur, at every depth; list brackets are not part of a name."""

    known: frozenset[Names]
    ignored: frozenset[Names]

    @classmethod
    def of(cls, schema: pa.Schema, ignored: Sequence[str]) -> FieldNames:
        """From the schema, and the paths of dropped subtrees as policies write them."""
        steps = (ColumnPath.parse(path).steps for path in ignored)
        known: set[Names] = set()
        for field in schema:
            _collect(field, (), known)
        return cls(frozenset(known), frozenset(tuple(step for step in path if isinstance(step, str)) for path in steps))

    def require(self, found: set[Names]) -> None:
        """Raise UnclassifiedColumnError for names that are neither known nor inside (or on the way to) an ignored subtree."""
        on_the_way = {path[:size] for path in self.ignored for size in range(1, len(path))}
        strange = sorted(path for path in found - self.known - on_the_way if not self._is_ignored(path))
        if strange:
            names = ", ".join(f"'{ColumnPath(path)}'" for path in strange[:_MANY])
            more = f" and {len(strange) - _MANY} more" if len(strange) > _MANY else ""
            raise UnclassifiedColumnError(
                f"the policy has no rule for {names}{more}, found in JSON lines. Every field needs one; add it, or let "
                "'airlock draft --update' propose one",
                columns=tuple(str(ColumnPath(path)) for path in strange[:_MANY]),
            )

    def _is_ignored(self, path: Names) -> bool:
        return any(path[:size] in self.ignored for size in range(1, len(path) + 1))


def _collect(field: pa.Field, above: Names, into: set[Names]) -> None:
    inner = field.type
    while pa.types.is_list(inner):
        inner = inner.value_type
    path = (*above, field.name)
    into.add(path)
    if pa.types.is_struct(inner):
        for child in inner:
            _collect(child, path, into)


def _collect_value(value: object, above: Names, into: set[Names]) -> None:
    if isinstance(value, dict):
        for name, child in value.items():
            into.add((*above, name))
            _collect_value(child, (*above, name), into)
    elif isinstance(value, list):
        for element in value:
            _collect_value(element, above, into)


def read_jsonl(store: Store, piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    """The rows of a file, typed; see `read_batches`."""
    partition = dict(piece.partition)
    schema = read_schema(pa.schema([field for field in wanted.schema if field.name not in partition]))
    names = FieldNames.of(schema, wanted.ignored)
    with open_text(store, piece.path) as stream:
        for number, block in enumerate(record_blocks(stream, newline_ends)):
            records, refused = object_lines(block, first=number == 0)
            records, columns, unread = parse_lines(records, schema, names)
            yield from assemble(columns, records, refused + unread, piece=piece, wanted=wanted)


def object_lines(block: pa.BinaryArray, *, first: bool) -> tuple[pa.BinaryArray, tuple[RejectedRows, ...]]:
    """The lines of a block that may be one object each: blank ones left out, others rejected. `first`: a BOM may lead."""
    if first and joined(block.slice(0, 1)).to_pybytes().startswith(BOM):
        block = pa.concat_arrays([pa.array([block[0].as_py()[len(BOM) :]], pa.binary()), block.slice(1)])
    records, refused = valid_text(block)
    trimmed = pc.utf8_trim(records.cast(pa.string()), " \t\r\n")
    lengths = pc.binary_length(trimmed)
    blank = pc.equal(lengths, 0)
    if blank.true_count:
        filled = pc.invert(blank)
        records, trimmed, lengths = records.filter(filled), trimmed.filter(filled), lengths.filter(filled)
    whole = pc.and_(pc.starts_with(trimmed, "{"), pc.ends_with(trimmed, "}"))
    bad = ~np.asarray(whole) | _fatal(records, trimmed, np.asarray(lengths))
    if not bad.any():
        return records, refused
    return records.filter(pa.array(~bad)), refused + rejected(records, bad, "malformed-line")


def _fatal(records: pa.BinaryArray, trimmed: pa.StringArray, lengths: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Mask:
    suspect = np.zeros(len(records), dtype=bool)
    if _NULL_BETWEEN.search(joined(records)):
        suspect |= np.asarray(pc.match_substring_regex(trimmed, r"\}[ \t\r]*null"))
    if len(lengths) and lengths.max() > _LONG:
        opened = pc.add(pc.count_substring(trimmed, "["), pc.count_substring(trimmed, "{"))
        suspect |= (lengths > _LONG) & (np.asarray(opened) > _DEEP)
    for row in np.flatnonzero(suspect):  # only candidates, nearly always none
        suspect[row] = not _is_shallow_object(joined(records.slice(row, 1)).to_pybytes())
    return suspect


def _is_shallow_object(line: bytes) -> bool:
    marks = np.frombuffer(_STRINGS.sub(b"", line), dtype=np.uint8)
    depth = np.cumsum(np.isin(marks, (ord("["), ord("{"))).astype(np.int64) - np.isin(marks, (ord("]"), ord("}"))))
    return bool(depth.max() <= _DEEP) and _is_object(line)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line, object_pairs_hook=_no_key_twice), dict)
    except (ValueError, RecursionError):
        return False


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def parse_lines(
    records: pa.BinaryArray, schema: pa.Schema, names: FieldNames
) -> tuple[pa.BinaryArray, dict[str, pa.Array], tuple[RejectedRows, ...]]:
    """Parse lines, halving where that fails until the faulty ones stand alone: good lines, their columns, rejected rows.

    Raises:
        UnclassifiedColumnError: A field that is neither in `schema` nor ignored.
    """
    malformed, mistyped = np.zeros(len(records), dtype=bool), np.zeros(len(records), dtype=bool)
    tables: list[pa.Table] = []
    waiting = [(0, len(records))] if len(records) else []
    while waiting:
        start, stop = waiting.pop()
        part = records.slice(start, stop - start)
        table = _parse(part, schema, names)
        if table is not None:
            tables.append(table)
        elif stop - start == 1:
            (mistyped if _is_object(joined(part).to_pybytes()) else malformed)[start] = True
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    table = pa.concat_tables([schema.empty_table(), *tables])
    columns = {name: table[name].combine_chunks() for name in schema.names}
    refused = rejected(records, malformed, "malformed-line") + rejected(records, mistyped, "wrong-type")
    bad = malformed | mistyped
    return (records.filter(pa.array(~bad)) if bad.any() else records), columns, refused


def _parse(lines: pa.BinaryArray, schema: pa.Schema, names: FieldNames) -> pa.Table | None:
    """The lines' columns of `schema`; None if some line is faulty."""
    table = _read(lines, schema, "infer")
    if table is not None:
        found: set[Names] = set()
        for field in table.schema:
            _collect(field, (), found)
        names.require(found)
    else:
        # A dropped field may hold now a number, now text: inference fails, yet nothing of it is read.
        table = _read(lines, schema, "ignore")
        if table is None:
            return None
        names.require(_names_of(lines))
    return (
        pa.table([_pruned(table[field.name], field.type) for field in schema], schema=schema)
        if len(schema)
        else table.select([])
    )


def _pruned(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    return conform(column.combine_chunks(), wanted)


def _read(lines: pa.BinaryArray, schema: pa.Schema, others: str) -> pa.Table | None:
    data = joined(lines)
    try:
        table = pa.json.read_json(
            pa.BufferReader(data),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=data.size + 1),
            parse_options=pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior=others),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == len(lines) else None


def _names_of(lines: pa.BinaryArray) -> set[Names]:
    found: set[Names] = set()
    for line in joined(lines).to_pybytes().split(b"\n"):
        if line.strip():
            _collect_value(json.loads(line), (), found)
    return found
