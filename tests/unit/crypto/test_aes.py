"""AES by the published vectors of SP 800-38A."""

from __future__ import annotations

import numpy as np
import pytest

from airlock.crypto.aes import BATCH, BlockCipher, keystream

PLAIN = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("2b7e151628aed2a6abf7158809cf4f3c", "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"),
        (
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef",
        ),
        (
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
        ),
    ],
)
def test_ecb_vectors_of_sp_800_38a_f1(key: str, expected: str) -> None:
    assert BlockCipher(bytes.fromhex(key)).blocks(np.frombuffer(PLAIN, np.uint64)).tobytes().hex() == expected


def test_a_full_batch_and_then_a_small_one() -> None:
    cipher = BlockCipher(bytes(16))
    full = cipher.blocks(np.zeros(2 * BATCH, np.uint64)).reshape(-1, 2).copy()
    assert (full == full[0]).all()
    assert (cipher.blocks(np.zeros(2, np.uint64)) == full[0]).all()


def test_keystream_is_the_encryption_of_a_counter() -> None:
    key = bytes(range(32))
    counters = np.frombuffer(b"".join(n.to_bytes(16, "big") for n in range(4)), np.uint64)
    assert keystream(key, 60) == BlockCipher(key).blocks(counters).tobytes()[:60]
    assert keystream(key, 0) == b""
