"""What an outer door's worker does with one staged file: one read into memory, digest, checks, re-encode. Called by `_share`."""

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
from airlock.gate.canonical import Partition
from airlock.gate.inspect import FilePartial, inspect_file
from airlock.gate.rules import GateRules
from airlock.storage import DigestWriter, Store

__all__ = ["Inspected", "InspectionJob", "Written", "inspect_all"]

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class InspectionJob:
    """One staged file to inspect.

    Attributes:
        staging: The zone; `sanitized` too.
        base: `<dataset>/<run>` in staging.
        number: Its place among the staged files by name: the published part's number.
        folder: Where to write, relative to zone `sanitized`: a place that no reader sees.
    """

    staging: Store
    sanitized: Store
    base: str
    file: StagedFile
    number: int
    folder: str
    rules: GateRules


@dataclass(frozen=True, slots=True, order=True)
class Written:
    """A finished file that waits to be published.

    Attributes:
        path: Where it goes, relative to the run's data folder.
        source: Where it lies, relative to the zone.
        version: The store's word on it: whoever publishes it makes sure that it is still the same.
    """

    path: str
    source: str
    sha256: str
    bytes: int
    rows: int
    version: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a worker found and wrote: nothing of it is visible yet."""

    partial: FilePartial
    written: tuple[Written, ...]


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
        data = job.staging.read(f"{job.base}/data/{job.file.path}")
    except NotFoundError:
        raise IntegrityError(f"staged file '{job.file.path}' is missing; nothing was published", path=job.file.path) from None
    if len(data) != job.file.bytes or sha256_hex(data) != job.file.sha256:
        raise DigestMismatchError(
            f"staged file '{job.file.path}' is not the one that was signed ({len(data):,} bytes, the manifest says {job.file.bytes:,})",
            path=job.file.path,
        )
    store = job.sanitized
    with ExitStack() as stack:
        writers: dict[Partition, tuple[str, DigestWriter]] = {}

        def sink(partition: Partition) -> BinaryIO:
            path = _part_path(job.number, partition)
            writers[partition] = (path, stack.enter_context(store.open_output(f"{job.folder}/{path}")))
            # A raw writer has all that pyarrow's own writer asks of a file.
            return cast("BinaryIO", writers[partition][1])

        partial = inspect_file(data, job.rules, sink)
    rows = dict(partial.outputs)
    if rows.keys() != writers.keys():
        raise AirlockError(f"the re-encode of part {job.number} wrote {len(writers)} files and accounts for {len(rows)}")
    return Inspected(partial, tuple(_written(store, job, *writers[each], rows[each]) for each in sorted(writers)))


def _part_path(number: int, partition: Partition) -> str:
    folders = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in partition]
    if any(len(folder) > _LONGEST_NAME for folder in folders):
        # The file system's own error would name the folder, and with it the value.
        raise SchemaMismatchError(
            f"a value of a partition column makes a folder's name longer than {_LONGEST_NAME} bytes. Nothing was published. "
            "Partition by another column"
        )
    return "/".join([*folders, f"part-{number:05d}.parquet"])


def _written(store: Store, job: InspectionJob, path: str, writer: DigestWriter, rows: int) -> Written:
    source = f"{job.folder}/{path}"
    return Written(path, source, writer.sha256, writer.size, rows, store.stat(source).version)
