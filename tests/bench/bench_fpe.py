"""What format-preserving encryption costs: CPU time a value on one core, beside `ff3` and `pyffx` in a Python loop in the same run.

    python tests/bench/bench_fpe.py [--rows N]

Each line is the minimum of interleaved repeats of `time.process_time`. The peers' methods are others (FF3-1, which NIST withdrew, and
FFX); they are what Python users have for the job.

What profiling showed, and what the code does about it:

- A round over 8,192 values is ten numpy calls and one AES call: AES-256 takes 2.8 ns a value, all else 3.5.
- numpy divides uint64 by a constant in 0.8 ns (vectorized), but takes 2.9 for a remainder: so a quotient, a product, a difference.
- A sum or difference that leaves the range wraps around 2^64; the smaller of both candidates is right: a minimum (0.3 ns), no branch.
- Digits to numbers and back are Horner's rule over strided columns: 1 ns a digit each way. Letters that follow each other in the
  code chart are a subtraction, others a table of 256 (1 ns a byte).
- Separators cost: to take letters out of their places and put them back are two boolean masks over all bytes (1.3 ns a byte each).
- Halves beyond 32 bits (from 20 digits on) take several words each, and a long division for each word: 40 to 80 ns a round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import ff3
import numpy as np
import pyarrow as pa
import pyffx

from airlock.crypto.luhn import check_digits
from airlock.keys import SubKeys
from airlock.operators.fpe import Fpe

KEY = bytes(range(32))
ROUNDS = 7
SAMPLE = 400


@dataclass
class Line:
    """One line of the table: nanoseconds a value, the peers', and how many times faster the issue asks for."""

    name: str
    asked: float | None
    columnar: float = float("inf")
    ff3: float = float("inf")
    pyffx: float = float("inf")

    @property
    def ratio(self) -> float:
        """Times faster than the faster peer."""
        return min(self.ff3, self.pyffx) / self.columnar


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def cards(rows: int) -> pa.Array:
    digits = np.random.default_rng(7).integers(0, 10, (rows, 15)).astype(np.uint8)
    whole = np.concatenate([digits, check_digits(digits)[:, None]], axis=1) + ord("0")
    characters = np.full((rows, 19), ord("-"), np.uint8)
    characters[:, [at for at in range(19) if at not in (4, 9, 14)]] = whole
    return texts(characters)


def texts(characters: np.ndarray) -> pa.Array:
    offsets = np.arange(0, characters.size + 1, characters.shape[1], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(characters), [None, pa.py_buffer(offsets), pa.py_buffer(characters)])


def operator(declared: Fpe, values: pa.Array) -> Callable[[], object]:
    kernel = declared.kernel(pa.field("c", values.type), SubKeys(dict.fromkeys(declared.requests(), KEY), {}))
    parts = [pa.StructArray.from_arrays([values.slice(at, 131_072)], ["value"]) for at in range(0, len(values), 131_072)]
    return lambda: [kernel(part) for part in parts]


def loops(values: pa.Array) -> tuple[Callable[[], object], Callable[[], object]]:
    plain = [str(value).replace("-", "") for value in values.slice(0, SAMPLE).to_pylist()]
    one, other = ff3.FF3Cipher(KEY.hex(), "00" * 7), pyffx.String(KEY, alphabet="0123456789", length=len(plain[0]))
    return lambda: [one.encrypt(value) for value in plain], lambda: [other.encrypt(value) for value in plain]


def plan(rows: int) -> list[tuple[Line, Callable[[], object], pa.Array]]:
    rng = np.random.default_rng(7)
    ten, twenty = (texts(rng.integers(ord("0"), ord("9") + 1, (rows, length)).astype(np.uint8)) for length in (10, 20))
    numbers = pa.array(rng.integers(10**9, 10**10, rows))
    pans = cards(rows)
    return [
        (Line("10 digits", 300), operator(Fpe(domain="d"), ten), ten),
        (Line("  as int64", None), operator(Fpe(domain="d", length=10), numbers), numbers),
        (Line("16-digit cards with separators", 150), operator(Fpe(domain="d"), pans), pans),
        (Line("  with their check digit", 150), operator(Fpe(domain="d", luhn=True), pans), pans),
        (Line("20 digits", None), operator(Fpe(domain="d"), twenty), twenty),
    ]


def measure(rows: int) -> list[Line]:
    planned = [(line, work, loops(values)) for line, work, values in plan(rows)]
    for _ in range(ROUNDS):
        for line, work, (one, other) in planned:
            line.columnar = min(line.columnar, seconds(work) / rows * 1e9)
            line.ff3 = min(line.ff3, seconds(one) / SAMPLE * 1e9)
            line.pyffx = min(line.pyffx, seconds(other) / SAMPLE * 1e9)
    return [line for line, _, _ in planned]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=500_000)
    print(f"{'CPU ns a value':<34}{'columnar':>10}{'ff3':>9}{'pyffx':>9}{'ratio':>7}{'asked':>7}  reached")
    for line in measure(parser.parse_args().rows):
        reached = "-" if line.asked is None else "yes" if line.ratio >= line.asked else "NO"
        print(
            f"{line.name:<34}{line.columnar:>10.1f}{line.ff3:>9.0f}{line.pyffx:>9.0f}{line.ratio:>7.0f}{line.asked or '-':>7}  {reached}"
        )


if __name__ == "__main__":
    main()
