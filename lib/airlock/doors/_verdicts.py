"""The outer door's word on a staged run: a signed enum in staging, all that ever goes back to the inner side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from securesystemslib.signer import Signer

from airlock.errors import IntegrityError
from airlock.evidence.canonical import parse_canonical, parse_time, time_text
from airlock.evidence.dsse import sign, verify
from airlock.evidence.trust import Trust
from airlock.settings import Settings
from airlock.storage import Store
from airlock.types import RunState

__all__ = ["VERDICT", "Verdict", "find_verdict", "read_verdict", "write_verdict"]

VERDICT = "verdict.json"
_TYPE = "urn:airlock:verdict:v1"


def write_verdict(
    staging: Store, base: str, state: RunState, *, code: str | None, manifest_sha256: str, signer: Signer
) -> None:
    """Sign and write the verdict of a staged run.

    Args:
        staging: Zone `staging`.
        base: `<dataset>/<run>`.
        state: `released`, `refused` or `revoked`.
        code: The stable error code of a refusal.
        manifest_sha256: Digest of the staged manifest.
        signer: The release-signing key.
    """
    dataset, _, run = base.partition("/")
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "manifest.json", "digest": {"sha256": manifest_sha256}}],
        "predicateType": _TYPE,
        "predicate": {"dataset": dataset, "run": run, "state": state.value, "code": code, "at": time_text(datetime.now(UTC))},
    }
    found = staging.read_versioned(f"{base}/{VERDICT}")
    staging.replace(f"{base}/{VERDICT}", sign(statement, signer=signer), None if found is None else found[1])


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verified verdict.

    Attributes:
        code: The stable error code of a refusal.
        manifest_sha256: Digest of the staged manifest.
        at: When the outer door said so.
    """

    state: RunState
    code: str | None
    manifest_sha256: str
    at: datetime


def find_verdict(staging: Store, base: str, settings: Settings) -> Verdict | None:
    """The verified verdict of a run; None where there is none.

    Raises:
        SignatureError: A verdict that no trusted release key signed.
        IntegrityError: A verdict of another run.
    """
    found = staging.read_versioned(f"{base}/{VERDICT}")
    if found is None:
        return None
    payload = verify(found[0], trust=Trust.load(settings.path("trust")), role="release", at=_signed_at)
    statement = _parsed(payload)
    dataset, _, run = base.partition("/")
    predicate = statement["predicate"]
    if statement["predicateType"] != _TYPE or (predicate["dataset"], predicate["run"]) != (dataset, run):
        raise IntegrityError(f"the verdict in '{base}' is one of another run. Find out who put it there", run=run)
    digest, at = statement["subject"][0]["digest"]["sha256"], parse_time(predicate["at"])
    return Verdict(RunState(predicate["state"]), predicate["code"], digest, at)


def read_verdict(staging: Store, base: str, settings: Settings) -> RunState | None:
    """The state that a run's verified verdict says; None where there is none. Raises as `find_verdict` does."""
    found = find_verdict(staging, base, settings)
    return None if found is None else found.state


def _signed_at(payload: bytes) -> datetime:
    return parse_time(_parsed(payload)["predicate"]["at"])


def _parsed(payload: bytes) -> dict[str, Any]:
    made: dict[str, Any] = parse_canonical(payload)
    return made
