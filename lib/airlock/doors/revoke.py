"""Withdraw a dataset's current release: the outer door's word to every reader. Called by `airlock runs revoke`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer

from airlock.doors._releases import find_sinks
from airlock.doors._sinks import lease_path, read_chain, read_pointer, retain, settle, swap_pointer
from airlock.doors._verdicts import find_verdict, write_verdict
from airlock.doors._zones import open_outer_staging, open_zone, require_disjoint
from airlock.errors import ConfigError, NotFoundError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.pointer import Pointer
from airlock.evidence.pointer import revoke as revoked_pointer
from airlock.evidence.trust import Trust
from airlock.keys.signing import load_signer
from airlock.settings import Settings
from airlock.storage import Store
from airlock.storage.lease import Lease
from airlock.types import RunState, Zone

__all__ = ["Revocation", "revoke"]

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was withdrawn.

    Attributes:
        verdict: Whether the inner side was told: its staged run folder was still there.
        deleted: Bytes of data that were deleted; 0 while the grace time runs.
        data: `deleted`, or `kept` until the grace time has passed.
    """

    dataset: str
    run: str
    sequence: int
    reason: str
    verdict: bool
    deleted: int
    data: str
    state: str = "revoked"


def revoke(dataset: str, settings: Settings, *, reason: str) -> Revocation:
    """Withdraw the current release of a dataset. Done again, it finishes what a killed one began.

    Args:
        dataset: Its name, or the path of its sink where several sinks carry it.
        settings: Names zone sanitized, trust and the release-signing key; staging, if the inner side is to be told.
        reason: For every reader, in signed evidence: one printable line without personal data.

    Raises:
        ConfigError: The reason is not one printable line.
        NotFoundError: There is no release, or the name fits several.
        LeaseHeldError, PointerMovedError: A release is under way; run again.
    """
    require_disjoint(settings)
    reason = reason.strip()
    if not reason or len(reason) > _LONGEST or not reason.isprintable():
        raise ConfigError(
            f"--reason must be one printable line of 1 to {_LONGEST} characters. It is published, so name no person"
        )
    store, trust = open_zone(settings, Zone.SANITIZED), Trust.load(settings.path("trust"))
    signer = load_signer(Path(settings.require("keys.release_signing")))
    sink = _sink_of(store, dataset, trust)
    ttl = float(settings.number("lease_seconds"))
    with Lease.acquire(store, lease_path(sink), owner="revocation", ttl=ttl) as lease:
        lease.keep_alive()
        current = settle(store, sink, trust)
        if current is None:
            raise NotFoundError(f"'{sink}' holds no release any more. Nothing was revoked")
        read_chain(store, sink, current, trust)  # a pointer is added to a chain that holds, or to none
        pointer = current.pointer
        if pointer.state is RunState.RELEASED:
            pointer = revoked_pointer(pointer, current.envelope, reason=reason, at=datetime.now(UTC))
            swap_pointer(store, sink, current, pointer, signer=signer, lease=lease)
        told = _tell(pointer, settings, signer)
        grace = settings.number("grace_minutes")
        gone = retain(store, sink, None, trust, grace_minutes=grace)
        left = any(store.list(f"{sink}/data/{pointer.run}"))
    return Revocation(
        dataset=pointer.dataset,
        run=pointer.run,
        sequence=pointer.sequence,
        reason=pointer.reason or "",
        verdict=told,
        deleted=gone.get(pointer.run, 0),
        data=f"kept for {grace} min" if left else "deleted",
    )


def _sink_of(store: Store, dataset: str, trust: Trust) -> str:
    """The one sink that is named, or whose pointer is of this dataset."""
    found = {sink.path: read_pointer(store, sink.path, trust) for sink in find_sinks(store)}
    fitting = [path for path, current in found.items() if current is not None and dataset in (path, current.pointer.dataset)]
    if len(fitting) != 1:
        if fitting:
            raise NotFoundError(f"{len(fitting)} sinks hold releases of '{dataset}': {', '.join(fitting)}. Name one of these")
        raise NotFoundError(f"'{dataset}' has no release in zone 'sanitized'; there are {', '.join(found) or 'none'}")
    return fitting[0]


def _tell(pointer: Pointer, settings: Settings, signer: Signer) -> bool:
    """Say it in staging too, where the run's folder is still there; the inner door then never stages that run again."""
    if not settings.has(Zone.STAGING):
        return False
    staging, base = open_outer_staging(settings), f"{pointer.dataset}/{pointer.run}"
    verdict = find_verdict(staging, base, settings)
    manifest = staging.read_versioned(f"{base}/manifest.json")
    if verdict is None and manifest is None:
        return False
    digest = verdict.manifest_sha256 if verdict is not None else sha256_hex(manifest[0]) if manifest is not None else ""
    if verdict is None or verdict.state is not RunState.REVOKED:
        write_verdict(staging, base, RunState.REVOKED, code=None, manifest_sha256=digest, signer=signer)
    return True
