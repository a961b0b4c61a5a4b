"""A million harmless values give no refusal, and one planted value among them is found."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from airlock.gate.chance import excessive, sample_numbers
from airlock.gate.entities import FLOOR, SCANNERS, scan_text

ROWS = 1_000_000
RNG = np.random.default_rng(11)
EVERY = tuple(SCANNERS)

PLANTED = {
    "EMAIL_ADDRESS": "ann.lee@example.org",
    "PHONE_NUMBER": "(212) 555-0147",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "IP_ADDRESS": "192.0.2.17",
    "US_SSN": "536-90-4399",
    "US_ITIN": "912-90-3456",
    "UK_NHS": "943 476 5919",
    "UK_NINO": "AB 12 34 56 C",
    "ES_NIF": "54362315-K",
    "IT_FISCAL_CODE": "RCCMNL83S18D969H",
    "FR_NIR": "2 95 10 99 126 111 93",
    "BR_CPF": "390.533.447-05",
    "CH_AHV": "756.9217.0769.85",
    "URL": "https://example.org",
    "MAC_ADDRESS": "00:1b:44:11:3a:b7",
    "CRYPTO": "1NEDqZPvTWRaoho48qXuLLsrYomMXPABfD",
}


def text(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def joined(*parts: object) -> pa.Array:
    return pa.compute.binary_join_element_wise(*parts, "")


def uuids() -> pa.Array:
    digits = np.frombuffer(RNG.bytes(16 * ROWS).hex().encode(), np.uint8).reshape(ROWS, 32)
    hyphen = np.full((ROWS, 1), ord("-"), np.uint8)
    parts = [digits[:, :8], hyphen, digits[:, 8:12], hyphen, digits[:, 12:16], hyphen, digits[:, 16:20], hyphen, digits[:, 20:]]
    return (
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(36), ROWS, [None, pa.py_buffer(np.concatenate(parts, axis=1))])
        .cast(pa.binary())
        .cast(pa.string())
    )


def padded(below: int) -> pa.Array:
    return pa.compute.utf8_lpad(text(RNG.integers(0, below, ROWS)), len(str(below)) - 1, "0")


def dotted(parts: int) -> list[object]:
    return [each for _ in range(parts) for each in (text(RNG.integers(0, 100, ROWS)), ".")][:-1]


def moments() -> pa.Array:
    return pa.array(RNG.integers(0, 2 * 10**9, ROWS)).cast(pa.timestamp("s"))


def hexes() -> pa.Array:
    return pa.compute.replace_substring(uuids(), "-", "")


QUIET = {
    "order numbers": lambda: joined("ORD-2026-", pa.compute.utf8_lpad(text(np.arange(ROWS)), 9, "0")),
    "order numbers, bare": lambda: text(RNG.integers(10**11, 10**12, ROWS)),
    "order numbers, 16 digits": lambda: text(2_026_000_000_000_000 + np.arange(ROWS)),
    "epoch milliseconds": lambda: text(RNG.integers(1_500_000_000_000, 1_800_000_000_000, ROWS)),
    "epoch microseconds": lambda: text(RNG.integers(1_500_000_000_000_000, 1_800_000_000_000_000, ROWS)),
    "amounts": lambda: (
        pa.array(RNG.integers(-(10**10), 10**10, ROWS)).cast(pa.decimal128(19, 0)).cast(pa.decimal128(21, 2)).cast(pa.string())
    ),
    "floats": lambda: text(RNG.random(ROWS)),
    "uuids": uuids,
    "timestamps": lambda: pa.array(RNG.integers(0, 2 * 10**15, ROWS)).cast(pa.timestamp("us")).cast(pa.string()),
    "dates with a time": lambda: pa.compute.strftime(moments(), format="%m-%d-%y %H:%M"),
    "dates by dots": lambda: pa.compute.strftime(moments(), format="%d.%m.%Y %H.%M"),
    "dates by slashes": lambda: pa.compute.strftime(moments(), format="%m/%d/%Y"),
    "times": lambda: pa.compute.strftime(moments(), format="%H:%M:%S"),
    "versions": lambda: joined("v", *dotted(3)),
    "coordinates": lambda: joined(text(RNG.uniform(-90, 90, ROWS).round(6)), ", ", text(RNG.uniform(-180, 180, ROWS).round(6))),
    "part numbers": lambda: joined("PN-", padded(10**4), "-", padded(10**4), "-", padded(100)),
    "tokens in hex": hexes,
    "dates": lambda: pa.array(RNG.integers(0, 20_000, ROWS).astype(np.int32)).cast(pa.date32()).cast(pa.string()),
}


@pytest.mark.parametrize("kind", QUIET)
def test_a_million_harmless_texts_are_left_alone(kind):
    values = QUIET[kind]()
    assert scan_text(values, EVERY) == {}
    assert [entity for entity, sample in sample_numbers(values, FLOOR).items() if excessive(sample, entity)] == []


NUMBERS = {
    "order numbers": lambda: RNG.integers(10**9, 10**18, ROWS),
    "of a card's form": lambda: 4_000_000_000_000_000 + np.arange(ROWS),
    "of a card's form, round": lambda: 4_000_000_000_000_000 + 100 * np.arange(ROWS),
    "eleven digits": lambda: 80_010_100_000 + np.arange(ROWS) * 7,
    "ten digits": lambda: 4_000_000_000 + np.arange(ROWS) * 3,
    "fifteen digits": lambda: 185_010_000_000_000 + np.arange(ROWS) * 11,
    "epoch milliseconds": lambda: RNG.integers(1_500_000_000_000, 1_800_000_000_000, ROWS),
    "midnights": lambda: 86_400_000 * RNG.integers(15_000, 21_000, ROWS),
    "amounts": lambda: RNG.integers(0, 10**12, ROWS),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_million_harmless_numbers_are_left_alone(kind):
    numbers = pa.array(NUMBERS[kind]())
    for values in (numbers, numbers.cast(pa.float64(), safe=False), numbers.cast(pa.decimal128(19, 0))):
        assert [entity for entity, sample in sample_numbers(values, FLOOR).items() if excessive(sample, entity)] == []


@pytest.mark.parametrize("place", ["alone", "inside"])
def test_one_planted_value_in_a_million_texts_is_found(place):
    quiet = QUIET["order numbers"]()
    assert set(PLANTED) == set(SCANNERS)
    planted = pa.array([value if place == "alone" else f"order of {value}, paid" for value in PLANTED.values()])
    places = sorted(RNG.choice(ROWS, len(planted), replace=False).tolist())
    pieces = [quiet.slice(start, stop - start) for start, stop in zip([0, *places], [*places, ROWS], strict=True)]
    woven = [piece for number, piece in enumerate(pieces) for piece in (piece, planted.slice(number, 1))]
    values = pa.concat_arrays(woven)
    found = scan_text(values, EVERY)
    assert set(found) == set(PLANTED)
    assert all(hit.count == 1 for entity, hit in found.items() if entity not in ("URL", "PHONE_NUMBER")), found
