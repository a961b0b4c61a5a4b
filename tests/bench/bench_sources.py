"""Measure listing, planning and reading: `python tests/bench/bench_sources.py [FILES]` prints one line each.

What was learned of listing small Parquet files, in CPU time of one file (least of four, 10,000 files of 10 columns; the same hour):
468 us before, 228 us since. A path was resolved twice (60 us each time, by pathlib: 30 by os.path), the footer took three reads (one
now), every schema was made plain anew (30 us; now compared, 1 us). What is left: parsing the footer 50 us, resolving 30, opening and
reading 25. Threads don't add speed on a local disk, pyarrow holds the interpreter's lock while it parses; they wait for remote ones.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.policy.model import Source
from airlock.storage.local import LocalStore
from airlock.storage.sources import list_source, plan_splits, read_batches

ROWS = 1_000_000


def main(files: int = 10_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        small_files(store, files)
        for form in ("parquet", "csv", "jsonl"):
            reading(store, form)


def small_files(store: LocalStore, files: int) -> None:
    table = pa.table({f"c{at}": list(range(10)) for at in range(10)})
    for at in range(files):
        path = store.root / f"many/day={at % 30}/{at}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    source = Source(path="many")
    listed = min((clocked(lambda: list_source(store, source)) for _ in range(4)), key=lambda one: one[1])
    planned = min((clocked(lambda: plan_splits(store, listed[2], source)) for _ in range(4)), key=lambda one: one[1])
    each = listed[1] / files * 1e6
    sys.stdout.write(
        f"{files} small parquet files: list {listed[0]:.2f} s ({each:.0f} us CPU each), plan {planned[0]:.2f} s, {len(planned[2])} splits\n"
    )


def clocked(work):
    """Seconds on the wall and of CPU, and what came of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    return time.perf_counter() - wall, time.process_time() - cpu, made


def reading(store: LocalStore, form: str) -> None:
    table = pa.table(
        {
            "id": range(ROWS),
            "mail": [f"user{at}@example.org" for at in range(ROWS)],
            "kind": [f"kind {at % 20}" for at in range(ROWS)],
            "dropped": [f"{at:0>30}" for at in range(ROWS)],
        }
    )
    path = store.root / f"large.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "csv":
        pa.csv.write_csv(table, path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    source, schema = Source(path=path.name, format=form), table.select(["id", "mail", "kind"]).schema
    started, used = time.perf_counter(), time.process_time()
    splits = plan_splits(store, list_source(store, source), source, target_bytes=16 << 20)
    planned = time.perf_counter()
    batches = (
        batch for split in splits for batch in read_batches(store, split, source=source, schema=schema, ignored=("dropped",))
    )
    rows = sum(batch.batch.num_rows for batch in batches)
    seconds, cpu = time.perf_counter() - planned, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(f"{form}: {rows} rows of {path.stat().st_size >> 20} MiB, {len(splits)} splits: plan {planned - started:.2f} s, "
          f"read {seconds:.2f} s ({cpu:.2f} s CPU), peak {peak} MiB with the writer\n")  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
