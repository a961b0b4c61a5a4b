"""JSON lines: one object a line, typed exactly as the policy says, never inferred. Called by reading and sampling.

A field that the policy does not know, at any depth, is drift and stops the run, or is left out where the policy says so; a value
of another type, a line that is no object, and a map with a key twice are rejected rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from airlock.errors import PolicyError
from airlock.policy.path import ColumnPath
from airlock.storage._base import Store
from airlock.storage.sources.convert import Mask, from_text
from airlock.storage.sources.jsonfields import holds_map, look_at, without_maps
from airlock.storage.sources.jsonknown import Known, Seen
from airlock.storage.sources.model import Piece, RejectedRows, SourceBatch, Wanted
from airlock.storage.sources.records import BOM, assemble, joined, newline_ends, open_text, record_blocks, rejected, valid_text

__all__ = ["Parsed", "object_lines", "parse_lines", "read_jsonl", "read_schema"]

# pyarrow dies of a `null` between objects and of very deep nesting: such lines are parsed by `json` first.
_NULL_BETWEEN = re.compile(rb"\}[ \t\r]*null")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_LONG, _DEEP = 1_000, 200

_NONE = pa.field("\0", pa.null())
"""Asked for where no column is wanted: a table of no column has no rows."""


def read_schema(schema: pa.Schema) -> pa.Schema:
    """The types that JSON itself has: dates, times, decimals, binary and keys are text there and cast afterwards.

    Raises:
        PolicyError: JSON lines can't hold that type here (durations).

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
    if pa.types.is_map(wanted):
        _json_type(wanted.key_type, column)
        return pa.map_(pa.string(), _json_type(wanted.item_type, column))
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


def read_jsonl(store: Store, piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    """The rows of a file, typed; see `read_batches`."""
    partition = dict(piece.partition)
    schema = read_schema(pa.schema([field for field in wanted.schema if field.name not in partition]))
    known = Known.of(schema, (*(wanted.ignored or ()), *wanted.required))
    seen = Seen()
    with open_text(store, piece.path) as stream:
        for number, block in enumerate(record_blocks(stream, newline_ends)):
            records, refused = object_lines(block, first=number == 0)
            parsed = parse_lines(records, schema, known, drop_unlisted=wanted.ignored is None)
            seen.add(parsed.seen)
            yield from assemble(parsed.columns, parsed.records, refused + parsed.refused, piece=piece, wanted=wanted)
    hive = {str(ColumnPath((name,))) for name in partition}
    seen.require([path for path in wanted.required if path not in hive])


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


@dataclass(frozen=True, slots=True)
class Parsed:
    """Lines as columns.

    Attributes:
        records: The good lines as they stand in the file.
        columns: Their columns.
        refused: The other lines.
        seen: Which fields the good lines have.
    """

    records: pa.BinaryArray
    columns: dict[str, pa.Array]
    refused: tuple[RejectedRows, ...]
    seen: Seen


def parse_lines(records: pa.BinaryArray, schema: pa.Schema, known: Known, *, drop_unlisted: bool) -> Parsed:
    """Parse lines.

    Raises:
        UnclassifiedColumnError: A field that `known` does not have.
    """
    flat = without_maps(schema)
    table, bad = _settled(records, flat)
    refused = _faults(records, bad)
    records = records.filter(pa.array(~bad)) if bad.any() else records
    lines = look_at(records, known, drop_unlisted=drop_unlisted)
    if len(flat) < len(schema):
        table, bad = _settled(lines.records, schema, skip=lines.wrong | lines.repeated)
        refused += _faults(records, bad & ~lines.repeated) + rejected(records, lines.repeated, "repeated-key")
        records = records.filter(pa.array(~bad)) if bad.any() else records
    columns = {field.name: _with_maps(table[field.name].combine_chunks(), field.type) for field in schema}
    return Parsed(records, columns, refused, lines.seen)


def _settled(records: pa.BinaryArray, schema: pa.Schema, *, skip: Mask | None = None) -> tuple[pa.Table, Mask]:
    """Parse lines, halving where that fails until the faulty ones stand alone: the others' table, and the mask of those."""
    bad = np.zeros(len(records), dtype=bool) if skip is None else skip.copy()
    places = np.flatnonzero(~bad)
    good = records.filter(pa.array(~bad)) if bad.any() else records
    asked = _pairs_for_maps(schema) if len(schema) else pa.schema([_NONE])
    tables: list[pa.Table] = []
    waiting = [(0, len(good))] if len(good) else []
    while waiting:
        start, stop = waiting.pop()
        table = _read(good.slice(start, stop - start), asked)
        if table is not None:
            tables.append(table)
        elif stop - start == 1:
            bad[places[start]] = True
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    return pa.concat_tables([asked.empty_table(), *tables]), bad


def _faults(records: pa.BinaryArray, bad: Mask) -> tuple[RejectedRows, ...]:
    """The lines of the mask: objects with a value of another type, or none."""
    objects = np.zeros(len(records), dtype=bool)
    for row in np.flatnonzero(bad):
        objects[row] = _is_object(joined(records.slice(row, 1)).to_pybytes())
    return rejected(records, bad & ~objects, "malformed-line") + rejected(records, objects, "wrong-type")


def _read(lines: pa.BinaryArray, schema: pa.Schema) -> pa.Table | None:
    """The lines' columns of `schema`; None if some line is faulty. What the schema lacks is parsed and left out."""
    data = joined(lines)
    try:
        table = pa.json.read_json(
            pa.BufferReader(data),
            read_options=pa.json.ReadOptions(use_threads=False, block_size=data.size + 1),
            parse_options=pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == len(lines) else None


def _pairs_for_maps(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, _paired(field.type)) for field in schema])


def _paired(wanted: pa.DataType) -> pa.DataType:
    """The type with lists of pairs for maps, which is what pyarrow's JSON reader knows."""
    if pa.types.is_struct(wanted):
        return pa.struct([pa.field(field.name, _paired(field.type)) for field in wanted])
    if pa.types.is_map(wanted):
        return pa.list_(pa.struct([("key", wanted.key_type), ("value", _paired(wanted.item_type))]))
    return pa.list_(_paired(wanted.value_type)) if pa.types.is_list(wanted) else wanted


def _with_maps(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Lists of pairs back into the maps that they stand for."""
    if not holds_map(wanted):
        return array
    if pa.types.is_struct(wanted):
        children = [_with_maps(array.field(at), wanted.field(at).type) for at in range(wanted.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(wanted), mask=array.is_null())
    if pa.types.is_map(wanted):
        keys, items = array.values.field(0), _with_maps(array.values.field(1), wanted.item_type)
        return pa.MapArray.from_arrays(array.offsets, keys, items, type=wanted, mask=array.is_null())
    return pa.ListArray.from_arrays(
        array.offsets, _with_maps(array.values, wanted.value_type), type=wanted, mask=array.is_null()
    )
