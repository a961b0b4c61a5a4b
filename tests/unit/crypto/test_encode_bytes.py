"""Bytes as text and back, against the standard library, whatever their lengths and layout."""

from __future__ import annotations

import base64
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.crypto.aes import BATCH
from airlock.crypto.encode_bytes import BASE64URL, TextSink, decode_bytes, encode_bytes

PEERS = {"base64url": lambda value: base64.urlsafe_b64encode(value).decode().rstrip("="), "hex": bytes.hex}
FORMS = sorted(PEERS)
TYPES = [pa.binary(), pa.large_binary(), pa.binary_view()]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]


def refused(form: str, texts: list[str], prefix: str = "") -> list[str]:
    _, wrong = decode_bytes(pa.array(texts, pa.string()), form, prefix=prefix)
    return [text for text, off in zip(texts, wrong.tolist(), strict=True) if off]


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.none() | st.binary(max_size=50), max_size=30),
    prefix=st.sampled_from(["", "e", "enc_", "a-prefix-of-thirty-two-characters"[:32]]),
    layout=st.integers(0, 2),
    start=st.integers(0, 30),
)
def test_there_and_back(form: str, values: list[bytes | None], prefix: str, layout: int, start: int) -> None:
    column = pa.array(values, TYPES[layout]).slice(start)
    made = encode_bytes(column, form, prefix=prefix)
    made.validate(full=True)
    assert made.type == pa.string()
    assert made.to_pylist() == [None if value is None else prefix + PEERS[form](value) for value in values[start:]]
    back, wrong = decode_bytes(made.cast(TEXT_TYPES[layout]), form, prefix=prefix)
    assert back.to_pylist() == values[start:]
    assert not wrong.any()


@pytest.mark.parametrize("form", FORMS)
def test_every_length_and_every_byte(form: str) -> None:
    values = [bytes(range(256))[:length] for length in range(257)] + [b"\xff" * length for length in range(30)]
    made = encode_bytes(pa.array(values, pa.binary()), form, prefix="p")
    assert made.to_pylist() == ["p" + PEERS[form](value) for value in values]
    assert decode_bytes(made, form, prefix="p")[0].to_pylist() == values


@pytest.mark.parametrize("form", FORMS)
def test_batches_join_without_a_seam(form: str) -> None:
    rng = np.random.default_rng(0)
    values = [bytes([n]) * n for n in rng.integers(0, 70, 2 * BATCH + 5).tolist()]
    made = encode_bytes(pa.array(values, pa.binary()), form, prefix="enc_")
    assert made.to_pylist() == ["enc_" + PEERS[form](value) for value in values]
    assert decode_bytes(made, form, prefix="enc_")[0].to_pylist() == values


@settings(max_examples=200, deadline=None)
@given(st.text("ABab01-_+/= \n", max_size=20))
def test_only_what_encoding_gives_is_decoded(text: str) -> None:
    for form in FORMS:
        made, wrong = decode_bytes(pa.array([text, "ffff"]), form)
        assert not wrong[1]
        assert wrong[0] == (encode_bytes(made, form)[0].as_py() != text)


def test_what_is_no_base64url() -> None:
    good = ["", "AA", "AAA", "AAAA", "____", "-_-_", "A" * 43]
    bad = ["A", "AB", "AAB", "AAAAA", "AA==", "AAA=", "AA+A", "AA/A", "AA A", "AAA\n", "AAéA", "A" * 42 + "B", "A" * 16 + "."]
    assert refused("base64url", [*good, *bad]) == bad


def test_what_is_no_hex() -> None:
    good = ["", "00", "0123456789abcdef", "ff" * 17]
    bad = ["0", "000", "0G", "0F", "g0", "0x00", " 00", "é", "0123456789abcdef0"]
    assert refused("hex", [*good, *bad]) == bad


@pytest.mark.parametrize("form", FORMS)
def test_a_prefix_is_asked_for(form: str) -> None:
    assert refused(form, ["enc_0000", "enc_", "en", "", "ENC_0000", "00enc_00", "0000", "enc-0000"], "enc_") == [
        "en", "", "ENC_0000", "00enc_00", "0000", "enc-0000",
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_no_values_and_only_nulls(form: str) -> None:
    assert encode_bytes(pa.array([], pa.binary()), form).to_pylist() == []
    assert encode_bytes(pa.nulls(2, pa.binary()), form, prefix="x").to_pylist() == [None, None]
    made, wrong = decode_bytes(pa.nulls(2, pa.string()), form)
    assert (made.to_pylist(), wrong.tolist()) == ([None, None], [False, False])


def test_the_alphabet_is_rfc_4648_section_5() -> None:
    assert string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_" == BASE64URL


def test_more_than_an_array_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="don't fit into one string array"):
        TextSink(np.full(2, 1 << 30), np.arange(2), 2, form="hex")
