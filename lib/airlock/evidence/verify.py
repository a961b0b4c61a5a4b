"""Verify a release from its files alone: pointer, manifest, statements, every file. Pure but for the reader that a door gives.

Called by `airlock verify`, `airlock path` and whoever reads a release; works offline, on old evidence too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airlock.errors import (
    BoundaryError,
    DigestMismatchError,
    IntegrityError,
    IsolationUnprovenError,
    NotFoundError,
    RevokedError,
    RollbackError,
    SchemaMismatchError,
    SignatureError,
)
from airlock.evidence.canonical import parse_time, sha256_hex
from airlock.evidence.dsse import verify
from airlock.evidence.manifest import PublicManifest, StagedFile
from airlock.evidence.pointer import HISTORY, Pointer, require_newest, require_sink
from airlock.evidence.preflighted import held_verdict
from airlock.evidence.schema import SchemaField
from airlock.evidence.statement import (
    MANIFEST,
    ReleasedPredicate,
    StagedPredicate,
    parse_statement,
    signed_at,
    subjects_of,
)
from airlock.evidence.trust import Trust
from airlock.types import Isolation, RunState, Separation

__all__ = [
    "CURRENT",
    "GATE",
    "STATEMENTS",
    "EvidenceFacts",
    "EvidenceReader",
    "ReleaseFacts",
    "ReleaseReader",
    "data_folder",
    "evidence_folder",
    "join_statements",
    "verify_evidence",
    "verify_release",
]

CURRENT = "current.json"
GATE = "gate.json"
STATEMENTS = "run.intoto.jsonl"
"""Two lines: the inner door's envelope, then the outer door's."""


class EvidenceReader(Protocol):
    """How a door reads evidence in one dataset's folder in zone `sanitized`. Paths are relative to that folder."""

    def read(self, path: str) -> bytes:
        """A small file's content. Raises NotFoundError."""
        ...


class ReleaseReader(EvidenceReader, Protocol):
    """How a door reads a whole release, data files too."""

    def list(self, prefix: str) -> Iterable[str]:
        """Every file below a folder, hidden ones too."""
        ...

    def measure(self, path: str) -> tuple[str, int]:
        """A data file's hex SHA-256 and size in bytes, read through once. Raises NotFoundError."""
        ...

    def describe_parquet(self, path: str) -> tuple[int, tuple[SchemaField, ...]]:
        """A data file's rows and schema (`schema_fields`), from its footer."""
        ...


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What is known of a verified release.

    Attributes:
        data: Its data folder, relative to the dataset's.
        staged_verified: Whether the inner door's signature was checked too (a stage key is trusted); its digest always is.
        isolation_verified: Whether preflight's was (a preflight key is trusted); else `isolation` is the outer door's word.
    """

    pointer: Pointer
    manifest: PublicManifest
    data: str
    files: int
    rows: int
    bytes: int
    separation: Separation
    isolation: Isolation
    signed_at: datetime
    staged_verified: bool
    isolation_verified: bool


@dataclass(frozen=True, slots=True)
class EvidenceFacts:
    """What the verified evidence of one run says, current or superseded. Its data may be gone.

    Attributes:
        gate: The gate's verdict, as written to `gate.json`.
        staged_verified: Whether the inner door's signature was checked too.
    """

    manifest: PublicManifest
    gate: bytes
    signed_at: datetime
    staged_verified: bool


def data_folder(run: str) -> str:
    """Where a run's files are."""
    return f"data/{run}"


def evidence_folder(run: str) -> str:
    """Where a run's evidence is."""
    return f"evidence/{run}"


def join_statements(staged: bytes, released: bytes) -> bytes:
    """The content of `run.intoto.jsonl`."""
    return staged + b"\n" + released + b"\n"


def verify_release(
    reader: ReleaseReader,
    *,
    trust: Trust,
    remembered: int = 0,
    folder: Sequence[str] | None = None,
    in_zone: bool = False,
    require_separation: bool = False,
    require_isolation: bool = False,
) -> ReleaseFacts:
    """Verify the current release of a dataset.

    Args:
        reader: Its files.
        trust: Release keys, and stage keys if the inner door's signature is to be checked too.
        remembered: The highest sequence that was seen before.
        folder: The parts of the path that it was found at, which end as its sink's; None: not looked at.
        in_zone: They are the sink's whole path.
        require_separation: Refuse a release whose doors ran under one identity.
        require_isolation: Refuse a release whose isolation is not proven.

    Raises:
        NotFoundError: There is no release.
        SignatureError: A signature is missing, wrong or not trusted.
        RollbackError: The sequence is lower than the remembered one, or than the history's.
        RevokedError: It was withdrawn.
        IntegrityError: Anything else is not what was signed.
        BoundaryError: The doors were not separate, and that is required.
        IsolationUnprovenError: Isolation is not proven, and that is required.
    """
    # Before the pointer: a release at this moment then adds nothing that looks too new.
    kept = [path.removeprefix(f"{HISTORY}/") for path in reader.list(HISTORY)]
    pointer = Pointer.parse(reader.read(CURRENT), trust)
    if folder is not None:
        require_sink(pointer, folder, whole=in_zone)
    _check_pointer(pointer, remembered, kept)
    manifest = _manifest(reader, pointer)
    released, staged_verified = _statements(reader, manifest, trust)
    if require_separation:
        _require_apart(released.separation)
    if require_isolation:
        _require_proven(released.isolation)
    _check_files(reader, manifest)
    return _facts(pointer, manifest, released, trust, staged_verified=staged_verified)


def _facts(
    pointer: Pointer, manifest: PublicManifest, released: ReleasedPredicate, trust: Trust, *, staged_verified: bool
) -> ReleaseFacts:
    return ReleaseFacts(
        pointer=pointer,
        manifest=manifest,
        data=data_folder(pointer.run),
        files=len(manifest.outputs),
        rows=sum(file.rows for file in manifest.outputs),
        bytes=sum(file.bytes for file in manifest.outputs),
        separation=released.separation,
        isolation=released.isolation,
        signed_at=parse_time(released.signed_at),
        staged_verified=staged_verified,
        isolation_verified=_isolation_verified(manifest, trust),
    )


def _isolation_verified(manifest: PublicManifest, trust: Trust) -> bool:
    """Whether preflight's verdict is of this run, by a trusted key; when it was in force, the outer door looked at."""
    keys = trust.of_role("preflight")
    if manifest.isolation is not Isolation.PROVEN or not keys:
        return False
    if manifest.preflight is None:
        raise IntegrityError(
            "the manifest says that isolation is proven, and holds no verdict of preflight. Find out who made it"
        )
    if not held_verdict(manifest.preflight, run=manifest.run, at=None, trust=Trust(keys)).watched:
        raise IntegrityError("the manifest says that isolation is proven, and nobody watched. Find out who made it")
    return True


def _require_proven(isolation: Isolation) -> None:
    if isolation is not Isolation.PROVEN:
        raise IsolationUnprovenError(
            f"the release says isolation '{isolation}', expected 'proven'. Release it from a run under preflight, or verify without "
            "--require-isolation"
        )


def _require_apart(separation: Separation) -> None:
    if separation is Separation.NONE:
        raise BoundaryError(
            "the release was made with separation 'none': one process tree held both doors. "
            "Release it with two identities, or verify without --require-separation"
        )


def verify_evidence(reader: EvidenceReader, run: str, *, trust: Trust) -> EvidenceFacts:
    """Verify one run's manifest, gate verdict and both statements; not its data, and not whether it is current.

    Raises:
        SignatureError: A signature is missing, wrong or not trusted.
        IntegrityError: Anything else is not what was signed.
    """
    manifest = PublicManifest.from_bytes(_read(reader, f"{evidence_folder(run)}/{MANIFEST}"))
    if manifest.run != run:
        raise IntegrityError(f"the evidence of run '{run}' is of run '{manifest.run}'. Find out who moved it")
    released, staged_verified = _statements(reader, manifest, trust)
    gate = _read(reader, f"{evidence_folder(run)}/{GATE}")
    _same_digest(f"{evidence_folder(run)}/{GATE}", sha256_hex(gate), released.gate_sha256)
    return EvidenceFacts(manifest, gate, parse_time(released.signed_at), staged_verified)


def _check_pointer(pointer: Pointer, remembered: int, kept: Iterable[str]) -> None:
    if pointer.sequence < remembered:
        raise RollbackError(
            f"the current pointer has sequence {pointer.sequence}, but {remembered} was seen before: an older release was put back. "
            "Do not read it; ask the owner of the sanitized zone",
            sequence=pointer.sequence,
            remembered=remembered,
        )
    require_newest(pointer.sequence, kept)
    if pointer.state is RunState.REVOKED:
        raise RevokedError(
            f"release '{pointer.run}' was revoked at {pointer.published_at}{f' ({pointer.reason})' if pointer.reason else ''}. "
            "Do not read it; wait for the next release"
        )


def _manifest(reader: ReleaseReader, pointer: Pointer) -> PublicManifest:
    name = f"{evidence_folder(pointer.run)}/{MANIFEST}"
    data = _read(reader, name)
    _same_digest(name, sha256_hex(data), pointer.manifest)
    manifest = PublicManifest.from_bytes(data)
    for field in ("dataset", "recipient", "run"):
        if getattr(manifest, field) != getattr(pointer, field):
            raise IntegrityError(f"manifest and pointer name another {field}. Find out who changed them")
    return manifest


def _statements(reader: EvidenceReader, manifest: PublicManifest, trust: Trust) -> tuple[ReleasedPredicate, bool]:
    folder = evidence_folder(manifest.run)
    lines = _read(reader, f"{folder}/{STATEMENTS}").split(b"\n")
    if len(lines) != 3 or lines[2]:  # noqa: PLR2004 - two lines, and what follows the last one
        raise SignatureError(f"'{folder}/{STATEMENTS}' does not hold two signed statements. Release the run again")
    released = parse_statement(verify(lines[1], trust=trust, role="release", at=signed_at), ReleasedPredicate)
    released.require(subjects_of(manifest))
    _agree(released.predicate, manifest)
    _same_digest(f"{folder}/{STATEMENTS}", sha256_hex(lines[0]), released.predicate.staged_sha256)
    _same_digest(f"{folder}/{GATE}", sha256_hex(_read(reader, f"{folder}/{GATE}")), released.predicate.gate_sha256)
    checked = bool(trust.of_role("stage"))
    if checked:
        staged = parse_statement(verify(lines[0], trust=trust, role="stage", at=signed_at), StagedPredicate).predicate
        for field in ("dataset", "recipient", "run", "policy_sha256", "plan_digest"):
            _agree_on(field, getattr(staged, field), getattr(manifest, field))
    return released.predicate, checked


def _agree(predicate: ReleasedPredicate, manifest: PublicManifest) -> None:
    for field in ("dataset", "recipient", "run", "policy_sha256", "plan_digest", "isolation", "separation"):
        _agree_on(field, getattr(predicate, field), getattr(manifest, field))


def _agree_on(field: str, found: object, expected: object) -> None:
    if found != expected:
        raise IntegrityError(
            f"statement and manifest name another {field}: '{found}' against '{expected}'. Find out who signed them"
        )


def _check_files(reader: ReleaseReader, manifest: PublicManifest) -> None:
    data, evidence = data_folder(manifest.run), evidence_folder(manifest.run)
    _same_names(reader, data, {f"{data}/{file.path}" for file in manifest.outputs})
    _same_names(reader, evidence, {f"{evidence}/{name}" for name in (MANIFEST, GATE, STATEMENTS)})
    for file in manifest.outputs:
        _check_file(reader, f"{data}/{file.path}", file, manifest.schema)


def _same_names(reader: ReleaseReader, folder: str, expected: set[str]) -> None:
    found = set(reader.list(folder))
    for what, names in (("is missing", expected - found), ("is not part of the release", found - expected)):
        if names:
            raise IntegrityError(
                f"'{min(names)}' {what} ({len(names)} such files). Do not read the release; find out who changed it",
                files=sorted(names)[:20],
            )


def _check_file(reader: ReleaseReader, path: str, file: StagedFile, schema: tuple[SchemaField, ...]) -> None:
    digest, size = reader.measure(path)
    if size != file.bytes:
        raise DigestMismatchError(
            f"'{path}' has {size:,} bytes, the manifest says {file.bytes:,}. Do not read the release", path=path
        )
    _same_digest(path, digest, file.sha256)
    rows, found = reader.describe_parquet(path)
    if rows != file.rows:
        raise IntegrityError(f"'{path}' has {rows:,} rows, the manifest says {file.rows:,}. Do not read the release", path=path)
    if found != schema:
        raise SchemaMismatchError(f"'{path}' has another schema than the manifest says. Do not read the release", path=path)


def _same_digest(path: str, found: str, expected: str) -> None:
    if found != expected:
        raise DigestMismatchError(
            f"'{path}' has SHA-256 {found[:16]}..., expected {expected[:16]}.... Do not read the release; find out who changed it",
            path=path,
        )


def _read(reader: EvidenceReader, path: str) -> bytes:
    try:
        return reader.read(path)
    except NotFoundError:
        raise IntegrityError(
            f"'{path}' is missing from the release. Do not read it; find out who removed it", path=path
        ) from None
