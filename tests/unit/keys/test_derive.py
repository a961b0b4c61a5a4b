"""HKDF by RFC 5869's vectors; this package's derivation by vectors that were made apart from it and are frozen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.keys import KeyRequest
from airlock.keys.derive import derive, derive_all, expand, hkdf, key_id, length_prefixed

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())
ROOT = bytes.fromhex(GOLDEN["root"])
REQUEST = KeyRequest("pseudonymize", "aes-cmac", "customer")


RFC_5869 = [
    (b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    (
        bytes(range(80)),
        bytes(range(0x60, 0xB0)),
        bytes(range(0xB0, 0x100)),
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc"
            "30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (b"\x0b" * 22, b"", b"", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
]  # fmt: skip
"""Appendix A.1 to A.3: key, salt, info, output."""


@pytest.mark.parametrize(("key", "salt", "info", "made"), RFC_5869, ids=["A.1", "A.2", "A.3"])
def test_rfc_5869(key: bytes, salt: bytes, info: bytes, made: str) -> None:
    assert hkdf(key, info, len(made) // 2, salt=salt).hex() == made


def test_without_a_salt_it_is_zeros() -> None:
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == RFC_5869[2][3]


@pytest.mark.parametrize("frozen", GOLDEN["subkeys"], ids=lambda frozen: frozen["id"])
def test_frozen(frozen: dict) -> None:
    request = KeyRequest(frozen["purpose"], frozen["algorithm"], frozen["domain"])
    key = derive(ROOT, request, frozen["recipient"], frozen["epoch"], frozen["length"])
    assert key.hex() == frozen["key"]
    assert key_id(key, request, frozen["recipient"], frozen["epoch"]) == frozen["id"]


def test_each_part_matters() -> None:
    keys = [
        derive(ROOT, REQUEST, "analytics", 1),
        derive(b"\x01" * 32, REQUEST, "analytics", 1),
        derive(ROOT, replace(REQUEST, purpose="order"), "analytics", 1),
        derive(ROOT, replace(REQUEST, algorithm="hmac-sha-256"), "analytics", 1),
        derive(ROOT, replace(REQUEST, domain="email"), "analytics", 1),
        derive(ROOT, REQUEST, "research", 1),
        derive(ROOT, REQUEST, "analytics", 2),
    ]
    assert len(set(keys)) == len(keys)


@given(left=st.lists(st.text(max_size=5), max_size=4), right=st.lists(st.text(max_size=5), max_size=4))
def test_different_parts_give_different_info(left: list[str], right: list[str]) -> None:
    assert (length_prefixed(left) == length_prefixed(right)) == (left == right)


def test_parts_do_not_run_into_each_other() -> None:
    assert expand(ROOT, ["ab", "c"]) != expand(ROOT, ["a", "bc"])


def test_ids_tell_keys_apart_and_show_none() -> None:
    order = KeyRequest("order", "aes-cmac")
    keys = derive_all(ROOT, [REQUEST, order], recipient="analytics", epoch=3)
    assert keys.ids[REQUEST].startswith("customer/analytics/3:")
    assert keys.ids[order].startswith("order/analytics/3:")
    assert keys[REQUEST].hex()[:16] not in keys.ids[REQUEST]
    # Two purposes under one domain have two keys, so two ids.
    other = replace(REQUEST, purpose="tweak")
    both = derive_all(ROOT, [REQUEST, other], recipient="analytics", epoch=3)
    assert both.ids[REQUEST] != both.ids[other]


def test_a_run_s_own_key_is_frozen_and_needs_its_run() -> None:
    frozen = GOLDEN["run_key"]
    request = KeyRequest(frozen["purpose"], frozen["algorithm"], frozen["domain"], per_run=True)
    made = derive_all(ROOT, [request], recipient=frozen["recipient"], epoch=frozen["epoch"], run=frozen["run"])
    assert made[request].hex() == frozen["key"]
    other = derive_all(ROOT, [request], recipient=frozen["recipient"], epoch=frozen["epoch"], run="run-2")
    assert other[request] != made[request]
    assert other.ids[request] != made.ids[request]
    lasting = replace(request, per_run=False)
    assert derive_all(ROOT, [lasting], recipient=frozen["recipient"], epoch=1, run="run-1")[lasting] != made[request]
    with pytest.raises(ValueError, match="the key for 'encrypt_random' is one run's own and no run is named"):
        derive_all(ROOT, [request], recipient=frozen["recipient"], epoch=frozen["epoch"])


def test_keys_are_as_long_as_their_algorithm_needs() -> None:
    requests = [KeyRequest("a", "aes-siv"), KeyRequest("b", "aes-cmac"), KeyRequest("c", "hmac-sha-256")]
    made = derive_all(ROOT, requests, recipient="r", epoch=1)
    assert [len(made[request]) for request in requests] == [64, 32, 32]
