from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from airlock.gate.buffers import fingerprints, text_buffers, words

TEXTS = ["", "a", "ab", "1234567", "12345678", "123456789", "x" * 16, "x" * 17, "é", "é" * 40, "x" * 16]


@pytest.mark.parametrize("data_type", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_text_has_one_fingerprint_however_it_is_cut(data_type):
    values = pa.array(
        [text.encode() if pa.types.is_binary(data_type) or pa.types.is_large_binary(data_type) else text for text in TEXTS],
        data_type,
    )
    whole = fingerprints(values)
    assert len(np.unique(whole)) == len(set(TEXTS))
    for start in range(len(TEXTS)):
        assert fingerprints(values.slice(start, 1)).tolist() == [whole[start]]
    assert (
        fingerprints(
            pa.array(values.to_pylist(), data_type).dictionary_encode() if data_type == pa.string() else values
        ).tolist()
        == whole.tolist()
    )


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        ([1, 2, -1, 2**62], pa.int64()), ([1, 2, 255], pa.uint8()), ([True, False], pa.bool_()), ([1.5, -1.5, 0.0], pa.float32()),
        ([Decimal("1.00"), Decimal("-1.00"), Decimal(10**20)], pa.decimal128(30, 2)), ([dt.date(2020, 1, 1), dt.date(1950, 1, 1)], pa.date32()),
        ([Decimal(1), Decimal(2)], pa.decimal256(50, 0)), ([b"abcd", b"abce"], pa.binary(4)),
    ],
)  # fmt: skip
def test_fixed_width_values_are_told_apart_and_slices_agree(values, data_type):
    array = pa.array(values, data_type)
    whole = fingerprints(array)
    assert len(set(whole.tolist())) == len(values)
    assert fingerprints(array.slice(1)).tolist() == whole[1:].tolist()


def test_dictionaries_nulls_and_nothing():
    encoded = pa.array(["a", "b", "a"]).dictionary_encode()
    assert fingerprints(encoded).tolist() == fingerprints(pa.array(["a", "b", "a"])).tolist()
    assert len(fingerprints(pa.array([], pa.string()))) == 0
    assert fingerprints(pa.nulls(2)).tolist() == [0, 0]


def test_a_million_texts_do_not_collide():
    assert len(np.unique(fingerprints(pa.array(map(str, range(1_000_000)))))) == 1_000_000


def test_buffers_and_words_follow_slices():
    offsets, data = text_buffers(pa.array(["no", "yes", "é"]).slice(1))
    assert (offsets.tolist(), data.tobytes().decode()) == ([0, 3, 5], "yesé")
    assert words(pa.array([1, 2, 3], pa.int16()).slice(1)).ravel().tolist() == [2, 3]
    assert words(pa.array([Decimal(5), Decimal(-1)], pa.decimal128(20, 0)).slice(1)).tolist() == [[2**64 - 1, 2**64 - 1]]
