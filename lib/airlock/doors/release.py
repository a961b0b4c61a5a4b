"""The outer door: trusts nothing, checks the staged files, and alone publishes. Called by the command line and by jobs/release.py.

It has neither keys of the inner side nor raw access, and imports no operator, no Presidio and no Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from airlock.doors._inspect import InspectionJob, inspect_all
from airlock.doors._offered import Offered, find_offered
from airlock.doors._publish import Published, publish
from airlock.doors._sinks import Current, clean_sanitized, lease_path, read_chain, read_pointer, retain
from airlock.doors._verdicts import write_verdict
from airlock.doors._waivers import load_waivers
from airlock.doors._zones import open_zone, require_disjoint
from airlock.doors.progress import Progress, Watcher, silent
from airlock.errors import DisclosureError, IntegrityError, RollbackError, RunBoundError
from airlock.evidence.trust import Trust
from airlock.gate.inspect import FilePartial, GateVerdict, decide
from airlock.gate.rules import GateRules, compile_rules
from airlock.keys.signing import load_signer
from airlock.policy.load import load_policy
from airlock.settings import Settings
from airlock.storage.lease import Lease
from airlock.storage.pending import PendingFile, PendingFiles, sweep
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
    watcher: Watcher = silent,
) -> Release:
    """Check one staged run and publish it.

    Args:
        policy: The policy file, whose digest must be among the outer door's own (setting `policies`).
        settings: Names zones staging and sanitized, trust, and the release-signing key.
        runs: Run ids by dataset.
        run_id: The run to release; without both the oldest staged one that has no verdict and a policy approved here.
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
    sanitized = open_zone(settings, Zone.SANITIZED)
    owner = chosen or "oldest staged run"
    ttl = float(settings.number("lease_seconds"))
    with Lease.acquire(sanitized, lease_path(named.sink.path), owner=owner, ttl=ttl) as lease:
        lease.keep_alive()
        sweep(sanitized)
        sweep(sanitized, named.sink.path, grace=0)
        offered = find_offered(named, settings, chosen, partial(_refuse, settings))
        if offered is None:
            return Release(dataset, chosen or "", "nothing new")
        return _Door(offered, settings, lease, watcher).run()


def _refuse(settings: Settings, base: str, code: str, manifest_sha256: str) -> None:
    signer = load_signer(Path(settings.require("keys.release_signing")))
    staging = open_zone(settings, Zone.STAGING)
    write_verdict(staging, base, RunState.REFUSED, code=code, manifest_sha256=manifest_sha256, signer=signer)


class _Door:
    """One staged run on its way out, under the dataset's lease in zone `sanitized`."""

    def __init__(self, offered: Offered, settings: Settings, lease: Lease, watcher: Watcher) -> None:
        self.offered, self.settings, self.lease, self.watcher = offered, settings, lease, watcher
        self.policy, self.manifest = offered.policy, offered.manifest
        self.staging, self.sanitized = open_zone(settings, Zone.STAGING), open_zone(settings, Zone.SANITIZED)
        self.trust = Trust.load(settings.path("trust"))
        self.signer = load_signer(Path(settings.require("keys.release_signing")))

    def run(self) -> Release:
        """Check, then publish or refuse."""
        sink, run = self.policy.sink.path, self.manifest.run
        current = read_pointer(self.sanitized, sink, self.trust)
        before = self._before(current)
        if before is not None:
            return before
        if current is not None and self.manifest.fence <= current.pointer.fence:
            self._say_verdict(RunState.REFUSED, RollbackError.code)
            raise RollbackError(
                f"run '{run}' has fence {self.manifest.fence}, the current release '{current.pointer.run}' has "
                f"{current.pointer.fence}: a newer run was released meanwhile. Run again to release newer data"
            )
        clean_sanitized(self.sanitized, sink, current, self.trust)
        try:
            waivers = load_waivers(self.settings.path("waivers"))
            rules = compile_rules(self.policy, waivers, today=datetime.now(UTC).date())
            with PendingFiles(self.sanitized, f"{self.policy.dataset}-{self.lease.fence}") as pending:
                verdict, written = self._check(rules, pending)
                verdict.raise_first()
                made = Published(self.sanitized, self.offered, verdict, tuple(written), self.settings)
                sequence = publish(made, pending, current, signer=self.signer, lease=self.lease)
        except (DisclosureError, IntegrityError) as error:
            self._say_verdict(RunState.REFUSED, error.code)
            raise
        self._say_verdict(RunState.RELEASED)
        grace = self.settings.number("grace_minutes")
        retain(self.sanitized, sink, self.policy.sink.retain, self.trust, grace_minutes=grace)
        return self._result(sequence)

    def _before(self, current: Current | None) -> Release | None:
        """What this run came to, if it was published before: its door may have been killed between pointer and verdict."""
        run, sink = self.manifest.run, self.policy.sink.path
        pointers = [pointer for pointer in read_chain(self.sanitized, sink, current, self.trust) if pointer.run == run]
        if not pointers or current is None:
            return None
        if pointers[-1].state is RunState.REVOKED:
            self._say_verdict(RunState.REVOKED)
            raise RunBoundError(
                f"run '{run}' was revoked at {pointers[-1].published_at}; it is never released again. Run again"
            )
        self._say_verdict(RunState.RELEASED)
        if current.pointer.run == run:
            return self._result(current.pointer.sequence)
        passed = self.offered.passed_over
        return Release(self.policy.dataset, run, "superseded", rows=self.manifest.totals.rows_out, passed_over=passed)

    def _check(self, rules: GateRules, pending: PendingFiles) -> tuple[GateVerdict, list[tuple[PendingFile, int]]]:
        files = sorted(self.manifest.outputs, key=lambda file: file.path)
        jobs = [
            InspectionJob(
                staging=self.staging.uri,
                base=self.offered.base,
                file=file,
                number=number,
                sink=f"{self.policy.sink.path}/data/{self.manifest.run}",
                target=pending.target,
                rules=rules,
            )
            for number, file in enumerate(files)
        ]
        partials: list[FilePartial] = []
        written: list[tuple[PendingFile, int]] = []
        for done, inspected in enumerate(inspect_all(jobs, workers=self.settings.number("workers")), start=1):
            partials.append(inspected.partial)
            written.extend(inspected.written)
            self.watcher(Progress(self.policy.dataset, "check", done, len(jobs)))
        return decide(partials, rules, self.offered.facts()), sorted(written)

    def _say_verdict(self, state: RunState, code: str | None = None) -> None:
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
