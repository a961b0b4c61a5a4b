"""Which files a source consists of, without looking where `source.where` leaves nothing. Called by `listing`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from airlock.errors import UnreadableSourceError
from airlock.policy.model import Source
from airlock.policy.unlisted import shown_path
from airlock.storage._base import Entry, Store
from airlock.storage.sources.hive import is_hidden, matches, partition_of

__all__ = ["is_chosen", "walk"]

_AT_ONCE = 16


def walk(store: Store, source: Source) -> tuple[list[Entry], bool]:
    """The files at or below a source's path, sorted by path, and whether folders were left out.

    Folders of hive columns that `where` names are chosen by name, before they are listed. What is below the last of them is listed
    whole; in an object store several folders at once, for each thousand objects are an answer to wait for.
    """
    entries: list[Entry] = []
    whole: list[str] = []
    pruned = False
    frontier = [source.path] if source.where or store.local_path("") is None else []
    with ThreadPoolExecutor(_AT_ONCE, "walking") as pool:
        while frontier:
            found = list(pool.map(store.folder, frontier))
            entries += [entry for folder in found for entry in folder.files]
            below = [path for folder in found for path in folder.folders if not is_hidden(f"{path}/file", source.path)]
            chosen = [path for path in below if is_chosen(f"{path}/file", source, partly=True)]
            pruned = pruned or len(chosen) < len(below)
            open_ones = {path for path in chosen if not _is_settled(path, source)}
            whole += [path for path in chosen if path not in open_ones]
            frontier = sorted(open_ones)
        if not (entries or whole or pruned):
            whole = [source.path]  # a file; or nothing was looked at yet
        for part in pool.map(lambda path: list(store.list(path)), whole):
            entries += part
    every = sorted(entries)
    twice = next((one.path for one, other in pairwise(every) if one.path == other.path), None)
    if twice is not None:
        raise UnreadableSourceError(
            f"'{shown_path(twice)}' is listed twice: as a file and as a folder's. Remove one at the source"
        )
    return every, pruned


def is_chosen(path: str, source: Source, *, partly: bool = False) -> bool:
    """Whether `where` leaves a file, by its hive folders; `partly`: of a column that has no folder yet, any value may come."""
    if not source.where:
        return True
    partition = dict(partition_of(path, source.path))
    asked = {name: accepted for name, accepted in source.where.items() if name in partition or not partly}
    return all(matches(partition[name], accepted) for name, accepted in asked.items())


def _is_settled(folder: str, source: Source) -> bool:
    return source.where.keys() <= dict(partition_of(f"{folder}/file", source.path)).keys()
