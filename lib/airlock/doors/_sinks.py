"""A sink in zone `sanitized`: its chain of signed pointers, and which runs' data may go. For `release`, `revoke`, `prune`, `runs`.

The pointers before the current one stand in `history/`; what was never pointed at is a killed door's leftover.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from securesystemslib.signer import Signer

from airlock.errors import IntegrityError, RollbackError
from airlock.evidence.canonical import parse_time
from airlock.evidence.pointer import Pointer, parse_chain
from airlock.evidence.trust import Trust
from airlock.evidence.verify import CURRENT, data_folder, evidence_folder
from airlock.policy.model import Retain
from airlock.storage import AlreadyExistsError, Store
from airlock.types import RunState

__all__ = [
    "HISTORY", "Current", "clean_sanitized", "last_pointer", "lease_path", "read_chain", "read_pointer", "require_newer", "retain",
    "swap_pointer",
]  # fmt: skip

HISTORY = "history"
"""`<sequence>.json`: the envelopes of pointers that are no longer current."""


@dataclass(frozen=True, slots=True)
class Current:
    """The pointer as it was read."""

    pointer: Pointer
    envelope: bytes
    version: str


def lease_path(sink: str) -> str:
    """The lease that whoever writes to a sink holds."""
    return f"{sink}/.lease.json"


def read_pointer(store: Store, sink: str, trust: Trust) -> Current | None:
    """The verified current pointer of a sink; None where nothing was released."""
    found = store.read_versioned(f"{sink}/{CURRENT}")
    return None if found is None else Current(Pointer.parse(found[0], trust), *found)


def swap_pointer(store: Store, sink: str, current: Current | None, pointer: Pointer, *, signer: Signer) -> None:
    """Make `pointer` the current one, if `current` still is; the current one goes to the history first.

    Raises:
        ConflictError: Another pointer was written since `current` was read.
    """
    if current is not None:
        _keep(store, f"{sink}/{HISTORY}/{current.pointer.sequence:08d}.json", current.envelope)
    store.replace(f"{sink}/{CURRENT}", pointer.to_envelope(signer), current.version if current else None)


def _keep(store: Store, path: str, envelope: bytes) -> None:
    try:
        store.create(path, envelope)
    except AlreadyExistsError:
        if store.read(path) != envelope:
            raise IntegrityError(f"'{path}' is not the pointer that was current. Find out who changed it", path=path) from None


def read_chain(store: Store, sink: str, current: Current | None, trust: Trust) -> tuple[Pointer, ...]:
    """Every pointer of a sink, the first one first and the current one last; empty where nothing was released.

    Raises:
        SignatureError: One is not signed by a trusted release key.
        IntegrityError: One is missing, or is not what follows.
    """
    if current is None:
        return ()
    kept = [entry.path for entry in store.list(f"{sink}/{HISTORY}")]
    # A door that was killed before its swap has put the current one there already.
    before = [store.read(path) for path in kept[: current.pointer.sequence - 1]]
    return parse_chain([*before, current.envelope], trust)


def last_pointer(store: Store, sink: str, current: Current | None, trust: Trust, run: str) -> Pointer | None:
    """The latest pointer that names a run: what it came to. Raises as `read_chain` does."""
    return next((one for one in reversed(read_chain(store, sink, current, trust)) if one.run == run), None)


def require_newer(run: str, fence: int, current: Current | None) -> None:
    """Raise RollbackError unless a staged run was begun after the current release's."""
    if current is not None and fence <= current.pointer.fence:
        raise RollbackError(
            f"run '{run}' has fence {fence}, the current release '{current.pointer.run}' has {current.pointer.fence}: a newer run was "
            "released meanwhile. Run again to release newer data"
        )


def clean_sanitized(store: Store, sink: str, current: Current | None, trust: Trust, *, dry_run: bool = False) -> dict[str, int]:
    """Delete data and evidence of runs that were never pointed at (a killed door's); returns bytes by run. Needs the sink's lease."""
    released = {pointer.run for pointer in read_chain(store, sink, current, trust)}
    gone = {}
    for run in sorted((_runs(store, f"{sink}/data") | _runs(store, f"{sink}/evidence")) - released):
        folders = [f"{sink}/{data_folder(run)}", f"{sink}/{evidence_folder(run)}"]
        gone[run] = sum(entry.size for folder in folders for entry in store.list(folder))
        for folder in () if dry_run else folders:
            store.delete_tree(folder)
    return gone


def _runs(store: Store, folder: str) -> set[str]:
    return {entry.path.removeprefix(f"{folder}/").split("/")[0] for entry in store.list(folder)}


def retain(
    store: Store, sink: str, keep: Retain | None, trust: Trust, *, grace_minutes: int, dry_run: bool = False
) -> dict[str, int]:
    """Delete what need not stay: superseded releases beyond `sink.retain`, and revoked ones; once the grace time has passed.

    Args:
        store: Zone `sanitized`.
        sink: The dataset's folder there.
        keep: What the policy says; None: revoked releases only.
        trust: Release keys.
        grace_minutes: For readers that are still at it.
        dry_run: Delete nothing.

    Returns:
        Bytes by run.
    """
    chain = read_chain(store, sink, read_pointer(store, sink, trust), trust)
    present = _runs(store, f"{sink}/data")
    gone = {}
    for run in _due(chain, keep, now=datetime.now(UTC), grace=timedelta(minutes=grace_minutes)):
        if run in present:
            folder = f"{sink}/{data_folder(run)}"
            gone[run] = sum(entry.size for entry in store.list(folder))
            if not dry_run:
                store.delete_tree(folder)
    return gone


def _due(chain: Sequence[Pointer], keep: Retain | None, *, now: datetime, grace: timedelta) -> Iterator[str]:
    """Runs whose data may go, the newest first."""
    revoked = {pointer.run: parse_time(pointer.published_at) for pointer in chain if pointer.state is RunState.REVOKED}
    yield from (run for run, since in revoked.items() if since + grace <= now)
    if keep is None:
        return
    stays = max(timedelta(days=keep.days), grace)
    # What follows a release in the chain says since when it is superseded.
    superseded = [(one.run, parse_time(after.published_at)) for one, after in pairwise(chain)]
    live = [(run, since) for run, since in reversed(superseded) if run not in revoked]
    yield from (run for run, since in live[keep.releases :] if since + stays <= now)
