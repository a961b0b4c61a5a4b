"""HMAC-SHA-256 by the vectors of RFC 4231, and by equality with Python's `hmac` over every Arrow layout."""

from __future__ import annotations

import hmac

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto import hmac as module
from airlock.crypto import hmac_sha256

# RFC 4231, sections 4.2 to 4.8: key, data, tag (of case 5 the first 128 bits).
VECTORS = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        b"\xaa" * 131,
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
]
TYPES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.string(), pa.large_string(), pa.string_view()]


def assert_tags(key: bytes, values: pa.Array) -> None:
    tags = hmac_sha256(key, values)
    assert (tags.shape, tags.dtype) == ((len(values), 32), np.uint8)
    for value, tag in zip(values.to_pylist(), tags, strict=True):
        if value is not None:
            raw = value.encode() if isinstance(value, str) else value
            assert tag.tobytes() == hmac.digest(key, raw, "sha256")


@pytest.mark.parametrize(("key", "message", "tag"), VECTORS)
def test_rfc_4231(key: bytes, message: bytes, tag: str) -> None:
    tags = hmac_sha256(key, pa.array([b"x", message, b"", None, message], pa.binary()))
    assert tags[1].tobytes().hex().startswith(tag)
    assert (tags[1] == tags[4]).all()


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.none() | st.text(max_size=80), max_size=30),
    data_type=st.sampled_from(TYPES),
    key=st.binary(max_size=100),
    start=st.integers(0, 30),
)
def test_equals_the_standard_library(texts: list[str | None], data_type: pa.DataType, key: bytes, start: int) -> None:
    assert_tags(key, pa.array(texts, pa.string()).cast(data_type).slice(start))


def test_long_values_and_fixed_size_binary() -> None:
    assert_tags(b"k" * 32, pa.array(["a" * 100_000, "b" * 63, "b" * 64, "b" * 65, "é" * 40]))
    assert_tags(b"k" * 32, pa.array([b"abcd", None, b"wxyz"], pa.binary(4)).slice(1))


def test_no_values_and_only_nulls() -> None:
    for data_type in TYPES:
        assert hmac_sha256(b"k", pa.array([], data_type)).shape == (0, 32)
        assert hmac_sha256(b"k", pa.nulls(3, data_type)).shape == (3, 32)


def test_each_distinct_value_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    proper = module._tags

    def counting(inner: object, outer: object, messages: object) -> bytes:
        held = [bytes(message) for message in messages]
        seen.extend(held)
        return proper(inner, outer, held)

    monkeypatch.setattr(module, "_tags", counting)
    assert_tags(b"k" * 32, pa.array(["a", "b", "a", None, "b", "a"] * 50))
    assert sorted(seen) == [b"", b"a", b"b"]


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="needs text or binary values, found int64"):
        hmac_sha256(b"k", pa.array([1]))
