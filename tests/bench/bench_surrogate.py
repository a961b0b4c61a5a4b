"""What a surrogate costs: CPU time a value on one core, string column in and out, beside Faker reseeded for each value.

    python tests/bench/bench_surrogate.py [--rows N]

Minimum of interleaved repeats of `time.process_time`. What profiling showed, of 82 ns for a full name: the tag takes 22, each part's
place in its pool 2.5, its text 7.5 (pools stay in the cache), and Arrow's join of the parts 45. That join, which copies value by
value, is what holds kinds of several parts back; a kind of one part needs none. Faker spends most of its time on seeding a
Mersenne Twister (624 words) anew.
"""

from __future__ import annotations

import argparse
import hashlib
import time

import pyarrow as pa
from faker import Faker

from airlock.keys import SubKeys
from airlock.operators.surrogate import Surrogate

KEY = bytes(range(32))
ROUNDS = 5
SAMPLE = 2_000
KINDS = {
    "first_name": "first_name",
    "full_name": "name",
    "email": "email",
    "phone": "phone_number",
    "address": "address",
    "company": "company",
}
"""Each kind and Faker's method."""


def measure(rows: int) -> dict[str, tuple[float, float]]:
    """By kind: nanoseconds a value, and Faker's."""
    values = pa.array([f"Person {number * 7_919 % rows:06}" for number in range(rows)])
    sample, fake = values.slice(0, SAMPLE).to_pylist(), Faker("en_US")
    found = dict.fromkeys(KINDS, (float("inf"), float("inf")))
    for _ in range(ROUNDS):
        for kind, method in KINDS.items():
            operator = Surrogate(kind=kind, domain="d")
            kernel = operator.kernel(pa.field("c", pa.string()), SubKeys(dict.fromkeys(operator.requests(), KEY), {}))
            parts = [values.slice(at, 131_072) for at in range(0, rows, 131_072)]
            start = time.process_time()
            for part in parts:
                kernel(part)
            middle = time.process_time()
            for value in sample:
                fake.seed_instance(int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "little"))
                getattr(fake, method)()
            end = time.process_time()
            own, theirs = (middle - start) / rows * 1e9, (end - middle) / SAMPLE * 1e9
            found[kind] = (min(found[kind][0], own), min(found[kind][1], theirs))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    for kind, (own, theirs) in measure(parser.parse_args().rows).items():
        print(f"{kind:12} {own:8.1f} ns   Faker {theirs:10,.0f} ns   x {theirs / own:,.0f} (>= 40)")


if __name__ == "__main__":
    main()
