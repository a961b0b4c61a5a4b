"""What a pseudonym costs: CPU time a value on one core, beside `hmac.digest` in a Python loop in the same run.

    python tests/bench/bench_pseudonymize.py [--json FILE] [--rows N]

Each line is the minimum of interleaved repeats of `time.process_time`, so that a busy machine slows all lines alike and none
for good. A figure counts as reached within 25 %.

What profiling showed, and what the code does about it:

- Crossing from Python into OpenSSL costs about a microsecond, an AES-256 block 2.6 ns: only batches pay. Mixed lengths cost 81 ns
  a value in batches of 1,024, 40 in 8,192, 37 in 16,384 and 78 in one batch of a million, which falls out of the cache.
- numpy gathers 16-byte items at arbitrary byte positions in 5.3 ns, two 8-byte halves in 10.9 ns, rows of a byte matrix in
  12 ns. So a block is one item of 16 bytes wherever it is moved, and a pair of uint64 wherever it is combined.
- Values of one length need no gather at all: block k of all of them is a strided view (0.4 ns), and mask and padding are two
  constants each.
- Values of mixed length but one block (most numbers) skip the sort. Else the sort is a radix sort of 16-bit block counts (4 ns),
  and gathering and scattering by its order costs more than the sort.
- Hexadecimal by a table of 65,536 pairs of bytes (256 KiB) takes 20 ns, by nibbles 68. Rows of a matrix are copied as items of
  the row's length (3 to 4 ns), not byte by byte (6 ns).
- Of the operator on int64, Arrow's cast to text takes 25 ns, `decimal` 20, the tags 18, base32 44; on addresses the three
  canonical steps take 17 ns together, because ASCII text needs neither normalization nor full folding.
"""

from __future__ import annotations

import argparse
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.crypto import Cmac, encode_base32, encode_hex
from airlock.keys import SubKeys
from airlock.operators.pseudonymize import Pseudonymize
from airlock.policy.model import Canonical

KEY = bytes(range(32))
ROUNDS = 7
SAMPLE = 50_000
TOLERANCE = 1.25


@dataclass
class Line:
    """One line of the table: nanoseconds a value, the design's figure (None: it names none), and hmac's nanoseconds."""

    name: str
    figure: float | None
    columnar: float = float("inf")
    python: float = float("inf")

    @property
    def reached(self) -> bool | None:
        return None if self.figure is None else self.columnar <= self.figure * TOLERANCE


def texts(rows: int, low: int, high: int) -> pa.Array:
    rng = np.random.default_rng(7)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(low, high + 1, rows))]).astype(np.int32)
    data = rng.integers(97, 123, int(offsets[-1])).astype(np.uint8)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def addresses(rows: int) -> pa.Array:
    names = texts(rows, 6, 14)
    return pc.binary_join_element_wise(names, "Example.com", "@")


def operator(declared: Pseudonymize, values: pa.Array) -> Callable[[], object]:
    kernel = declared.kernel(pa.field("c", values.type), SubKeys(dict.fromkeys(declared.requests(), KEY), {}))
    # Batches of a row group's size, as the engine hands them over.
    parts = [values.slice(at, 131_072) for at in range(0, len(values), 131_072)]
    return lambda: [kernel(part) for part in parts]


def loop(values: pa.Array) -> Callable[[], object]:
    sample = [str(value).encode() for value in values.slice(0, SAMPLE).to_pylist()]
    return lambda: [hmac.digest(KEY, value, "sha256") for value in sample]


def plan(rows: int) -> list[tuple[Line, Callable[[], object], pa.Array]]:
    mac = Cmac(KEY)
    equal, mixed, long = texts(rows, 12, 12), texts(rows, 10, 25), texts(rows, 90, 90)
    long_mixed, mail = texts(rows, 60, 120), addresses(rows)
    numbers = pa.array(np.random.default_rng(7).integers(0, 10**9, rows))
    customer = Pseudonymize(domain="customer", form="base32", prefix="cus_", canonical=(Canonical.DECIMAL,))
    email = Pseudonymize(domain="email", canonical=(Canonical.TRIM, Canonical.NFC, Canonical.CASEFOLD))
    return [
        (Line("tags, 12 bytes each", 25), lambda: mac.tags(equal), equal),
        (Line("  as hex", 49), lambda: encode_hex(mac.tags(equal)), equal),
        (Line("  as base32", None), lambda: encode_base32(mac.tags(equal)), equal),
        (Line("tags, 10-25 bytes mixed", 98), lambda: mac.tags(mixed), mixed),
        (Line("  as hex", 125), lambda: encode_hex(mac.tags(mixed)), mixed),
        (Line("tags, 90 bytes each", 132), lambda: mac.tags(long), long),
        (Line("  as hex", 147), lambda: encode_hex(mac.tags(long)), long),
        (Line("tags, 60-120 bytes mixed", None), lambda: mac.tags(long_mixed), long_mixed),
        (Line("operator: int64, decimal, base32", None), operator(customer, numbers), numbers),
        (Line("operator: address, trim+nfc+casefold, hex", None), operator(email, mail), mail),
    ]


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(rows: int) -> list[Line]:
    planned = [(line, work, loop(values)) for line, work, values in plan(rows)]
    for _ in range(ROUNDS):
        for line, work, python in planned:
            line.columnar = min(line.columnar, seconds(work) / rows * 1e9)
            line.python = min(line.python, seconds(python) / min(rows, SAMPLE) * 1e9)
    return [line for line, _, _ in planned]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    lines = measure(arguments.rows)
    print(f"{'CPU ns a value':<44}{'columnar':>10}{'hmac':>8}{'ratio':>7}{'figure':>8}  reached")
    for line in lines:
        reached = {None: "-", True: "yes", False: "NO"}[line.reached]
        ratio = line.python / line.columnar
        print(f"{line.name:<44}{line.columnar:>10.1f}{line.python:>8.0f}{ratio:>7.0f}{line.figure or '-':>8}  {reached}")
    if arguments.json:
        made = [asdict(line) | {"reached": line.reached} for line in lines]
        arguments.json.write_text(json.dumps({"rows": arguments.rows, "lines": made}, indent=1) + "\n")


if __name__ == "__main__":
    main()
