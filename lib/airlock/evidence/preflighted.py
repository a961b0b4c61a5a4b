"""Verdict of preflight: before and during a run, that the zone is as it was proved and probed. Signed, for one run and its nodes.

Only what passed is signed: what failed is told, and there is nothing to show. What passed and holds no longer is taken back, signed too.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.errors import IntegrityError
from airlock.evidence._signed import SignedRecord
from airlock.evidence._strict import STRICT, Digest, Name, Time
from airlock.evidence.canonical import parse_time
from airlock.evidence.dsse import PREFLIGHT
from airlock.evidence.trust import Role, Trust

__all__ = ["AHEAD", "Preflighted", "held_verdict"]

AHEAD = timedelta(minutes=1)
"""How far preflight's clock may be ahead of another's."""

_Line = Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Preflighted(SignedRecord):
    """What was found in order.

    Attributes:
        run: The run that it is for.
        nodes: On which its pods may be: each was probed.
        objects_sha256: Of the policies, rights and guards in force (`airlock.cluster.digest`).
        probes_sha256: Of the signed results of probes that it stands on, by node.
        checks: What was looked at.
        withdrawn: Why it counts no longer; empty while it does.
        watched: Whether somebody watches for as long as it is renewed, and takes it back on drift; else it was looked at once.
        since: From when on all was in order, without a gap in which nobody looked.
        expires_at: Not later than the first of the probes' results runs out.
    """

    what: ClassVar[str] = "preflight verdict"
    payload_type: ClassVar[str] = PREFLIGHT
    role: ClassVar[Role] = "preflight"

    version: Literal[1] = 1
    run: Name
    nodes: Annotated[tuple[_Line, ...], Field(min_length=1)]
    namespaces: tuple[str, ...]
    flows_sha256: Digest
    objects_sha256: Digest
    probes_sha256: dict[str, Digest]
    checks: tuple[_Line, ...]
    withdrawn: tuple[_Line, ...] = ()
    watched: bool
    since: Time
    signed_at: Time
    expires_at: Time

    def counts(self, at: datetime) -> bool:
        """Whether it is of then."""
        return parse_time(self.signed_at) - AHEAD <= at < parse_time(self.expires_at)


def held_verdict(envelope: str, *, run: str, at: datetime | None, trust: Trust) -> Preflighted:
    """The verdict that stands in a manifest, verified: of this run, and in force when it was staged.

    Args:
        envelope: As `SignedRecord.to_envelope` made it.
        run: The manifest's.
        at: When the inner door signed the manifest; None: not looked at.
        trust: Keys of role `preflight`.

    Raises:
        SignatureError: Not signed by a trusted key of preflight.
        IntegrityError: Another run's, taken back, or not of that time.
    """
    record = Preflighted.parse(envelope.encode(), trust)
    if len(json.loads(envelope)["signatures"]) != 1:  # others are by nobody known: a place to write into
        raise IntegrityError(f"the verdict of preflight in the manifest of run '{run}' has more than one signature. Run again")
    if record.run != run:
        raise IntegrityError(f"the verdict of preflight in the manifest of run '{run}' is of run '{record.run}'. Run again")
    if record.withdrawn:
        raise IntegrityError(f"the verdict of preflight in the manifest of run '{run}' was taken back. Run again")
    if at is not None and not record.counts(at):
        raise IntegrityError(
            f"the verdict of preflight in the manifest of run '{run}' is of {record.signed_at} to {record.expires_at}, which is not when "
            "the run was staged. Run again"
        )
    return record
