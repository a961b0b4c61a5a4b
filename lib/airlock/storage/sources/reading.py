"""Read the pieces of a split batch by batch, whatever their format. Called by the tasks of `engines`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from airlock.errors import NotFoundError, SourceChangedError, UnreadableSourceError
from airlock.policy.model import Source
from airlock.policy.unlisted import shown_path
from airlock.storage._base import Store
from airlock.storage.sources.csv import read_csv
from airlock.storage.sources.jsonl import read_jsonl
from airlock.storage.sources.listing import unreadable
from airlock.storage.sources.model import MIB, Piece, SourceBatch, Split, Wanted
from airlock.storage.sources.parquet import read_parquet

__all__ = ["read_batches", "require_unchanged"]

_READERS: dict[str, Callable[[Store, Piece, Wanted], Iterator[SourceBatch]]] = {
    "parquet": read_parquet,
    "csv": read_csv,
    "jsonl": read_jsonl,
}


def read_batches(  # noqa: PLR0913 - what to read of a split is one thought; the readers get it as `Wanted`
    store: Store,
    split: Split,
    *,
    source: Source,
    schema: pa.Schema,
    leaves: tuple[str, ...] | None = None,
    ignored: tuple[str, ...] | None = (),
    required: tuple[str, ...] = (),
    max_rows: int = 65_536,
    max_bytes: int = 16 * MIB,
) -> Iterator[SourceBatch]:
    """Every row of a split exactly once, in the files' order, typed as `schema` says.

    Args:
        store: Zone `raw`.
        split: Of `plan_splits`.
        source: Of the policy.
        schema: Top-level columns with complete nested types, hive columns included. Columns a file lacks come as nulls: the
            caller decides from the listing what may be missing, and which types a file may have.
        leaves: Parquet columns to fetch, dotted as Parquet names them (`phones.list.element.number`), or the name of anything
            that holds them; None for exactly the leaves that `schema` has. Nothing else is fetched.
        ignored: JSON lines: paths of dropped subtrees (`name`, `phones[].kind`), whose content may be anything. None: every
            field that the schema lacks.
        required: JSON lines: paths of fields of which a file may not be wholly without. (Other formats show that in the listing.)
        max_rows: Of one batch.
        max_bytes: Of one batch, about.

    Raises:
        SourceChangedError: A file is not the one that was listed, before or after it was read. Discard what came.
        UnreadableSourceError: A file can't be read; nothing of its content is in the message.
        UnclassifiedColumnError: JSON lines with a field that is neither in `schema` nor ignored.
        MissingColumnError: A file of JSON lines without a required field.
        ChangedTypeError: A Parquet or hive column's values don't fit the schema's type.
        PolicyError: The format can't hold a type of the schema.
        ValueError: `leaves` has none for a column of the schema, which would come as nulls.
    """
    _require_leaves(split, schema, leaves)
    wanted = Wanted(source, schema, leaves, ignored, required, max_rows, max_bytes)
    for piece in split.pieces:
        yield from _read(store, piece, wanted)


def _read(store: Store, piece: Piece, wanted: Wanted) -> Iterator[SourceBatch]:
    require_unchanged(store, piece)
    try:
        yield from _READERS[wanted.source.format](store, piece, wanted)
    except MemoryError:
        raise
    except UnreadableSourceError as error:
        require_unchanged(store, piece)
        raise unreadable([piece.path], str(error)) from None
    except (pa.ArrowException, OSError, ValueError, NotFoundError):
        require_unchanged(store, piece)
        raise unreadable([piece.path], f"not a complete, unencrypted {wanted.source.format} file") from None
    require_unchanged(store, piece)


def _require_leaves(split: Split, schema: pa.Schema, leaves: tuple[str, ...] | None) -> None:
    if leaves is None:
        return
    hive = {name for piece in split.pieces for name, _ in piece.partition}
    without = [
        name for name in schema.names if name not in hive and not any(f"{leaf}.".startswith(f"{name}.") for leaf in leaves)
    ]
    if without:
        raise ValueError(f"no leaf is asked for of the schema's columns {', '.join(without)}")


def require_unchanged(store: Store, piece: Piece) -> None:
    """Raise SourceChangedError unless the file still has the size and version that were listed."""
    shown = shown_path(piece.path)
    try:
        entry = store.stat(piece.path)
    except NotFoundError:
        raise SourceChangedError(f"'{shown}' is gone since it was listed. Run again", file=shown) from None
    if (entry.size, entry.version) != (piece.size, piece.version):
        raise SourceChangedError(f"'{shown}' changed since it was listed. Run again", file=shown)
