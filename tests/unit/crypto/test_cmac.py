"""CMAC by published vectors, and by comparison with the implementation in `cryptography` over every Arrow layout."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto import Cmac
from airlock.crypto.aes import BATCH

MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
AES_128 = "2b7e151628aed2a6abf7158809cf4f3c"
AES_192 = "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
AES_256 = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"

# RFC 4493, section 4, and NIST SP 800-38B, appendix D (with its corrected examples).
VECTORS = [
    (AES_128, 0, "bb1d6929e95937287fa37d129b756746"),
    (AES_128, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
    (AES_128, 40, "dfa66747de9ae63030ca32611497c827"),
    (AES_128, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
    (AES_192, 0, "d17ddf46adaacde531cac483de7a9367"),
    (AES_192, 16, "9e99a7bf31e710900662f65e617c5184"),
    (AES_192, 40, "8a1de5be2eb31aad089a82e6ee908b0e"),
    (AES_192, 64, "a1d5df0eed790f794d77589659f39a11"),
    (AES_256, 0, "028962f61b7bf89efc6b551f4667d983"),
    (AES_256, 16, "28a7023f452e8f82bd4bf28d8c37c35c"),
    (AES_256, 40, "aaf3d8f1de5640c232f5b169b9c911e6"),
    (AES_256, 64, "e1992190549f6ed5696a2c056c315410"),
]

TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]


def reference(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def assert_tags(key: bytes, values: pa.Array) -> None:
    tags = Cmac(key).tags(values)
    assert tags.shape == (len(values), 16)
    assert tags.dtype == np.uint8
    for value, tag in zip(values.to_pylist(), tags, strict=True):
        if value is not None:
            raw = value.encode() if isinstance(value, str) else value
            assert tag.tobytes() == reference(key, raw)


@pytest.mark.parametrize(("key", "length", "tag"), VECTORS)
def test_published_vectors_alone_and_in_mixed_company(key: str, length: int, tag: str) -> None:
    mac = Cmac(bytes.fromhex(key))
    alone = mac.tags(pa.array([MESSAGE[:length]], pa.binary()))
    assert alone.tobytes().hex() == tag
    mixed = mac.tags(pa.array([b"x" * 100, MESSAGE[:length], b"", b"y"], pa.binary()))
    assert mixed[1].tobytes().hex() == tag


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.none() | st.binary(max_size=200), max_size=40),
    data_type=st.sampled_from(TYPES),
    key=st.binary(min_size=32, max_size=32) | st.binary(min_size=16, max_size=16),
    start=st.integers(0, 40),
)
def test_equals_the_reference_for_any_bytes_nulls_and_slices(
    values: list[bytes | None], data_type: pa.DataType, key: bytes, start: int
) -> None:
    assert_tags(key, pa.array(values, data_type).slice(start))


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.none() | st.text(max_size=60), max_size=20), data_type=st.sampled_from(TEXT_TYPES))
def test_equals_the_reference_for_text_of_any_layout(values: list[str | None], data_type: pa.DataType) -> None:
    assert_tags(bytes(range(32)), pa.array(values, data_type))


@pytest.mark.parametrize("length", [*range(1, 34), 47, 48, 49, 64, 100])
def test_equal_lengths(length: int) -> None:
    values = pa.array([bytes([i]) * length for i in range(20)], pa.binary())
    assert_tags(b"k" * 32, values)
    assert_tags(b"k" * 32, values.slice(3, 11))


def test_fixed_size_binary() -> None:
    assert_tags(b"k" * 32, pa.array([b"abcd", None, b"wxyz"], pa.binary(4)).slice(1))


def test_batches_join_without_a_seam() -> None:
    rng = np.random.default_rng(0)
    values = pa.array(["v" * n for n in rng.integers(0, 40, 2 * BATCH + 5)])
    tags = Cmac(b"k" * 32).tags(values)
    for row in (0, BATCH - 1, BATCH, 2 * BATCH - 1, 2 * BATCH, 2 * BATCH + 4):
        assert tags[row].tobytes() == reference(b"k" * 32, values[row].as_py().encode())
    equal = pa.array(["constant"] * (BATCH + 3))
    assert (Cmac(b"k" * 32).tags(equal) == Cmac(b"k" * 32).tags(equal)[0]).all()


def test_values_far_longer_than_the_others() -> None:
    assert_tags(b"k" * 32, pa.array(["a", "b" * 70_001, "c" * 33, None, ""]))


def test_one_value_over_a_megabyte() -> None:
    assert_tags(b"k" * 16, pa.array([b"z" * ((1 << 20) + 7), b"short"], pa.binary()))


def test_a_buffer_that_ends_with_the_last_byte() -> None:
    offsets, data = np.array([0, 3, 5], np.int32), np.frombuffer(b"abcde", np.uint8)
    values = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    assert_tags(b"k" * 32, values)


def test_no_values() -> None:
    for data_type in (*TYPES, *TEXT_TYPES):
        assert Cmac(b"k" * 32).tags(pa.array([], data_type)).shape == (0, 16)
    assert Cmac(b"k" * 32).tags(pa.nulls(3, pa.string())).shape == (3, 16)


def test_input_stays_as_it_was() -> None:
    values = pa.array(["one", None, "three" * 9])
    before = values.to_pylist()
    Cmac(b"k" * 32).tags(values)
    assert values.to_pylist() == before


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="needs text or binary values, found int64"):
        Cmac(b"k" * 32).tags(pa.array([1]))


def test_keys_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="key size"):
        Cmac(b"short")


def test_the_key_is_not_printed() -> None:
    assert repr(Cmac(b"k" * 32)) == "Cmac(<key>)"
