"""The pointer of a dataset: which release is current. Signed by the outer door, swapped only by it, read by everyone else.

Pointers form a chain: each names the digest of the one before and has the next sequence number. A release has a higher fence than
the one before; a revocation keeps its release's, so that the run after it is not taken for a slow old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass
from securesystemslib.signer import Signer

from airlock.errors import IntegrityError, RollbackError, RunBoundError
from airlock.evidence._strict import STRICT, Digest, Name, Record, Time
from airlock.evidence.canonical import parse_canonical, parse_time, sha256_hex, time_text
from airlock.evidence.dsse import POINTER, SignedAt, sign, verify
from airlock.evidence.trust import Trust
from airlock.types import RunState

__all__ = ["Pointer", "advance", "parse_chain", "published_at", "revoke"]


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one printable line")
    return text


Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_line)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Pointer(Record):
    """One step of the chain.

    Attributes:
        sequence: 1, 2, 3, ...
        previous: SHA-256 of the envelope before this one; None for the first.
        manifest: SHA-256 of the released manifest.
        state: `revoked` keeps naming the run, so that readers learn of it.
        reason: Why it was revoked, in its owner's words; None for a release.
        fence: Of the lease under which the run was staged.
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
    reason: Reason | None = None

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
        RunBoundError: The run is the current one already, released or revoked.
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
    if proposed.run == current.run:
        raise RunBoundError(f"run '{current.run}' is {current.state} already, and is never released again. Use a new run id")
    return replace(proposed, sequence=current.sequence + 1, previous=sha256_hex(current_bytes))


def revoke(current: Pointer, current_bytes: bytes, *, reason: str, at: datetime) -> Pointer:
    """The pointer that says that the current release is withdrawn. It keeps the fence: the next release needs a higher one.

    Raises:
        RunBoundError: It is revoked already.
        IntegrityError: The reason is not one printable line.
    """
    if current.state is RunState.REVOKED:
        raise RunBoundError(f"run '{current.run}' is revoked already, at {current.published_at}. There is nothing to withdraw")
    changes = {"state": RunState.REVOKED.value, "reason": reason, "published_at": time_text(at)}
    step = {"sequence": current.sequence + 1, "previous": sha256_hex(current_bytes)}
    return Pointer.from_dict(current.to_dict() | changes | step)


def parse_chain(envelopes: Sequence[bytes], trust: Trust) -> tuple[Pointer, ...]:
    """Verify a dataset's pointers from the first on: signatures, and that each follows the one before.

    Raises:
        SignatureError: One is not signed by a trusted release key.
        IntegrityError: One is missing, or is not what follows.
    """
    pointers = tuple(Pointer.parse(envelope, trust) for envelope in envelopes)
    previous = (None, *map(sha256_hex, envelopes))
    for place, pointer in enumerate(pointers):
        first = pointers[0]
        if (pointer.sequence, pointer.previous) != (place + 1, previous[place]) or (pointer.dataset, pointer.recipient) != (
            first.dataset,
            first.recipient,
        ):
            raise IntegrityError(
                f"pointer {place + 1} of dataset '{first.dataset}' is not what follows the one before it. "
                "Find out who changed the history; restore it from a copy",
                sequence=place + 1,
            )
    return pointers
