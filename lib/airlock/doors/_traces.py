"""What each zone knows of runs: traces, verified as far as the zone's evidence goes. Called by `runs`, which joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from airlock.doors._failures import Failure, read_failures
from airlock.doors._leftovers import files_by_run
from airlock.doors._signed import ENVELOPE, read_signed
from airlock.doors._verdicts import VERDICT, find_verdict
from airlock.errors import AirlockError, IntegrityError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import PrivateManifest, PublicManifest
from airlock.evidence.trust import Trust
from airlock.settings import Settings
from airlock.storage import Store
from airlock.types import RunState

__all__ = ["Failure", "KnownRun", "PrivateAccount", "Trace", "guarded", "of_manifest", "private_traces", "staged_traces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRun:
    """One run as this configuration knows it. What no visible zone says is None or empty.

    Attributes:
        state: `open`, `staged`, `refused`, `released`, `superseded`, `revoked`; `leftover`: data that was never pointed at;
            `unknown`: its evidence does not hold.
        current: Whether the dataset's pointer names it.
        sequence: Of the pointer that released it.
        rows: Rows that went out.
        files: Files that were written; `bytes` is their size.
        data: Of a release: `present`, or `pruned`.
        reason: Why it was refused (a stable error code) or revoked (its owner's words).
        problem: Stable error code, where evidence does not hold; `said` is the message.
    """

    dataset: str
    run: str
    state: str
    current: bool = False
    sequence: int | None = None
    rows: int | None = None
    files: int | None = None
    bytes: int | None = None
    data: str = ""
    recipient: str = ""
    policy_sha256: str = ""
    signed_at: str = ""
    separation: str = ""
    isolation: str = ""
    sink: str = ""
    reason: str = ""
    problem: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class PrivateAccount:
    """The raw side's own accounting of a run; `manifest` is None where it never got that far."""

    manifest: PrivateManifest | None
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What one zone knows of a run.

    Attributes:
        gate: The gate's verdict, canonical JSON.
    """

    known: KnownRun
    manifest: PublicManifest | None = None
    gate: bytes | None = None
    account: PrivateAccount | None = None


def of_manifest(known: KnownRun, manifest: PublicManifest) -> KnownRun:
    """`known` with what the manifest says."""
    return replace(
        known,
        rows=manifest.totals.rows_out,
        files=len(manifest.outputs),
        bytes=sum(file.bytes for file in manifest.outputs),
        recipient=manifest.recipient,
        policy_sha256=manifest.policy_sha256,
    )


def guarded(known: KnownRun, look: Callable[[], Trace]) -> Trace:
    """What `look` finds; where the evidence does not hold, `known` with the problem."""
    try:
        return look()
    except AirlockError as error:
        return Trace(replace(known, problem=error.code, said=str(error)))


def private_traces(private: Store, dataset: str | None) -> Iterator[Trace]:
    """Runs of zone `private`: every one that the inner door began."""
    for name in _datasets(private, dataset):
        for run, files in files_by_run(private, name).items():
            if "run.json" in files:
                known = KnownRun(dataset=name, run=run, state=RunState.OPEN.value)
                yield guarded(known, partial(_private, private, known, finished="manifest.json" in files))


def _private(private: Store, known: KnownRun, *, finished: bool) -> Trace:
    base = f"{known.dataset}/{known.run}"
    failures = read_failures(private, base)
    if not finished:
        return Trace(known, account=PrivateAccount(None, failures) if failures else None)
    manifest = PrivateManifest.from_bytes(private.read(f"{base}/manifest.json"))
    rows = sum(split.counts.rows_out for split in manifest.splits)
    account = PrivateAccount(manifest, failures)
    return Trace(replace(known, state=RunState.STAGED.value, rows=rows), account=account)


def staged_traces(staging: Store, dataset: str | None, settings: Settings) -> Iterator[Trace]:
    """Runs of zone `staging`, with the outer door's verdict where there is one."""
    for name in _datasets(staging, dataset):
        for run, files in files_by_run(staging, name).items():
            known = KnownRun(dataset=name, run=run, state=RunState.OPEN.value)
            yield guarded(replace(known, state="unknown"), partial(_staged, staging, known, frozenset(files), settings))


def _staged(staging: Store, known: KnownRun, files: frozenset[str], settings: Settings) -> Trace:
    base = f"{known.dataset}/{known.run}"
    verdict = find_verdict(staging, base, settings) if VERDICT in files else None
    if verdict is not None:
        known = replace(known, state=verdict.state.value, reason=verdict.code or "")
    if ENVELOPE not in files:
        return Trace(known)
    signed = read_signed(staging, base, Trust.load(settings.path("trust")))
    if verdict is not None and verdict.manifest_sha256 != sha256_hex(signed.data):
        raise IntegrityError(f"the verdict in '{base}' is about another manifest. Find out who changed it")
    state = known.state if verdict is not None else RunState.STAGED.value
    return Trace(of_manifest(replace(known, state=state, signed_at=signed.signed_at), signed.manifest), signed.manifest)


def _datasets(store: Store, dataset: str | None) -> list[str]:
    if dataset is not None:
        return [dataset]
    return sorted({entry.path.split("/")[0] for entry in store.list() if "/" in entry.path})
