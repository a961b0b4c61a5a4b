"""FF1: NIST's samples, a reference from the standard's text in whole numbers, inverses, a whole domain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto.columns import ByteColumn
from airlock.crypto.ff1 import Ff1

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
KEY = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"
DIGITS, NINETEEN = "0123456789", "0123456789abcdefghi"
TEN, ELEVEN = "39383736353433323130", "3737373770717273373737"

SAMPLES = [
    (16, 10, "", DIGITS, "2433477484"),
    (16, 10, TEN, DIGITS, "6124200773"),
    (16, 36, ELEVEN, NINETEEN, "a9tv40mll9kdu509eum"),
    (24, 10, "", DIGITS, "2830668132"),
    (24, 10, TEN, DIGITS, "2496655549"),
    (24, 36, ELEVEN, NINETEEN, "xbj3kv35jrawxv32ysr"),
    (32, 10, "", DIGITS, "6657667009"),
    (32, 10, TEN, DIGITS, "1001623463"),
    (32, 36, ELEVEN, NINETEEN, "xs8a0azh2avyalyzuwd"),
]
"""NIST, Cryptographic Standards and Guidelines: Examples with Intermediate Values, FF1samples.pdf, samples 1 to 9."""


def matrix(*texts: str) -> np.ndarray:
    return np.array([[LETTERS.index(letter) for letter in text] for text in texts], np.uint8)


def number(digits: list[int], radix: int) -> int:
    value = 0
    for digit in digits:
        value = value * radix + digit
    return value


def numerals_of(value: int, radix: int, length: int) -> list[int]:
    return [value // radix**place % radix for place in range(length - 1, -1, -1)]


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def cbc_mac(encrypt: Callable[[bytes], bytes], blocks: bytes) -> bytes:
    state = bytes(16)
    for at in range(0, len(blocks), 16):
        state = encrypt(xor(state, blocks[at : at + 16]))
    return state


def reference(key: bytes, radix: int, tweak: bytes, numerals: list[int]) -> list[int]:
    """Algorithm 7 of SP 800-38G, line by line."""
    encrypt = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update
    n, t = len(numerals), len(tweak)
    u = n // 2
    v = n - u
    a, b_half = numerals[:u], numerals[u:]
    b = -(-(radix**v - 1).bit_length() // 8)
    d = 4 * -(-b // 4) + 4
    p = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256]) + n.to_bytes(4, "big") + t.to_bytes(4, "big")
    for i in range(10):
        q = tweak + bytes((-t - b - 1) % 16) + bytes([i]) + number(b_half, radix).to_bytes(b, "big")
        r = cbc_mac(encrypt, p + q)
        s = r + b"".join(encrypt(xor(r, j.to_bytes(16, "big"))) for j in range(1, -(-d // 16)))
        y = int.from_bytes(s[:d], "big")
        m = u if i % 2 == 0 else v
        c = (number(a, radix) + y) % radix**m
        a, b_half = b_half, numerals_of(c, radix, m)
    return a + b_half


@pytest.mark.parametrize(("size", "radix", "tweak", "plain", "encrypted"), SAMPLES)
def test_nist_samples(size, radix, tweak, plain, encrypted):
    key = bytes.fromhex(KEY)[:size]
    ff1 = Ff1(key, radix, bytes.fromhex(tweak))
    assert ff1.encrypt(matrix(plain)).tolist() == matrix(encrypted).tolist()
    assert ff1.decrypt(matrix(encrypted)).tolist() == matrix(plain).tolist()
    assert reference(key, radix, bytes.fromhex(tweak), matrix(plain)[0].tolist()) == matrix(encrypted)[0].tolist()


@st.composite
def tasks(draw):
    radix = draw(st.integers(2, 62))
    least = next(length for length in range(2, 65) if radix**length >= 1_000_000)
    length = draw(st.integers(least, 64))
    rows = st.lists(st.integers(0, radix - 1), min_size=length, max_size=length)
    special = st.sampled_from([[0] * length, [radix - 1] * length])
    values = draw(st.lists(rows | special, min_size=1, max_size=4))
    return draw(st.sampled_from([16, 24, 32])), radix, values, draw(st.binary(max_size=40))


@settings(max_examples=150, deadline=None)
@given(tasks(), st.binary(min_size=32, max_size=32))
def test_equals_the_standard_and_has_an_inverse(task, key):
    size, radix, values, tweak = task
    ff1, digits = Ff1(key[:size], radix, tweak), np.array(values, np.uint8)
    before = digits.copy()
    made = ff1.encrypt(digits)
    assert made.tolist() == [reference(key[:size], radix, tweak, value) for value in values]
    assert (digits == before).all()
    assert (ff1.decrypt(made) == digits).all()


@settings(max_examples=30, deadline=None)
@given(tasks(), st.data())
def test_each_value_under_a_tweak_of_its_own(task, data):
    size, radix, values, _ = task
    tweaks = data.draw(st.lists(st.binary(max_size=20), min_size=len(values), max_size=len(values)))
    ff1, digits = Ff1(bytes(range(size)), radix), np.array(values, np.uint8)
    column = ByteColumn.of(pa.array(tweaks, pa.binary()))
    made = ff1.encrypt(digits, column)
    assert made.tolist() == [
        reference(bytes(range(size)), radix, tweak, value) for value, tweak in zip(values, tweaks, strict=True)
    ]
    assert (ff1.decrypt(made, column) == digits).all()


def test_a_whole_domain_is_permuted():
    ff1 = Ff1(bytes(32), 10, b"t")
    numbers = np.arange(1_000_000, dtype=np.uint64)
    made = ff1.encrypt_numbers(numbers, 6)
    assert (np.sort(made) == numbers).all()
    assert (ff1.decrypt_numbers(made, 6) == numbers).all()
    assert (made == numbers).sum() < 12  # one is to be expected


@settings(max_examples=50, deadline=None)
@given(st.sampled_from([(2, 62), (2, 30), (10, 18), (36, 12)]), st.data())
def test_numbers_are_their_digits(kind, data):
    radix, length = kind
    numbers = data.draw(st.lists(st.integers(0, radix**length - 1), min_size=1, max_size=5))
    digits = [numerals_of(each, radix, length) for each in numbers]
    ff1 = Ff1(bytes(16), radix)
    made = ff1.encrypt(np.array(digits, np.uint8)).tolist()
    assert ff1.encrypt_numbers(np.array(numbers, np.uint64), length).tolist() == [number(row, radix) for row in made]


@pytest.mark.parametrize("length", [10, 40])
def test_more_than_a_batch(length):
    digits = np.random.default_rng(1).integers(0, 10, (20_000, length)).astype(np.uint8)
    ff1 = Ff1(bytes(16), 10)
    made = ff1.encrypt(digits)
    for at in (0, 8_191, 8_192, 19_999):
        assert (made[at] == ff1.encrypt(digits[at : at + 1])[0]).all()
    assert (ff1.decrypt(made) == digits).all()


def test_no_values():
    assert Ff1(bytes(16), 10).encrypt(np.zeros((0, 10), np.uint8)).shape == (0, 10)
    assert len(Ff1(bytes(16), 2).encrypt_numbers(np.zeros(0, np.uint64), 30)) == 0


@pytest.mark.parametrize(("radix", "length", "message"), [
    (10, 5, "fewer than 1,000,000 values"), (2, 19, "can be tried out"), (10, 65, "at most 64"),
])  # fmt: skip
def test_what_is_too_short_or_too_long(radix, length, message):
    with pytest.raises(ValueError, match=message):
        Ff1(bytes(16), radix).encrypt(np.zeros((1, length), np.uint8))


def test_what_else_is_refused():
    with pytest.raises(ValueError, match="2 to 62"):
        Ff1(bytes(16), 63)
    with pytest.raises(ValueError, match="too many for one number"):
        Ff1(bytes(16), 10).encrypt_numbers(np.zeros(1, np.uint64), 20)
