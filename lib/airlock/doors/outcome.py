"""What became of one run, as whoever may read zone `sanitized` sees it: evidence only, no data. Called by `airlock runs outcome`.

A refused run leaves nothing there. Where the configuration names zone `staging` or the outer door's `reports`, these are asked, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from airlock.doors._releases import Evidence
from airlock.doors._reports import find_report
from airlock.doors._sinks import Current, last_pointer, read_pointer
from airlock.doors._verdicts import find_verdict
from airlock.doors._zones import open_outer_staging, open_zone
from airlock.errors import IntegrityError, NotReleasedError, RevokedError, RunRefusedError
from airlock.evidence.canonical import parse_canonical, sha256_hex, time_text
from airlock.evidence.pointer import Pointer
from airlock.evidence.trust import Trust
from airlock.evidence.verify import EvidenceFacts, data_folder, evidence_folder, verify_evidence
from airlock.policy.load import load_policy
from airlock.policy.model import Policy
from airlock.settings import Settings
from airlock.storage import Store
from airlock.types import RunState, Zone, run_id_of

__all__ = ["Outcome", "outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that is settled, and not by a refusal. What it says of a release was signed by the outer door.

    Attributes:
        state: `released`; `superseded`: it was, and a later one is now; `overtaken`: it never was, and a run begun later is.
        current: The run that is released now. Of an overtaken run nothing else is known, and all that follows is empty.
        verdict: The gate's: `passed`, or `passed-with-waivers`.
        waived: Checks with findings that the policy accepts; `not_proven`: entities that the gate can't exclude.
        data: Uri of its folder of files; `evidence`: of manifest, gate verdict and statements.
    """

    dataset: str
    run: str
    state: str
    current: str
    sequence: int | None = None
    policy_sha256: str = ""
    rows_in: int | None = None
    rows_out: int | None = None
    suppressed: int | None = None
    rejected: int | None = None
    files: int | None = None
    verdict: str = ""
    waived: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    separation: str = ""
    isolation: str = ""
    signed_at: str = ""
    data: str = ""
    evidence: str = ""


def outcome(
    policy: Path, settings: Settings, *, run_id: str | None, launch: str | None = None, staged_by: datetime | None = None
) -> Outcome:
    """Look once.

    Args:
        policy: Names dataset and sink.
        settings: Names zone sanitized and trust; `staging` or `reports`, if refusals are to be seen.
        run_id: The run's id, or None and `launch`: what launched it.
        launch: As `anonymize` was given it.
        staged_by: When it was staged at the latest.

    Raises:
        NotReleasedError: Not yet, as far as can be seen.
        RunRefusedError: The outer door refused it.
        RevokedError: It was withdrawn.
        SignatureError, IntegrityError, RollbackError: What zone sanitized holds is not what was signed.
    """
    known = load_policy(policy)
    run = run_id if run_id is not None else run_id_of(known.dataset, launch or "")
    store, trust = open_zone(settings, Zone.SANITIZED), Trust.load(settings.path("trust"))
    current = read_pointer(store, known.sink.path, trust)
    pointer = _pointer_of(store, known.sink.path, current, trust, run)
    if pointer is None:
        return _unreleased(known, run, current, settings, staged_by)
    if pointer.state is RunState.REVOKED:
        raise RevokedError(
            f"release '{run}' of '{known.dataset}' was revoked at {pointer.published_at} ({pointer.reason})", run=run
        )
    assert current is not None
    facts = verify_evidence(Evidence(store, known.sink.path), run, trust=trust)
    _require_same(facts, pointer)
    return _released(facts, pointer, current.pointer, f"{_uri(settings)}/{known.sink.path}")


def _uri(settings: Settings) -> str:
    found = settings.zone(Zone.SANITIZED).uri.rstrip("/")
    return found if "://" in found else Path(found).absolute().as_uri()


def _pointer_of(store: Store, sink: str, current: Current | None, trust: Trust, run: str) -> Pointer | None:
    """The latest pointer that names the run. The chain is long: it is read only if the run left evidence and is not the current one."""
    if current is not None and current.pointer.run == run:
        return current.pointer
    if not any(store.list(f"{sink}/{evidence_folder(run)}")):
        return None
    return last_pointer(store, sink, current, trust, run)


def _unreleased(policy: Policy, run: str, current: Current | None, settings: Settings, staged_by: datetime | None) -> Outcome:
    _require_unrefused(f"{policy.dataset}/{run}", settings)
    # A fence is when its run began, in milliseconds: no pointer goes back below it.
    if current is not None and current.pointer.fence > _milliseconds(staged_by):
        return Outcome(dataset=policy.dataset, run=run, state="overtaken", current=current.pointer.run)
    raise NotReleasedError(f"run '{run}' of '{policy.dataset}' is not released", run=run)


def _milliseconds(moment: datetime | None) -> float:
    return math.inf if moment is None else moment.timestamp() * 1000


def _require_unrefused(base: str, settings: Settings) -> None:
    code = None
    if settings.has(Zone.STAGING):
        verdict = find_verdict(open_outer_staging(settings), base, settings)
        code = verdict.code if verdict is not None and verdict.state is RunState.REFUSED else None
    if code is None and find_report(base, settings) is not None:
        code = "see its report"
    if code is not None:
        raise RunRefusedError(f"run '{base}' was refused by the outer door: {code}", run=base)


def _require_same(facts: EvidenceFacts, pointer: Pointer) -> None:
    if sha256_hex(facts.manifest.to_bytes()) != pointer.manifest:
        raise IntegrityError(f"pointer {pointer.sequence} of '{pointer.sink}' names another manifest. Find out who changed it")


def _released(facts: EvidenceFacts, pointer: Pointer, current: Pointer, uri: str) -> Outcome:
    manifest, gate = facts.manifest, parse_canonical(facts.gate)
    waived = _waived(gate)
    return Outcome(
        dataset=manifest.dataset,
        run=manifest.run,
        state="released" if current.run == manifest.run else "superseded",
        current=current.run,
        sequence=pointer.sequence,
        policy_sha256=manifest.policy_sha256,
        rows_in=manifest.totals.rows_in,
        rows_out=manifest.totals.rows_out,
        suppressed=manifest.totals.suppressed,
        rejected=manifest.totals.rejected,
        files=len(manifest.outputs),
        verdict="passed-with-waivers" if waived else "passed",
        waived=waived,
        not_proven=tuple(sorted(gate["not_proven"])),
        separation=manifest.separation.value,
        isolation=manifest.isolation.value,
        signed_at=time_text(facts.signed_at),
        data=f"{uri}/{data_folder(manifest.run)}",
        evidence=f"{uri}/{evidence_folder(manifest.run)}",
    )


def _waived(gate: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted({one["check"] for one in gate["checks"] if one["waived"]}))
