"""`make bench`: every figure that Airlock claims, as ratios of one run, interleaved, minimum of repeats; JSON kept. Not a test.

Run it on a quiet machine. Parts by name: `run.py --only inner,outer`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bench_pseudonymize
import data
import inner
import isolation
import operators
import outer
import scale
import stores

from airlock.settings import Settings


@dataclass(frozen=True)
class Figure:
    """One claim: what was measured, the bound, and whether it holds."""

    name: str
    measured: float
    bound: float
    unit: str
    most: bool = True

    @property
    def reached(self) -> bool:
        """Whether the measurement keeps the bound."""
        return self.measured <= self.bound if self.most else self.measured >= self.bound

    def __str__(self) -> str:
        sign = "<=" if self.most else ">="
        return f"{'yes' if self.reached else 'NO ':3}  {self.name:58} {self.measured:10.2f} {self.unit:6} {sign} {self.bound:g}"


def inner_figures(folder: Path, settings: Settings, rows: int) -> Iterator[Figure]:
    """The inner door on Spark local[2] against a copy in the same tasks, and against Spark users' ways."""
    found = inner.measure(folder, settings)
    print("   ", {name: round(value, 2) for name, value in found.items()}, f"seconds, {rows:,} rows")
    yield Figure("inner door: x a plain copy in the same Spark tasks", found["direct"] / found["copy"], 1.6, "x")
    yield Figure(
        "spark.read + mapInArrow + write: x the inner door", found["dataframe"] / found["direct"], 2.5, "x", most=False
    )
    yield Figure("native Spark SQL expressions: x the inner door", found["sql"] / found["direct"], 2.5, "x", most=False)
    yield Figure("Python UDFs: x the inner door", found["udf"] / found["direct"], 6.0, "x", most=False)


def outer_figures(folder: Path, settings: Settings, rows: int) -> Iterator[Figure]:
    """The outer door against the same copy."""
    found = outer.measure(folder, settings)
    print("   ", {name: round(value, 2) for name, value in found.items()}, f"seconds, {rows:,} rows")
    yield Figure("outer door: x a plain copy in as many warm processes", found["door"] / found["copy"], 3.0, "x")


def pseudonym_figures(_: Path, __: Settings, rows: int) -> Iterator[Figure]:
    """CPU time of a value against the design's table, within 25 %."""
    for line in bench_pseudonymize.measure(min(rows, 1_000_000)):
        if line.figure is not None:
            yield Figure(f"pseudonymize: {line.name.strip()} (hmac {line.python:.0f})", line.columnar, line.figure * 1.25, "ns")


def operator_figures(_: Path, __: Settings, rows: int) -> Iterator[Figure]:
    """CPU time of a value for each operator, nested and coded columns, and the keyed ones against their peers."""
    for line in operators.measure(min(rows, 1_000_000)):
        yield Figure(line.name, line.measured, line.bound, line.unit, most=line.most)


def scale_figures(folder: Path, settings: Settings, rows: int) -> Iterator[Figure]:
    """Memory flat, time linear, planning of many files."""
    tenfold = scale.linked(folder, folder / "tenfold", 10)
    group = scale.one_row_group(folder, folder / "group")
    yield Figure(f"peak memory of a worker, {rows:,} rows", scale.peak(folder, settings), 600, "MiB")
    yield Figure(f"peak memory of a worker, {10 * rows:,} rows", scale.peak(folder / "tenfold", tenfold), 600, "MiB")
    yield Figure("peak memory of a worker, one row group of 2 GiB", scale.peak(folder / "group", group), 600, "MiB")
    once = min(scale.seconds(folder, settings) for _ in range(2))
    yield Figure("time at ten times the rows", scale.seconds(folder / "tenfold", tenfold) / once, 10.5, "x")
    yield Figure("planning of 10,000 files", scale.planning(folder / "files"), 15, "s")


def store_figures(folder: Path, settings: Settings, rows: int) -> Iterator[Figure]:
    """Zones in buckets of a gateway on the loopback: time, bytes and memory against disk, planning of many objects."""
    found = stores.passes(folder / "buckets", folder, settings)
    print("   ", {name: round(value, 2) for name, value in found.items()}, f"seconds and bytes, {rows:,} rows")
    yield Figure("inner door over S3: x the same on disk", found["buckets"] / found["disk"], 1.5, "x")
    yield Figure("bytes sent of raw data: x the columns that are read", found["bytes"] / found["needed"], 1.05, "x")
    sources = {"rows": folder}
    for name, make in (
        ("tenfold", lambda to: scale.linked(folder, to, 10)),
        ("group", lambda to: scale.one_row_group(folder, to)),
    ):
        sources[name] = folder / f"s3-{name}"
        make(sources[name])
    peaks = stores.memory(folder / "s3-memory", sources)
    yield Figure(f"peak memory of a worker over S3, {rows:,} rows", peaks["rows"], 600, "MiB")
    yield Figure(f"peak memory of a worker over S3, {10 * rows:,} rows", peaks["tenfold"], 600, "MiB")
    yield Figure("peak memory of a worker over S3, one row group of 2 GiB", peaks["group"], 600, "MiB")
    planned = stores.planning(folder / "s3-objects")
    yield Figure("planning of 100,000 objects, at first", planned["first"], 60, "s")
    yield Figure("planning of 100,000 objects, footers kept by etag", planned["again"], 60, "s")


def isolation_figures(folder: Path, _: Settings, __: int) -> Iterator[Figure]:
    """A cluster's resources proved and listed, as whole processes; one change proved again."""
    found = isolation.measure(folder / "clusters")
    yield Figure("prove, 2,000 pods, 100 namespaces, 700 policies", found["prove 2,000"], 2, "s")
    yield Figure("connections of the same", found["connections 2,000"], 10, "s")
    yield Figure("prove, 10,000 pods", found["prove 10,000"], 10, "s")
    yield Figure("one changed policy proved again, 2,000 pods", 1_000 * found["one change"], 100, "ms")


PARTS: dict[str, Callable[[Path, Settings, int], Iterator[Figure]]] = {
    "pseudonymize": pseudonym_figures,
    "operators": operator_figures,
    "inner": inner_figures,
    "outer": outer_figures,
    "scale": scale_figures,
    "stores": store_figures,
    "isolation": isolation_figures,
}


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="airlock-bench-") as place:
        folder = Path(place)
        print(f"{given.rows:,} rows x 10 columns: {data.write_source(folder, given.rows) >> 20} MiB of Snappy Parquet")
        settings = data.project(folder)
        for name in given.only.split(","):
            print(f"\n{name}")
            for figure in PARTS[name](folder, settings, given.rows):
                figures.append(figure)
                print(figure, flush=True)
    if given.json:
        facts = {"cores": os.cpu_count(), "python": platform.python_version(), "rows": given.rows}
        kept = [asdict(figure) | {"reached": figure.reached} for figure in figures]
        given.json.write_text(json.dumps({"machine": facts, "figures": kept}, indent=2))


if __name__ == "__main__":
    main()
