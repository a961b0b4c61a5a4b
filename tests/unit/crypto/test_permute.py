"""Keyed permutations: complete, repeatable, unrelated across keys and names, and built as the docstring says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFCMAC, CounterLocation, Mode
from hypothesis import given
from hypothesis import strategies as st

from airlock.crypto import permutation

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "keys.json").read_text())


@given(count=st.integers(0, 300), key=st.binary(min_size=32, max_size=32), name=st.text(max_size=20))
def test_each_position_once_and_the_same_again(count: int, key: bytes, name: str) -> None:
    order = permutation(key, name, count)
    assert sorted(order.tolist()) == list(range(count))
    assert (order == permutation(key, name, count)).all()


def test_stream_key_is_sp_800_108_counter_mode() -> None:
    key, name = bytes(range(32)), "split/7"
    derived = KBKDFCMAC(
        algorithms.AES, Mode.CounterMode, 32, 4, 4, CounterLocation.BeforeFixed, b"airlock/permutation", name.encode(), None
    ).derive(key)
    encryptor = Cipher(algorithms.AES(derived), modes.CTR(bytes(16))).encryptor()
    draws = np.frombuffer(encryptor.update(bytes(8 * 50)), "<u8")
    assert permutation(key, name, 50).tolist() == np.argsort(draws, kind="stable").tolist()


def test_other_keys_and_names_give_other_orders() -> None:
    base = permutation(bytes(32), "a", 1000)
    for other in (permutation(bytes(32), "b", 1000), permutation(b"1" * 32, "a", 1000)):
        # Two unrelated orders agree in one place on average.
        assert (base == other).sum() < 10


def test_every_order_of_four_is_about_as_likely() -> None:
    seen = [tuple(permutation(bytes(32), str(n), 4).tolist()) for n in range(2400)]
    counts = [seen.count(order) for order in set(seen)]
    assert len(counts) == 24
    # 23 degrees of freedom: 49.7 is passed once in a thousand; the names are fixed, so this never flickers.
    assert sum((count - 100) ** 2 / 100 for count in counts) < 49.7


def test_frozen() -> None:
    frozen = GOLDEN["permutation"]
    assert permutation(bytes.fromhex(frozen["key"]), frozen["name"], len(frozen["order"])).tolist() == frozen["order"]
