"""Text files as blocks of whole records: lines, or CSV records whose quotes may hold line ends. For csv.py and jsonl.py.

A block is a binary array with one record (its line end included) per element, over one contiguous buffer: rows are cut out
and put together again without copying line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airlock.errors import UnreadableSourceError
from airlock.storage._base import Store
from airlock.storage.sources.convert import Mask, bounded, conform, constant, fault_code, from_text, isolate
from airlock.storage.sources.model import MIB, Piece, RejectedRows, SourceBatch, Wanted

__all__ = ["BOM", "Ends", "assemble", "joined", "newline_ends", "open_text", "record_blocks", "rejected", "valid_text"]

BOM = b"\xef\xbb\xbf"
BLOCK_BYTES = 8 * MIB
LONGEST_RECORD = 64 * MIB

Offsets = npt.NDArray[np.int64]
Ends = Callable[[bytes], Offsets]
"""From bytes that begin at a record's first byte to the offset after each record that ends in them."""


def open_text(store: Store, path: str) -> pa.NativeFile:
    """The file's text from its start; `.gz` is unpacked as it is read."""
    file = store.open_input(path)
    return pa.CompressedInputStream(file, "gzip") if path.endswith(".gz") else file


def newline_ends(data: bytes) -> Offsets:
    r"""Records end at every line feed.

    Example:
        >>> newline_ends(b"ab\nc\nd").tolist()
        [3, 5]
    """
    return np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1


def record_blocks(stream: pa.NativeFile, ends: Ends, *, size: int | None = None) -> Iterator[pa.BinaryArray]:
    """Read `size` bytes (None: to the end) in blocks of whole records.

    Raises:
        UnreadableSourceError: A record is longer than 64 MiB.
    """
    rest = b""
    chunk, left = _chunk(stream, size)
    while chunk:
        data = rest + chunk
        chunk, left = _chunk(stream, left)
        offsets = ends(data)
        if not chunk and (not len(offsets) or offsets[-1] != len(data)):
            offsets = np.append(offsets, len(data))  # the last record may lack its line end
        if len(offsets):
            yield _as_array(data, offsets)
        rest = data[offsets[-1] :] if len(offsets) else data
        if len(rest) > LONGEST_RECORD:
            raise UnreadableSourceError("a line is longer than 64 MiB, or a quote is never closed", limit=LONGEST_RECORD)


def _chunk(stream: pa.NativeFile, left: int | None) -> tuple[bytes, int | None]:
    chunk = stream.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
    return chunk, None if left is None else left - len(chunk)


def _as_array(data: bytes, offsets: Offsets) -> pa.BinaryArray:
    places = np.concatenate(([0], offsets)).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), len(offsets), [None, pa.py_buffer(places), pa.py_buffer(data)])


def joined(records: pa.BinaryArray) -> pa.Buffer:
    """The records' bytes, one after the other, without a copy.

    Example:
        >>> joined(pa.array([b"a", b"b", b"c"])[1:]).to_pybytes()
        b'bc'
    """
    _, places, data = records.buffers()
    if data is None or not len(records):
        return pa.py_buffer(b"")
    first, last = np.frombuffer(places, dtype=np.int32)[[records.offset, records.offset + len(records)]]
    return data.slice(first, last - first)


def rejected(records: pa.BinaryArray, bad: Mask, code: str, column: str | None = None) -> tuple[RejectedRows, ...]:
    """What stands for the records of the mask; nothing where it is empty."""
    if not bad.any():
        return ()
    return (RejectedRows(code, column, joined(records.filter(pa.array(bad))).to_pybytes(), int(bad.sum())),)


def valid_text(records: pa.BinaryArray) -> tuple[pa.BinaryArray, tuple[RejectedRows, ...]]:
    """The records that are valid UTF-8, and the others as rejected rows."""
    _, bad = isolate(records, lambda part: part.cast(pa.string()))
    if not bad.any():
        return records, ()
    return records.filter(pa.array(~bad)), rejected(records, bad, "invalid-utf8")


def assemble(
    columns: dict[str, pa.Array], records: pa.BinaryArray, refused: tuple[RejectedRows, ...], *, piece: Piece, wanted: Wanted
) -> Iterator[SourceBatch]:
    """Type the columns read from `records` (one row each) as the schema says, reject the rows where that fails, cut batches.

    Args:
        columns: By name, as text or as what JSON held. Absent ones become nulls.
        records: The rows as they stand in the file.
        refused: Rows of the same block that were rejected before.
        piece: Where the block is from.
        wanted: What to read.
    """
    faulty = np.zeros(len(records), dtype=bool)
    arrays = []
    partition = dict(piece.partition)
    for field in wanted.schema:
        if field.name in partition:
            array = constant(partition[field.name], field, len(records))
        elif field.name in columns:
            array, bad = _typed(columns[field.name], field.type)
            refused += rejected(records, bad & ~faulty, fault_code(field.type), field.name)
            faulty |= bad
        else:
            array = pa.nulls(len(records), field.type)
        arrays.append(array)
    batch = pa.RecordBatch.from_arrays(arrays, names=wanted.schema.names)
    if faulty.any():
        batch = batch.filter(pa.array(~faulty))
    for part in bounded(batch, wanted.max_rows, wanted.max_bytes):
        yield SourceBatch(part, part.num_rows + sum(rows.count for rows in refused), refused, piece)
        refused = ()


def _typed(array: pa.Array, wanted: pa.DataType) -> tuple[pa.Array, Mask]:
    return isolate(array, lambda part: conform(part, wanted, from_text))
