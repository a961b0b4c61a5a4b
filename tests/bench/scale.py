"""Memory of a worker, growth of time with rows, planning of many files. Each task runs in a process of its own; peak is VmHWM.

What was learned: `ru_maxrss` of a child starts at its parent's peak, so it can't show anything; the kernel's VmHWM after
`clear_refs` does. A row group is streamed page by page, so one of 2 GiB costs what a small one costs.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from multiprocessing import get_context
from pathlib import Path

import data
import pyarrow as pa
import pyarrow.parquet as pq

from airlock.doors._source import prepare
from airlock.doors.anonymize import anonymize
from airlock.doors.permits import key_permit
from airlock.engines.frame import TaskFrame
from airlock.engines.task import run_task
from airlock.keys.file import FileKeyRing
from airlock.settings import Settings
from airlock.types import Zone


def linked(source: Path, target: Path, times: int) -> Settings:
    """A project whose raw files are `times` hard links to each of another's."""
    raw = target / "raw" / "people"
    raw.mkdir(parents=True)
    for file in sorted((source / "raw" / "people").iterdir()):
        for number in range(times):
            os.link(file, raw / f"{number:05d}-{file.name}")
    return data.project(target)


def one_row_group(source: Path, target: Path, *, size: int = 2 << 30) -> Settings:
    """A project with one file of one row group, `size` bytes before compression."""
    table = pq.read_table(source / "raw" / "people")
    times = -(-size // table.nbytes)
    (target / "raw" / "people").mkdir(parents=True)
    whole = pa.concat_tables([table] * times)
    with pq.ParquetWriter(target / "raw" / "people" / "whole.parquet", whole.schema, compression="snappy") as writer:
        writer.write_table(whole, row_group_size=whole.num_rows)
    return data.project(target)


def peak(folder: Path, settings: Settings, *, most: int = 8) -> int:
    """Peak resident memory, MiB, of one worker that carries out up to `most` splits one after the other."""
    queue = get_context("spawn").SimpleQueue()
    worker = get_context("spawn").Process(target=_carry_out, args=(folder, settings, most, queue))
    worker.start()
    found = queue.get()
    worker.join()
    return found


def _carry_out(folder: Path, settings: Settings, most: int, queue) -> None:
    for zone in ("private", "staging"):
        shutil.rmtree(folder / zone, ignore_errors=True)
    prepared = prepare(folder / "policies" / "bench.yaml", settings)
    keys = FileKeyRing(folder / "keys" / "root.json").subkeys(
        prepared.plan.requests, recipient="bench", epoch=1, permit=key_permit(settings)
    )
    frame = TaskFrame(
        plan=prepared.plan,
        run="bench",
        splits=prepared.splits,
        names=tuple(f"{number:032x}" for number in range(len(prepared.splits))),
        zones={zone: settings.zone(zone) for zone in (Zone.RAW, Zone.PRIVATE, Zone.STAGING)},
        excluded=(),
        codec="snappy",
        keys=keys,
    )
    Path("/proc/self/clear_refs").write_text("5")
    for index in range(min(most, len(prepared.splits))):
        result = run_task(frame, index)
        assert not result.code, result
    status = Path("/proc/self/status").read_text()
    queue.put(int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) // 1024)


def seconds(folder: Path, settings: Settings) -> float:
    """The inner door on the local engine, once, from nothing."""
    for zone in ("private", "staging"):
        shutil.rmtree(folder / zone, ignore_errors=True)
    start = time.perf_counter()
    anonymize(folder / "policies" / "bench.yaml", settings, engine="local")
    return time.perf_counter() - start


def planning(folder: Path, *, files: int = 10_000) -> float:
    """Seconds to list, match and split `files` small Parquet files."""
    small = folder / "one"
    data.write_source(small, 1_000, files=1)
    settings = linked(small, folder / "many", files)
    start = time.perf_counter()
    prepare(folder / "many" / "policies" / "bench.yaml", settings)
    return time.perf_counter() - start
