"""A sink in zone `sanitized`: its chain of signed pointers, and which runs' data may go. For `release`, `revoke`, `prune`, `runs`.

Every pointer is kept in `history/` once its door has seen that it still held the lease after the swap: that confirms it. One that
is not confirmed is a killed door's, or a stopped one's that swapped after another had cleaned; `settle` decides which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from securesystemslib.signer import Signer

from airlock.errors import IntegrityError, NotFoundError, PointerMovedError, PolicyError, RollbackError
from airlock.evidence.canonical import parse_time
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.pointer import HISTORY, Pointer, kept_as, parse_chain, require_newest, require_sink
from airlock.evidence.statement import MANIFEST
from airlock.evidence.trust import Trust
from airlock.evidence.verify import CURRENT, GATE, STATEMENTS, data_folder, evidence_folder
from airlock.policy.model import Retain
from airlock.storage import AlreadyExistsError, ConflictError, Store
from airlock.storage.lease import Lease
from airlock.types import RunState

__all__ = [
    "Current", "clean_sanitized", "last_pointer", "lease_path", "read_chain", "read_pointer", "require_alone", "require_newer",
    "retain", "settle", "swap_pointer",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Current:
    """The pointer as it was read."""

    pointer: Pointer
    envelope: bytes
    version: str


def lease_path(sink: str) -> str:
    """The lease that whoever writes to a sink holds."""
    return f"{sink}/.lease.json"


def require_alone(store: Store, sink: str) -> None:
    """Make sure that no other sink holds this one, or lies in it: each deletes within its own folder as it likes.

    Raises:
        PolicyError: One does.
    """
    parts = sink.split("/")
    above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    others = [folder for folder in above if store.read_versioned(f"{folder}/{CURRENT}") is not None]
    own = f"{sink}/{CURRENT}"
    others += [
        entry.path.removesuffix(f"/{CURRENT}")
        for entry in store.list(sink)
        if entry.path.endswith(f"/{CURRENT}") and entry.path != own
    ]
    if others:
        raise PolicyError(
            f"sink.path '{sink}' and the sink '{others[0]}', which holds releases, lie one inside the other. Nothing was written. Give each "
            "dataset a folder beside the others"
        )


def read_pointer(store: Store, sink: str, trust: Trust) -> Current | None:
    """The verified current pointer of a sink; None where nothing was released.

    Raises:
        SignatureError: It is not signed by a trusted release key.
        RollbackError: The history holds a later one.
        IntegrityError: It is not this sink's.
    """
    # The history first: a release at this moment then adds nothing that looks too new.
    folder = f"{sink}/{HISTORY}/"
    kept = [entry.path.removeprefix(folder) for entry in store.list(f"{sink}/{HISTORY}")]
    found = store.read_versioned(f"{sink}/{CURRENT}")
    current = None if found is None else Current(Pointer.parse(found[0], trust), *found)
    if current is not None:
        require_sink(current.pointer, sink.split("/"), whole=True)
    try:
        require_newest(0 if current is None else current.pointer.sequence, kept)
    except RollbackError as error:
        raise RollbackError(f"sink '{sink}': {error}", sink=sink) from None
    return current


def swap_pointer(store: Store, sink: str, current: Current | None, pointer: Pointer, *, signer: Signer, lease: Lease) -> None:
    """Make `pointer` the current one, if `current` still is, and confirm it.

    Raises:
        PointerMovedError: Another pointer was written since `current` was read.
        LeaseHeldError: The sink's lease was lost, perhaps just before the swap: the next door looks after what stands there then.
    """
    envelope = pointer.to_envelope(signer)
    lease.check()
    if current is not None:
        _confirm(store, sink, current.pointer, current.envelope)
    try:
        store.replace(f"{sink}/{CURRENT}", envelope, current.version if current else None)
    except ConflictError:
        raise PointerMovedError(
            f"another door published '{pointer.dataset}' meanwhile; this one did not", run=pointer.run
        ) from None
    # Held still, it was held at the swap: nobody has cleaned away what the pointer names.
    lease.check()
    _confirm(store, sink, pointer, envelope)


def _confirm(store: Store, sink: str, pointer: Pointer, envelope: bytes) -> None:
    """Keep a pointer in the history; done before is fine."""
    path = f"{sink}/{kept_as(pointer.sequence)}"
    try:
        store.create(path, envelope)
    except AlreadyExistsError:
        if store.read(path) != envelope:
            raise IntegrityError(f"'{path}' is not the pointer that was current. Find out who changed it", path=path) from None


def settle(store: Store, sink: str, trust: Trust) -> Current | None:
    """The current pointer, as whoever holds the sink's lease goes on from it.

    One that nobody has confirmed is confirmed if all that it names is there. Else its door swapped after it had lost the lease, and
    what it names was cleaned away meanwhile: no reader can have verified it, so the one before becomes current again.

    Raises:
        SignatureError, RollbackError, IntegrityError: As `read_pointer`.
        PointerMovedError: A pointer was written at this moment.
    """
    current = read_pointer(store, sink, trust)
    if current is None or store.read_versioned(f"{sink}/{kept_as(current.pointer.sequence)}") is not None:
        return current
    if _is_whole(store, sink, current.pointer):
        _confirm(store, sink, current.pointer, current.envelope)
        return current
    path = f"{sink}/{CURRENT}"
    if current.pointer.sequence == 1:
        store.delete(path)
    else:
        try:
            store.replace(path, _kept(store, sink, current.pointer.sequence - 1), current.version)
        except ConflictError:
            raise PointerMovedError(f"another pointer of '{sink}' was written at this moment. Run again") from None
    return read_pointer(store, sink, trust)


def _is_whole(store: Store, sink: str, pointer: Pointer) -> bool:
    """Whether all files that a pointer names are there, by name; a revoked one's data may be gone."""
    evidence, data = f"{sink}/{evidence_folder(pointer.run)}", f"{sink}/{data_folder(pointer.run)}"
    found = {entry.path for entry in store.list(evidence)}
    if not found.issuperset(f"{evidence}/{name}" for name in (MANIFEST, GATE, STATEMENTS)):
        return False
    files = {f"{data}/{file.path}" for file in PublicManifest.from_bytes(store.read(f"{evidence}/{MANIFEST}")).outputs}
    return pointer.state is RunState.REVOKED or files <= {entry.path for entry in store.list(data)}


def _kept(store: Store, sink: str, sequence: int) -> bytes:
    path = f"{sink}/{kept_as(sequence)}"
    try:
        return store.read(path)
    except NotFoundError:
        raise IntegrityError(
            f"pointer {sequence} of sink '{sink}' is missing ('{path}'), so the current one is not what follows. Find out who changed the history; "
            "restore it from a copy",
            path=path,
        ) from None


def read_chain(store: Store, sink: str, current: Current | None, trust: Trust) -> tuple[Pointer, ...]:
    """Every pointer of a sink, the first one first and the current one last; empty where nothing was released.

    Raises:
        SignatureError: One is not signed by a trusted release key.
        IntegrityError: One is missing, or is not what follows.
    """
    if current is None:
        return ()
    before = [_kept(store, sink, sequence) for sequence in range(1, current.pointer.sequence)]
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
    """Delete data and evidence of runs that were never pointed at (a killed door's); returns bytes by run. Needs the sink's lease.

    A door that only seemed dead may point at one at this moment: whatever it points at is looked at again.
    """
    released = {pointer.run for pointer in read_chain(store, sink, current, trust)}
    gone = {}
    for run in sorted((_runs(store, f"{sink}/data") | _runs(store, f"{sink}/evidence")) - released):
        folders = [f"{sink}/{data_folder(run)}", f"{sink}/{evidence_folder(run)}"]
        gone[run] = sum(entry.size for folder in folders for entry in store.list(folder))
        for folder in () if dry_run else folders:
            store.delete_tree(folder)
    if gone and not dry_run:
        settle(store, sink, trust)
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
