"""Remove what need not stay, now: superseded and revoked data, old split records, what killed doors left. For `airlock runs prune`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airlock.doors._leftovers import Leftover, files_by_run, remove, staging_leftovers
from airlock.doors._pending import clean_pending, is_judged
from airlock.doors._releases import find_sinks
from airlock.doors._reports import Report, drop_report, reports
from airlock.doors._signed import ENVELOPE
from airlock.doors._sinks import Current, clean_sanitized, lease_path, read_pointer, retain
from airlock.doors._verdicts import VERDICT
from airlock.doors._zones import open_zone, require_disjoint
from airlock.errors import NotFoundError
from airlock.evidence.canonical import parse_time
from airlock.evidence.manifest import PrivateManifest
from airlock.evidence.trust import Trust
from airlock.policy.load import load_policy, policy_files
from airlock.policy.model import Retain
from airlock.settings import Settings
from airlock.storage import Entry, Store
from airlock.storage.lease import Lease
from airlock.storage.pending import sweep
from airlock.types import RunState, Zone

__all__ = ["Job", "Removed", "prune", "prune_jobs"]

_NAME = 32
"""Hex digits of a split's keyed name: what the names of its record and files begin with."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed of one kind.

    Attributes:
        count: Releases, runs, split files or half-written files.
    """

    dataset: str
    zone: Zone
    what: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Job:
    """One lease's worth of pruning: a dataset on the inner side (`private`, `staging`), or a sink of zone `sanitized`.

    Attributes:
        sink: Empty on the inner side.
    """

    dataset: str
    sink: str = ""


def prune_jobs(datasets: Collection[str], settings: Settings) -> list[Job]:
    """What there is to look at in the zones that this configuration names.

    Raises:
        NotFoundError: A named dataset stands in none of them.
    """
    require_disjoint(settings)
    found: list[Job] = []
    if _has(settings, Zone.PRIVATE):
        private = open_zone(settings, Zone.PRIVATE)
        found += [Job(name) for name in sorted({entry.path.split("/")[0] for entry in private.list() if "/" in entry.path})]
    if _has(settings, Zone.SANITIZED):
        store, trust = open_zone(settings, Zone.SANITIZED), Trust.load(settings.path("trust"))
        for sink in find_sinks(store):
            current = read_pointer(store, sink.path, trust)
            found.append(Job(sink.path.rpartition("/")[2] if current is None else current.pointer.dataset, sink.path))
    missing = sorted(set(datasets) - {job.dataset for job in found})
    if missing:
        raise NotFoundError(
            f"no run of '{missing[0]}' is known here; there are {', '.join(sorted({job.dataset for job in found}))}"
        )
    return [job for job in found if not datasets or job.dataset in datasets]


def prune(job: Job, settings: Settings, *, dry_run: bool = False) -> list[Removed]:
    """Remove what need not stay, under the lease.

    Args:
        job: One of `prune_jobs`.
        settings: Names the zones; `policies` for `sink.retain`, without them only revoked data goes.
        dry_run: Say what would go; write nothing, not even the lease.

    Raises:
        LeaseHeldError: A run of the dataset is under way.
        SignatureError, IntegrityError: Evidence does not hold, so nothing is removed.
    """
    store = open_zone(settings, Zone.SANITIZED if job.sink else Zone.PRIVATE)
    path = lease_path(job.sink) if job.sink else f"{job.dataset}/lease.json"
    ttl = float(settings.number("lease_seconds"))
    with nullcontext() if dry_run else Lease.acquire(store, path, owner="prune", ttl=ttl) as lease:
        if lease is not None:
            lease.keep_alive()
        fence = 0 if lease is None else lease.fence
        removed = _outer(store, job, settings, fence, dry_run) if job.sink else _inner(store, job, settings, dry_run)
        return [one for one in removed if one.count]


def _has(settings: Settings, zone: Zone) -> bool:
    return settings.get(f"zones.{zone}.uri") is not None


# --- the outer side ---------------------------------------------------------------------------------------------------


def _outer(store: Store, job: Job, settings: Settings, fence: int, dry_run: bool) -> Iterator[Removed]:
    trust, sink = Trust.load(settings.path("trust")), job.sink
    grace = settings.number("grace_minutes")
    # First: where a pointer or a report does not hold, this raises and nothing goes.
    current = read_pointer(store, sink, trust)
    overtaken = _overtaken(job.dataset, current, settings)
    left = clean_sanitized(store, sink, current, trust, dry_run=dry_run)
    gone = retain(store, sink, _retain_of(sink, settings), trust, grace_minutes=grace, dry_run=dry_run)
    released = 0 if current is None else current.pointer.fence
    waits = clean_pending(store, sink, released=released, judged=_judged(job, settings), lease=fence, dry_run=dry_run)
    yield Removed(job.dataset, Zone.SANITIZED, "superseded or revoked data", len(gone), sum(gone.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "pending files of runs that are over", len(waits), sum(waits.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "runs never published", len(left), sum(left.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "reports on refused runs", len(overtaken), sum(one.bytes for one in overtaken))
    if not dry_run:
        for report in overtaken:
            drop_report(report, settings)
        yield Removed(job.dataset, Zone.SANITIZED, "half-written files", sweep(store), 0)


def _overtaken(dataset: str, current: Current | None, settings: Settings) -> list[Report]:
    """Reports on runs that were refused before what is current now was released: what they name was mended."""
    if current is None or current.pointer.state is not RunState.RELEASED:
        return []
    since = parse_time(current.pointer.published_at)
    return [report for report in reports(dataset, settings) if report.at < since]


def _judged(job: Job, settings: Settings) -> Callable[[str], bool]:
    if not _has(settings, Zone.STAGING):
        return lambda _: False  # which runs still wait can't be told
    return partial(is_judged, open_zone(settings, Zone.STAGING), job.dataset)


def _retain_of(sink: str, settings: Settings) -> Retain | None:
    folder = settings.path("policies")
    policies = map(load_policy, policy_files(Path(folder))) if folder is not None else ()
    return next((policy.sink.retain for policy in policies if policy.sink.path == sink), None)


# --- the inner side ---------------------------------------------------------------------------------------------------


def _inner(private: Store, job: Job, settings: Settings, dry_run: bool) -> Iterator[Removed]:
    dataset = job.dataset
    if not _has(settings, Zone.STAGING):
        return  # which runs still wait for the outer door can't be told
    staging = open_zone(settings, Zone.STAGING)
    leftovers = staging_leftovers(staging, dataset, settings)
    dead, splits = _dead(private, dataset), _unused(private, staging, dataset)
    if not dry_run:
        remove(staging, leftovers)
        remove(private, dead)
        for entry in splits:
            private.delete(entry.path)
    yield _removed(dataset, Zone.STAGING, "judged or dead runs", leftovers)
    yield _removed(dataset, Zone.PRIVATE, "dead runs", dead)
    yield Removed(dataset, Zone.PRIVATE, "split files", len(splits), sum(entry.size for entry in splits))
    if not dry_run:
        for zone, store in ((Zone.STAGING, staging), (Zone.PRIVATE, private)):
            yield Removed(dataset, zone, "half-written files", sweep(store, dataset), 0)


def _removed(dataset: str, zone: Zone, what: str, leftovers: Sequence[Leftover]) -> Removed:
    return Removed(dataset, zone, what, len(leftovers), sum(file.size for left in leftovers for file in left.files))


def _runs(private: Store, dataset: str) -> tuple[dict[str, dict[str, Entry]], str]:
    """The runs that were begun, the oldest first, and the latest that finished ('' if none did)."""
    begun = {run: files for run, files in files_by_run(private, dataset).items() if "run.json" in files}
    return begun, max((run for run, files in begun.items() if "manifest.json" in files), default="")


def _dead(private: Store, dataset: str) -> list[Leftover]:
    """Runs that were begun before the latest finished one and never ended."""
    begun, latest = _runs(private, dataset)
    return [
        Leftover(f"{dataset}/{run}", tuple(files.values()), whole=True)
        for run, files in begun.items()
        if run < latest and "manifest.json" not in files
    ]


def _unused(private: Store, staging: Store, dataset: str) -> list[Entry]:
    """Split records and files that neither the latest run nor a staged one uses, nor a newer one may go on with."""
    begun, latest = _runs(private, dataset)
    waiting = {run for run, files in files_by_run(staging, dataset).items() if ENVELOPE in files and VERDICT not in files}
    finished = {run: _split_names(private, dataset, run) for run, files in begun.items() if "manifest.json" in files}
    used = {name for run, names in finished.items() if run == latest or run in waiting for name in names}
    ever = {name for names in finished.values() for name in names}
    going_on = any(run > latest for run in begun)
    return [
        entry
        for entry in private.list(f"{dataset}/splits")
        if (name := entry.path.rpartition("/")[2][:_NAME]) not in used and not (going_on and name not in ever)
    ]


def _split_names(private: Store, dataset: str, run: str) -> set[str]:
    manifest = PrivateManifest.from_bytes(private.read(f"{dataset}/{run}/manifest.json"))
    return {split.name for split in manifest.splits}
