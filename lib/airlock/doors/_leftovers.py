"""What no one waits for in staging: runs that were never signed, and data of runs that have a verdict. For `prune`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airlock.doors._signed import ENVELOPE
from airlock.doors._verdicts import VERDICT, read_verdict
from airlock.settings import Settings
from airlock.storage import Entry, Store

__all__ = ["Leftover", "files_by_run", "remove", "staging_leftovers"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Files of one run that may go.

    Attributes:
        base: `<dataset>/<run>`.
        whole: Nothing else is in the folder.
    """

    base: str
    files: tuple[Entry, ...]
    whole: bool


def staging_leftovers(staging: Store, dataset: str, settings: Settings) -> list[Leftover]:
    """Runs that were never signed, and all but the verdict of those that have one.

    Raises:
        SignatureError, IntegrityError: A verdict is not one that the outer door signed.
    """
    found = []
    for run, files in files_by_run(staging, dataset).items():
        base = f"{dataset}/{run}"
        if ENVELOPE not in files and VERDICT not in files:
            found.append(Leftover(base, tuple(files.values()), whole=True))
        elif len(files) > 1 and VERDICT in files and read_verdict(staging, base, settings) is not None:
            # The verdict stays: a run id that was refused is refused for good.
            found.append(Leftover(base, tuple(entry for name, entry in files.items() if name != VERDICT), whole=False))
    return found


def remove(store: Store, leftovers: Sequence[Leftover]) -> None:
    """Delete them."""
    for left in leftovers:
        if left.whole:
            store.delete_tree(left.base)
        else:
            for file in left.files:
                store.delete(file.path)


def files_by_run(store: Store, dataset: str) -> dict[str, dict[str, Entry]]:
    """The files of a dataset's runs by name within the run's folder; oldest run first (UUIDv7 sorts by time)."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in store.list(dataset):
        _, run, *rest = entry.path.split("/")
        if rest:
            found.setdefault(run, {})["/".join(rest)] = entry
    return dict(sorted(found.items()))
