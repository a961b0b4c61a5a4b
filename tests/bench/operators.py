"""What an operator costs: CPU time a value on one core, text in, text out; ratios against named peers in the same run.

    python tests/bench/operators.py [--only NAME,...] [--rows N] [--json FILE]

Each figure is the minimum of interleaved repeats of `time.process_time`. A line of `PLAIN` or `KEYED` is data: an operator is added
with one. `REQUIRED` operators must be registered; without them the run is an error, not a shorter table.

What profiling showed, and what still holds the kernels back:

- Addresses: patterns took 0.15 us for each IPv4 value and 2.7 us for each IPv6 one. On the bytes, IPv4 costs 95 to 100 ns: 15 for
  finding the dots, 50 for four octets, 9 for putting two looked-up pairs together, 7 for writing them. An 8- or 16-byte load at any
  place costs 5 ns whatever its width, so a value is loaded once and shifted. IPv6 costs about 250 ns, for each group is a load and a
  dozen passes: a mixed column costs by its share of IPv6. Rows with nulls pay 20 ns for finding their dots by bisection.
- URLs: 32 bytes behind the scheme are loaded at once and judged by vector comparisons, a bit each (`packbits`); hosts are coded as
  32-byte keys (19 ns), and all else is done once a distinct host. With a user or a port in front, or a host of 32 bytes and more, a
  value goes by delimiters and bisections: about a microsecond.
- Memory counts as much as instructions: fresh megabytes are page faults, which cost more than the passes over them. So kernels work
  in blocks of 16,384 or 32,768 values, whose arrays the allocator hands out again.
- Masks: on ASCII one table look-up a byte; Arrow's text functions take 130 ns and patterns 0.4 us a value elsewhere. Groups of a
  pattern are RE2's: half a microsecond and more.
- Nested leaves: `list_parent_indices` and offsets by length cost 7 ns a value; without null lists the offsets are the column's own.
- Dictionaries: 1,000 values over a column cost the copy of its indices; null entries 4 ns more, to take them out of the indices.
"""

from __future__ import annotations

import argparse
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import bench_pseudonymize
import numpy as np
import pyarrow as pa

from airlock.keys import SubKeys
from airlock.operators import Operator, operator_class, operator_names
from airlock.plan.program import compile_column
from airlock.plan.tree import rule_tree
from airlock.policy.model import ColumnRule, KeyDomain, OperatorSpec
from airlock.policy.path import ColumnPath

KEY = bytes(range(64))
ROUNDS = 5
SAMPLE = 20_000
BATCH = 131_072
PER_VALUE, NESTED, CODED = 100.0, 1.2, 10.0
"""Bounds: ns a value; a nested leaf against a flat one; ns a value of a column of 1,000 distinct ones."""

REQUIRED = ("encrypt", "fpe", "hmac", "surrogate", "pseudonymize")
"""Keyed operators that have peers."""


# --- columns ----------------------------------------------------------------------------------------------------------


def _random() -> np.random.Generator:
    return np.random.default_rng(7)


def words(rows: int) -> pa.Array:
    return bench_pseudonymize.texts(rows, 8, 24)


def wide(rows: int) -> pa.Array:
    return pa.array([f"Straße {number}ö" for number in _random().integers(0, 10**8, rows).tolist()])


def kinds(rows: int) -> pa.Array:
    return pa.array(["home", "work", "mobile"]).take(pa.array(_random().integers(0, 3, rows)))


def codes(rows: int) -> pa.Array:
    return pa.array([f"K{number:04}" for number in range(10_000)]).take(pa.array(_random().integers(0, 10_000, rows)))


def v4(rows: int) -> pa.Array:
    return pa.array([".".join(map(str, octets)) for octets in _random().integers(0, 256, (rows, 4)).tolist()])


def one_in_ten_v6(rows: int) -> pa.Array:
    groups = _random().integers(0, 65_536, (rows // 10 + 1, 8)).tolist()
    six = pa.array([":".join(f"{group:x}" for group in each) for each in groups])
    return pa.concat_arrays([v4(rows), six]).take(pa.array([row if row % 10 else rows + row // 10 for row in range(rows)]))


def urls(rows: int) -> pa.Array:
    hosts = [f"www{n}.shop.example{n % 37}.co.uk" for n in range(1_000)]
    picked, paths = _random().integers(0, 1_000, rows).tolist(), _random().integers(0, 10**7, rows).tolist()
    return pa.array([f"https://{hosts[at]}/path/to/{path}?q={path}" for at, path in zip(picked, paths, strict=True)])


def digits(rows: int) -> pa.Array:
    return pa.array([f"{number:010}" for number in _random().integers(0, 10**10, rows).tolist()])


def cards(rows: int) -> pa.Array:
    numbers = [f"{number:016}" for number in _random().integers(0, 10**16, rows).tolist()]
    return pa.array([f"{text[:4]}-{text[4:8]}-{text[8:12]}-{text[12:]}" for text in numbers])


def equal(rows: int) -> pa.Array:
    return bench_pseudonymize.texts(rows, 12, 12)


def mixed(rows: int) -> pa.Array:
    return bench_pseudonymize.texts(rows, 10, 25)


def view(column: Callable[[int], pa.Array]) -> Callable[[int], pa.Array]:
    return lambda rows: column(rows).cast(pa.string_view())


# --- peers: one value after the other in Python -------------------------------------------------------------------------


def peer_hmac(texts: list[str]) -> Callable[[], object]:
    values = [text.encode() for text in texts]
    return lambda: [hmac.digest(KEY[:32], value, "sha256") for value in values]


def peer_aessiv(texts: list[str]) -> Callable[[], object]:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    cipher, values = AESSIV(KEY), [text.encode() for text in texts]
    return lambda: [cipher.encrypt(value, [b"domain"]) for value in values]


def peer_ff3(texts: list[str]) -> Callable[[], object]:
    from ff3 import FF3Cipher

    cipher, values = FF3Cipher(KEY[:16].hex(), "D8E7920AFA330A73"), [text.replace("-", "") for text in texts[:500]]
    return lambda: [cipher.encrypt(value) for value in values]


def peer_pyffx(texts: list[str]) -> Callable[[], object]:
    import pyffx

    values = [text.replace("-", "") for text in texts[:500]]
    cipher = pyffx.String(KEY[:16], alphabet="0123456789", length=len(values[0]))
    return lambda: [cipher.encrypt(value) for value in values]


def peer_faker(texts: list[str]) -> Callable[[], object]:
    from faker import Faker

    fake, values = Faker("en_US"), texts[:1_000]

    def reseeded() -> list[str]:
        made = []
        for value in values:
            fake.seed_instance(value)
            made.append(fake.name())
        return made

    return reseeded


OF_500 = {peer_ff3: 500, peer_pyffx: 500, peer_faker: 1_000}
"""How many values slow peers do; others do SAMPLE."""


# --- the tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """A generalizing or plain operator over a column, with a bound in ns a value."""

    operator: str
    arguments: Any
    column: Callable[[int], pa.Array]
    what: str = ""
    bound: float = PER_VALUE


@dataclass(frozen=True)
class Keyed:
    """A keyed operator over a column, so many times faster than a peer."""

    operator: str
    arguments: Any
    column: Callable[[int], pa.Array]
    peer: Callable[[list[str]], Callable[[], object]]
    bound: float
    distinct: int | None = None
    what: str = ""


TREE = {
    "sha256": "",
    "leaves": [f"K{number:04}" for number in range(10_000)],
    "labels": [f"K{number // 100:02}xx" for number in range(10_000)],
}

PLAIN = [
    Plain("keep", "as it is", words),
    Plain("keep", {"reason": "listed", "values": ["home", "work", "mobile"]}, kinds, "listed"),
    Plain("null", {}, words),
    Plain("redact", {"with": "[x]"}, words),
    Plain("redact", {"with": "[x]"}, view(words), "string_view"),
    Plain("mask", {"keep_last": 2}, words),
    Plain("mask", {"keep_last": 2}, view(words), "string_view"),
    Plain("mask", {"keep_last": 2, "classes": ["digits"]}, words, "digits"),
    Plain("mask", {"keep_last": 2}, wide, "not ASCII", bound=200.0),
    Plain("mask", {"pattern": "([a-z])(.*)", "groups": [2]}, words, "groups", bound=2_000.0),
    Plain("truncate", 3, words),
    Plain("truncate", 3, view(wide), "string_view, not ASCII"),
    Plain("hierarchy", {"file": "f", "level": 1, "content": TREE}, codes),
    Plain("ip_truncate", {}, v4, "IPv4"),
    Plain("ip_truncate", {}, one_in_ten_v6, "one in ten IPv6", bound=200.0),
    Plain("url", "host", urls, "host"),
    Plain("url", "registered_domain", urls, "registered domain"),
]

KEYED = [
    Keyed("pseudonymize", {"domain": "d", "form": "hex"}, equal, peer_hmac, 30, what="12 bytes"),
    Keyed("pseudonymize", {"domain": "d", "form": "hex"}, mixed, peer_hmac, 12, what="10-25 bytes"),
    Keyed("encrypt", {"domain": "d"}, mixed, peer_aessiv, 8),
    Keyed("fpe", {"domain": "d", "alphabet": "digits"}, digits, peer_ff3, 300, what="10 digits, ff3"),
    Keyed("fpe", {"domain": "d", "alphabet": "digits"}, digits, peer_pyffx, 300, what="10 digits, pyffx"),
    Keyed("fpe", {"domain": "d", "alphabet": "digits"}, cards, peer_ff3, 150, what="cards, ff3"),
    Keyed("fpe", {"domain": "d", "alphabet": "digits"}, cards, peer_pyffx, 150, what="cards, pyffx"),
    Keyed("hmac", {"domain": "d"}, mixed, peer_hmac, 1.5),
    Keyed("hmac", {"domain": "d"}, mixed, peer_hmac, 100, distinct=1_000, what="1,000 distinct"),
    Keyed("surrogate", {"domain": "d", "kind": "name"}, mixed, peer_faker, 40),
]


# --- measuring ----------------------------------------------------------------------------------------------------------


@dataclass
class Line:
    """One measured line; `most` says on which side of the bound it must lie."""

    name: str
    bound: float
    unit: str
    most: bool = True
    measured: float = field(default=float("inf"))

    @property
    def reached(self) -> bool:
        return self.measured <= self.bound if self.most else self.measured >= self.bound


@dataclass
class Work:
    """Something to time: its least CPU seconds so far, and how many values it does."""

    run: Callable[[], object]
    values: int
    seconds: float = field(default=float("inf"))

    @property
    def nanoseconds(self) -> float:
        return self.seconds / self.values * 1e9


def declared(name: str, arguments: Any) -> Operator:
    kind = operator_class(name)
    return kind.from_dict(OperatorSpec(name=name, arguments=arguments).mapping(kind.shorthand)).resolve({"d": KeyDomain()})


def program(name: str, arguments: Any, path: str, values: pa.Array) -> Work:
    """The operator on one leaf of a column, as the engine runs it."""
    rules = {ColumnPath.parse(path): ColumnRule.model_validate({"type": "string", "class": "sensitive", name: arguments})}
    operator = declared(name, arguments)
    keys = SubKeys(dict.fromkeys(operator.requests(), KEY[:32]), {})
    made = compile_column(rule_tree(rules)["x"], values.type, dict.fromkeys(rules, operator), keys)
    assert made is not None
    parts = [values.slice(at, BATCH) for at in range(0, len(values), BATCH)]
    return Work(lambda: [made.transform(part) for part in parts], len(values))


def race(works: list[Work]) -> None:
    for _ in range(ROUNDS):
        for work in works:
            start = time.process_time()
            work.run()
            work.seconds = min(work.seconds, time.process_time() - start)


def plain_lines(rows: int, only: set[str]) -> Iterator[Line]:
    for line in PLAIN:
        if line.operator in only:
            work = program(line.operator, line.arguments, "x", line.column(rows))
            race([work])
            yield Line(f"{line.operator} {line.what}".strip(), line.bound, "ns", measured=work.nanoseconds)


def keyed_lines(rows: int, only: set[str]) -> Iterator[Line]:
    for line in KEYED:
        if line.operator not in only:
            continue
        values = line.column(rows)
        if line.distinct is not None:
            places = pa.array(_random().integers(0, line.distinct, rows).astype(np.int32))
            values = pa.DictionaryArray.from_arrays(places, values.slice(0, line.distinct))
        texts = values.slice(0, SAMPLE).to_pylist()
        ours = program(line.operator, line.arguments, "x", values)
        theirs = Work(line.peer(texts), OF_500.get(line.peer, len(texts)))
        race([ours, theirs])
        name = f"{line.peer.__name__.removeprefix('peer_')} in a loop: x {line.operator} {line.what}".strip()
        yield Line(name, line.bound, "x", most=False, measured=theirs.nanoseconds / ours.nanoseconds)


def nested_lines(rows: int) -> Iterator[Line]:
    """A leaf in a struct, in structs in lists, and as a map's values, against the same values in a flat column."""
    flat = words(rows)
    offsets = pa.array(np.concatenate([np.arange(0, rows, 2), [rows]]).astype(np.int32))
    struct = pa.StructArray.from_arrays([flat], ["y"])
    for name, arguments in (("redact", {}), ("truncate", 3), ("mask", {"keep_last": 2})):
        base = program(name, arguments, "x", flat)
        works = {"a struct": program(name, arguments, "x.y", struct), "lists of structs": program(name, arguments, "x[].y", pa.ListArray.from_arrays(offsets, struct))}  # fmt: skip
        race([base, *works.values()])
        for where, work in works.items():
            yield Line(f"{name} in {where}: x flat", NESTED, "x", measured=work.seconds / base.seconds)


def coded_lines(rows: int) -> Iterator[Line]:
    """1,000 distinct values over the column; the dictionary with unused entries, and with a null."""
    places = pa.array(_random().integers(0, 1_000, rows).astype(np.int32))
    entries = words(2_000)
    forms = {"": entries.slice(0, 1_000), ", as many unused": entries, ", one null": pa.concat_arrays([entries.slice(0, 999), pa.nulls(1, entries.type)])}  # fmt: skip
    for name, arguments in (("truncate", 3), ("mask", {"keep_last": 2})):
        for what, dictionary in forms.items():
            work = program(name, arguments, "x", pa.DictionaryArray.from_arrays(places, dictionary))
            race([work])
            yield Line(f"{name}, 1,000 distinct{what}", CODED, "ns", measured=work.nanoseconds)


def measure(rows: int, only: set[str] | None = None) -> Iterator[Line]:
    """All lines; with `only`, those of these operators.

    Raises:
        LookupError: A named or required operator is not registered.
    """
    wanted = only or {*REQUIRED, *(line.operator for line in (*PLAIN, *KEYED))}
    missing = sorted(wanted - set(operator_names()))
    if missing:
        raise LookupError(f"no operator {', '.join(missing)}: the table is not whole. Name those to measure with --only")
    yield from plain_lines(rows, wanted)
    if {"redact", "truncate", "mask"} <= wanted:
        yield from nested_lines(rows)
        yield from coded_lines(rows)
    yield from keyed_lines(rows, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", help="operators, or 'registered' for all that are there")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    only = set(operator_names()) if given.only == "registered" else set(given.only.split(",")) if given.only else None
    made = []
    for line in measure(given.rows, only):
        made.append(line)
        sign = "<=" if line.most else ">="
        print(
            f"{'yes' if line.reached else 'NO ':3}  {line.name:52} {line.measured:10.1f} {line.unit:3} {sign} {line.bound:g}",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps([asdict(line) | {"reached": line.reached} for line in made], indent=1) + "\n")


if __name__ == "__main__":
    main()
