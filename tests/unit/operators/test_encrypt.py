"""The operators `encrypt` and `encrypt_random`: frozen ciphertexts, the way back, what does not open. Laws are in conformance."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from airlock.keys import SubKeys
from airlock.keys.derive import derive, key_bytes
from airlock.operators import Operator, RejectedValuesError
from airlock.operators.encrypt import Encrypt
from airlock.operators.encrypt_random import EncryptRandom
from airlock.policy.model import Canonical

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])
KINDS = [Encrypt, EncryptRandom]


def keys_of(operator: Operator, *, recipient: str = "analytics", epoch: int = 1, run: str = "run-1") -> SubKeys:
    requests = operator.requests()
    return SubKeys({one: derive(ROOT, one, recipient, epoch, key_bytes(one), run=run) for one in requests}, {})


def sealed(operator: Operator, values: pa.Array, keys: SubKeys | None = None) -> pa.Array:
    return operator.kernel(pa.field("c", values.type), keys or keys_of(operator))(values)


def opened(operator: Operator, texts: pa.Array, data_type: pa.DataType, keys: SubKeys | None = None) -> pa.Array:
    return operator.reverse(pa.field("c", data_type), keys or keys_of(operator))(texts)


@pytest.mark.parametrize("frozen", GOLDEN["ciphertexts"], ids=lambda frozen: ascii(frozen["text"]))
def test_frozen_ciphertexts(frozen: dict) -> None:
    texts = pa.array([frozen["text"], None])
    for form in ("base64url", "hex"):
        assert sealed(Encrypt(domain="customer", form=form), texts).to_pylist() == [frozen[form], None]
    assert sealed(Encrypt(domain="customer", pad_to=None), texts).to_pylist() == [frozen["exact"], None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_ciphertext_is_bound_to_its_padding(kind: type) -> None:
    text = sealed(kind(domain="d", pad_to=None), pa.array([b"ann\x80" + bytes(12)]))
    with pytest.raises(RejectedValuesError, match="not-authentic"):
        opened(kind(domain="d"), text, pa.binary())


def test_equal_values_stay_equal_or_not() -> None:
    texts = pa.array(["ann"] * 50)
    assert len(set(sealed(Encrypt(domain="d"), texts).to_pylist())) == 1
    assert len(set(sealed(EncryptRandom(domain="d"), texts).to_pylist())) == 50


def test_a_random_ciphertext_is_rfc_5297_s_under_its_nonce() -> None:
    operator = EncryptRandom(domain="d", prefix="r.")
    keys = keys_of(operator)
    made = sealed(operator, pa.array(["ann", "a text of more than one block"]), keys).to_pylist()
    for text, plain in zip(made, (b"ann", b"a text of more than one block"), strict=True):
        raw = base64.urlsafe_b64decode(text.removeprefix("r.") + "=" * (-len(text.removeprefix("r.")) % 4))
        (key,) = (keys[one] for one in keys)
        back = AESSIV(key).decrypt(raw[16:], [b"airlock/v1", b"d", b"16", raw[:16]])
        assert back == plain + b"\x80" + bytes(-(len(plain) + 1) % 16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad_to", [16, 64, None])
@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (["ann", None, "", "Zoë", "x" * 100, "\x80", "a\x80\x00"], pa.string()),
        (["ann", None], pa.large_string()),
        (["ann", None, "a text of more than one block"], pa.string_view()),
        ([b"\x00\xff\x80", None, b"", b"\x80\x00\x00"], pa.binary()),
        ([b"\x00" * 16, None], pa.large_binary()),
        ([b"\x80abc", None], pa.binary_view()),
        ([b"abcd", b"\x00\x80\x00\x00"], pa.binary(4)),
        ([0, -7, None, 2**63 - 1], pa.int64()),
        ([2**64 - 1], pa.uint64()),
        ([Decimal(10**30), None], pa.decimal128(38, 0)),
        ([dt.date(2026, 2, 28), dt.date(1, 1, 1), None], pa.date32()),
        ([42.0, None, -3.0], pa.float64()),
    ],
    ids=str,
)
def test_there_and_back(kind: type, pad_to: int | None, values: list, data_type: pa.DataType) -> None:
    column = pa.array(values, data_type)
    for form in ("base64url", "hex"):
        operator = kind(domain="d", form=form, pad_to=pad_to)
        back = opened(operator, sealed(operator, column), data_type)
        assert back.type == data_type
        assert back.to_pylist() == values
        assert opened(operator, sealed(operator, column.slice(1)), data_type).to_pylist() == values[1:]


def test_what_comes_back_is_canonical() -> None:
    operator = Encrypt(domain="d", canonical=(Canonical.TRIM, Canonical.CASEFOLD))
    assert opened(operator, sealed(operator, pa.array([" Ann ", "ann"])), pa.string()).to_pylist() == ["ann", "ann"]


def test_what_does_not_convert_back_stays_text() -> None:
    operator = Encrypt(domain="d")
    texts = sealed(operator, pa.array(["no number", "7"]))
    back = opened(operator, texts, pa.int64())
    assert (back.type, back.to_pylist()) == (pa.string(), ["no number", "7"])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_opens(kind: type) -> None:
    operator = kind(domain="d")
    good = sealed(operator, pa.array(["ann", "bob", None])).to_pylist()
    torn = good[0][:-1] + ("A" if good[0][-1] != "A" else "Q")
    changed = good[0][:10] + ("A" if good[0][10] != "A" else "B") + good[0][11:]
    foreign = [torn, changed, good[0][:-16], good[0].removeprefix("enc_"), "", "ann", "enc_", good[0] + "=", good[0].upper()]
    with pytest.raises(RejectedValuesError, match=f"{len(foreign)} of {len(foreign) + 3} values") as caught:
        opened(operator, pa.array([*good, *foreign]), pa.string())
    assert caught.value.code == "not-authentic"
    assert caught.value.mask.to_pylist() == [False] * 3 + [True] * len(foreign)


@pytest.mark.parametrize("kind", KINDS)
def test_only_its_own_key_domain_and_padding_open(kind: type) -> None:
    operator = kind(domain="d")
    texts = sealed(operator, pa.array(["ann"]))
    others = [
        (operator, keys_of(operator, recipient="research")),
        (operator, keys_of(operator, epoch=2)),
        (kind(domain="e"), keys_of(kind(domain="e"))),
        # The same key bytes under another domain's name: the ciphertext itself is bound to its domain.
        (kind(domain="e"), SubKeys({kind(domain="e").requests()[0]: keys_of(operator)[operator.requests()[0]]}, {})),
    ]
    for other, keys in others:
        with pytest.raises(RejectedValuesError, match="not-authentic"):
            opened(other, texts, pa.string(), keys)
    exact = kind(domain="d", pad_to=None)
    with pytest.raises(RejectedValuesError, match="not-authentic"):
        opened(operator, sealed(exact, pa.array(["no mark at its end"])), pa.string())


def test_a_random_key_is_one_run_s() -> None:
    operator = EncryptRandom(domain="d")
    texts = sealed(operator, pa.array(["ann"]), keys_of(operator, run="run-1"))
    assert opened(operator, texts, pa.string(), keys_of(operator, run="run-1")).to_pylist() == ["ann"]
    with pytest.raises(RejectedValuesError, match="not-authentic"):
        opened(operator, texts, pa.string(), keys_of(operator, run="run-2"))


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_tell_little(kind: type) -> None:
    lengths = {len(text) for text in sealed(kind(domain="d"), pa.array(["x" * n for n in range(16)])).to_pylist()}
    assert len(lengths) == 1
    lengths = {len(text) for text in sealed(kind(domain="d", pad_to=256), pa.array(["x" * n for n in range(256)])).to_pylist()}
    assert len(lengths) == 1
