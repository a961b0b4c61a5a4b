"""The values that listing, planning and reading raw datasets pass around; `plan` and `engines` see only these."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from airlock.policy.model import Source

__all__ = ["MIB", "Listing", "Piece", "RejectedRows", "RowGroup", "SourceBatch", "SourceFile", "Split", "Wanted"]

MIB = 1024 * 1024

Partition = tuple[tuple[str, str | None], ...]
"""Hive columns of one file, by name: the folder's text, URL-decoded; None for the null folder."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of a Parquet file.

    Attributes:
        rows: How many rows.
        size: Encoded bytes before compression, of all columns.
    """

    rows: int
    size: int


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a raw dataset, as its footer or header shows it.

    Attributes:
        schema: Parquet: the file's, without dictionary encoding, extension types and metadata; CSV: the header's names, as
            text; JSON lines: None, there is nothing to look up.
        rows: None where only reading tells.
        row_groups: Of a Parquet file; otherwise empty.
    """

    path: str
    size: int
    version: str
    schema: pa.Schema | None
    rows: int | None
    row_groups: tuple[RowGroup, ...]
    partition: Partition


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one raw dataset, sorted by path, and the hive columns that every one of them has."""

    files: tuple[SourceFile, ...]
    partition_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one file.

    Attributes:
        path: Relative to zone `raw`.
        size: Of the whole file, in bytes, when it was listed.
        version: Of the whole file when it was listed.
        row_groups: [start, stop) of a Parquet file.
        byte_range: [start, stop) of a CSV file, at line ends outside quotes, header excluded; None for the whole file.
        partition: Hive columns of the file.
        rows: None where only reading tells.
        weight: Bytes to read: what splits are balanced by.
        of_groups: How many row groups the Parquet file had when it was listed.
    """

    path: str
    size: int
    version: str
    row_groups: tuple[int, int] | None
    byte_range: tuple[int, int] | None
    partition: Partition
    rows: int | None
    weight: int = 0
    of_groups: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """What one task reads.

    Example:
        >>> piece = Piece("a.csv", 10, "v", None, None, (), None, weight=10)
        >>> Split((piece, piece)).bytes, Split((piece,)).rows
        (20, None)
    """

    pieces: tuple[Piece, ...]

    @property
    def bytes(self) -> int:
        """Bytes to read, all pieces."""
        return sum(piece.weight for piece in self.pieces)

    @property
    def rows(self) -> int | None:
        """Rows of all pieces; None where only reading tells."""
        counts = [piece.rows for piece in self.pieces]
        return None if None in counts else sum(count for count in counts if count is not None)


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """Rows that can't be read as the policy's types.

    Attributes:
        code: Why, a stable word: `not-a-number`, `not-a-date`, `malformed-line`, `cell-count`, `invalid-utf8`, ...
        column: The top-level column at fault; None for the line as a whole.
        raw: The lines as they stand in the file. Raw personal data: only ever stored encrypted.
        count: How many rows.
    """

    code: str
    column: str | None
    raw: bytes
    count: int

    def __repr__(self) -> str:
        return f"RejectedRows(code={self.code!r}, column={self.column!r}, count={self.count})"


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Some rows of one piece. `rows_in == batch.num_rows` + the counts of `rejected`, always.

    Attributes:
        batch: Columns in the order of the schema asked for, hive columns included. Text with few distinct values may be
            dictionary-encoded; every other type is the schema's.
    """

    batch: pa.RecordBatch
    rows_in: int
    rejected: tuple[RejectedRows, ...]
    piece: Piece

    def __repr__(self) -> str:
        return f"SourceBatch(rows_in={self.rows_in}, rejected={self.rejected!r}, piece={self.piece.path!r})"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of each piece: `read_batches`' arguments as one value. `ignored` None: whatever the schema lacks."""

    source: Source
    schema: pa.Schema
    leaves: tuple[str, ...] | None = None
    ignored: tuple[str, ...] | None = ()
    required: tuple[str, ...] = ()
    max_rows: int = 65_536
    max_bytes: int = 16 * MIB
