"""What an outer door's worker does with one staged file: one read into memory, digest, checks, re-encode. Called by `release`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from os import cpu_count
from typing import BinaryIO, cast
from urllib.parse import quote

from airlock.errors import (
    AirlockError,
    DigestMismatchError,
    IntegrityError,
    NotFoundError,
    SchemaMismatchError,
    TransientError,
)
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.manifest import StagedFile
from airlock.gate.inspect import FilePartial, inspect_file
from airlock.gate.rules import GateRules
from airlock.storage import open_store
from airlock.storage.pending import PendingFile, PendingTarget, PendingWriter

__all__ = ["Inspected", "InspectionJob", "inspect_all"]

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class InspectionJob:
    """One staged file to inspect.

    Attributes:
        number: Its place among the staged files by name: the published part's number.
        base: `<dataset>/<run>` in staging.
        sink: Where the published files go, relative to zone `sanitized`, with the run: `<sink>/data/<run>`.
    """

    staging: str
    base: str
    file: StagedFile
    number: int
    sink: str
    target: PendingTarget
    rules: GateRules


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a worker found and wrote: nothing of it is visible yet."""

    number: int
    partial: FilePartial
    written: tuple[tuple[PendingFile, int], ...]


def inspect_all(jobs: Sequence[InspectionJob], *, workers: int) -> Iterator[Inspected]:
    """Inspect staged files in a pool of processes, yielding as they finish.

    Raises:
        IntegrityError, DisclosureError: Whatever a worker refuses by itself (a digest, a file that is not Parquet).
        TransientError: A worker was killed.
    """
    count = min(workers or cpu_count() or 1, len(jobs))
    if count <= 1:
        yield from map(_inspect, jobs)
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_inspect, job) for job in jobs]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BrokenProcessPool:
            raise TransientError("a worker process was killed (often: out of memory). Run again, with fewer workers") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _inspect(job: InspectionJob) -> Inspected:
    try:
        data = open_store(job.staging).read(f"{job.base}/data/{job.file.path}")
    except NotFoundError:
        raise IntegrityError(f"staged file '{job.file.path}' is missing; nothing was published", path=job.file.path) from None
    if len(data) != job.file.bytes or sha256_hex(data) != job.file.sha256:
        raise DigestMismatchError(
            f"staged file '{job.file.path}' is not the one that was signed ({len(data):,} bytes, the manifest says {job.file.bytes:,})",
            path=job.file.path,
        )
    with ExitStack() as stack:
        writers: dict[tuple[tuple[str, str], ...], PendingWriter] = {}

        def sink(partition: tuple[tuple[str, str], ...]) -> BinaryIO:
            folders = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in partition]
            if any(len(folder) > _LONGEST_NAME for folder in folders):
                # The file system's own error would name the folder, and with it the value.
                raise SchemaMismatchError(
                    f"a value of a partition column makes a folder's name longer than {_LONGEST_NAME} bytes. Nothing was published. "
                    "Partition by another column"
                )
            path = "/".join([job.sink, *folders, f"part-{job.number:05d}.parquet"])
            writers[partition] = stack.enter_context(job.target.open(path))
            # A raw writer has all that pyarrow's own writer asks of a file.
            return cast("BinaryIO", writers[partition])

        partial = inspect_file(data, job.rules, sink)
        rows = dict(partial.outputs)
        if rows.keys() != writers.keys():
            raise AirlockError(f"the re-encode of part {job.number} wrote {len(writers)} files and accounts for {len(rows)}")
        written = tuple((writer.finish(), rows[partition]) for partition, writer in sorted(writers.items()))
    return Inspected(job.number, partial, written)
