"""The operator `hmac`: frozen tokens, forms, joins. The laws of all operators are in conformance."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pyarrow as pa
import pytest

from airlock.keys import SubKeys
from airlock.keys.derive import derive
from airlock.operators.hmac import Hmac
from airlock.policy.model import Canonical

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])


def key(recipient: str = "analytics") -> bytes:
    return derive(ROOT, Hmac(domain="customer").requests()[0], recipient, 1)


def tokens(operator: Hmac, values: pa.Array) -> list:
    keys = SubKeys({operator.requests()[0]: key()}, {})
    return operator.kernel(pa.field("c", values.type), keys)(values).to_pylist()


@pytest.mark.parametrize("frozen", GOLDEN["hmacs"], ids=lambda frozen: ascii(frozen["text"]))
def test_frozen_tokens(frozen: dict) -> None:
    texts = pa.array([frozen["text"], None])
    assert tokens(Hmac(domain="customer"), texts) == [frozen["hex"], None]
    assert tokens(Hmac(domain="customer", bits=128), texts) == [frozen["hex"][:32], None]
    assert tokens(Hmac(domain="customer", form="base64url"), texts) == [frozen["base64url"], None]


@pytest.mark.parametrize("layout", [pa.string(), pa.large_string(), pa.string_view()])
def test_python_s_own_hmac_gives_the_same(layout: pa.DataType) -> None:
    texts = ["ann", "", "Zoë", "x" * 200]
    assert tokens(Hmac(domain="customer"), pa.array(texts, layout)) == [
        hmac.digest(key(), text.encode(), "sha256").hex() for text in texts
    ]


def test_numbers_join_with_their_text() -> None:
    operator = Hmac(domain="customer", canonical=(Canonical.DECIMAL,))
    assert tokens(operator, pa.array([42, 7])) == tokens(operator, pa.array(["0042", "7"]))


def test_a_hidden_null_has_a_token_that_no_text_has() -> None:
    made = tokens(Hmac(domain="customer", presence="hide"), pa.array([None, "", "a"]))
    assert made[0] == hmac.digest(key(), b"\xff", "sha256").hex()
    assert len(set(made)) == 3
