"""What no one waits for in staging: runs that were never signed, and data of runs that have a verdict. For both doors and `prune`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airlock.doors._signed import ENVELOPE
from airlock.doors._verdicts import VERDICT, Verdict, find_verdict
from airlock.settings import Settings
from airlock.storage import Entry, Store
from airlock.storage.at_once import at_once
from airlock.types import RunState

__all__ = ["Leftover", "empty_run", "files_by_run", "remove", "staging_leftovers"]


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


def staging_leftovers(staging: Store, dataset: str, settings: Settings, *, now: bool = False) -> list[Leftover]:
    """Runs that were never signed; all but the verdict of released and revoked ones, and of ones refused `staging_ttl` days ago.

    Args:
        staging: The zone.
        dataset: Whose runs. Needs its lease: else one may be at work.
        settings: Trust, and `staging_ttl`.
        now: Refused ones at once, too.

    Raises:
        SignatureError, IntegrityError: A verdict is not one that the outer door signed.
    """
    kept_until = datetime.now(UTC) - timedelta(days=0 if now else settings.number("staging_ttl"))
    found = []
    for run, files in files_by_run(staging, dataset).items():
        base = f"{dataset}/{run}"
        if ENVELOPE not in files and VERDICT not in files:
            found.append(Leftover(base, tuple(files.values()), whole=True))
        elif len(files) > 1 and VERDICT in files and _is_over(find_verdict(staging, base, settings), kept_until):
            # The verdict stays: a run id that was refused is refused for good.
            found.append(Leftover(base, tuple(entry for name, entry in files.items() if name != VERDICT), whole=False))
    return found


def _is_over(verdict: Verdict | None, kept_until: datetime) -> bool:
    return verdict is not None and (verdict.state is not RunState.REFUSED or verdict.at <= kept_until)


def empty_run(staging: Store, base: str) -> None:
    """Delete all but the verdict of a run that has one: a run id that was judged is never staged again."""
    _delete(staging, (entry for entry in staging.list(base) if entry.path != f"{base}/{VERDICT}"))


def remove(store: Store, leftovers: Sequence[Leftover]) -> None:
    """Delete them."""
    for left in leftovers:
        if left.whole:
            store.delete_tree(left.base)
        else:
            _delete(store, left.files)


def _delete(store: Store, files: Iterable[Entry]) -> None:
    """The signed statement first: without it nobody takes what is left for a run that waits."""
    signed: list[Entry] = []
    others: list[Entry] = []
    for file in files:
        (signed if file.path.endswith(f"/{ENVELOPE}") else others).append(file)
    for some in (signed, others):
        for _ in at_once(store, lambda file: store.delete(file.path), some):
            pass


def files_by_run(store: Store, dataset: str) -> dict[str, dict[str, Entry]]:
    """The files of a dataset's runs by name within the run's folder; oldest run first (UUIDv7 sorts by time)."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in store.list(dataset):
        _, run, *rest = entry.path.split("/")
        if rest:
            found.setdefault(run, {})["/".join(rest)] = entry
    return dict(sorted(found.items()))
