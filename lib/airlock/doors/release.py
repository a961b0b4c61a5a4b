"""The outer door: trusts nothing, checks the staged files, and alone publishes. Called by the command line and by jobs/release.py.

It has neither keys of the inner side nor raw access, and imports no operator, no Presidio and no Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airlock.doors._leftovers import empty_run
from airlock.doors._offered import Offered, find_offered
from airlock.doors._pending import clean_pending, discard, is_judged, lease_folder, run_folder
from airlock.doors._publish import Published, publish
from airlock.doors._reports import keep_report
from airlock.doors._shards import gather_shards
from airlock.doors._share import WHOLE, Work, check_share
from airlock.doors._sinks import (
    Current,
    clean_sanitized,
    last_pointer,
    lease_path,
    require_alone,
    require_newer,
    retain,
    settle,
)
from airlock.doors._verdicts import find_verdict, write_verdict
from airlock.doors._waivers import load_waivers
from airlock.doors._zones import open_outer_staging, open_zone, require_disjoint
from airlock.doors.progress import Watcher, silent
from airlock.errors import ConfigError, DisclosureError, IntegrityError, RollbackError, RunBoundError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.pointer import Pointer
from airlock.evidence.statement import MANIFEST
from airlock.evidence.trust import Trust
from airlock.evidence.verify import evidence_folder
from airlock.gate.inspect import decide
from airlock.gate.rules import compile_rules
from airlock.keys.signing import load_signer
from airlock.policy.load import load_policy
from airlock.policy.model import Policy
from airlock.settings import Settings
from airlock.storage import Store
from airlock.storage.lease import Lease
from airlock.storage.pending import close_pending
from airlock.types import RunState, Zone

__all__ = ["Release", "release"]


@dataclass(frozen=True, slots=True)
class Release:
    """What the outer door published.

    Attributes:
        state: `released`; `superseded` where it was, and a newer one is current; `nothing new` where no staged run waits.
        passed_over: Older staged runs whose policy is not approved here: they wait until it is, or until a newer one is released.
    """

    dataset: str
    run: str
    state: str
    rows: int = 0
    files: int = 0
    sequence: int = 0
    passed_over: tuple[str, ...] = ()


def release(
    policy: Path,
    settings: Settings,
    *,
    runs: Mapping[str, str] | None = None,
    run_id: str | None = None,
    shards: int | None = None,
    watcher: Watcher = silent,
) -> Release:
    """Check one staged run and publish it.

    Args:
        policy: The policy file, whose digest must be among the outer door's own (setting `policies`).
        settings: Names zones staging and sanitized, trust, and the release-signing key.
        runs: Run ids by dataset.
        run_id: The run to release; without both the oldest staged one that has no verdict and a policy approved here.
        shards: Do not look at the files: finish what that many shards (`shard`) have checked.
        watcher: Is told of progress.

    Raises:
        DisclosureError: The gate refused. The signed verdict says so; nothing was published.
        IntegrityError: What is staged is not what the inner door signed, or the policy is not approved here.
        TransientError: Run again.
    """
    require_disjoint(settings)
    named = load_policy(policy)
    dataset = named.dataset
    chosen = run_id or (runs or {}).get(dataset)
    if shards is not None and chosen is None:
        raise ConfigError("--finish publishes what the shards of one run have checked. Name it: --run ID")
    sanitized = open_zone(settings, Zone.SANITIZED)
    close_pending(sanitized)
    require_alone(sanitized, named.sink.path)
    owner = chosen or "oldest staged run"
    ttl = float(settings.number("lease_seconds"))
    with Lease.acquire(sanitized, lease_path(named.sink.path), owner=owner, ttl=ttl) as lease:
        lease.keep_alive()
        sanitized.sweep()
        sanitized.sweep(named.sink.path, grace=0)
        current = settle(sanitized, named.sink.path, Trust.load(settings.path("trust")))
        if current is not None:
            _empty_judged(f"{dataset}/{current.pointer.run}", settings)
        while (offered := find_offered(named, settings, chosen, partial(_refuse, settings, named.sink.path))) is not None:
            done = _Door(offered, settings, lease, watcher).run(current, shards, asked_for=chosen is not None)
            if done is not None:
                return done
        return _released_before(sanitized, named, current, chosen or "", settings)


def _empty_judged(base: str, settings: Settings) -> None:
    """Finish for a door that was killed between its verdict and the end of emptying staging."""
    staging = open_outer_staging(settings)
    if find_verdict(staging, base, settings) is not None:
        empty_run(staging, base)


def _released_before(sanitized: Store, named: Policy, current: Current | None, run: str, settings: Settings) -> Release:
    """No run waits. One that was asked for may be out: staging was emptied of it then."""
    trust, sink = Trust.load(settings.path("trust")), named.sink.path
    pointer = last_pointer(sanitized, sink, current, trust, run) if run else None
    if pointer is None or current is None:
        return Release(named.dataset, run, "nothing new")
    if pointer.state is RunState.REVOKED:
        raise _revoked(pointer)
    empty_run(open_outer_staging(settings), f"{named.dataset}/{run}")
    manifest = PublicManifest.from_bytes(sanitized.read(f"{sink}/{evidence_folder(run)}/{MANIFEST}"))
    if sha256_hex(manifest.to_bytes()) != pointer.manifest:
        raise IntegrityError(
            f"the manifest of run '{run}' is not the one that its pointer names. Find out who changed it", run=run
        )
    state = "released" if current.pointer.run == run else "superseded"
    return Release(named.dataset, run, state, manifest.totals.rows_out, len(manifest.outputs), pointer.sequence)


def _revoked(pointer: Pointer) -> RunBoundError:
    return RunBoundError(f"run '{pointer.run}' was revoked at {pointer.published_at}; it is never released again. Run again")


def _refuse(settings: Settings, sink: str, base: str, code: str, manifest_sha256: str) -> None:
    """Of a run whose manifest can't be read, the name is all that is known; what shards wrote for it goes too."""
    run = base.partition("/")[2]
    clean_pending(open_zone(settings, Zone.SANITIZED), sink, released=0, judged=lambda found: found == run, lease=0)
    signer = load_signer(Path(settings.require("keys.release_signing")))
    staging = open_outer_staging(settings)
    write_verdict(staging, base, RunState.REFUSED, code=code, manifest_sha256=manifest_sha256, signer=signer)


class _Door:
    """One staged run on its way out, under the dataset's lease in zone `sanitized`."""

    def __init__(self, offered: Offered, settings: Settings, lease: Lease, watcher: Watcher) -> None:
        self.offered, self.settings, self.lease, self.watcher = offered, settings, lease, watcher
        self.policy, self.manifest = offered.policy, offered.manifest
        self.staging, self.sanitized = open_outer_staging(settings), open_zone(settings, Zone.SANITIZED)
        self.trust = Trust.load(settings.path("trust"))
        self.signer = load_signer(Path(settings.require("keys.release_signing")))

    def run(self, current: Current | None, shards: int | None, *, asked_for: bool) -> Release | None:
        """Check, or take the word of that many shards; then publish or refuse. None: a newer run is out, and nobody asked for this one."""
        sink, manifest = self.policy.sink.path, self.manifest
        before = self._before(current)
        if before is not None:
            return before
        if not asked_for and current is not None and manifest.fence < current.pointer.fence:
            self._end(RunState.REFUSED, RollbackError.code)
            return None
        try:
            require_newer(manifest.run, manifest.fence, current)
            clean_sanitized(self.sanitized, sink, current, self.trust)
            self._clean_pending(0 if current is None else current.pointer.fence)
            sequence = self._publish(current, shards)
        except (DisclosureError, IntegrityError) as error:
            self.lease.check()  # whoever lost the lease may have met another door's work
            self._end(RunState.REFUSED, error.code)
            raise
        self._clean_pending(manifest.fence)
        self._end(RunState.RELEASED)
        empty_run(self.staging, self.offered.base)
        grace = self.settings.number("grace_minutes")
        retain(self.sanitized, sink, self.policy.sink.retain, self.trust, grace_minutes=grace)
        return self._result(sequence)

    def _before(self, current: Current | None) -> Release | None:
        """What this run came to, if it was published before: its door may have been killed between pointer and verdict."""
        run = self.manifest.run
        pointer = last_pointer(self.sanitized, self.policy.sink.path, current, self.trust, run)
        if pointer is None or current is None:
            return None
        self._end(pointer.state)
        empty_run(self.staging, self.offered.base)
        if pointer.state is RunState.REVOKED:
            raise _revoked(pointer)
        if current.pointer.run == run:
            return self._result(current.pointer.sequence)
        passed = self.offered.passed_over
        return Release(self.policy.dataset, run, "superseded", rows=self.manifest.totals.rows_out, passed_over=passed)

    def _clean_pending(self, released: int) -> None:
        judged = partial(is_judged, self.staging, self.policy.dataset)
        clean_pending(self.sanitized, self.policy.sink.path, released=released, judged=judged, lease=self.lease.fence)

    def _publish(self, current: Current | None, shards: int | None) -> int:
        waivers = load_waivers(self.settings.path("waivers"))
        rules = compile_rules(self.policy, waivers, today=datetime.now(UTC).date())
        work = Work(self.offered, rules, self.staging, self.sanitized, self.settings, self.watcher)
        own = lease_folder(self.policy.sink.path, self.manifest, self.lease.fence)
        try:
            share = check_share(work, WHOLE, own) if shards is None else gather_shards(work, shards, self.trust)
            verdict = decide(share.partials, rules, self.offered.facts())
            try:
                keep_report(verdict, self.offered.base, self.settings, self.signer)
            finally:
                verdict.raise_first()  # whatever came of the report
            made = Published(self.sanitized, self.offered, verdict, share.written, self.settings)
            return publish(made, current, signer=self.signer, lease=self.lease)
        finally:
            discard(self.sanitized, own)

    def _end(self, state: RunState, code: str | None = None) -> None:
        """Nothing of the run is pending any more; then the verdict, by which the next door knows that it has come to its end."""
        discard(self.sanitized, run_folder(self.policy.sink.path, self.manifest))
        write_verdict(
            self.staging, self.offered.base, state, code=code, manifest_sha256=self.offered.manifest_sha256, signer=self.signer
        )

    def _result(self, sequence: int) -> Release:
        return Release(
            dataset=self.policy.dataset,
            run=self.manifest.run,
            state="released",
            rows=self.manifest.totals.rows_out,
            files=len(self.manifest.outputs),
            sequence=sequence,
            passed_over=self.offered.passed_over,
        )
