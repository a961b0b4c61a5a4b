"""What an operator costs: CPU time a value on one core, text in, text out; ratios against named peers in the same run.

    python tests/bench/operators.py [--only NAME,...] [--rows N] [--json FILE]

Each figure is the minimum of interleaved repeats of `time.process_time`. A line of `PLAIN` or `KEYED` is data: an operator is added
with one. An operator without a line is an error, not a shorter table.

What profiling showed, and what still holds the kernels back:

- Addresses: patterns took 0.15 us for each IPv4 value and 2.7 us for each IPv6 one. On the bytes, IPv4 costs about 70 ns: sixteen
  bytes loaded at once (5, whatever the width), compared and packed to a bit each (5), the three dots' places by a table of those
  bits (2), 30 for four octets, 15 for two looked-up pairs and their writing. A look-up in a table beyond the first-level cache
  costs 2 to 4, so a text and its length are one entry. IPv6 costs 230: forty bytes loaded at once and compared to a bit each, of
  which everything about colons and gaps is arithmetic on one number (55), then for each group kept a load, its digits' number and
  its text (40). It was 500 to 600 with a look-up of each delimiter's place. A mixed column pays for its IPv6 share twice, as it is
  looked at as IPv4 first: one in ten costs 94 on a quiet machine, 118 on a busy one. Blocks of 65,536 save a quarter of numpy's calls.
- URLs: 32 bytes behind the scheme are loaded at once and cut at the first delimiter, a bit each (`packbits`); hosts are coded as
  32-byte keys (25 ns, now the largest part), and all else is done once a distinct host of 32,768 values, even whether it is one.
  With a user or a port in front, or a host of 32 bytes and more, a value goes by delimiters and bisections: about a microsecond.
- Memory counts as much as instructions: fresh megabytes are page faults, which cost more than the passes over them. So kernels work
  in blocks of 16,384 or 32,768 values, whose arrays the allocator hands out again.
- Masks: mask characters are one fill, and the readable ends are written over them; where characters have several bytes, counting
  these costs 1 ns a byte (a cumulative sum). Single classes are `bytes.translate`, 0.7 ns a byte, where numpy's look-ups take 1 to
  1.7, for they make an index of eight bytes first. Groups of a pattern are RE2's: 0.3 us and more.
- Conditions: a column's values are looked up once, for all conditions on it (13 to 18 ns); Arrow's `take` that puts the operators'
  outputs into the rows' order is 15 to 20, and a part's rows are taken with those columns alone that its operator looks at.
- Nested leaves: `list_parent_indices` and offsets by length cost 7 ns a value; without null lists the offsets are the column's own.
- Format-preserving encryption: a round over 8,192 values is ten numpy calls and one AES call: AES-256 takes 2.8 ns a value, all else
  3.5. numpy divides uint64 by a constant in 0.8 ns but takes 2.9 for a remainder: so a quotient, a product, a difference. Digits to
  numbers and back cost 1 ns a digit each way; separators 1.3 ns a byte each way (two boolean masks), and as much for counting them
  in blocks (three times that in arrays as long as the column); check digits 11 ns each way, place by place. Halves beyond 32 bits (from 20
  digits on) take several words each, and a long division for each word: 40 to 80 ns a round. The peers' methods are others (FF3-1,
  which NIST withdrew, and FFX); they are what Python users have for the job.
- HMAC-SHA-256 is the one loop: two copied OpenSSL states and two digests a value are what is left of it. Of long values hashing
  itself is the cost, and the gain is gone at 1,600 bytes.
- SIV: values of as many blocks go together as rows of a matrix, sorted by length, so that nothing is looked up for each block and
  each text is one move of its exact length. Of about 160 ns for 10 to 25 byte values AES takes 10, base64url 10 (pybase64's vector
  code; 55 by table look-ups in numpy), writing texts and prefixes 30, cutting and padding 25, both steps of S2V and the counters
  40. What grows with the window is put out of the cache: 16,384 values. A random nonce costs half as much again: a state of S2V
  for each value and 21 characters more; the nonces are a keystream (6 ns), for the system's random source takes 64 ns for each.
  The peer of that line draws its nonces too, or it would not do the same work.
- Surrogates: of 82 ns for a full name the tag takes 22, each part's place in its pool 2.5, its text 7.5, and Arrow's join of the
  parts 45, value by value. Faker spends most of its time on seeding a Mersenne Twister anew.
- Dictionaries: 1,000 values over a column cost the copy of its indices; null entries 4 ns more, to take them out of the indices.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parent))

import bench_pseudonymize

from airlock.crypto.luhn import check_digits
from airlock.engines.rows import inputs_of
from airlock.keys import SubKeys
from airlock.keys.derive import KEY_BYTES
from airlock.operators import Operator, operator_class, operator_names
from airlock.passes import DatasetPass, Leaf, RowGroupPass
from airlock.passes.permutation import PERMUTE
from airlock.plan.program import compile_column
from airlock.plan.tree import rule_tree
from airlock.policy.model import ColumnRule, KeyDomain, OperatorSpec
from airlock.policy.path import ColumnPath

KEY = bytes(range(64))
ROUNDS, SWEEPS = 5, 3
SAMPLE = 20_000
BATCH = 131_072
PER_VALUE, NESTED, CODED = 100.0, 1.2, 10.0
"""Bounds: ns a value; a nested leaf against a flat one; ns a value of a column of 1,000 distinct ones."""

UNMEASURED = ("drop", "redact_entities")
"""Operators without a line: one that writes nothing, and the search of texts."""


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
    """Sixteen digits, the last a check digit, in groups of four."""
    places = _random().integers(0, 10, (rows, 15)).astype(np.uint8)
    whole = np.concatenate([places, check_digits(places)[:, None]], axis=1) + ord("0")
    characters = np.full((rows, 19), ord("-"), np.uint8)
    characters[:, [at for at in range(19) if at not in (4, 9, 14)]] = whole
    offsets = np.arange(0, characters.size + 1, 19, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(characters)])


def days(rows: int) -> pa.Array:
    return pa.array(_random().integers(-12_000, 20_000, rows).astype(np.int32)).view(pa.date32())


def day_texts(rows: int) -> pa.Array:
    return days(rows).cast(pa.string())


def epochs(rows: int) -> pa.Array:
    return pa.array(_random().integers(0, 1_700_000_000, rows))


def moments(rows: int) -> pa.Array:
    return pa.array(_random().integers(0, 1_700_000_000 * 10**6, rows)).view(pa.timestamp("us", tz="UTC"))


def berlin(rows: int) -> pa.Array:
    return moments(rows).cast(pa.timestamp("us", tz="Europe/Berlin"))


def numbers(rows: int) -> pa.Array:
    return pa.array(_random().integers(0, 110, rows))


def ids(rows: int) -> pa.Array:
    return pa.array(_random().integers(0, 10**9, rows))


def floats(rows: int) -> pa.Array:
    return pa.array(_random().uniform(-90, 90, rows))


def decimals(rows: int) -> pa.Array:
    return pa.array(_random().integers(0, 10**7, rows)).cast(pa.decimal128(19, 0)).cast(pa.decimal128(21, 2))


def zip_numbers(rows: int) -> pa.Array:
    return pa.array(_random().integers(501, 99_951, rows))


def zips(rows: int) -> pa.Array:
    return pa.array([f"{number:05}" for number in zip_numbers(rows).to_pylist()])


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


def peer_aessiv_nonces(texts: list[str]) -> Callable[[], object]:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    cipher, values = AESSIV(KEY), [text.encode() for text in texts]

    def sealed() -> list[bytes]:
        nonces = [os.urandom(16) for _ in values]
        return [nonce + cipher.encrypt(value, [b"domain", nonce]) for value, nonce in zip(values, nonces, strict=True)]

    return sealed


def peer_ff3(texts: list[str]) -> Callable[[], object]:
    import ff3

    cipher, values = ff3.FF3Cipher(KEY[:32].hex(), "00" * 7), [text.replace("-", "") for text in texts]
    return lambda: [cipher.encrypt(value) for value in values]


def peer_pyffx(texts: list[str]) -> Callable[[], object]:
    import pyffx

    values = [text.replace("-", "") for text in texts]
    cipher = pyffx.String(KEY[:32], alphabet="0123456789", length=len(values[0]))
    return lambda: [cipher.encrypt(value) for value in values]


def peer_faker(texts: list[str], method: str = "name") -> Callable[[], object]:
    from faker import Faker

    fake = Faker("en_US")

    def reseeded() -> None:
        for text in texts:
            fake.seed_instance(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))
            getattr(fake, method)()

    return reseeded


def faker(method: str) -> Callable[[list[str]], Callable[[], object]]:
    return partial(peer_faker, method=method)


# --- the tables ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """A generalizing or plain operator over a column, with a bound in ns a value."""

    operator: str
    arguments: Any
    column: Callable[[int], pa.Array]
    what: str = ""
    bound: float = PER_VALUE
    beside: tuple[tuple[str, Callable[[int], pa.Array]], ...] = ()


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
    sample: int = SAMPLE


TREE = {
    "sha256": "",
    "leaves": [f"K{number:04}" for number in range(10_000)],
    "labels": [f"K{number // 100:02}xx" for number in range(10_000)],
}

PLAIN = [
    Plain("add_noise", {"distribution": "laplace", "domain": "d", "subject": "k", "scale": 5}, numbers, "Laplace, a draw a value", bound=150.0, beside=(("k", ids),)),
    Plain("age", "2026-11-01", days),
    Plain("age", {"at": "2026-11-01", "parse": "iso"}, day_texts, "of ISO texts"),
    Plain("clamp", {"top": 90}, numbers),
    Plain("first_match", {"cases": [{"column": "k", "in": ["home"], "then": {"redact": {}}}, {"column": "k", "in": ["work"], "then": {"truncate": 3}}],
                          "otherwise": {"mask": {}}}, words, "of three", beside=(("k", kinds),)),
    Plain("generalize_date", "year", days),
    Plain("generalize_date", "month", moments, "timestamps"),
    Plain("generalize_date", "month", berlin, "timestamps of a zone"),
    Plain("generalize_date", {"to": "year", "parse": "iso"}, day_texts, "ISO texts"),
    Plain("generalize_date", {"to": "year", "parse": "epoch_s"}, epochs, "epochs"),
    Plain("generalize_number", {"width": 10}, numbers),
    Plain("generalize_number", {"width": "0.5"}, floats, "floats"),
    Plain("generalize_number", {"width": 10}, decimals, "decimals"),
    Plain("geo_grid", "0.1", floats),
    Plain("geohash", {"length": 5, "longitude": "k"}, floats, beside=(("k", floats),)),
    Plain("hierarchy", {"file": "f", "level": 1, "content": TREE}, codes),
    Plain("interval", [18, 40, 65], numbers),
    Plain("ip_truncate", {}, v4, "IPv4"),
    Plain("ip_truncate", {}, one_in_ten_v6, "one in ten IPv6"),
    Plain("keep", "as it is", words),
    Plain("keep", {"reason": "listed", "values": ["home", "work", "mobile"]}, kinds, "listed"),
    Plain("mask", {"keep_last": 2}, words),
    Plain("mask", {"keep_last": 2}, view(words), "string_view"),
    Plain("mask", {"keep_last": 2, "classes": ["digits"]}, words, "digits"),
    Plain("mask", {"keep_last": 2}, wide, "not ASCII"),
    Plain("mask", {"pattern": "([a-z])(.*)", "groups": [2]}, words, "groups of a pattern, by RE2", bound=2_000.0),
    Plain("null", {}, words),
    Plain("ordered", {"after": "k", "do": {"generalize_date": "month"}}, days, beside=(("k", days),)),
    Plain("redact", {"with": "[x]"}, words),
    Plain("redact", {"with": "[x]"}, view(words), "string_view"),
    Plain("replace", {"map": {"home": "private", "work": "firm"}, "otherwise": "other"}, kinds),
    Plain("round", 100, numbers),
    Plain("shift_date", {"domain": "d", "subject": "k", "days": 30}, days, "a draw a value", bound=150.0, beside=(("k", ids),)),
    Plain("truncate", 3, words),
    Plain("truncate", 3, view(wide), "string_view, not ASCII"),
    Plain("url", "host", urls, "host"),
    Plain("url", "registered_domain", urls, "registered domain"),
    Plain("when", {"column": "k", "in": ["home"], "then": {"redact": {}}, "otherwise": {"truncate": 3}}, words, beside=(("k", kinds),)),
    Plain("zip3", {}, zips),
    Plain("zip3", {}, zip_numbers, "integers"),
]  # fmt: skip

KEYED = [
    Keyed("pseudonymize", {"domain": "d", "form": "hex"}, equal, peer_hmac, 30, what="12 bytes, hex"),
    Keyed("pseudonymize", {"domain": "d", "form": "hex"}, mixed, peer_hmac, 12, what="10-25 bytes, hex"),
    Keyed("encrypt", {"domain": "d"}, mixed, peer_aessiv, 8, what="10-25 bytes, base64url"),
    Keyed("encrypt", {"domain": "d", "pad_to": None}, mixed, peer_aessiv, 8, what="10-25 bytes, unpadded"),
    Keyed("encrypt_random", {"domain": "d"}, mixed, peer_aessiv_nonces, 8, what="10-25 bytes, a nonce each"),
    Keyed("fpe", {"domain": "d"}, digits, peer_ff3, 300, what="10 digits", sample=400),
    Keyed("fpe", {"domain": "d"}, digits, peer_pyffx, 300, what="10 digits", sample=400),
    Keyed("fpe", {"domain": "d"}, cards, peer_ff3, 150, what="cards with separators", sample=400),
    Keyed("fpe", {"domain": "d"}, cards, peer_pyffx, 150, what="cards with separators", sample=400),
    Keyed("fpe", {"domain": "d", "luhn": True}, cards, peer_pyffx, 150, what="cards, Luhn kept", sample=400),
    Keyed("hmac", {"domain": "d"}, mixed, peer_hmac, 1.5, what="10-25 bytes"),
    Keyed("hmac", {"domain": "d"}, mixed, peer_hmac, 100, distinct=1_000, what="1,000 distinct"),
    Keyed("surrogate", {"domain": "d", "kind": "full_name"}, mixed, faker("name"), 40, what="full name", sample=1_000),
    Keyed("surrogate", {"domain": "d", "kind": "email"}, mixed, faker("email"), 40, what="e-mail", sample=1_000),
    Keyed("surrogate", {"domain": "d", "kind": "address"}, mixed, faker("address"), 40, what="address", sample=1_000),
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


def program(name: str, arguments: Any, path: str, values: pa.Array, beside: dict[str, pa.Array] | None = None) -> Work:
    """The operator on one leaf of a column, as the engine runs it, other columns beside it."""
    rules = {ColumnPath.parse(path): ColumnRule.model_validate({"type": "string", "class": "sensitive", name: arguments})}
    operator = declared(name, arguments).beside({"k": declared("generalize_date", "month")})
    keys = SubKeys({request: KEY[: KEY_BYTES.get(request.algorithm, 32)] for request in operator.requests()}, {})
    data_type = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    made = compile_column(rule_tree(rules)["x"], data_type, dict.fromkeys(rules, operator), keys)
    assert made is not None
    # Cut out of a larger table: readers mostly hand over whole arrays, whose offsets begin at zero and cost a little less.
    batches = pa.table({"x": values} | (beside or {})).combine_chunks().to_batches(max_chunksize=BATCH)
    return Work(lambda: [made.transform(part.column("x"), inputs_of(part)) for part in batches], len(values))


def race(works: list[Work]) -> None:
    for _ in range(ROUNDS):
        for work in works:
            start = time.process_time()
            work.run()
            work.seconds = min(work.seconds, time.process_time() - start)


def plain_lines(rows: int, only: set[str]) -> Iterator[Line]:
    lines = [line for line in PLAIN if line.operator in only]
    least = [math.inf] * len(lines)
    # There is no peer that a busy moment slows down too: the least of repeats that lie apart.
    for _ in range(SWEEPS):
        for place, line in enumerate(lines):
            beside = {name: column(rows) for name, column in line.beside}
            work = program(line.operator, line.arguments, "x", line.column(rows), beside)
            race([work])
            least[place] = min(least[place], work.nanoseconds)
    for line, measured in zip(lines, least, strict=True):
        yield Line(f"{line.operator} {line.what}".strip(), line.bound, "ns", measured=measured)


PASSES: dict[str, tuple[str, ...]] = {"keep_top": ("counting", "rewriting"), "permute": ("in a row group",)}
"""Operators that are passes, and what of each is measured."""


def keep_top_works(rows: int) -> list[Work]:
    """To count a column's values, batch by batch, and to rewrite it."""
    over = declared("keep_top", {"n": 100, "min_count": 20}).pass_over(ColumnPath(("x",)))
    assert isinstance(over, DatasetPass)
    batches = [batch.column("x") for batch in pa.table({"x": codes(rows)}).to_batches(max_chunksize=BATCH)]
    leaves = [Leaf(values, pa.array(np.arange(len(values)))) for values in batches]

    def counted() -> pa.Table:
        return over.merge([over.summarize([leaf]) for leaf in leaves])

    concluded = over.conclude(counted())
    return [Work(counted, rows), Work(lambda: [over.carry_out([values], concluded, None) for values in batches], rows)]


def permute_works(rows: int) -> list[Work]:
    """One column of row groups of 131,072 rows."""
    over = declared("permute", "a reason").pass_over(ColumnPath(("x",)))
    assert isinstance(over, RowGroupPass)
    keys = SubKeys({PERMUTE: KEY[:32]}, {})
    groups = [pa.Table.from_batches([batch]) for batch in pa.table({"x": words(rows)}).to_batches(max_chunksize=BATCH)]
    return [Work(lambda: [over.carry_out(group, f"split/{at}", keys) for at, group in enumerate(groups)], rows)]


def pass_lines(rows: int, only: set[str]) -> Iterator[Line]:
    """What a pass costs a value, beside reading and writing."""
    for name, make in (("keep_top", keep_top_works), ("permute", permute_works)):
        if name in only:
            works = make(rows)
            race(works)
            for what, work in zip(PASSES[name], works, strict=True):
                yield Line(f"{name} {what}", PER_VALUE, "ns", measured=work.nanoseconds)


def keyed_lines(rows: int, only: set[str]) -> Iterator[Line]:
    for line in KEYED:
        if line.operator not in only:
            continue
        values = line.column(rows)
        if line.distinct is not None:
            places = pa.array(_random().integers(0, line.distinct, rows).astype(np.int32))
            values = pa.DictionaryArray.from_arrays(places, values.slice(0, line.distinct))
        texts = values.slice(0, line.sample).to_pylist()
        ours = program(line.operator, line.arguments, "x", values)
        theirs = Work(line.peer(texts), len(texts))
        race([ours, theirs])
        peer = getattr(line.peer, "func", line.peer).__name__.removeprefix("peer_")
        name = f"{line.operator} {line.what} ({ours.nanoseconds:.0f} ns): {peer} in a loop".strip()
        yield Line(name, line.bound, "x", most=False, measured=theirs.nanoseconds / ours.nanoseconds)


def nested_lines(rows: int) -> Iterator[Line]:
    """A leaf in a struct, and in structs in lists, against the same values in a flat column."""
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
        LookupError: An operator has no line.
    """
    measured = {line.operator for line in (*PLAIN, *KEYED)} | set(PASSES)
    missing = sorted(set(operator_names()) ^ (measured | set(UNMEASURED)))
    if missing:
        raise LookupError(
            f"the table is not whole: {', '.join(missing)} is an operator without a line, or a line without an operator"
        )
    wanted = only or measured
    yield from plain_lines(rows, wanted)
    yield from pass_lines(rows, wanted)
    if {"redact", "truncate", "mask"} <= wanted:
        yield from nested_lines(rows)
        yield from coded_lines(rows)
    yield from keyed_lines(rows, wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", help="operators")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    only = set(given.only.split(",")) if given.only else None
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
