"""The pointer of a dataset: which release is current. Signed by the outer door, swapped only by it, read by everyone else.

Pointers form a chain: each names the digest of the one before and has the next sequence number and a higher fence.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field
from pydantic.dataclasses import dataclass
from securesystemslib.signer import Signer

from airlock.errors import IntegrityError, RollbackError, RunBoundError
from airlock.evidence._strict import STRICT, Digest, Name, Record, Time
from airlock.evidence.canonical import parse_canonical, parse_time, sha256_hex, time_text
from airlock.evidence.dsse import POINTER, SignedAt, sign, verify
from airlock.evidence.trust import Trust
from airlock.types import RunState

__all__ = ["Pointer", "advance", "published_at", "revoke"]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Pointer(Record):
    """One step of the chain.

    Attributes:
        sequence: 1, 2, 3, ...
        previous: SHA-256 of the envelope before this one; None for the first.
        manifest: SHA-256 of the released manifest.
        state: `revoked` keeps naming the run, so that readers learn of it.
        fence: Of the lease under which it was written.
    """

    what: ClassVar[str] = "pointer"

    version: Literal[1] = 1
    dataset: str
    recipient: str
    run: Name
    sequence: Annotated[int, Field(ge=1)]
    previous: Digest | None
    manifest: Digest
    state: Literal[RunState.RELEASED, RunState.REVOKED]
    fence: Annotated[int, Field(ge=1)]
    published_at: Time

    def to_envelope(self, signer: Signer) -> bytes:
        """The signed pointer, as it stands in `current.json`."""
        return sign(self.to_bytes(), payload_type=POINTER, signer=signer)

    @classmethod
    def parse(cls, envelope: bytes, trust: Trust, at: SignedAt | None = None) -> Self:
        """Verify and read a pointer. Its key is judged at `at`, by default when it says it was published.

        Raises:
            SignatureError: Not signed by a trusted release key.
            IntegrityError: Signed, but not a pointer.
        """
        payload = verify(envelope, trust=trust, role="release", at=published_at if at is None else at, payload_type=POINTER)
        pointer = cls.from_bytes(payload)
        if (pointer.sequence == 1) != (pointer.previous is None):
            raise IntegrityError("the pointer's sequence and predecessor contradict each other. Find out who signed it")
        return pointer


def published_at(payload: bytes) -> datetime:
    """When a pointer says that it was published. Raises ValueError, KeyError or TypeError where it does not say."""
    return parse_time(parse_canonical(payload)["published_at"])


def advance(current: Pointer | None, current_bytes: bytes | None, proposed: Pointer) -> Pointer:
    """The next pointer: `proposed` with the sequence and predecessor that follow from the current one.

    Args:
        current: What `current_bytes` says; None if there is no release yet.
        current_bytes: The envelope that was read.
        proposed: The new release; its `sequence` and `previous` are not looked at.

    Raises:
        RollbackError: The fence is not higher than the current one's: a slow old run.
        RunBoundError: The run is the current one already, or was revoked.
        IntegrityError: The two are of different datasets or recipients.
    """
    if current is None or current_bytes is None:
        return replace(proposed, sequence=1, previous=None)
    if (current.dataset, current.recipient) != (proposed.dataset, proposed.recipient):
        raise IntegrityError("the current pointer is of another dataset or recipient. Give each its own sink path")
    if proposed.fence <= current.fence:
        raise RollbackError(
            f"run '{proposed.run}' has fence {proposed.fence}, the current release '{current.run}' has {current.fence}: "
            "a newer run was released meanwhile. Run again to release newer data",
            fence=proposed.fence,
            current=current.fence,
        )
    if proposed.run == current.run and not (proposed.state is RunState.REVOKED and current.state is RunState.RELEASED):
        raise RunBoundError(f"run '{current.run}' is {current.state} already, and is never released again. Use a new run id")
    return replace(proposed, sequence=current.sequence + 1, previous=sha256_hex(current_bytes))


def revoke(current: Pointer, current_bytes: bytes, *, fence: int, at: datetime) -> Pointer:
    """The pointer that says that the current release is withdrawn.

    Raises:
        RollbackError: The fence is not higher than the current one's.
        RunBoundError: It is revoked already.
    """
    return advance(current, current_bytes, replace(current, state=RunState.REVOKED, fence=fence, published_at=time_text(at)))
