"""The outer door's cost beside a plain pyarrow copy of the same file: `python tests/bench/bench_gate_scan.py [ROWS]`.

What it taught: text columns that the file already holds as dictionaries are read, checked and written as such (cities, masked
phones and /24 networks cost next to nothing); tokens are compared in blocks that stay in the cache, by ranges of bytes, not
through a table; one alternation of cheap triggers goes over open text, precise patterns only over what it picks; sorting
fingerprints is ten times cheaper than numpy's `unique`; a dictionary is built only where a sample says that it pays.
"""

from __future__ import annotations

import io
import sys
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from airlock.evidence.manifest import Counts
from airlock.gate.inspect import ManifestFacts, decide, inspect_file
from airlock.gate.rules import GateConfig, compile_rules
from airlock.policy.model import Policy

GROUP = 131_072
DOMAINS = {"customer": {"canonical": []}, "email": {"canonical": []}, "ssn": {"canonical": []}}


def policy() -> Policy:
    """The staged file's policy."""

    def rule(data_type: str, kind: str, **operator: object) -> dict[str, object]:
        return {"type": data_type, "class": kind, **operator}

    direct, quasi, other = "direct_identifier", "quasi_identifier", "sensitive"
    return Policy.model_validate(
        {
            "apiVersion": "airlock/v1", "dataset": "bench", "owner": "o", "purpose": "p", "subject": "id",
            "source": {"path": "a"}, "sink": {"path": "a"}, "keys": {"recipient": "r", "epoch": 1, "domains": DOMAINS},
            "columns": {
                "id": rule("int64", direct, pseudonymize={"domain": "customer", "form": "hex"}),
                "email": rule("string", direct, pseudonymize={"domain": "email", "form": "hex"}),
                "phone": rule("string", direct, mask={"keep_last": 2}),
                "ssn": rule("string", direct, pseudonymize={"domain": "ssn", "form": "hex"}),
                "birth_date": rule("date32", quasi, generalize_date={"to": "year"}),
                "zip": rule("string", quasi, truncate={"length": 3}),
                "ip": rule("string", other, ip_truncate={"v4": 24, "v6": 48}),
                "city": rule("string", other, keep="coarse"),
                "amount": rule("decimal128(12, 2)", other, generalize_number={"width": 100}),
                "at": rule("timestamp[us, tz=UTC]", other, generalize_date={"to": "month"}),
            },
            "privacy": {"k_anonymity": {"k": 2, "count": "subjects"}},
        }
    )  # fmt: skip


def staged(rows: int) -> pa.Table:
    """Rows as the inner door writes them."""
    rng = np.random.default_rng(7)

    def tokens() -> pa.Array:
        text = rng.bytes(16 * rows).hex().encode()
        return pa.Array.from_buffers(
            pa.string(), rows, [None, pa.py_buffer(np.arange(0, 32 * rows + 1, 32, np.int32)), pa.py_buffer(text)]
        )

    def drawn(values: list[str]) -> pa.Array:
        return pa.array(values).take(pa.array(rng.integers(0, len(values), rows)))

    months = np.arange("2015-01", "2026-01", dtype="M8[M]")
    return pa.table(
        {
            "id": tokens(),
            "email": tokens(),
            "phone": drawn([f"**********{number:02d}" for number in range(100)]),
            "ssn": tokens(),
            "birth_date": pa.array(rng.integers(-40, 35, rows).astype("M8[Y]").astype("M8[D]")),
            "zip": drawn([f"{number:03d}" for number in range(100, 500)]),
            "ip": drawn([f"{one}.{two}.{three}.0" for one in (10, 81, 172, 203) for two in range(60) for three in range(60)]),
            "city": drawn(
                ["San Francisco", "Paris", "London", "Zürich", "Winston-Salem", "São Paulo"] + [f"Town {i}" for i in range(400)]
            ),
            "amount": pa.array(rng.integers(0, 500, rows) * 100).cast(pa.decimal128(19, 0)).cast(pa.decimal128(12, 2)),
            "at": pa.array(rng.choice(months, rows).astype("M8[us]"), pa.timestamp("us", tz="UTC")),
        }
    )


def measure(rows: int) -> tuple[float, float]:
    """Seconds of a plain copy, and of the gate's whole work, best of three."""
    rules = compile_rules(policy(), GateConfig(), today=date(2026, 11, 22))
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "staged.parquet"), Path(folder, "copy.parquet")
        pq.write_table(staged(rows), source, row_group_size=GROUP, compression="zstd", write_statistics=False)
        copy = min(
            _timed(lambda: pq.write_table(pq.read_table(source), target, row_group_size=GROUP, compression="zstd"))
            for _ in range(3)
        )

        def gate() -> None:
            with Path(folder, "out.parquet").open("wb") as out:
                partial = inspect_file(source.read_bytes(), rules, lambda _: out)
            counts = Counts(rows, rows, 0, 0)
            facts = ManifestFacts(splits=(counts,), totals=counts, known_checked=True, known_found={})
            decide([partial], rules, facts).raise_first()

        return copy, min(_timed(gate) for _ in range(3))


def _timed(work: object) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    plain, checked = measure(count)
    io.TextIOWrapper(sys.stdout.buffer).write(
        f"{count:,} rows: copy {plain:.2f} s, gate {checked:.2f} s, {checked / plain:.2f} times the copy\n"
    )
