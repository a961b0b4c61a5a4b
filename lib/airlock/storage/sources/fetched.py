"""Column chunks of a Parquet file in a store that answers slowly: exactly what is read, several ranges at once. Called by `parquet`.

Arrow's own `pre_buffer` would fetch what lies between chunks, too, and keep it; a stream of buffers would wait for one answer after
the other.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.storage._base import Store

__all__ = ["MOST_FETCHED", "Fetched", "chunk_ranges"]

MOST_FETCHED = 64 << 20
"""Bytes of one row group's columns that may be in memory at once: larger ones are streamed."""


def chunk_ranges(facts: pq.FileMetaData, group: int, columns: Sequence[str]) -> list[tuple[int, int]]:
    """Where the chunks of some leaf columns are: [start, stop), in the order of the file.

    Example:
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(pa.table({"a": [1], "b": [2]}), sink)
        >>> facts = pq.read_metadata(pa.BufferReader(sink.getvalue()))
        >>> (start, stop), = chunk_ranges(facts, 0, ["a"])
        >>> start, stop - start == facts.row_group(0).column(0).total_compressed_size
        (4, True)
    """
    wanted, rows = set(columns), facts.row_group(group)
    chunks = (rows.column(at) for at in range(rows.num_columns))
    return sorted(
        (_start(chunk), _start(chunk) + chunk.total_compressed_size) for chunk in chunks if chunk.path_in_schema in wanted
    )


def _start(chunk: pq.ColumnChunkMetaData) -> int:
    # A dictionary stands before the data; some writers leave its offset out as 0.
    return int(min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset))


class Fetched(io.RawIOBase):
    """A file of which some ranges are in memory, as Parquet's reader reads it. What it reads besides, it is not given.

    Args:
        store: Where the file is.
        path: Of the file.
        ranges: What to fetch: sorted, apart.

    Raises:
        NotFoundError, StorageUnavailableError, ConfigError: As the store.
    """

    def __init__(self, store: Store, path: str, ranges: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._ranges = ranges
        self._starts = [start for start, _ in ranges]
        self._held = store.fetch(path, ranges)
        self._at = 0
        self._size = max((stop for _, stop in ranges), default=0)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go there."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1, /) -> pa.Buffer:
        """That many bytes of the range that holds the place; none outside of all."""
        found = bisect_right(self._starts, self._at) - 1
        if found < 0:
            return pa.py_buffer(b"")
        start, stop = self._ranges[found]
        end = stop if size is None or size < 0 else min(stop, self._at + size)
        held = self._held[found].slice(self._at - start, max(0, end - self._at))
        self._at += len(held)
        return held
