"""What a raw dataset consists of: its files, their schemas and their hive partitions. Called by `plan` and `draft`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType

import pyarrow as pa

from airlock.errors import NotFoundError, PolicyError, SourceChangedError, UnreadableSourceError
from airlock.policy.model import Source
from airlock.policy.unlisted import name_or_shape, shown_path
from airlock.storage._base import Entry, Store
from airlock.storage.sources.csv import read_header
from airlock.storage.sources.hive import is_hidden, partition_of
from airlock.storage.sources.known import Footer
from airlock.storage.sources.model import Listing, RowGroup, SourceFile
from airlock.storage.sources.parquet import Footers
from airlock.storage.sources.walk import is_chosen, walk

__all__ = ["list_source", "unreadable"]

LEAST_THREADS, MOST_THREADS, MOST_AT_ONCE = 4, 48, 64
_WORK = 0.0005
"""Seconds of work that a footer is, as opposed to waiting for it: more threads than fill the waiting get in each other's way."""
_MANY = 20

Facts = tuple[pa.Schema | None, tuple[RowGroup, ...]]
Reader = Callable[[Store, Source, Entry], Facts]


def list_source(store: Store, source: Source, known: Mapping[str, Footer] = MappingProxyType({})) -> Listing:
    """List a file or folder; `source.where` prunes by folder name before any file is opened.

    Files and folders whose names start with `_` or `.` are not data. Footers and headers are read by a pool of threads.

    Args:
        store: Zone `raw`.
        source: Of the policy.
        known: Footers of an earlier listing: of files that have the same version, they are not read again.

    Raises:
        NotFoundError: No file is left.
        PolicyError: `where` names something that is no hive column.
        SourceChangedError: A file went while it was listed.
        UnreadableSourceError: Some files can't be read, or disagree on the hive columns; up to 20 are named.
    """
    found, pruned = walk(store, source)
    entries = [entry for entry in found if _is_data(entry, source)]
    if not entries and not pruned:
        raise NotFoundError(f"zone 'raw' has no data file at '{source.path}'. Check source.path", path=source.path)
    columns = _partition_columns(entries, source) if entries else ()
    entries = [entry for entry in entries if is_chosen(entry.path, source)]
    if not entries:
        raise NotFoundError(f"source.where leaves no file of '{source.path}'. Check the values", path=source.path)
    return Listing(tuple(_facts_of_all(store, source, entries, known)), columns)


def _is_data(entry: Entry, source: Source) -> bool:
    return not entry.path.endswith("/") and entry.path != source.exclude and not is_hidden(entry.path, source.path)


def _partition_columns(entries: list[Entry], source: Source) -> tuple[str, ...]:
    expected = tuple(name for name, _ in partition_of(entries[0].path, source.path))
    others = [entry.path for entry in entries if tuple(name for name, _ in partition_of(entry.path, source.path)) != expected]
    names = ", ".join(map(name_or_shape, expected))
    if others or len(set(expected)) != len(expected):
        what = f"hive folders other than {names or 'none'} as in '{shown_path(entries[0].path)}'"
        raise unreadable(others or [entries[0].path], what)
    unknown = sorted(set(source.where) - set(expected))
    if unknown:
        raise PolicyError(
            f"source.where names {', '.join(unknown)}, but the folders of '{source.path}' have "
            f"{names or 'no hive columns'}. Only hive columns can be pruned",
            columns=tuple(unknown),
        )
    return expected


def _facts_of_all(store: Store, source: Source, entries: list[Entry], known: Mapping[str, Footer]) -> list[SourceFile]:
    failed: list[tuple[str, str]] = []
    one = partial(_file, store, source, _remembering(_READERS[source.format](), known), failed)
    # The first connects; the second shows how long an answer takes.
    files = [one(entry) for entry in entries[:1]]
    started = time.perf_counter()
    files += [one(entry) for entry in entries[1:2]]
    threads = min(MOST_THREADS, max(LEAST_THREADS, round((time.perf_counter() - started) / _WORK)))
    # A thread takes several files at a time: handing one over costs as much as a third of reading its footer.
    size = max(1, min(MOST_AT_ONCE, (len(entries) - 2) // (4 * threads)))
    parts = [entries[start : start + size] for start in range(2, len(entries), size)]
    with ThreadPoolExecutor(threads, "listing") as pool:
        files += [file for part in pool.map(lambda part: [one(entry) for entry in part], parts) for file in part]
    if failed:
        paths, reasons = zip(*sorted(failed), strict=True)
        raise unreadable(list(paths), reasons[0])
    return [file for file in files if file is not None]


def _file(store: Store, source: Source, read: Reader, failed: list[tuple[str, str]], entry: Entry) -> SourceFile | None:
    partition = partition_of(entry.path, source.path)
    try:
        schema, groups = read(store, source, entry)
        _refuse_both({name for name, _ in partition}, schema)
    except UnreadableSourceError as error:
        _require_listed(store, entry)
        failed.append((entry.path, str(error)))
        return None
    except NotFoundError:
        shown = shown_path(entry.path)
        raise SourceChangedError(f"'{shown}' went while the source was listed. Run again", file=shown) from None
    except (pa.ArrowException, OSError, ValueError):
        _require_listed(store, entry)
        failed.append((entry.path, f"not a complete, unencrypted {source.format} file"))
        return None
    rows = sum(group.rows for group in groups) if source.format == "parquet" else None
    return SourceFile(entry.path, entry.size, entry.version, schema, rows, groups, partition)


def _require_listed(store: Store, entry: Entry) -> None:
    """A file that was replaced since it was listed is read at places that are another's."""
    try:
        same = store.stat(entry.path) == entry
    except NotFoundError:
        same = False
    if not same:
        shown = shown_path(entry.path)
        raise SourceChangedError(f"'{shown}' changed while the source was listed. Run again", file=shown) from None


def _refuse_both(hive: set[str], schema: pa.Schema | None) -> None:
    if schema is not None and hive.intersection(schema.names):
        raise UnreadableSourceError("a hive folder names a column that the file has, too")


def _remembering(read: Reader, known: Mapping[str, Footer]) -> Reader:
    def facts(store: Store, source: Source, entry: Entry) -> Facts:
        version, schema, groups = known.get(entry.path, ("", None, ()))
        return (schema, groups) if version == entry.version else read(store, source, entry)

    return facts if known else read


def _parquet_reader() -> Reader:
    footers = Footers()
    return lambda store, _, entry: footers.read(store, entry)


def _csv_reader() -> Reader:
    def read(store: Store, source: Source, entry: Entry) -> Facts:
        names, _ = read_header(store, entry.path, source.delimiter)
        return pa.schema([pa.field(name, pa.string()) for name in names]), ()

    return read


def _jsonl_reader() -> Reader:
    return lambda *_: (None, ())


_READERS: dict[str, Callable[[], Reader]] = {"parquet": _parquet_reader, "csv": _csv_reader, "jsonl": _jsonl_reader}


def unreadable(paths: list[str], reason: str) -> UnreadableSourceError:
    """The error that names up to 20 files, and why the first of them can't be read. `reason` never quotes data."""
    shown = tuple(map(shown_path, paths[:_MANY]))
    named = ", ".join(f"'{path}'" for path in shown)
    more = f" and {len(paths) - _MANY} more" if len(paths) > _MANY else ""
    return UnreadableSourceError(
        f"{len(paths)} source file{'s' if len(paths) > 1 else ''} can't be read: {named}{more}. First: {reason}. "
        "Mend or remove them at the source",
        files=shown,
        count=len(paths),
    )
