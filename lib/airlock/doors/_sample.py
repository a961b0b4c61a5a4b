"""A few raw rows in the policy's own types, read in this process. `plan` warns from them, `preview` transforms them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from airlock.doors._source import Prepared
from airlock.storage.sources import Piece, Split, read_batches

__all__ = ["Sampled", "read_sample"]

_MOST_PIECES = 8
_SHARE, _LITTLE = 100, 4 << 20
"""What a sample may read of an object store: a hundredth of the source, or so many bytes."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Some rows of the source.

    Attributes:
        batch: Columns of the plan's reading schema.
        rejected: Rows that could not be read, by (column or '', code).
    """

    batch: pa.RecordBatch
    rejected: dict[tuple[str, str], int]


def read_sample(
    prepared: Prepared, rows: int, *, splits: Sequence[Split] | None = None, columns: Collection[str] | None = None
) -> Sampled:
    """The first rows of up to eight files or parts of files, evenly chosen, at most `rows` in all.

    Args:
        prepared: Policy, plan and listing.
        rows: How many, at most.
        splits: Where from; all of the source by default.
        columns: Which, at the top level; all that the plan reads by default.

    Raises:
        SourceChangedError: A file is no longer the one that was listed.
        UnreadableSourceError: A file can't be read.
    """
    pieces = [piece for split in (prepared.splits if splits is None else splits) for piece in split.pieces]
    chosen = pieces[:: max(1, -(-len(pieces) // _MOST_PIECES))]
    if prepared.raw.local_path("") is None:
        chosen = _affordable(chosen, sum(piece.weight for piece in pieces))
    schema = prepared.plan.reading.schema
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in columns])
    share = max(1, -(-rows // max(1, len(chosen))))
    batches: list[pa.RecordBatch] = []
    rejected: Counter[tuple[str, str]] = Counter()
    for piece in chosen:
        reads = read_batches(
            prepared.raw,
            Split((piece,)),
            source=prepared.bound.policy.source,
            schema=schema,
            ignored=prepared.plan.ignored,
            max_rows=share,
        )
        for read in islice(reads, 1):
            batches.append(read.batch.slice(0, share))
            for reject in read.rejected:
                rejected[(reject.column or "", reject.code)] += reject.count
    if not batches:
        return Sampled(pa.RecordBatch.from_pylist([], schema=schema), dict(rejected))
    table = pa.Table.from_batches([_plain(batch, schema) for batch in batches], schema=schema).slice(0, rows)
    return Sampled(_one(table), dict(rejected))


def _affordable(pieces: list[Piece], whole: int) -> list[Piece]:
    """As many as are a small part of the whole: a first page of each column is read, which may be all of a row group."""
    most, taken, chosen = max(whole // _SHARE, _LITTLE), 0, pieces[:1]
    for piece in pieces[1:]:
        taken += piece.weight // max(1, len(range(*(piece.row_groups or (0, 1)))))
        if taken > most:
            break
        chosen.append(piece)
    return chosen


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Without dictionaries, which differ from split to split."""
    columns = [column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _one(table: pa.Table) -> pa.RecordBatch:
    made = table.combine_chunks().to_batches()
    return made[0] if made else pa.RecordBatch.from_pylist([], schema=table.schema)
