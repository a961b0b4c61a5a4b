"""Encodings by exact equality with the standard library's."""

from __future__ import annotations

import base64
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto import encode_base32, encode_hex, encode_uuid
from airlock.crypto.aes import BATCH
from airlock.crypto.encode import base32_length


def base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def matrix(rows: list[bytes], width: int) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, width)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.binary(min_size=16, max_size=16), max_size=20),
    width=st.sampled_from([12, 16]),
    prefix=st.sampled_from(["", "x", "cus_"]),
)
def test_hex_and_base32_equal_the_standard_library(rows: list[bytes], width: int, prefix: str) -> None:
    tokens = matrix(rows, 16)[:, :width]
    assert encode_hex(tokens, prefix=prefix).to_pylist() == [prefix + row[:width].hex() for row in rows]
    assert encode_base32(tokens, prefix=prefix).to_pylist() == [prefix + base32(row[:width]) for row in rows]


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20))
def test_uuids_are_version_8_and_keep_the_other_122_bits(rows: list[bytes]) -> None:
    for row, text in zip(rows, encode_uuid(matrix(rows, 16)).to_pylist(), strict=True):
        made = uuid.UUID(text)
        assert str(made) == text
        assert (made.version, made.variant) == (8, uuid.RFC_4122)
        free = ~(0xF << 76 | 0x3 << 62)
        assert made.int & free == int.from_bytes(row, "big") & free


@pytest.mark.parametrize("encode", [encode_hex, encode_base32, encode_uuid])
def test_nulls_slices_and_seams(encode) -> None:
    count = BATCH + 3
    tokens = np.random.default_rng(1).integers(0, 256, (count, 16)).astype(np.uint8)
    column = pa.array([None if n % 3 == 0 else n for n in range(count + 5)]).slice(5)
    texts = encode(tokens, prefix="p-", nulls_of=column)
    texts.validate(full=True)
    assert texts.type == pa.string()
    assert texts.is_null().equals(column.is_null())
    whole = encode(tokens, prefix="p-")
    assert whole.null_count == 0
    for row in (1, 2, BATCH - 1, BATCH, BATCH + 2):
        if column[row].is_valid:
            assert texts[row].as_py() == whole[row].as_py() == encode(tokens[row : row + 1], prefix="p-")[0].as_py()


@pytest.mark.parametrize("encode", [encode_hex, encode_base32, encode_uuid])
def test_nothing_to_encode(encode) -> None:
    assert encode(np.empty((0, 16), np.uint8), prefix="x").to_pylist() == []


def test_more_text_than_offsets_can_count() -> None:
    tokens = np.lib.stride_tricks.as_strided(np.zeros(16, np.uint8), (1 << 26, 16), (0, 1))
    with pytest.raises(ValueError, match="67,108,864 tokens of 32 characters don't fit"):
        encode_hex(tokens)


def test_lengths() -> None:
    assert (base32_length(16), base32_length(12)) == (26, 20)
