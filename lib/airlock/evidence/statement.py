"""The two in-toto Statements (v1) of a run: what the inner door staged, and what the outer door released. Signed by `dsse`.

Subjects are the manifest and every file that it names; the predicate says under which policy and behind which walls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from airlock.errors import IntegrityError
from airlock.evidence._strict import STRICT, Digest, Name, Record, Time
from airlock.evidence.canonical import canonical_json, parse_canonical, parse_time, sha256_hex, time_text
from airlock.evidence.manifest import PublicManifest
from airlock.types import Isolation, Separation

__all__ = [
    "DATA",
    "MANIFEST",
    "STATEMENT",
    "Predicate",
    "ReleasedPredicate",
    "StagedPredicate",
    "Statement",
    "parse_statement",
    "released_statement",
    "signed_at",
    "staged_statement",
    "subjects_of",
]

STATEMENT = "https://in-toto.io/Statement/v1"
MANIFEST = "manifest.json"
"""The manifest's name among the subjects."""

DATA = "data/"
"""What stands before a file's path (relative to the run's data folder) in its name among the subjects."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Predicate(Record):
    """What both statements say.

    Attributes:
        volatile: Fields that differ when the same run is done again.
    """

    TYPE: ClassVar[str]

    dataset: str
    recipient: str
    run: Name
    policy_sha256: Digest
    plan_digest: Digest
    isolation: Isolation
    separation: Separation
    signed_at: Time


@dataclass(frozen=True, kw_only=True, config=STRICT)
class StagedPredicate(Predicate):
    """The inner door's word.

    Attributes:
        caller: Digest of the identity by which an object store knows the inner door; None where raw data are on a disk.
    """

    what: ClassVar[str] = "staged statement"
    TYPE: ClassVar[str] = "urn:airlock:staged:v1"

    caller: Digest | None = None
    volatile: tuple[str, ...] = ("caller", "run", "signed_at")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReleasedPredicate(Predicate):
    """The outer door's word.

    Attributes:
        gate_sha256: Digest of the gate's verdict.
        staged_sha256: Digest of the envelope with the staged statement that was checked.
    """

    what: ClassVar[str] = "release statement"
    TYPE: ClassVar[str] = "urn:airlock:release:v1"

    gate_sha256: Digest
    staged_sha256: Digest
    volatile: tuple[str, ...] = ("gate_sha256", "run", "signed_at", "staged_sha256")


P = TypeVar("P", bound=Predicate)


@plain_dataclass(frozen=True, slots=True)
class Statement(Generic[P]):
    """A statement that was read.

    Attributes:
        subjects: SHA-256 by name.
    """

    subjects: Mapping[str, str]
    predicate: P

    def require(self, subjects: Mapping[str, str]) -> None:
        """Raise IntegrityError unless the statement is about exactly these."""
        if dict(self.subjects) != dict(subjects):
            wrong = sorted(name for name in {*self.subjects, *subjects} if self.subjects.get(name) != subjects.get(name))
            raise IntegrityError(
                f"the {self.predicate.what} is not about these files: {len(wrong)} differ, first '{wrong[0]}'. "
                "Find out who changed them; run again from the source",
                files=wrong[:20],
            )


def subjects_of(manifest: PublicManifest) -> dict[str, str]:
    """What a statement about this manifest is about: the manifest's own digest and its files'."""
    return {MANIFEST: sha256_hex(manifest.to_bytes()), **{DATA + file.path: file.sha256 for file in manifest.outputs}}


def staged_statement(manifest: PublicManifest, *, at: datetime, caller: str | None = None) -> bytes:
    """The payload that the inner door signs."""
    return _statement(manifest, StagedPredicate(**_common(manifest, at), caller=caller))


def released_statement(manifest: PublicManifest, *, gate: bytes, staged: bytes, at: datetime) -> bytes:
    """The payload that the outer door signs.

    Args:
        manifest: Of the released files; its isolation and separation are the outer door's own findings.
        gate: The gate's verdict, as written to `gate.json`.
        staged: The envelope with the inner door's statement.
        at: When it is signed.
    """
    return _statement(
        manifest, ReleasedPredicate(**_common(manifest, at), gate_sha256=sha256_hex(gate), staged_sha256=sha256_hex(staged))
    )


def _common(manifest: PublicManifest, at: datetime) -> dict[str, Any]:
    names = ("dataset", "recipient", "run", "policy_sha256", "plan_digest", "isolation", "separation")
    return {name: getattr(manifest, name) for name in names} | {"signed_at": time_text(at)}


def _statement(manifest: PublicManifest, predicate: Predicate) -> bytes:
    return canonical_json(_body(subjects_of(manifest), predicate.TYPE, predicate.to_dict()))


def parse_statement(payload: bytes, predicate: type[P]) -> Statement[P]:
    """Read a statement whose predicate is of this kind. Verify its envelope first.

    Raises:
        IntegrityError: It is not such a statement.
    """
    try:
        value = parse_canonical(payload)
        subjects = {item["name"]: _DIGEST.validate_python(item["digest"])["sha256"] for item in value["subject"]}
        body = value["predicate"]
        same = value == _body(subjects, predicate.TYPE, body)
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise IntegrityError(f"the signed content is not a {predicate.what}. Check which file was given, or make it anew")
    return Statement(subjects, predicate.from_dict(body))


def _body(subjects: Mapping[str, str], kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())]
    return {"_type": STATEMENT, "subject": named, "predicateType": kind, "predicate": predicate}


_DIGEST: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, Digest])


def signed_at(payload: bytes) -> datetime:
    """When a statement says that it was signed. Raises ValueError, KeyError or TypeError where it does not say."""
    return parse_time(parse_canonical(payload)["predicate"]["signed_at"])
