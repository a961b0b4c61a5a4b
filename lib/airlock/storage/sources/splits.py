"""Cut a listed dataset into splits, one record and one staged file each: tiny files packed, large ones cut. Called by `plan`.

A file is read anew where its split changes, so a file has a split of its own unless it is tiny. What a task carries out is decided
later, by `engines/bundles`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pyarrow as pa

from airlock.errors import UnreadableSourceError
from airlock.policy.model import Source
from airlock.storage._base import Store
from airlock.storage.sources.csv import cut_places
from airlock.storage.sources.listing import unreadable
from airlock.storage.sources.model import MIB, Listing, Piece, SourceFile, Split

__all__ = ["MOST_PIECES", "is_cuttable", "plan_splits"]

MOST_PIECES = 256
"""Of one split: opening a file has a price that its bytes don't show."""

TINY = 16
"""Files below a 16th of the target (8 of 128 MiB) are packed, up to that size: below it a split's own cost, about 30 ms at both doors
together, is more than a tenth of the work."""

THREADS = 8


def is_cuttable(source: Source, path: str) -> bool:
    """Whether a large file of this source is cut; gzip and JSON lines go by file, and `plan` says so.

    Example:
        >>> is_cuttable(Source(path="a", format="csv"), "a/x.csv.gz"), is_cuttable(Source(path="a"), "a/x.parquet")
        (False, True)
    """
    return source.format == "parquet" or (source.format == "csv" and not path.endswith(".gz"))


def plan_splits(store: Store, listing: Listing, source: Source, *, target_bytes: int = 128 * MIB) -> tuple[Split, ...]:
    """Every row of the listing in exactly one split of at most about `target_bytes`; the same listing gives the same splits.

    A new, changed or removed file changes its own splits; a tiny one those of the few tiny files beside it. A row group larger than the target is a piece of its own: it is streamed. CSV is cut at line ends outside quotes.

    Raises:
        UnreadableSourceError: A CSV file can't be scanned.
    """

    def pieces(file: SourceFile) -> list[Piece]:
        try:
            return list(_pieces(store, file, source, target_bytes))
        except (UnreadableSourceError, OSError, pa.ArrowException) as error:
            reason = str(error) if isinstance(error, UnreadableSourceError) else "it can't be scanned"
            raise unreadable([file.path], reason) from None

    with ThreadPoolExecutor(THREADS, "scanning") as pool:
        made = pool.map(pieces, listing.files) if source.format == "csv" else map(pieces, listing.files)
        return tuple(_packed(made, target_bytes // TINY))


def _pieces(store: Store, file: SourceFile, source: Source, target: int) -> Iterator[Piece]:
    if source.format == "parquet":
        yield from _row_group_pieces(file, target)
    elif is_cuttable(source, file.path) and file.size > target:
        places = cut_places(store, file.path, source.delimiter, size=file.size, target=target)
        for start, stop in pairwise(places):
            yield Piece(file.path, file.size, file.version, None, (start, stop), file.partition, None, weight=stop - start)
    else:
        yield Piece(file.path, file.size, file.version, None, None, file.partition, None, weight=file.size)


def _row_group_pieces(file: SourceFile, target: int) -> Iterator[Piece]:
    start, rows, weight, stop = 0, 0, 0, len(file.row_groups)
    for at, group in enumerate(file.row_groups):
        if at > start and weight + group.size > target:
            yield Piece(
                file.path, file.size, file.version, (start, at), None, file.partition, rows, weight=weight, of_groups=stop
            )
            start, rows, weight = at, 0, 0
        rows, weight = rows + group.rows, weight + group.size
    if rows:
        yield Piece(
            file.path, file.size, file.version, (start, stop), None, file.partition, rows, weight=weight, of_groups=stop
        )


def _packed(files: Iterable[list[Piece]], most: int) -> Iterator[Split]:
    """Splits of the files' pieces; files of less than `most` bytes share some of at most that size."""
    held: list[Piece] = []
    weight = 0
    for pieces in files:
        if len(pieces) != 1 or pieces[0].weight >= most:
            yield from (Split((piece,)) for piece in pieces)
            continue
        (piece,) = pieces
        if held and (weight + piece.weight > most or len(held) == MOST_PIECES or _begins(piece, most)):
            yield Split(tuple(held))
            held, weight = [], 0
        held.append(piece)
        weight += piece.weight
    if held:
        yield Split(tuple(held))


def _begins(piece: Piece, most: int) -> bool:
    """Whether a split begins at this piece whatever stands before it: for one of about `most` bytes or `MOST_PIECES` pieces.

    A new or changed tiny file then disturbs the splits up to the next such piece, not all that follow (content-defined chunking).
    """
    drawn = int.from_bytes(hashlib.sha256(piece.path.encode()).digest()[:8], "big")
    return drawn < max(piece.weight / most, 1 / MOST_PIECES) * 2.0**64
