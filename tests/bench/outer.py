"""The outer door (scan of every leaf, re-encode, publish) against a plain copy of the same rows in as many (warm) processes, interleaved.

What was learned stands beside the gate's own benchmark, `bench_gate_scan.py`. The door starts its two processes anew, which is
most of what it takes beyond the copy at 2 M rows; the checks and the re-encode themselves take about what the copy does.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow.parquet as pq

from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.settings import Settings

GROUP = 131_072


def measure(folder: Path, settings: Settings, *, repeats: int = 3) -> dict[str, float]:
    """Seconds of copy (raw files, Snappy to Snappy, two warm processes) and of the door, minimum of `repeats`, in turn."""
    best = {"copy": 1e9, "door": 1e9}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        # The copy's processes are there and warm; the door starts its own each time.
        list(pool.map(_warm, range(8)))
        _repeat(folder, settings, pool, best, repeats)
    return best


def _repeat(folder: Path, settings: Settings, pool: ProcessPoolExecutor, best: dict[str, float], repeats: int) -> None:
    policy = folder / "policies" / "bench.yaml"
    for _ in range(repeats):
        for zone in ("private", "staging", "sanitized", "out"):
            shutil.rmtree(folder / zone, ignore_errors=True)
        anonymize(policy, settings, engine="local")
        start = time.perf_counter()
        copy(folder, pool)
        best["copy"] = min(best["copy"], time.perf_counter() - start)
        start = time.perf_counter()
        release(policy, settings)
        best["door"] = min(best["door"], time.perf_counter() - start)


def copy(folder: Path, pool: ProcessPoolExecutor) -> None:
    """A plain pyarrow read and write of the raw columns, one file a task."""
    (folder / "out").mkdir(exist_ok=True)
    files = sorted((folder / "raw" / "people").iterdir())
    list(pool.map(_copy, files, [folder / "out" / file.name for file in files]))


def _warm(_: int) -> None:
    time.sleep(0.1)


def _copy(source: Path, target: Path) -> None:
    with (
        pq.ParquetFile(source, pre_buffer=False) as file,
        pq.ParquetWriter(target, file.schema_arrow, compression="snappy") as writer,
    ):
        for rows in file.iter_batches(GROUP):
            writer.write_batch(rows)
