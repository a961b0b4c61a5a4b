"""What the inner door signed for one staged run, verified. Called by `_offered` and by whoever lists runs."""

from __future__ import annotations

from dataclasses import dataclass

from airlock.errors import IntegrityError
from airlock.evidence.dsse import verify
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.statement import StagedPredicate, parse_statement, signed_at, subjects_of
from airlock.evidence.trust import Trust
from airlock.storage import Store

__all__ = ["ENVELOPE", "MANIFEST", "SignedRun", "read_signed"]

MANIFEST, ENVELOPE = "manifest.json", "manifest.intoto.json"


@dataclass(frozen=True, slots=True)
class SignedRun:
    """A staged manifest whose signature holds. Its data files have not been looked at.

    Attributes:
        data: The manifest's bytes.
        envelope: The inner door's signed statement.
        caller: Digest of the inner door's identity.
    """

    manifest: PublicManifest
    data: bytes
    envelope: bytes
    signed_at: str
    caller: str | None = None


def read_signed(staging: Store, base: str, trust: Trust) -> SignedRun:
    """Read and verify the manifest of the staged run `<dataset>/<run>`.

    Raises:
        NotFoundError: It is not staged.
        SignatureError: No trusted stage key signed it.
        IntegrityError: Statement, manifest and folder contradict each other.
    """
    envelope, data = staging.read(f"{base}/{ENVELOPE}"), staging.read(f"{base}/{MANIFEST}")
    statement = parse_statement(verify(envelope, trust=trust, role="stage", at=signed_at), StagedPredicate)
    manifest = PublicManifest.from_bytes(data)
    statement.require(subjects_of(manifest))
    dataset, _, run = base.partition("/")
    if (manifest.dataset, manifest.run) != (dataset, run):
        raise IntegrityError(
            f"what is staged in '{base}' is dataset '{manifest.dataset}', run '{manifest.run}'. Find out who moved it"
        )
    for field in ("dataset", "recipient", "run", "policy_sha256", "plan_digest"):
        if getattr(statement.predicate, field) != getattr(manifest, field):
            raise IntegrityError(f"statement and manifest of '{base}' name another {field}. Find out who signed them")
    return SignedRun(manifest, data, envelope, statement.predicate.signed_at, statement.predicate.caller)
