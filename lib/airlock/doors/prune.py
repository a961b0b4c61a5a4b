"""Remove what need not stay, now: superseded and revoked data, old split records, what killed doors left. For `airlock runs prune`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airlock.doors._behind import Behind, sinks_behind
from airlock.doors._leftovers import Leftover, files_by_run, remove, staging_leftovers
from airlock.doors._pending import clean_pending, is_judged
from airlock.doors._releases import find_sinks
from airlock.doors._reports import Report, drop_report, reports
from airlock.doors._signed import ENVELOPE
from airlock.doors._sinks import Current, clean_sanitized, lease_path, read_pointer, retain, settle
from airlock.doors._verdicts import VERDICT
from airlock.doors._zones import open_outer_staging, open_zone, require_disjoint
from airlock.errors import NotFoundError
from airlock.evidence.canonical import parse_time
from airlock.evidence.manifest import PrivateManifest
from airlock.evidence.trust import Trust
from airlock.policy.load import load_policy, policy_files
from airlock.policy.model import Retain
from airlock.settings import Settings
from airlock.storage import Entry, Store
from airlock.storage.lease import Lease
from airlock.types import RunState, Zone

__all__ = ["Behind", "Extent", "Job", "Removed", "prune", "prune_jobs", "sinks_behind"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is to go.

    Attributes:
        superseded: Whatever the latest run replaces, as a person's deletion asks for: superseded releases whatever `sink.retain`
            says, older runs that still wait in staging, and their rejected rows and splits.
        now: Without the grace time, which readers of a superseded release and half-written files have; without `staging_ttl`.
        dry_run: Say what would go; write nothing, not even the lease.
    """

    superseded: bool = False
    now: bool = False
    dry_run: bool = False


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
        ConfigError: It names no zone that can be pruned; or private without staging: which runs wait can't be told then.
        NotFoundError: A named dataset stands in none of them.
    """
    require_disjoint(settings)
    if not (settings.has(Zone.PRIVATE) or settings.has(Zone.SANITIZED)):
        settings.zone(Zone.SANITIZED)
    if settings.has(Zone.PRIVATE):
        settings.zone(Zone.STAGING)
    found: list[Job] = []
    if settings.has(Zone.PRIVATE):
        private = open_zone(settings, Zone.PRIVATE)
        found += [Job(name) for name in sorted({entry.path.split("/")[0] for entry in private.list() if "/" in entry.path})]
    if settings.has(Zone.SANITIZED):
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


def prune(job: Job, settings: Settings, extent: Extent = Extent()) -> list[Removed]:
    """Remove what need not stay, under the lease.

    Args:
        job: One of `prune_jobs`.
        settings: Names the zones; `policies` for `sink.retain`, without them only revoked data goes.
        extent: How much is to go.

    Raises:
        LeaseHeldError: A run of the dataset is under way.
        SignatureError, IntegrityError: Evidence does not hold, so nothing is removed.
    """
    store = open_zone(settings, Zone.SANITIZED if job.sink else Zone.PRIVATE)
    path = lease_path(job.sink) if job.sink else f"{job.dataset}/lease.json"
    ttl = float(settings.number("lease_seconds"))
    with nullcontext() if extent.dry_run else Lease.acquire(store, path, owner="prune", ttl=ttl) as lease:
        if lease is not None:
            lease.keep_alive()
        fence = 0 if lease is None else lease.fence
        removed = _outer(store, job, settings, fence, extent) if job.sink else _inner(store, job, settings, extent)
        return [one for one in removed if one.count]


# --- the outer side ---------------------------------------------------------------------------------------------------


def _outer(store: Store, job: Job, settings: Settings, fence: int, extent: Extent) -> Iterator[Removed]:
    trust, sink = Trust.load(settings.path("trust")), job.sink
    keep = Retain(releases=0) if extent.superseded else _retain_of(sink, settings)
    grace = 0 if extent.now else settings.number("grace_minutes")
    # First: where a pointer or a report does not hold, this raises and nothing goes.
    current = (read_pointer if extent.dry_run else settle)(store, sink, trust)
    overtaken = _overtaken(job.dataset, current, settings)
    left = clean_sanitized(store, sink, current, trust, dry_run=extent.dry_run)
    gone = retain(store, sink, keep, trust, grace_minutes=grace, dry_run=extent.dry_run)
    released = 0 if current is None else current.pointer.fence
    waits = clean_pending(store, sink, released=released, judged=_judged(job, settings), lease=fence, dry_run=extent.dry_run)
    yield Removed(job.dataset, Zone.SANITIZED, "superseded or revoked data", len(gone), sum(gone.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "pending files of runs that are over", len(waits), sum(waits.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "runs never published", len(left), sum(left.values()))
    yield Removed(job.dataset, Zone.SANITIZED, "reports on refused runs", len(overtaken), sum(one.bytes for one in overtaken))
    if not extent.dry_run:
        for report in overtaken:
            drop_report(report, settings)
        yield Removed(job.dataset, Zone.SANITIZED, "half-written files", store.sweep() + store.sweep(sink, grace=0), 0)


def _overtaken(dataset: str, current: Current | None, settings: Settings) -> list[Report]:
    """Reports on runs that were refused before what is current now was released: what they name was mended."""
    if current is None or current.pointer.state is not RunState.RELEASED:
        return []
    since = parse_time(current.pointer.published_at)
    return [report for report in reports(dataset, settings) if report.at < since]


def _judged(job: Job, settings: Settings) -> Callable[[str], bool]:
    if not settings.has(Zone.STAGING):
        return lambda _: False  # which runs still wait can't be told
    return partial(is_judged, open_outer_staging(settings), job.dataset)


def _retain_of(sink: str, settings: Settings) -> Retain | None:
    folder = settings.path("policies")
    policies = map(load_policy, policy_files(Path(folder))) if folder is not None else ()
    return next((policy.sink.retain for policy in policies if policy.sink.path == sink), None)


# --- the inner side ---------------------------------------------------------------------------------------------------


def _inner(private: Store, job: Job, settings: Settings, extent: Extent) -> Iterator[Removed]:
    dataset = job.dataset
    staging = open_zone(settings, Zone.STAGING)
    runs = _Runs.of(private, staging, dataset)
    judged = staging_leftovers(staging, dataset, settings, now=extent.now or extent.superseded)
    going = [
        (Zone.STAGING, "judged or dead runs", judged),
        (Zone.STAGING, "superseded runs", runs.superseded() if extent.superseded else []),
        (Zone.PRIVATE, "dead runs", runs.dead(every=extent.superseded)),
        (Zone.PRIVATE, "rejected rows of superseded runs", runs.rejected() if extent.superseded else []),
    ]
    splits = runs.unused(only_latest=extent.superseded)
    if not extent.dry_run:
        for zone, _, leftovers in going:
            remove(staging if zone is Zone.STAGING else private, leftovers)
        for entry in splits:
            private.delete(entry.path)
    yield from (_removed(dataset, zone, what, leftovers) for zone, what, leftovers in going)
    yield Removed(dataset, Zone.PRIVATE, "split files", len(splits), sum(entry.size for entry in splits))
    if not extent.dry_run:
        # The outer door may be writing a verdict into staging right now.
        swept = staging.sweep(dataset, grace=0) if extent.now else staging.sweep(dataset)
        yield Removed(dataset, Zone.STAGING, "half-written files", swept, 0)
        yield Removed(dataset, Zone.PRIVATE, "half-written files", private.sweep(dataset, grace=0), 0)


def _removed(dataset: str, zone: Zone, what: str, leftovers: Sequence[Leftover]) -> Removed:
    return Removed(dataset, zone, what, len(leftovers), sum(file.size for left in leftovers for file in left.files))


@dataclass(frozen=True, slots=True)
class _Runs:
    """What the inner side knows of a dataset's runs, each by its id.

    Attributes:
        begun: Files in zone `private`, of the runs that were begun, by name.
        finished: What they read, of those that got so far.
        waiting: Files in zone `staging`, of those that the outer door has not judged.
        splits: Records of finished splits and their files.
    """

    dataset: str
    begun: Mapping[str, Mapping[str, Entry]]
    finished: Mapping[str, PrivateManifest]
    waiting: Mapping[str, Mapping[str, Entry]]
    splits: tuple[Entry, ...]

    @classmethod
    def of(cls, private: Store, staging: Store, dataset: str) -> _Runs:
        begun = {run: files for run, files in files_by_run(private, dataset).items() if "run.json" in files}
        finished = {
            run: PrivateManifest.from_bytes(private.read(files["manifest.json"].path))
            for run, files in begun.items()
            if "manifest.json" in files
        }
        staged = files_by_run(staging, dataset)
        waiting = {run: files for run, files in staged.items() if ENVELOPE in files and VERDICT not in files}
        return cls(dataset, begun, finished, waiting, tuple(private.list(f"{dataset}/splits")))

    @property
    def latest(self) -> str:
        """The run that finished last, by its fence: ids may be given, and then say nothing; '' if none did."""
        return max(self.finished, key=lambda run: self.finished[run].fence, default="")

    def superseded(self) -> list[Leftover]:
        """Runs that wait in staging although a later one finished."""
        if not self.latest:
            return []
        return [
            Leftover(f"{self.dataset}/{run}", tuple(files.values()), whole=True)
            for run, files in self.waiting.items()
            if run != self.latest
        ]

    def dead(self, *, every: bool) -> list[Leftover]:
        """Runs that never ended: those that were begun before the latest finished one, or every one."""
        return [
            Leftover(f"{self.dataset}/{run}", tuple(files.values()), whole=True)
            for run, files in self.begun.items()
            if run not in self.finished and (every or run < self.latest)
        ]

    def rejected(self) -> list[Leftover]:
        """Sealed rows that runs before the latest one could not process."""
        found = []
        for run in self.finished.keys() - {self.latest}:
            rows = tuple(entry for name, entry in self.begun[run].items() if name.startswith("rejects/"))
            if rows:
                found.append(Leftover(f"{self.dataset}/{run}", rows, whole=False))
        return found

    def unused(self, *, only_latest: bool) -> list[Entry]:
        """Split records and files that neither the latest run nor a staged one uses, nor a newer one may go on with.

        Args:
            only_latest: That the latest run does not use.
        """
        names = {run: {split.name for split in manifest.splits} for run, manifest in self.finished.items()}
        used = {name for run in names if run == self.latest or (run in self.waiting and not only_latest) for name in names[run]}
        ever = {name for found in names.values() for name in found}
        going_on = not only_latest and any(run > self.latest for run in self.begun if run not in self.finished)
        return [
            entry
            for entry in self.splits
            if (name := entry.path.rpartition("/")[2][:_NAME]) not in used and not (going_on and name not in ever)
        ]
