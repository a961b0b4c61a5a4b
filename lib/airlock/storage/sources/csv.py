"""CSV files: a header row, RFC 4180 quotes, cells typed by the policy and by nothing else. Called by listing, splits and reading.

Quotes are counted, so a file can be cut without parsing it; a quote where RFC 4180 allows none makes the count meaningless, and
refuses the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from airlock.errors import PolicyError, UnreadableSourceError
from airlock.storage._base import Store
from airlock.storage.sources.convert import Mask, from_text
from airlock.storage.sources.model import MIB, Piece, RejectedRows, SourceBatch, Wanted
from airlock.storage.sources.records import (
    BOM,
    Ends,
    Offsets,
    assemble,
    joined,
    newline_ends,
    open_text,
    record_blocks,
    rejected,
    valid_text,
)

__all__ = ["check_schema", "cut_places", "parse_records", "quote_aware_ends", "read_csv", "read_header"]

HEADER_BYTES, HEADER_LIMIT = 64 * 1024, MIB
SCAN_BYTES = 4 * MIB
QUOTE, LINE_FEED, RETURN = b'"\n\r'


def quote_aware_ends(delimiter: str) -> Ends:
    r"""Records end at line feeds outside quotes.

    The function made raises UnreadableSourceError for a quote that neither opens nor closes a cell, and for a carriage return
    that stands alone outside quotes.

    Example:
        >>> quote_aware_ends(",")(b'a,"x\ny"\nb').tolist()
        [8]
    """
    around = np.frombuffer(f'{_checked(delimiter)}\n\r"'.encode(), dtype=np.uint8)

    def ends(data: bytes) -> Offsets:
        values = np.frombuffer(data, dtype=np.uint8)
        quotes = np.flatnonzero(values == QUOTE)
        before = values[quotes[::2][quotes[::2] > 0] - 1]
        after = values[quotes[1::2][quotes[1::2] < len(values) - 1] + 1]
        if not (np.isin(before, around).all() and np.isin(after, around).all()):
            raise UnreadableSourceError("a quote stands inside an unquoted cell, or text follows a closing quote")
        if b"\r" in data:
            _refuse_lone_returns(values, quotes)
        places = newline_ends(data)
        return places[_outside_quotes(places, quotes)]

    return ends


def _checked(delimiter: str) -> str:
    if delimiter in '"\n\r' or not delimiter.isascii():
        raise PolicyError("source.delimiter must be one ASCII character, not a quote or a line end. Correct it")
    return delimiter


def _outside_quotes(places: Offsets, quotes: Offsets) -> Mask:
    return np.searchsorted(quotes, places) % 2 == 0


def _refuse_lone_returns(values: np.ndarray[tuple[int], np.dtype[np.uint8]], quotes: Offsets) -> None:
    returns = np.flatnonzero(values[:-1] == RETURN)  # at the very end the line feed may be in the next block
    if _outside_quotes(returns[values[returns + 1] != LINE_FEED], quotes).any():
        raise UnreadableSourceError("a carriage return without line feed stands outside quotes; end lines with LF or CRLF")


def read_header(store: Store, path: str, delimiter: str) -> tuple[tuple[str, ...], int]:
    """The column names of a CSV file, and the offset of its first data byte (in the unpacked text).

    Raises:
        UnreadableSourceError: No header row, or one with repeated, empty or undecodable names. Never quotes a name: a file
            without header row has a person's data there.
    """
    with open_text(store, path) as stream:
        head = _first_record(stream)
    record = head.removeprefix(BOM)
    quote_aware_ends(delimiter)(record)
    return _names(record, delimiter), len(head)


def _first_record(stream: pa.NativeFile) -> bytes:
    head = b""
    while chunk := stream.read(HEADER_BYTES):
        head += chunk
        ends = newline_ends(head)
        ends = ends[_outside_quotes(ends, np.flatnonzero(np.frombuffer(head, dtype=np.uint8) == QUOTE))]
        if len(ends):
            return head[: ends[0]]
        if len(head) > HEADER_LIMIT:
            raise UnreadableSourceError("the header row is longer than 1 MiB")
    return head


def _names(record: bytes, delimiter: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader(io.StringIO(record.decode(), newline=""), delimiter=delimiter, strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise UnreadableSourceError("the header row is not UTF-8 text in RFC 4180 form") from None
    if not names or "" in names:
        raise UnreadableSourceError("the header row is missing, or a column has no name")
    if len(set(names)) != len(names):
        raise UnreadableSourceError("the header row names a column twice")
    return tuple(names)


def cut_places(store: Store, path: str, delimiter: str, *, size: int, target: int) -> list[int]:
    """Where to cut a CSV file of `size` bytes: line ends outside quotes, about `target` bytes apart, first and last included."""
    _, start = read_header(store, path, delimiter)
    places, inside, at = [start], 0, start
    with store.open_input(path) as stream:
        stream.seek(start)
        while chunk := stream.read(SCAN_BYTES):
            values = np.frombuffer(chunk, dtype=np.uint8)
            quotes = np.flatnonzero(values == QUOTE)
            if at + len(chunk) >= places[-1] + target:
                lines = newline_ends(chunk)
                ends = lines[(np.searchsorted(quotes, lines) + inside) % 2 == 0] + at
                _append_cuts(places, ends, target)
            inside, at = (inside + len(quotes)) % 2, at + len(chunk)
    return [place for place in places if place < size] + [size]


def _append_cuts(places: list[int], ends: Offsets, target: int) -> None:
    while (found := int(np.searchsorted(ends, places[-1] + target))) < len(ends):
        places.append(int(ends[found]))


def check_schema(schema: pa.Schema) -> None:
    """Raise PolicyError where text can't be what the policy says: nested types, durations."""
    for field in schema:
        try:
            from_text(pa.array([], pa.string()), field.type)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
            raise PolicyError(
                f"column '{field.name}': a CSV cell can't be read as {field.type}. Read it as string", column=field.name
            ) from None


def read_csv(store: Store, piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    """The rows of a piece, typed; see `read_batches`."""
    check_schema(wanted.schema)
    names, start = read_header(store, piece.path, wanted.source.delimiter)
    with open_text(store, piece.path) as stream:
        if piece.byte_range is None:
            _skip(stream, start)
            size = None
        else:
            stream.seek(piece.byte_range[0])
            size = piece.byte_range[1] - piece.byte_range[0]
        kept = [name for name in names if name in wanted.schema.names and name not in dict(piece.partition)]
        for block in record_blocks(stream, quote_aware_ends(wanted.source.delimiter), size=size):
            records, table, refused = parse_records(block, names, wanted.source.delimiter, kept=kept)
            columns = {name: _nulls_for_empty(table[name].combine_chunks(), wanted.schema.field(name).type) for name in kept}
            yield from assemble(columns, records, refused, piece=piece, wanted=wanted)


def _skip(stream: pa.NativeFile, size: int) -> None:
    while size and (chunk := stream.read(size)):
        size -= len(chunk)


def parse_records(
    block: pa.BinaryArray, names: tuple[str, ...], delimiter: str, *, kept: list[str]
) -> tuple[pa.BinaryArray, pa.Table, tuple[RejectedRows, ...]]:
    """Parse a block: its good records, their `kept` cells as text (row by row the same), and the rejected ones.

    Raises:
        UnreadableSourceError: A quote is never closed, or records and rows can't be brought together.
    """
    if joined(block.slice(len(block) - 1)).to_pybytes().count(b'"') % 2:
        raise UnreadableSourceError("a quote is never closed")
    records, refused = valid_text(_without_blank(block))
    table, wrong = _parse(records, names, delimiter, kept)
    refused += rejected(records, wrong, "cell-count")
    if wrong.any():
        records = records.filter(pa.array(~wrong))
    if table.num_rows != len(records):
        raise UnreadableSourceError("its lines do not match its rows", lines=len(records), rows=table.num_rows)
    return records, table, refused


def _without_blank(block: pa.BinaryArray) -> pa.BinaryArray:
    blank = pc.is_in(block, pa.array([b"\n", b"\r\n", b"\r"], pa.binary()))
    return block.filter(pc.invert(blank)) if blank.true_count else block


def _parse(records: pa.BinaryArray, names: tuple[str, ...], delimiter: str, kept: list[str]) -> tuple[pa.Table, Mask]:
    wrong = np.zeros(len(records), dtype=bool)

    def note(row: pa.csv.InvalidRow) -> str:
        wrong[row.number - 1] = True
        return "skip"

    data = joined(records)
    if not data.size:
        return pa.table({name: pa.array([], pa.string()) for name in kept}), wrong
    table = pa.csv.read_csv(
        pa.BufferReader(data),
        read_options=pa.csv.ReadOptions(column_names=list(names), use_threads=False, block_size=data.size + 1),
        parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(kept or names, pa.string()), include_columns=kept or list(names[:1]),
            null_values=[], strings_can_be_null=False,
        ),
    )  # fmt: skip
    return table, wrong


def _nulls_for_empty(cells: pa.Array, wanted: pa.DataType) -> pa.Array:
    if _is_text(wanted):
        return cells
    empty = pc.equal(cells, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), cells) if empty.true_count else cells


def _is_text(wanted: pa.DataType) -> bool:
    is_kind = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    more = (pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(check(wanted) for check in (*is_kind, *more))
