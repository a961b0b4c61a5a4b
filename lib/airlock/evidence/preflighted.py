"""Verdict of preflight: before a run touches raw data, that the zone is as it was proved and probed. Signed, for one run and its nodes.

Only a verdict that passed is signed: what failed is told, and there is nothing to show.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.evidence._signed import SignedRecord
from airlock.evidence._strict import STRICT, Digest, Name, Time
from airlock.evidence.dsse import PREFLIGHT
from airlock.evidence.trust import Role

__all__ = ["Preflighted"]

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
    signed_at: Time
    expires_at: Time
