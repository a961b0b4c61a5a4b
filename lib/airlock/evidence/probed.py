"""Results of a round of probes: what was tried on which node, what failed, what could not be shown, and until when it counts. Signed.

Names of parties, lines of flows.yaml and addresses are in it; no token, no nonce.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.evidence._signed import SignedRecord
from airlock.evidence._strict import STRICT, Count, Digest, Record, Time
from airlock.evidence.dsse import PROBED
from airlock.evidence.trust import Role

__all__ = ["LiveVerdict", "Probed", "Proof", "Shown"]

LiveVerdict = Literal["passed", "failed", "no_proof"]
Proof = Literal["proven", "no_proof", "refuted"]
_Line = Annotated[str, Field(min_length=1, max_length=500)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Shown(Record):
    """What came of one thing that was to be shown: a trial that did not pass, or what can't be tried here at all.

    Attributes:
        tried: Who to whom, and how; or what can't be tried: `ipv6`, `other nodes`.
        line: Of flows.yaml; empty where none speaks of it.
    """

    tried: _Line
    verdict: LiveVerdict
    said: _Line
    line: Annotated[str, Field(max_length=200)] = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Probed(SignedRecord):
    """One round.

    Attributes:
        verdict: The worst of what policies have to hold on this node: `passed` where every declared flow was open and everything else shut.
        proof: What `airlock isolation prove --live` says of the same objects: what holds by packets may still be open to rights.
        flows_sha256: Of flows.yaml as it was read.
        objects_sha256: Of the policies, rights and guards that held during it (`airlock.cluster.digest`).
        open_trials: How many declared connections got through; `shut_trials`: how many others did not.
        shown: Everything that did not pass, and what can't be tried.
        expires_at: From then on it shows nothing.
    """

    what: ClassVar[str] = "results of probes"
    payload_type: ClassVar[str] = PROBED
    role: ClassVar[Role] = "probe"

    version: Literal[1] = 1
    verdict: LiveVerdict
    proof: Proof
    node: _Line
    image: _Line
    namespaces: tuple[str, ...]
    flows_sha256: Digest
    objects_sha256: Digest
    open_trials: Count
    shut_trials: Count
    shown: tuple[Shown, ...]
    began_at: Time
    signed_at: Time
    expires_at: Time

    @property
    def holds(self) -> bool:
        """Whether everything held, by packets and by objects. Until when is another question."""
        return self.verdict == "passed" and self.proof == "proven"
