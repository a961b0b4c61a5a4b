"""The inner door against a plain copy and against what Spark users write: one session, interleaved, minimum of repeats.

What was learned (CPU of 500,000 rows in one process, 0.58 s a copy: 1.22 s before, 0.72 s after):
- Snappy took 110 ns a token and found nothing: columns of tokens are staged without it, a third of all encoding (the files grow by a
  tenth, and live until their release). Every other column is Snappy on both sides.
- The search for a row's own identifiers in open text would cost most, microseconds a row. A column without digits and '@' (cities) is
  done with by one look at its bytes, and nearly every identifier by its last byte or its '@' (`engines.residue`): 0.4 to 0.05 us a row.
- Arrow's calendar took 70 ns a date; over the days that occur, with a table for the values, 15. RE2 took 100 ns an IPv4 address only to
  say that it is one; three dots and shortest numbers say it in 60. Masks of ASCII are bytes, not strings to be joined.
- Counting tokens for the frequency check costs 5 ns a value where a column has many: a sample tells whether to count.
- What is left: reading (a fifth), writing (a fifth), the permutation's `take` (an eighth), SHA-256 of the files, hex.
"""

from __future__ import annotations

import hashlib
import hmac
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.doors._source import prepare
from airlock.doors.anonymize import anonymize
from airlock.doors.permits import key_permit
from airlock.engines.spark import session
from airlock.keys.file import FileKeyRing
from airlock.plan.program import compile_column, plain
from airlock.plan.tree import rule_tree
from airlock.settings import Settings

GROUP = 131_072


def measure(folder: Path, settings: Settings, *, repeats: int = 3) -> dict[str, float]:
    """Seconds of each variant, minimum of `repeats`, run in turn."""
    spark = session("local[2,4]", application="bench")
    spark.sparkContext.setLogLevel("ERROR")
    variants = _variants(spark, folder, settings)
    best: dict[str, float] = {}
    for _ in range(repeats):
        for name, run in variants.items():
            for zone in ("private", "staging", "out"):
                shutil.rmtree(folder / zone, ignore_errors=True)
            start = time.perf_counter()
            run()
            best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
    return best


def _variants(spark, folder: Path, settings: Settings) -> dict[str, Callable[[], object]]:
    policy = folder / "policies" / "bench.yaml"
    return {
        "copy": lambda: _copy(spark, folder, settings),
        "direct": lambda: anonymize(policy, settings, engine="spark"),
        "dataframe": lambda: _dataframe(spark, folder, settings),
        "sql": lambda: _sql(spark, folder),
        "udf": lambda: _udf(spark, folder),
    }


def _copy(spark, folder: Path, settings: Settings) -> None:
    """A plain pyarrow read and write of the same columns, in the same splits, in Spark tasks."""
    splits = [
        [(str(folder / "raw" / piece.path), piece.row_groups) for piece in split.pieces]
        for split in prepare(folder / "policies" / "bench.yaml", settings).splits
    ]
    out = folder / "out"
    out.mkdir()

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                writer = None
                for path, groups in splits[number]:
                    with pq.ParquetFile(path, pre_buffer=False) as file:
                        writer = writer or pq.ParquetWriter(out / f"{number}.parquet", file.schema_arrow, compression="snappy")
                        for rows in file.iter_batches(GROUP, row_groups=list(range(*groups))):
                            writer.write_batch(rows)
                writer.close()
            yield batch

    spark.range(0, len(splits), 1, len(splits)).mapInArrow(task, "id long").collect()


def _dataframe(spark, folder: Path, settings: Settings) -> None:
    """spark.read, the same kernels in mapInArrow, df.write."""
    plan = prepare(folder / "policies" / "bench.yaml", settings).plan
    ring = FileKeyRing(folder / "keys" / "root.json")
    keys = ring.subkeys(plan.requests, recipient="bench", epoch=1, permit=key_permit(settings))
    parts = {request: keys[request] for request in keys}, dict(keys.ids)
    data, schema = plan.to_dict(), plan.schema

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from airlock.keys import SubKeys
        from airlock.plan.compile import Plan

        here = Plan.from_dict(data)
        tree = rule_tree(here.policy.rules())
        programs = {
            field.name: compile_column(tree[field.name], field.type, here.operators, SubKeys(*parts))
            for field in here.reading.schema
        }
        for batch in batches:
            made = [plain(program.transform(batch.column(name))) for name, program in programs.items()]
            yield pa.RecordBatch.from_arrays(made, schema=schema)

    from pyspark.sql.pandas.types import from_arrow_schema

    frame = spark.read.parquet(str(folder / "raw" / "people")).select(*plan.reading.schema.names)
    made = frame.mapInArrow(task, from_arrow_schema(schema))
    made.write.option("compression", "snappy").parquet(str(folder / "out"))


def _sql(spark, folder: Path) -> None:
    """Spark's own expressions; it has no HMAC, so a keyed SHA-256 of key and value stands for the pseudonym."""
    spark.read.parquet(str(folder / "raw" / "people")).createOrReplaceTempView("people")
    token = "substring(sha2(concat('0123456789abcdef0123456789abcdef', cast({0} as string)), 256), 1, 32) as {0}"
    columns = [
        token.format("id"),
        token.format("email"),
        "regexp_replace(phone, '.(?=..)', '*') as phone",
        token.format("ssn"),
        "trunc(birth_date, 'year') as birth_date",
        "substring(zip, 1, 3) as zip",
        "regexp_replace(ip, '^([0-9]+[.][0-9]+)[.].*$', '$1.0.0') as ip",
        "city",
        "floor(amount / 100) * 100 as amount",
        "date_trunc('month', timestamp) as timestamp",
    ]
    spark.sql(f"select {', '.join(columns)} from people").write.option("compression", "snappy").parquet(str(folder / "out"))


def _udf(spark, folder: Path) -> None:
    """Python row UDFs, as most pipelines have them."""
    from pyspark.sql import functions as f
    from pyspark.sql.types import DateType, DoubleType, StringType, TimestampType

    key = b"0123456789abcdef0123456789abcdef"

    def udf(function, kind):
        return f.udf(function, kind, useArrow=False)

    token = udf(lambda value: hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:32], StringType())
    mask = udf(lambda value: "*" * (len(value) - 2) + value[-2:], StringType())
    year = udf(lambda value: value.replace(month=1, day=1), DateType())
    head = udf(lambda value: value[:3], StringType())
    network = udf(lambda value: ".".join([*value.split(".")[:2], "0", "0"]), StringType())
    floor = udf(lambda value: value // 100 * 100, DoubleType())
    month = udf(lambda value: value.replace(day=1, hour=0, minute=0, second=0, microsecond=0), TimestampType())
    frame = spark.read.parquet(str(folder / "raw" / "people"))
    chosen = {"id": token, "email": token, "phone": mask, "ssn": token, "birth_date": year, "zip": head, "ip": network}
    chosen |= {"amount": floor, "timestamp": month}
    columns = [chosen[name](f.col(name)).alias(name) if name in chosen else f.col(name) for name in frame.columns]
    frame.select(*columns).write.option("compression", "snappy").parquet(str(folder / "out"))


if __name__ == "__main__":
    import data

    place = Path(sys.argv[1])
    print(measure(place, data.load_settings(file=place / "airlock.yaml", environment={})))
