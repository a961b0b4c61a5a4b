"""The pointer of a dataset: which release is current. Signed by the outer door, swapped only by it, read by everyone else.

Pointers form a chain: each names the digest of the one before and has the next sequence number. A release has a higher fence than
the one before; a revocation keeps its release's, so that the run after it is not taken for a slow old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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

__all__ = [
    "HISTORY",
    "Pointer",
    "advance",
    "kept_as",
    "parse_chain",
    "published_at",
    "require_newest",
    "require_sink",
    "revoke",
]

HISTORY = "history"
"""`<sequence>.json`: the envelope of every pointer that was confirmed, the current one's too."""
_KEPT = re.compile(r"([0-9]{8,})\.json")


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one printable line")
    return text


Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_line)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Pointer(Record):
    """One step of the chain.

    Attributes:
        sink: The folder in zone `sanitized` that it stands in: elsewhere it says nothing.
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
    sink: str
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


def kept_as(sequence: int) -> str:
    """Where the history of a sink keeps a pointer, relative to the sink.

    Example:
        >>> kept_as(3)
        'history/00000003.json'
    """
    return f"{HISTORY}/{sequence:08d}.json"


def require_newest(sequence: int, kept: Iterable[str]) -> None:
    """Make sure that the history holds nothing later than the current pointer.

    Args:
        sequence: The current pointer's; 0 where there is none.
        kept: Names of the files in the history.

    Raises:
        RollbackError: It does: an older pointer was put back, or the current one was lost.
    """
    last = max((int(found[1]) for found in map(_KEPT.fullmatch, kept) if found), default=0)
    if last > sequence:
        found = f"the current pointer has sequence {sequence}, but" if sequence else "there is no current.json, but"
        raise RollbackError(
            f"{found} '{HISTORY}/' holds pointer {last}: an older state was put back, or a file was lost. Nothing was read, published or "
            f"deleted. The owner of zone 'sanitized' restores current.json from the latest copy; '{kept_as(last)}' is the last pointer "
            "known here, and may be copied to current.json",
            sequence=sequence,
            kept=last,
        )


def require_sink(pointer: Pointer, folder: Sequence[str], *, whole: bool) -> None:
    """Make sure that a pointer stands where it was made for.

    Args:
        pointer: Signed with the path of its sink.
        folder: The parts of the path at which it was found.
        whole: They begin at the zone; else the sink's path is how they end.

    Raises:
        IntegrityError: It is another sink's.
    """
    expected = pointer.sink.split("/")
    found = list(folder) if whole else list(folder[-len(expected) :])
    if found != expected:
        raise IntegrityError(
            f"'{'/'.join(found)}' holds the release of sink '{pointer.sink}' (dataset '{pointer.dataset}'). Do not read it there; a copy "
            f"of a release keeps the sink's path at the end of its own, as in 'copies/{pointer.sink}'"
        )


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
    if _whose(current) != _whose(proposed):
        raise IntegrityError("the current pointer is of another dataset, recipient or sink. Give each its own sink path")
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


def _whose(pointer: Pointer) -> tuple[str, str, str]:
    return pointer.dataset, pointer.recipient, pointer.sink


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
        if (pointer.sequence, pointer.previous) != (place + 1, previous[place]) or _whose(pointer) != _whose(first):
            raise IntegrityError(
                f"pointer {place + 1} of dataset '{first.dataset}' is not what follows the one before it. "
                "Find out who changed the history; restore it from a copy",
                sequence=place + 1,
            )
    return pointers
