"""The outer door, one share of a run: checks every N-th staged file and leaves a signed verdict. `release` finishes.

Shards run side by side, in pods of their own, and need no lease: nothing of theirs is visible, and they write nothing to staging.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import Signer

from airlock.doors._offered import find_offered
from airlock.doors._pending import discard, is_judged, run_folder
from airlock.doors._shards import context_of, find_shard, keep_share, leave_verdict, refusal_of, refused, shard_folder
from airlock.doors._share import Shard, Work, check_share
from airlock.doors._sinks import last_pointer, read_pointer, require_alone, require_newer
from airlock.doors._waivers import load_waivers
from airlock.doors._zones import open_outer_staging, open_zone, require_disjoint
from airlock.doors.progress import Watcher, silent
from airlock.errors import AirlockError, ConfigError, DisclosureError, IntegrityError, RunBoundError
from airlock.evidence.canonical import time_text
from airlock.evidence.shard import ShardVerdict
from airlock.evidence.trust import Trust
from airlock.gate.rules import compile_rules
from airlock.keys.signing import load_signer
from airlock.policy.load import load_policy
from airlock.settings import Settings
from airlock.storage.conditions import require_conditions
from airlock.storage.pending import close_pending
from airlock.types import RunState, Zone

__all__ = ["Checked", "Shard", "check_shard"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What a shard did.

    Attributes:
        state: `checked`; `released` or `superseded` where the run was released before; `nothing new` where it is gone since.
        files: Staged files of its share.
    """

    dataset: str
    run: str
    shard: str
    state: str
    rows: int = 0
    files: int = 0


def check_shard(
    policy: Path,
    settings: Settings,
    shard: Shard,
    *,
    runs: Mapping[str, str] | None = None,
    run_id: str | None = None,
    watcher: Watcher = silent,
) -> Checked:
    """Check one shard's files of a staged run, and leave its verdict.

    Args:
        policy: The policy file.
        settings: As for `release`; all shards, and who finishes, need the same.
        shard: Which part of the files.
        runs: Run ids by dataset.
        run_id: The run; shards never choose one.
        watcher: Is told of progress.

    Raises:
        DisclosureError, IntegrityError: Nothing of the run can be released; the shard's verdict says so to whoever finishes.
        TransientError: Run again.
    """
    require_disjoint(settings)
    named = load_policy(policy)
    run = run_id or (runs or {}).get(named.dataset)
    if run is None:
        raise ConfigError("all shards work on one run. Name it: --run ID, which 'airlock anonymize' printed")
    signer = load_signer(Path(settings.require("keys.release_signing")))
    # A run that is not what was signed is refused by who finishes: shards hold no lease.
    offered = find_offered(named, settings, run, lambda *_: None)
    if offered is None:  # its verdict says so, and staging was emptied of it
        return Checked(named.dataset, run, str(shard), "released")
    rules = compile_rules(offered.policy, load_waivers(settings.path("waivers")), today=datetime.now(UTC).date())
    zones = (open_outer_staging(settings), open_zone(settings, Zone.SANITIZED))
    require_conditions(zones[1])
    close_pending(zones[1])
    require_alone(zones[1], named.sink.path)
    work = Work(offered, rules, *zones, settings, watcher)
    return _Shard(work, shard, Trust.load(settings.path("trust")), signer).run()


class _Shard:
    """One attempt at a shard."""

    def __init__(self, work: Work, shard: Shard, trust: Trust, signer: Signer) -> None:
        self.work, self.shard, self.trust, self.signer = work, shard, trust, signer
        self.verdict = ShardVerdict(
            context=context_of(work, shard.of),
            shard=shard.number,
            attempt=f"{shard.number}-{secrets.token_hex(16)}",
            files=len(shard.of_all(work.offered.manifest.outputs)),
            signed_at=time_text(datetime.now(UTC)),
        )

    def run(self) -> Checked:
        """Check, unless that was done before."""
        over = self._over()
        if over is not None:
            return over
        found = find_shard(self.work, self.shard, self.trust) or self._check()
        if found is None:
            return self._over() or self._said("nothing new")
        if found.refusal is not None:
            raise refusal_of(self.shard, found.refusal)
        return self._said("checked", sum(file.rows for file in found.outputs))

    def _check(self) -> ShardVerdict | None:
        """The verdict that stands: this attempt's, or that of one which was faster; None where the run came to its end."""
        folder = f"{shard_folder(self.work, self.verdict.context)}/{self.verdict.attempt}"
        won = False
        try:
            won = leave_verdict(self.work, self._judged(f"{folder}/data"), self.signer)
        except AirlockError:
            if not self._leave_if_over():  # whoever ended the run took this attempt's files away
                raise
        finally:
            if not won:
                discard(self.work.sanitized, folder)
        self._leave_if_over()
        return find_shard(self.work, self.shard, self.trust)

    def _judged(self, folder: str) -> ShardVerdict:
        try:
            return keep_share(self.work, check_share(self.work, self.shard, folder), self.verdict)
        except (DisclosureError, IntegrityError) as error:
            return replace(self.verdict, refusal=refused(error))

    def _over(self) -> Checked | None:
        """What the run came to, if it was published before.

        Raises:
            RunBoundError: It was revoked.
            RollbackError: A newer one was released.
        """
        manifest, sink = self.work.offered.manifest, self.work.offered.policy.sink.path
        current = read_pointer(self.work.sanitized, sink, self.trust)
        pointer = last_pointer(self.work.sanitized, sink, current, self.trust, manifest.run)
        if pointer is None or current is None:
            require_newer(manifest.run, manifest.fence, current)
            return None
        if pointer.state is RunState.REVOKED:
            raise RunBoundError(
                f"run '{manifest.run}' was revoked at {pointer.published_at}; it is never released again. Run again"
            )
        return self._said("released" if current.pointer.run == manifest.run else "superseded")

    def _leave_if_over(self) -> bool:
        """Take away what was written for a run that came to its end meanwhile: nobody looks for it any more."""
        manifest, sink = self.work.offered.manifest, self.work.offered.policy.sink.path
        current = read_pointer(self.work.sanitized, sink, self.trust)
        newer = current is not None and manifest.fence <= current.pointer.fence
        over = newer or is_judged(self.work.staging, manifest.dataset, manifest.run)
        if over:
            discard(self.work.sanitized, run_folder(sink, manifest))
        return over

    def _said(self, state: str, rows: int = 0) -> Checked:
        manifest = self.work.offered.manifest
        return Checked(manifest.dataset, manifest.run, str(self.shard), state, rows, self.verdict.files)
