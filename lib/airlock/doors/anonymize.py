"""The inner door: reads raw data, writes a staged release and nothing else. Called by the command line and by jobs/anonymize.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pyarrow as pa

from airlock.cluster.podtemplate import labels_of
from airlock.doors._adopt import adopt
from airlock.doors._callers import caller_digest
from airlock.doors._deadline import within
from airlock.doors._digests import source_digests
from airlock.doors._effects import demand_effect, judged_columns
from airlock.doors._engine import choose_runner
from airlock.doors._failures import Failure, write_failures
from airlock.doors._footers import forget_footers, keep_footers
from airlock.doors._guard import Stop, guarded
from airlock.doors._pulse import pulse
from airlock.doors._runs import RunFolder, clean_own, clean_records, clean_staging, clean_summaries, new_run_id
from airlock.doors._sample import read_sample
from airlock.doors._source import Prepared, prepare
from airlock.doors._staged import StagedFacts, stage_manifest
from airlock.doors._zones import open_own_zone
from airlock.doors.permits import key_permit, standing_verdict
from airlock.doors.progress import Progress, Watcher, silent
from airlock.engines.frame import FrameBinding, TaskFrame, seal_frame
from airlock.engines.frequency import demand_frequencies
from airlock.engines.records import SplitRecord, read_record, record_folder, split_names
from airlock.engines.summaries import Gathering, kept_summaries
from airlock.engines.tables import digest_of
from airlock.engines.task import TaskResult
from airlock.errors import (
    AirlockError,
    DriftError,
    FrequencyError,
    SourceChangedError,
    TaskFailedError,
    TransientError,
    all_errors,
)
from airlock.evidence.standing import Standing
from airlock.keys import Permit, SubKeys
from airlock.keys.open import open_key_ring
from airlock.keys.signing import load_signer
from airlock.keys.wrap import create_executor_key_file
from airlock.plan.passes import dataset_passes
from airlock.policy.load import load_policy
from airlock.policy.unlisted import shown_path
from airlock.settings import Settings
from airlock.storage.at_once import at_once
from airlock.storage.conditions import require_conditions
from airlock.storage.lease import Lease
from airlock.storage.scratch import scratch_folder
from airlock.types import RunId, RunState, Zone, run_id_of

__all__ = ["StagedRelease", "anonymize"]

_MOST_NAMED = 20
_SAMPLED = 2_000
"""Rows that show whether a rule has an effect."""
_REFUSED = 3


@dataclass(frozen=True, slots=True)
class StagedRelease:
    """What the inner door staged.

    Attributes:
        reused: Splits whose records an earlier run left.
        continued: The run was staged before; nothing was done.
        excluded_ids: How many ids `source.exclude` lists; `excluded_found`: how many of them had rows.
    """

    dataset: str
    run: RunId
    rows_in: int
    rows_out: int
    suppressed: int
    rejected: int
    splits: int
    reused: int
    continued: bool = False
    excluded_ids: int = 0
    excluded_found: int = 0


def anonymize(
    policy: Path,
    settings: Settings,
    *,
    run_id: str | None = None,
    launch: str | None = None,
    engine: str | None = None,
    permit: Permit | None = None,
    watcher: Watcher = silent,
) -> StagedRelease:
    """Stage one dataset.

    Args:
        policy: The policy file.
        settings: Names zones raw, private and staging, a key provider and the stage-signing key.
        run_id: Continue or bind this run id; without it that of `launch`, or a new UUIDv7.
        launch: What launched it, the same for every retry.
        engine: `auto`, `local` or `spark`; without it the setting.
        permit: Leave to use keys; without it the door checks its own boundary and makes one.
        watcher: Is told of progress.

    Raises:
        PolicyError, DriftError, BoundaryError, FrequencyError, RunBoundError, TransientError: Nothing was staged. Finished splits are kept.
    """
    run = _run_id(policy, run_id, launch)
    # Before raw data are read, and while they are.
    permit, named = permit or key_permit(settings, run), standing_verdict(settings, run)
    standing = None if named is None else named.begun()
    begun = _Begun(run, permit, standing, Stop())
    with guarded(standing, begun.stop), within(settings.number("run_seconds"), begun.stop):
        return _work(policy, settings, begun, watcher).run(run, engine or settings.require("engine"))


def _run_id(policy: Path, run_id: str | None, launch: str | None) -> RunId:
    if run_id is not None:
        return RunId(run_id)
    return new_run_id() if launch is None else run_id_of(load_policy(policy).dataset, launch)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run: under which permit and verdict of preflight it goes on, and what ends its tasks."""

    run: RunId
    permit: Permit
    standing: Standing | None
    stop: Stop


def _work(policy: Path, settings: Settings, begun: _Begun, watcher: Watcher) -> _Work:
    prepared = prepare(policy, settings)
    keys_policy = prepared.plan.policy.keys
    keys = open_key_ring(settings).subkeys(
        prepared.plan.requests, recipient=keys_policy.recipient, epoch=keys_policy.epoch, permit=begun.permit, run=begun.run
    )
    return _Work(prepared, settings, keys, begun, watcher)


class _Work:
    """One run of the inner door, under the dataset's lease."""

    def __init__(self, prepared: Prepared, settings: Settings, keys: SubKeys, begun: _Begun, watcher: Watcher) -> None:
        self.prepared, self.settings, self.keys, self.watcher = prepared, settings, keys, watcher
        self.permit, self.standing, self.stop = begun.permit, begun.standing, begun.stop
        self.objects = None if self.standing is None else self.standing.await_fresh()[0].objects_sha256
        self.policy = prepared.plan.policy
        self.dataset = self.policy.dataset
        self.private, self.staging = open_own_zone(settings, Zone.PRIVATE), open_own_zone(settings, Zone.STAGING)
        self.signer = load_signer(Path(settings.require("keys.stage_signing")))
        self.names: list[str] = []
        self.effective = False

    def run(self, given: RunId, engine: str) -> StagedRelease:
        """Bind the run id, do what is left to do, sign."""
        ttl = float(self.settings.number("lease_seconds"))
        with Lease.acquire(self.private, f"{self.dataset}/lease.json", owner=given, ttl=ttl) as lease:
            lease.keep_alive()
            require_conditions(self.staging)  # where the commit is create-only
            folder = RunFolder(self.private, self.staging, self.dataset, given)
            self.private.sweep(self.dataset, grace=0)
            self.staging.sweep(self.dataset, grace=0)
            keep_footers(self.prepared.raw, self.private, self.dataset, self.prepared.listing)
            digests = source_digests(self.prepared.raw, self.prepared.listing.files, self.private, self.dataset, self.keys)
            first = self._split_names(digests, {})
            # What the dataset concludes follows from its splits: they alone name the plan.
            folder.bind(self.prepared, first)
            state = folder.state(self.settings)
            # What was counted under another verdict, or under none, is counted again.
            under = {} if self.objects is None else {"objects": self.objects}
            concluded = self._first_reading(given, engine, self._split_names(digests, under))
            self.names = self._split_names(digests, {"concluded": digest_of(concluded)}) if concluded else first
            if state is not RunState.OPEN:
                return self._result(given, self._records(), reused=len(self.names), continued=True)
            clean_staging(self.staging, self.dataset, keep=given, settings=self.settings)
            clean_records(self.private, self.dataset, lambda name: read_record(self.private, self.dataset, name, self.keys))
            fresh = self._work_off(folder, engine, concluded)
            records = self._complete(folder, fresh)
            self._demand_frequencies(folder, records)
            self.permit.require()
            lease.check()
            self.private.sweep(self.dataset, grace=0)
            clean_own(folder, frozenset(file.name for record in records.values() for file in record.files))
            caller = caller_digest(self.settings, Zone.RAW) or caller_digest(self.settings, Zone.STAGING)
            verdict = None if self.standing is None else self.standing.await_fresh
            facts = StagedFacts(self.prepared, digests, self.keys, given, lease.fence, tuple(records.values()), caller, verdict)
            stage_manifest(facts, folder, signer=self.signer, last=lambda: self._last(lease))
            return self._result(given, records, reused=len(self.names) - len(fresh))

    def _split_names(self, digests: Mapping[str, str], more: Mapping[str, str]) -> list[str]:
        prepared = self.prepared
        return split_names(prepared.splits, digests, prepared.plan, self.keys, prepared.excluded, more=more)

    def _first_reading(self, run: RunId, engine: str, names: Sequence[str]) -> dict[str, pa.Table]:
        """What dataset-wide passes conclude; splits of which no summary is kept are read for it, in one stage."""
        if not dataset_passes(self.prepared.plan):
            clean_summaries(self.private, self.dataset, frozenset())  # of another policy
            return {}
        gathering = Gathering(self.prepared.plan)
        todo = [index for index, tables in enumerate(self._summaries(names)) if not gathering.take(tables)]
        if todo:
            self._demand_effect(todo)
            self._demand_done(run, self._stage(engine, self._frame(run, names, first=True), todo))
        missing = sum(not gathering.take(tables) for tables in self._summaries([names[index] for index in todo]))
        clean_summaries(self.private, self.dataset, frozenset(names))
        if missing:
            raise TransientError(
                f"{missing} of {len(names)} splits have no usable count although their tasks ended well. Run again"
            )
        return gathering.conclude()

    def _summaries(self, names: Sequence[str]) -> Iterator[dict[str, pa.Table] | None]:
        # Each may be of many values: two are held, not a window of them.
        return at_once(self.private, lambda name: kept_summaries(self.private, self.dataset, name, self.keys), names, most=2)

    def _last(self, lease: Lease) -> None:
        """Right before the commit."""
        self.permit.require()
        lease.check()

    def _records(self) -> dict[str, SplitRecord]:
        read = at_once(self.private, lambda name: read_record(self.private, self.dataset, name, self.keys), self.names)
        return {name: record for name, record in zip(self.names, read, strict=True) if record is not None}

    def _work_off(self, folder: RunFolder, engine: str, concluded: Mapping[str, pa.Table]) -> frozenset[str]:
        """Run the splits that have no usable record; returns their names."""
        usable = adopt(self.private, self.staging, folder.base, self._records().values(), objects=self.objects)
        todo = [index for index, name in enumerate(self.names) if name not in usable]
        reused = len(self.names) - len(todo)
        self._say(reused, reused)
        if todo:
            self._demand_effect(todo)
            with pulse(lambda: self._look(todo, reused)):
                failed = self._stage(engine, self._frame(folder.run, self.names, concluded=concluded), todo)
            self._say(reused + len(todo) - len(failed), reused)
            self._demand_done(folder.run, failed)
        return frozenset(self.names[index] for index in todo)

    def _demand_effect(self, todo: Sequence[int]) -> None:
        """Of what is to be read, a sample, before the first reading; what can't be read in it the tasks tell of, with every file."""
        columns = judged_columns(self.prepared.plan)
        if self.effective or not columns:
            return
        try:
            splits = [self.prepared.splits[index] for index in todo]
            sample = read_sample(self.prepared, _SAMPLED, splits=splits, columns=columns)
        except AirlockError:
            return
        demand_effect(self.prepared.plan, sample.batch)
        self.effective = True

    def _complete(self, folder: RunFolder, fresh: frozenset[str]) -> dict[str, SplitRecord]:
        """Every split's record, in the plan's order, its files in the run's folder."""
        records = self._records()
        usable = adopt(self.private, self.staging, folder.base, records.values(), just_written=fresh, objects=self.objects)
        if len(usable) < len(self.names):
            missing = len(self.names) - len(usable)
            raise TransientError(
                f"{missing} of {len(self.names)} splits have no usable record although their tasks ended well. Run again"
            )
        return records

    def _demand_frequencies(self, folder: RunFolder, records: dict[str, SplitRecord]) -> None:
        """Before anything is staged: the files of a refused run go, what was done stays with its records."""
        try:
            demand_frequencies(self.dataset, records.values())
        except FrequencyError as error:
            columns = cast("list[str]", error.facts["columns"])
            write_failures(self.private, folder.base, [Failure("", (), column, error.code, 0) for column in columns])
            self.staging.delete_tree(folder.base)
            raise

    def _stage(self, engine: str, frame: TaskFrame, todo: Sequence[int]) -> list[TaskResult]:
        """Carry out some of a frame's splits; returns those that failed."""
        with ExitStack() as stack:
            mounted = self.settings.path("keys.executor")
            if mounted is None:
                mounted = create_executor_key_file(stack.enter_context(scratch_folder()))
            keys_policy = self.policy.keys
            sizes = [split.bytes for split in self.prepared.splits]
            labels = labels_of(self.dataset, frame.run, self.policy.digest)
            runner = stack.enter_context(choose_runner(engine, self.settings, sizes, nodes=self._nodes(), labels=labels))
            binding = FrameBinding(
                frame.run,
                self.prepared.plan.digest,
                keys_policy.recipient,
                keys_policy.epoch,
                str(mounted),
                # Executors elsewhere know their own nodes.
                self.standing if self.standing is None or runner.here else self.standing.on(None),
            )
            self.permit.require()
            with self.stop.ends(runner.stop):
                return [result for result in runner.run(seal_frame(frame, binding), binding, todo) if result.code]

    def _nodes(self) -> tuple[str, ...]:
        return () if self.standing is None else self.standing.await_fresh()[0].nodes

    def _demand_done(self, run: RunId, failed: list[TaskResult]) -> None:
        if failed:
            if any(result.code == SourceChangedError.code for result in failed):
                forget_footers(self.private, self.dataset)
            found = (Failure(result.name, result.files, result.column, result.code, 0) for result in failed)
            write_failures(self.private, f"{self.dataset}/{run}", found)
            raise _failure(self.dataset, run, failed)

    def _frame(
        self, run: RunId, names: Sequence[str], *, first: bool = False, concluded: Mapping[str, pa.Table] = MappingProxyType({})
    ) -> TaskFrame:
        return TaskFrame(
            plan=self.prepared.plan,
            run=run,
            splits=self.prepared.splits,
            names=tuple(names),
            zones={zone: self.settings.zone(zone) for zone in (Zone.RAW, Zone.PRIVATE, Zone.STAGING)},
            excluded=self.prepared.excluded,
            codec=self.settings.require("staging_codec"),
            keys=self.keys,
            first=first,
            concluded=concluded,
        )

    def _look(self, todo: Sequence[int], reused: int) -> None:
        """Say how many splits have a record by now; the end is said where results are."""
        files = {entry.path.rpartition("/")[2] for entry in self.private.list(record_folder(self.dataset))}
        done = reused + sum(f"{self.names[index]}.json" in files for index in todo)
        if done < len(self.names):
            self._say(done, reused)

    def _say(self, done: int, reused: int) -> None:
        self.watcher(Progress(self.dataset, "anonymize", done, len(self.names), reused))

    def _result(self, run: RunId, records: dict[str, SplitRecord], *, reused: int, continued: bool = False) -> StagedRelease:
        done = records.values()
        return StagedRelease(
            dataset=self.dataset,
            run=run,
            rows_in=sum(record.rows_in for record in done),
            rows_out=sum(record.rows_out for record in done),
            suppressed=sum(record.suppressed for record in done),
            rejected=sum(record.rejected for record in done),
            splits=len(records),
            reused=reused,
            continued=continued,
            excluded_ids=len(self.prepared.excluded),
            excluded_found=len({place for record in done for place in record.excluded}),
        )


def _failure(dataset: str, run: str, failed: list[TaskResult]) -> AirlockError:
    """One error for all failed splits: refusals first, drift before others, then what a retry may mend."""
    codes = sorted({result.code for result in failed})
    kinds = [all_errors().get(code, TaskFailedError) for code in codes]
    files = sorted({shown_path(file) for result in failed for file in result.files})
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    details = sorted({result.detail for result in failed if result.detail})
    message = "\n".join(
        [
            f"dataset '{dataset}', run '{run}': {len(failed)} splits failed ({', '.join(codes)}); nothing was staged, finished splits are kept.",
            *([f"files: {', '.join(files[:_MOST_NAMED])}{more}"] if files else []),
            *details[:_MOST_NAMED],
        ]
    )
    if all(result.transient for result in failed):
        return TransientError(message, codes=codes)
    refusals = sorted((kind for kind in kinds if kind.exit_code == _REFUSED), key=lambda kind: not issubclass(kind, DriftError))
    return (refusals[0] if refusals else TaskFailedError)(message, codes=codes)
