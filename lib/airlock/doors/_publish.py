"""Publish a run that passed: data, then evidence, then the pointer in one conditional step. Called by `release`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from securesystemslib.signer import Signer

from airlock.doors._inspect import Written
from airlock.doors._offered import Offered
from airlock.doors._said import require_known_words
from airlock.doors._sinks import Current, swap_pointer
from airlock.errors import IntegrityError, NotFoundError, PointerMovedError
from airlock.evidence.canonical import canonical_json, sha256_hex, time_text
from airlock.evidence.dsse import sign
from airlock.evidence.manifest import PublicManifest, StagedFile
from airlock.evidence.pointer import Pointer, advance
from airlock.evidence.statement import MANIFEST, released_statement
from airlock.evidence.verify import GATE, STATEMENTS, data_folder, evidence_folder, join_statements
from airlock.gate.inspect import GateVerdict
from airlock.settings import Settings
from airlock.storage import AlreadyExistsError, Store
from airlock.storage.at_once import at_once
from airlock.storage.lease import Lease
from airlock.types import Isolation, RunState, Separation

__all__ = ["Published", "publish", "separation_of"]


@dataclass(frozen=True, slots=True)
class Published:
    """A run that passed the gate: what is to be published.

    Attributes:
        store: Zone `sanitized`.
        written: Pending files.
    """

    store: Store
    offered: Offered
    verdict: GateVerdict
    written: tuple[Written, ...]
    settings: Settings


def publish(made: Published, current: Current | None, *, signer: Signer, lease: Lease) -> int:
    """Publish; returns the new sequence.

    Raises:
        PointerMovedError: Another release was published since `current` was read.
        LeaseHeldError: The lease was lost.
        RollbackError: A newer run was released.
        IntegrityError: A pending file is not the one that was written.
    """
    store, sink, run = made.store, made.offered.policy.sink.path, made.offered.manifest.run
    now = datetime.now(UTC)
    manifest = _manifest(made, now)
    gate = canonical_json(made.verdict.to_dict())
    staged = made.offered.envelope
    statement = sign(released_statement(manifest, gate=gate, staged=staged, at=now), signer=signer)
    proposed = _proposed(manifest, sink, now)
    pointer = advance(current.pointer if current else None, current.envelope if current else None, proposed)
    evidence = f"{sink}/{evidence_folder(run)}"
    try:
        lease.check()
        _place(made)
        for name, data in ((MANIFEST, manifest.to_bytes()), (GATE, gate), (STATEMENTS, join_statements(staged, statement))):
            lease.check()
            store.create(f"{evidence}/{name}", data)
        swap_pointer(store, sink, current, pointer, signer=signer, lease=lease)
    except AlreadyExistsError:
        # What this door wrote stays for the next one to clean: it may lie in the folder of the very run that is current now.
        raise PointerMovedError(f"another door published '{manifest.dataset}' meanwhile; this one did not", run=run) from None
    return pointer.sequence


def _place(made: Published) -> None:
    """Give the pending files their names, create-only; all of them are looked at first."""
    base = f"{made.offered.policy.sink.path}/{data_folder(made.offered.manifest.run)}"
    for file, same in zip(
        made.written, at_once(made.store, lambda file: _is_same(made.store, file), made.written), strict=True
    ):
        if not same:
            raise IntegrityError(
                f"the pending file for '{file.path}' is not the one that was written. Nothing was published; run again",
                path=file.path,
            )
    for _ in at_once(
        made.store, lambda file: made.store.link_or_copy(file.source, made.store, f"{base}/{file.path}"), made.written
    ):
        pass


def _is_same(store: Store, file: Written) -> bool:
    try:
        return store.stat(file.source).version == file.version
    except NotFoundError:
        return False


def _proposed(manifest: PublicManifest, sink: str, now: datetime) -> Pointer:
    return Pointer(
        dataset=manifest.dataset,
        recipient=manifest.recipient,
        sink=sink,
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
    require_known_words(made.offered.manifest, made.offered.policy)
    outputs = tuple(StagedFile(file.path, file.sha256, file.bytes, file.rows) for file in made.written)
    rows = sum(file.rows for file in outputs)
    if rows != made.offered.manifest.totals.rows_out:
        raise IntegrityError(
            f"{rows:,} rows were written, the staged manifest says {made.offered.manifest.totals.rows_out:,}. Nothing was published"
        )
    return replace(
        made.offered.manifest,
        outputs=outputs,
        splits=(),
        schema=made.verdict.published_schema,
        isolation=made.offered.isolation,
        # Nobody verified another one: whatever is in it.
        preflight=made.offered.manifest.preflight if made.offered.isolation is Isolation.PROVEN else None,
        separation=separation_of(made.settings),
        created_at=time_text(now),
    )


def separation_of(settings: Settings) -> Separation:
    """`identities` only where this process's configuration knows nothing of the inner side."""
    inner = settings.only("zones.raw", "zones.private", "keys.root", "keys.vault", "keys.kms", "keys.stage_signing")
    return Separation.NONE if inner or settings.get("separation") == "none" else Separation.IDENTITIES
