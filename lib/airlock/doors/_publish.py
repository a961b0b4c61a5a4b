"""Publish a run that passed: data, then evidence, then the pointer in one conditional step. And what comes after. Called by `release`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from securesystemslib.signer import Signer

from airlock.doors._offered import Offered
from airlock.errors import IntegrityError, PointerMovedError
from airlock.evidence.canonical import canonical_json, parse_time, sha256_hex, time_text
from airlock.evidence.dsse import sign, verify
from airlock.evidence.manifest import PublicManifest, StagedFile
from airlock.evidence.pointer import Pointer, advance
from airlock.evidence.statement import MANIFEST, ReleasedPredicate, parse_statement, released_statement, signed_at
from airlock.evidence.trust import Trust
from airlock.evidence.verify import CURRENT, GATE, STATEMENTS, data_folder, evidence_folder, join_statements
from airlock.gate.inspect import GateVerdict
from airlock.policy.model import Policy
from airlock.settings import Settings
from airlock.storage import ConflictError, Store
from airlock.storage.lease import Lease
from airlock.storage.pending import PendingFile, PendingFiles
from airlock.types import Isolation, RunState, Separation

__all__ = ["Current", "Published", "clean_sanitized", "publish", "read_pointer", "retain"]


@dataclass(frozen=True, slots=True)
class Current:
    """The pointer as it was read."""

    pointer: Pointer
    envelope: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Published:
    """A run that passed the gate: what is to be published.

    Attributes:
        store: Zone `sanitized`.
        written: Pending files with their rows.
    """

    store: Store
    offered: Offered
    verdict: GateVerdict
    written: tuple[tuple[PendingFile, int], ...]
    settings: Settings


def read_pointer(store: Store, sink: str, trust: Trust) -> Current | None:
    """The verified current pointer of a sink; None where nothing was released."""
    found = store.read_versioned(f"{sink}/{CURRENT}")
    return None if found is None else Current(Pointer.parse(found[0], trust), *found)


def publish(made: Published, pending: PendingFiles, current: Current | None, *, signer: Signer, lease: Lease) -> int:
    """Publish; returns the new sequence.

    Raises:
        PointerMovedError: Another release was published since `current` was read; nothing of this one stays.
        LeaseHeldError: The lease was lost.
        RollbackError: A newer run was released.
    """
    store, sink, run = made.store, made.offered.policy.sink.path, made.offered.manifest.run
    now = datetime.now(UTC)
    manifest = _manifest(made, now)
    gate = canonical_json(made.verdict.to_dict())
    staged = made.offered.envelope
    statement = sign(released_statement(manifest, gate=gate, staged=staged, at=now), signer=signer)
    pointer = advance(current.pointer if current else None, current.envelope if current else None, _proposed(manifest, now))
    lease.check()
    pending.commit(file for file, _ in made.written)
    evidence = f"{sink}/{evidence_folder(run)}"
    store.create(f"{evidence}/{MANIFEST}", manifest.to_bytes())
    store.create(f"{evidence}/{GATE}", gate)
    store.create(f"{evidence}/{STATEMENTS}", join_statements(staged, statement))
    if current is not None:
        _remember(store, sink, current.pointer.run)
    lease.check()
    try:
        store.replace(f"{sink}/{CURRENT}", pointer.to_envelope(signer), current.version if current else None)
    except ConflictError:
        store.delete_tree(f"{sink}/{data_folder(run)}")
        store.delete_tree(evidence)
        raise PointerMovedError(f"another release of '{manifest.dataset}' was published meanwhile; this one was not") from None
    return pointer.sequence


def _proposed(manifest: PublicManifest, now: datetime) -> Pointer:
    return Pointer(
        dataset=manifest.dataset,
        recipient=manifest.recipient,
        run=manifest.run,
        sequence=1,
        previous=None,
        manifest=sha256_hex(manifest.to_bytes()),
        state=RunState.RELEASED,
        fence=manifest.fence,
        published_at=time_text(now),
    )


def _manifest(made: Published, now: datetime) -> PublicManifest:
    """The released manifest: the staged one's facts, with the outer door's own files, schema and findings."""
    base = f"{made.offered.policy.sink.path}/{data_folder(made.offered.manifest.run)}/"
    outputs = tuple(StagedFile(file.path.removeprefix(base), file.sha256, file.size, rows) for file, rows in made.written)
    rows = sum(file.rows for file in outputs)
    if rows != made.offered.manifest.totals.rows_out:
        raise IntegrityError(
            f"{rows:,} rows were written, the staged manifest says {made.offered.manifest.totals.rows_out:,}. Nothing was published"
        )
    return replace(
        made.offered.manifest,
        outputs=outputs,
        schema=made.verdict.published_schema,
        isolation=Isolation.NONE,
        separation=_separation(made.settings),
        created_at=time_text(now),
    )


def _separation(settings: Settings) -> Separation:
    """`identities` only where this process's configuration knows nothing of the inner side."""
    inner = settings.only("zones.raw", "zones.private", "keys.root", "keys.stage_signing")
    return Separation.NONE if inner or settings.get("separation") == "none" else Separation.IDENTITIES


def clean_sanitized(store: Store, sink: str, current: Current | None) -> None:
    """Delete data and evidence of runs that were never pointed at (a killed door's). Needs the sink's lease."""
    released = _released(store, sink)
    for run in _runs(store, sink):
        if run not in released and (current is None or run != current.pointer.run):
            store.delete_tree(f"{sink}/{data_folder(run)}")
            store.delete_tree(f"{sink}/{evidence_folder(run)}")


def _runs(store: Store, sink: str) -> set[str]:
    found = set()
    for part in ("data", "evidence"):
        found |= {entry.path.removeprefix(f"{sink}/{part}/").split("/")[0] for entry in store.list(f"{sink}/{part}")}
    return found


_HISTORY = ".released"
"""Run ids that were pointed at: what tells a superseded release from a killed door's leftover."""


def _released(store: Store, sink: str) -> set[str]:
    found = store.read_versioned(f"{sink}/{_HISTORY}")
    return set() if found is None else set(found[0].decode().split())


def _remember(store: Store, sink: str, run: str) -> None:
    found = store.read_versioned(f"{sink}/{_HISTORY}")
    known = found[0] if found else b""
    if run not in known.decode().split():
        store.replace(f"{sink}/{_HISTORY}", known + f"{run}\n".encode(), found[1] if found else None)


def retain(store: Store, policy: Policy, trust: Trust, *, grace_minutes: int) -> list[str]:
    """Delete superseded releases beyond `sink.retain`, once `days` and the grace time have passed; returns their run ids."""
    sink, keep = policy.sink.path, policy.sink.retain
    current = read_pointer(store, sink, trust)
    if current is None:
        return []
    ages = sorted(_signed(store, sink, trust), reverse=True)
    deadline = datetime.now(UTC) - max(timedelta(days=keep.days), timedelta(minutes=grace_minutes))
    gone = []
    for place, (_, run) in enumerate(ages):
        superseded = ages[place - 1][0] if place else None
        if run != current.pointer.run and place > keep.releases and superseded is not None and superseded <= deadline:
            store.delete_tree(f"{sink}/{data_folder(run)}")
            gone.append(run)
    return gone


def _signed(store: Store, sink: str, trust: Trust) -> Iterator[tuple[datetime, str]]:
    """When each run that still has data was released, from its signed statement."""
    for run in sorted({entry.path.removeprefix(f"{sink}/data/").split("/")[0] for entry in store.list(f"{sink}/data")}):
        lines = store.read(f"{sink}/{evidence_folder(run)}/{STATEMENTS}").split(b"\n")
        payload = verify(lines[1], trust=trust, role="release", at=signed_at)
        yield parse_time(parse_statement(payload, ReleasedPredicate).predicate.signed_at), run
