"""A run's folders: binding a run id to its plan, where the run stands, new ids, and what earlier runs left in staging."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from airlock.doors._digests import DIGESTS
from airlock.doors._footers import FOOTERS
from airlock.doors._leftovers import remove, staging_leftovers
from airlock.doors._source import Prepared
from airlock.doors._verdicts import read_verdict
from airlock.engines.records import SplitRecord, record_folder
from airlock.engines.summaries import SUMMARIES, summary_folder
from airlock.errors import ConfigError, RunBoundError
from airlock.evidence.canonical import canonical_json, parse_canonical
from airlock.settings import Settings
from airlock.storage import AlreadyExistsError, Store
from airlock.types import RunId, RunState, Sha256

__all__ = [
    "REIDENTIFICATIONS",
    "RunFolder",
    "clean_own",
    "clean_records",
    "clean_staging",
    "clean_summaries",
    "new_run_id",
    "plan_digest",
]

MANIFEST, ENVELOPE, VERDICT = "manifest.json", "manifest.intoto.json", "verdict.json"

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REIDENTIFICATIONS = "reidentify"
"""The folder of the signed records of reversals, which `reidentify` writes."""

_TAKEN = {"splits", "lease.json", DIGESTS, FOOTERS, SUMMARIES, REIDENTIFICATIONS}
"""What else stands beside the runs' folders in zone `private`."""


def new_run_id() -> RunId:
    """A UUIDv7 (RFC 9562, section 5.7): sorts by time."""
    millis = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (millis << 80) | (7 << 76) | ((noise >> 64 & 0xFFF) << 64) | (0b10 << 62) | (noise & ((1 << 62) - 1))
    return RunId(str(uuid.UUID(int=value)))


def plan_digest(prepared: Prepared, names: list[str]) -> Sha256:
    """What a run id is bound to: inputs, policy, key ids and code; the splits' keyed names hold the first three."""
    what = {"program": prepared.plan.digest, "splits": sorted(names)}
    return Sha256(hashlib.sha256(canonical_json(what)).hexdigest())


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where one run's files are on both sides of the inner door."""

    private: Store
    staging: Store
    dataset: str
    run: RunId

    @property
    def base(self) -> str:
        """The run's folder, in either zone."""
        return f"{self.dataset}/{self.run}"

    def __post_init__(self) -> None:
        """Raise ConfigError unless the run id can name a folder and pending files."""
        if not _RUN.fullmatch(self.run) or self.run in _TAKEN:
            raise ConfigError(
                f"{self.run!r} is not a run id: 1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit"
            )

    def bind(self, prepared: Prepared, names: list[str]) -> None:
        """Bind the run id to its plan, or make sure that it is bound to the same.

        Raises:
            RunBoundError: It is bound to another plan.
        """
        binding = canonical_json({"plan": plan_digest(prepared, names), "policy": prepared.plan.policy.digest})
        path = f"{self.base}/run.json"
        try:
            self.private.create(path, binding)
        except AlreadyExistsError:
            if self.private.read(path) != binding:
                raise RunBoundError(
                    f"run '{self.run}' of '{self.dataset}' is bound to another plan: inputs, policy, keys or code have changed since. "
                    "Leave --run out for a new one",
                    run=self.run,
                ) from None

    def state(self, settings: Settings) -> RunState:
        """Whether it is staged or released already.

        Raises:
            RunBoundError: The outer door refused it, or it was revoked.
        """
        verdict = read_verdict(self.staging, self.base, settings)
        if verdict in (RunState.REFUSED, RunState.REVOKED):
            raise RunBoundError(
                f"run '{self.run}' of '{self.dataset}' was {verdict}; it is never staged again. Leave --run out", run=self.run
            )
        if verdict is not None:
            return verdict
        return RunState.STAGED if self.staging.read_versioned(f"{self.base}/{ENVELOPE}") else RunState.OPEN


def clean_staging(staging: Store, dataset: str, *, keep: str, settings: Settings) -> None:
    """Delete what no one waits for, but for the run `keep`. Needs the dataset's lease."""
    found = staging_leftovers(staging, dataset, settings)
    remove(staging, [left for left in found if left.base != f"{dataset}/{keep}"])


def clean_own(folder: RunFolder, kept: frozenset[str]) -> None:
    """Delete what killed tries of this run left in its staged folder: all but the files named in `kept`. Needs the dataset's lease."""
    folder.staging.sweep(folder.base, grace=0)
    for entry in folder.staging.list(f"{folder.base}/data"):
        if entry.path.rpartition("/")[2] not in kept:
            folder.staging.delete(entry.path)


def clean_records(private: Store, dataset: str, record: Callable[[str], SplitRecord | None]) -> None:
    """Delete files that a killed task put beside the records and that no record names. Needs the dataset's lease.

    Args:
        private: Zone `private`.
        dataset: Whose records.
        record: Reads a split's record.
    """
    base = record_folder(dataset)
    names = [entry.path.rpartition("/")[2] for entry in private.list(base)]
    recorded = {name.removesuffix(".json") for name in names if name.endswith(".json")}
    files: dict[str, list[str]] = {}
    for name in names:
        if not name.endswith(".json"):
            files.setdefault(re.split("[-.]", name)[0], []).append(name)
    for split, found in files.items():
        for name in _unnamed(found, record(split) if split in recorded and len(found) > 1 else None, split in recorded):
            private.delete(f"{base}/{name}")


def clean_summaries(private: Store, dataset: str, kept: frozenset[str]) -> None:
    """Delete the summaries of splits that are not named in `kept`. Needs the dataset's lease."""
    private.sweep(summary_folder(dataset), grace=0)
    for entry in private.list(summary_folder(dataset)):
        if entry.path.rpartition("/")[2] not in kept:
            private.delete(entry.path)


def _unnamed(found: list[str], record: SplitRecord | None, recorded: bool) -> list[str]:
    """Files of a split that its record does not name; a lone file of a recorded split is its own."""
    if record is None:
        return [] if recorded else found
    known = {file.name for file in record.files} | {f"{record.name}.rejects"}
    return [name for name in found if name not in known]


def binding_of(private: Store, base: str) -> str:
    """The plan digest that a run is bound to."""
    bound = parse_canonical(private.read(f"{base}/run.json"))
    assert isinstance(bound, dict)  # written by bind() alone, on the raw side
    return str(bound["plan"])
