"""What one split does, without Spark in it: read, transform, check, write, record. Both runners call `run_sealed`.

A task never raises what could quote a value: failures come back as results with a code.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from airlock.engines.changed import ChangeCounter
from airlock.engines.exclusion import excluded_rows
from airlock.engines.frame import FrameBinding, TaskFrame, open_frame
from airlock.engines.frequency import SplitCounter
from airlock.engines.groups import GroupPasses
from airlock.engines.records import SplitRecord, create_record, read_record, record_folder
from airlock.engines.residue import ResidueCheck, residue_check
from airlock.engines.rows import inputs_of, rows_where
from airlock.engines.staging import GROUP_BYTES, GROUP_ROWS, SplitWriter
from airlock.engines.summaries import summarize_split
from airlock.errors import AirlockError
from airlock.evidence.standing import Held, demand_held
from airlock.keys.wrap import seal
from airlock.operators import RejectedValuesError
from airlock.plan.compile import INNER_REQUESTS
from airlock.plan.passes import group_passes, informed
from airlock.plan.program import ColumnProgram, compile_column
from airlock.plan.tree import rule_tree
from airlock.storage import Store, open_store
from airlock.storage.sources import SourceBatch, read_batches

__all__ = ["TaskResult", "run_sealed", "run_task"]


_TEMPORARY = 75
"""sysexits' TEMPFAIL."""
_NODE = "AIRLOCK_ISOLATION_NODE"
"""Setting `isolation.node` of an executor: its pod's spec.nodeName."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How a task ended: `code` is empty, or the stable code of an error. No value, no exception text.

    Attributes:
        transient: The same task may succeed later.
        files: The source files it read, where it failed.
        column: The column at fault, where one is.
    """

    split: int
    name: str
    code: str = ""
    transient: bool = False
    detail: str = ""
    files: tuple[str, ...] = ()
    column: str = ""


@dataclass(slots=True)
class _Counts:
    rows_in: int = 0
    suppressed: int = 0
    known_rows: int = 0
    known_found: Counter[str] = field(default_factory=Counter)
    rejects: Counter[tuple[str, str]] = field(default_factory=Counter)
    excluded: set[int] = field(default_factory=set)


def run_sealed(sealed: bytes, binding: FrameBinding, index: int) -> TaskResult:
    """Open the frame and carry out split `index`: what a worker does. On a cluster only while preflight's verdict counts, here."""
    try:
        held = None
        if binding.standing is not None:
            # Of executors each knows its own; where tasks run on the driver's machine, it is the driver's.
            held = Held.now(binding.standing.on(os.environ.get(_NODE) or binding.standing.node))
        frame = open_frame(sealed, binding)
    except AirlockError as error:
        return TaskResult(index, "", error.code, error.exit_code == _TEMPORARY, str(error))
    return run_task(frame, index, held=held)


def run_task(frame: TaskFrame, index: int, *, held: Held | None = None) -> TaskResult:
    """Carry out split `index` of the frame, unless it has its record: a task that is tried again begins where it was stopped.

    `held`: the verdict of preflight that it began under; it is asked for again before what was done is kept.
    """
    name, files = frame.names[index], tuple(piece.path for piece in frame.splits[index].pieces)
    task: _SplitTask | None = None
    try:
        if frame.first:
            summarize_split(frame, index, demand_held(held))
        elif read_record(open_store(frame.zones["private"]), frame.plan.policy.dataset, name, frame.keys) is None:
            task = _SplitTask(frame, index, held)
            task.run()
    except AirlockError as error:
        if not _place(error).startswith("airlock."):  # of a third party's kernel: its text may quote a value
            return _unexpected(error, task, index, name, files)
        column = str(error.facts.get("column", ""))
        return TaskResult(index, name, error.code, error.exit_code == _TEMPORARY, str(error), files, column)
    except MemoryError:
        return TaskResult(index, name, "out-of-memory", transient=True, files=files)
    except Exception as error:  # noqa: BLE001 - any other exception's text may quote a value; its class does not
        return _unexpected(error, task, index, name, files)
    return TaskResult(index, name)


def _unexpected(error: Exception, task: _SplitTask | None, index: int, name: str, files: tuple[str, ...]) -> TaskResult:
    detail, column = f"{type(error).__name__} at {_place(error)}", "" if task is None else task.column
    return TaskResult(index, name, "unexpected", detail=detail, files=files, column=column)


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown" if trace is None else f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"


class _SplitTask:
    """One split's work: its state is counts and buffers."""

    def __init__(self, frame: TaskFrame, index: int, held: Held | None) -> None:
        self.frame, self.index, self.name, self.held = frame, index, frame.names[index], held
        self.plan, self.policy = frame.plan, frame.plan.policy
        tree = rule_tree(self.policy.rules())
        reading = self.plan.reading.schema
        operators = informed(self.plan, frame.concluded)
        compiled = [
            (name, compile_column(tree[name], reading.field(name).type, operators, frame.keys)) for name in reading.names
        ]
        self.programs: list[tuple[str, ColumnProgram]] = [(name, program) for name, program in compiled if program is not None]
        self.residue: ResidueCheck | None = residue_check(self.plan)
        self.frequencies = SplitCounter(self.plan, frame.keys)
        self.changes = ChangeCounter(self.plan)
        self.groups = GroupPasses(group_passes(self.plan), frame.keys)
        self.counts = _Counts()
        self.rejected: list[bytes] = []
        self.column = ""  # the one at work

    def run(self) -> SplitRecord:
        """Read, transform and write; returns the record that won."""
        staging, private = open_store(self.frame.zones["staging"]), open_store(self.frame.zones["private"])
        folder = f"{self.policy.dataset}/{self.frame.run}/data"
        tokens = frozenset(
            str(path)
            for path, operator in self.plan.operators.items()
            if operator.contract.keyed and operator.contract.injective
        )
        with SplitWriter(
            staging,
            folder,
            self.name,
            schema=self.plan.schema,
            codec=self.frame.codec,
            tokens=tokens,
            regroup=self.groups,
        ) as writer:
            for batch in self._batches():
                writer.write(batch)
            writer.finish()
            self.changes.demand()
            self.groups.demand()
        return self._record(staging, private, folder, writer)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        raw = open_store(self.frame.zones["raw"])
        reads = read_batches(
            raw,
            self.frame.splits[self.index],
            source=self.policy.source,
            schema=self.plan.reading.schema,
            leaves=None,
            ignored=self.plan.ignored,
            required=self.plan.required,
            max_rows=GROUP_ROWS,
            max_bytes=GROUP_BYTES,
        )
        for read in reads:
            self._count(read)
            batch = read.batch
            if self.frame.excluded:
                mask, ids = excluded_rows(batch, self.plan, self.frame.excluded)
                self.counts.excluded.update(ids.tolist())
                self.counts.suppressed += mask.true_count
                batch = rows_where(batch, pc.invert(mask))
            made = self._transform(batch)
            if made is not None:
                yield made

    def _count(self, read: SourceBatch) -> None:
        self.counts.rows_in += read.rows_in
        for reject in read.rejected:
            self.counts.rejects[(reject.column or "", reject.code)] += reject.count
            self.rejected.append(reject.raw)

    def _transform(self, batch: pa.RecordBatch) -> pa.RecordBatch | None:
        while batch.num_rows:
            try:
                columns = [self._column(name, program, batch) for name, program in self.programs]
            except _RowsRejectedError as error:
                self._reject(batch, error)
                batch = rows_where(batch, pc.invert(error.mask))
                continue
            self.column = ""
            made = pa.RecordBatch.from_arrays(columns, [name for name, _ in self.programs])
            if self.residue is not None:
                self.counts.known_found += self.residue.count(batch, made)
            self.counts.known_rows += made.num_rows
            self.frequencies.add(made)
            self.changes.add(batch, made)
            return made
        return None

    def _column(self, name: str, program: ColumnProgram, batch: pa.RecordBatch) -> pa.Array:
        self.column = name
        try:
            return program.transform(batch.column(name), inputs_of(batch))
        except RejectedValuesError as error:
            raise _RowsRejectedError(name, error.code, error.mask) from None

    def _reject(self, batch: pa.RecordBatch, error: _RowsRejectedError) -> None:
        rows = rows_where(batch, error.mask)
        if not rows.num_rows:
            raise AirlockError(f"column '{error.column}': '{error.code}' names no row; the operator's rejection mask is wrong")
        self.counts.rejects[(error.column, error.code)] += rows.num_rows
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_batch(rows)
        self.rejected.append(sink.getvalue().to_pybytes())

    def _record(self, staging: Store, private: Store, folder: str, writer: SplitWriter) -> SplitRecord:
        kept = record_folder(self.policy.dataset)
        for file in writer.files:
            staging.link_or_copy(f"{folder}/{file.name}", private, f"{kept}/{file.name}")
        self._keep_rejects(private, kept)
        mine = SplitRecord(
            name=self.name,
            files=tuple(writer.files),
            rows_in=self.counts.rows_in,
            rows_out=sum(file.rows for file in writer.files),
            suppressed=self.counts.suppressed,
            rejects=tuple((column, code, count) for (column, code), count in sorted(self.counts.rejects.items())),
            known_rows=self.counts.known_rows,
            known_found=tuple(sorted(self.counts.known_found.items())),
            frequencies=self.frequencies.finish(),
            excluded=tuple(sorted(self.counts.excluded)),
            objects="" if self.held is None else self.held.objects,
        )
        demand_held(self.held)()
        winner = create_record(private, self.policy.dataset, mine, self.frame.keys)
        if winner != mine:
            for file in writer.files:
                staging.delete(f"{folder}/{file.name}")
                private.delete(f"{kept}/{file.name}")
        return winner

    def _keep_rejects(self, private: Store, kept: str) -> None:
        if not self.rejected:
            return
        plain = b"".join(len(part).to_bytes(8, "big") + part for part in self.rejected)
        key = self.frame.keys[INNER_REQUESTS["rejects"]]
        sealed = seal(plain, key=key, context=("rejects", self.policy.dataset, self.name))
        private.replace(f"{kept}/{self.name}.rejects", sealed, self._version(private, f"{kept}/{self.name}.rejects"))

    @staticmethod
    def _version(store: Store, path: str) -> str | None:
        found = store.read_versioned(path)
        return None if found is None else found[1]


class _RowsRejectedError(Exception):
    def __init__(self, column: str, code: str, mask: pa.BooleanArray) -> None:
        super().__init__(code)
        self.column, self.code, self.mask = column, code, mask
