"""Verify a published release: anyone can, without Spark and without a secret. Called by the command line; `path` too."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from airlock.doors.progress import Progress, Watcher, silent
from airlock.doors.shelves import Shelf, shelf
from airlock.errors import ConfigError, IntegrityError, NotFoundError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.pointer import HISTORY, require_newest
from airlock.evidence.schema import SchemaField, schema_fields
from airlock.evidence.trust import Trust
from airlock.evidence.verify import CURRENT, ReleaseFacts, verify_release
from airlock.settings import Settings
from airlock.types import Isolation

__all__ = ["Verified", "verified_data", "verified_release", "verify"]

_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Verified:
    """A release that is what was signed."""

    dataset: str
    run: str
    state: str
    sequence: int
    rows: int
    files: int
    bytes: int
    separation: str
    isolation: str
    isolation_signature: str
    staged_signature: str
    signed_at: str


def verify(
    folder: str | Path,
    settings: Settings,
    *,
    require_separation: bool = False,
    require_isolation: bool = False,
    watcher: Watcher = silent,
) -> Verified:
    """Verify one dataset's current release and remember its sequence.

    Raises:
        SignatureError: No trusted key is given, or a signature is not by one.
        IntegrityError, RollbackError: The release is not what was signed, not this folder's, or an older one was put back.
        NotFoundError: There is no release.
    """
    found = shelf(folder, settings)
    facts = _checked(
        found, settings, require_separation=require_separation, require_isolation=require_isolation, watcher=watcher
    )
    return Verified(
        dataset=facts.pointer.dataset,
        run=facts.pointer.run,
        state="verified",
        sequence=facts.pointer.sequence,
        rows=facts.rows,
        files=facts.files,
        bytes=facts.bytes,
        separation=facts.separation.value,
        isolation=facts.isolation.value,
        isolation_signature=_preflight_signature(facts),
        staged_signature="verified" if facts.staged_verified else "not checked: no stage key is trusted",
        signed_at=facts.signed_at.isoformat(),
    )


def _preflight_signature(facts: ReleaseFacts) -> str:
    if facts.isolation is not Isolation.PROVEN:
        return "none"
    return "verified" if facts.isolation_verified else "not checked: no preflight key is trusted"


def verified_data(folder: str | Path, settings: Settings) -> str:
    """The current release's data folder, after verifying all of it: a path, or an `s3://` uri."""
    found = shelf(folder, settings)
    return found.at(_checked(found, settings).data)


def verified_release(folder: Path, settings: Settings) -> tuple[Path, PublicManifest]:
    """The same of a release on this machine's disk, and what it says of itself."""
    found = shelf(folder, settings)
    facts = _checked(found, settings)
    return Path(found.at(facts.data)), facts.manifest


def _checked(
    found: Shelf,
    settings: Settings,
    *,
    require_separation: bool = False,
    require_isolation: bool = False,
    watcher: Watcher = silent,
) -> ReleaseFacts:
    if found.store.read_versioned(CURRENT) is None:
        require_newest(0, [entry.path.rpartition("/")[2] for entry in found.store.list(HISTORY)])
        raise NotFoundError(f"'{found.shown}' holds no release (no {CURRENT})")
    memory = _Memory(settings.path("state"), found.key)
    facts = verify_release(
        _Reader(found, watcher),
        trust=Trust.load(settings.path("trust")),
        remembered=memory.sequence(),
        folder=found.parts,
        in_zone=found.in_zone,
        require_separation=require_separation,
        require_isolation=require_isolation,
    )
    memory.remember(facts.pointer.sequence)
    return facts


class _Reader:
    """One dataset's folder, as the pure verification reads it."""

    def __init__(self, found: Shelf, watcher: Watcher) -> None:
        self._store, self._watcher, self._dataset = found.store, watcher, found.uri.rpartition("/")[2]
        self._total, self._done = 0, 0

    def read(self, path: str) -> bytes:
        return self._store.read(path)

    def list(self, prefix: str) -> Iterable[str]:
        # Listings leave out what is being written; here everything counts.
        found = [entry.path for entry in self._store.list(prefix, hidden=True)]
        if prefix.startswith("data/"):
            self._total = len(found)
        return found

    def measure(self, path: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self._store.open_input(path) as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
        self._done += 1
        self._watcher(Progress(self._dataset, "verify", self._done, self._total))
        return digest.hexdigest(), size

    def describe_parquet(self, path: str) -> tuple[int, tuple[SchemaField, ...]]:
        try:
            with self._store.open_input(path) as source, pq.ParquetFile(source) as file:
                return file.metadata.num_rows, schema_fields(file.schema_arrow)
        except (OSError, ValueError):
            raise IntegrityError(f"'{path}' is not a Parquet file. Do not read the release", path=path) from None


class _Memory:
    """The highest sequence seen of each folder, in the user's own state file.

    Raises:
        ConfigError: There is no place for it, or it can't be read or written: what was not remembered is not verified.
    """

    def __init__(self, file: Path | None, key: str) -> None:
        self._file = file or _state_folder() / "airlock" / "sequences.json"
        self._key = sha256_hex(key.encode())

    def _all(self) -> dict[str, int]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(key): int(value) for key, value in found.items()}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unusable(error) from None
        except (ValueError, AttributeError, TypeError):
            raise IntegrityError(
                f"'{self._file}' is not what verify wrote; it guards against rollback. Restore or delete it"
            ) from None

    def sequence(self) -> int:
        return self._all().get(self._key, 0)

    def remember(self, sequence: int) -> None:
        known = self._all()
        if known.get(self._key, 0) >= sequence:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            made = self._file.with_suffix(f".{os.getpid()}")
            made.write_text(json.dumps(known | {self._key: sequence}, sort_keys=True), encoding="utf-8")
            made.replace(self._file)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"'{self._file}', which remembers the highest sequence seen, can't be used: {error.strerror}. Name a file that "
            "this user can write: setting 'state', or AIRLOCK_STATE"
        )


def _state_folder() -> Path:
    try:
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:
        raise ConfigError(
            "this user has no home folder to remember the highest sequence in. Name a file: setting 'state', or AIRLOCK_STATE"
        ) from None
