"""AES as the columnar primitives use it: many blocks in one call, and a keystream. Called by the rest of `crypto`.

The blocks of thousands of values go through one `update_into` call, so that the cost of crossing from Python into OpenSSL is
paid once a batch and AES-NI runs at full speed.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

__all__ = ["BATCH", "BLOCK", "BlockCipher", "Uint8s", "Uint64s", "keystream"]

Uint8s = NDArray[np.uint8]
Uint64s = NDArray[np.uint64]

BLOCK = 16
"""Bytes of an AES block (FIPS 197)."""

BATCH = 8_192
"""Values that go through AES in one call: 128 KiB of blocks, which stay in a core's second-level cache."""


class BlockCipher:
    """AES with one key, over a batch of independent blocks (FIPS 197; ECB of SP 800-38A, section 6.1).

    Not a way to encrypt data: equal blocks give equal blocks. It is what CMAC, SIV and FF1 are built from. One object serves
    one thread at a time and at most `BATCH` blocks a call.

    Example:
        >>> cipher = BlockCipher(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
        >>> cipher.blocks(np.frombuffer(bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"), np.uint64)).tobytes().hex()
        '3ad77bb40d7a3660a89ecaf32466ef97'
    """

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the primitive, block by block
        # update_into demands room for one block less a byte beyond what it writes.
        self._out = np.zeros(BATCH * BLOCK + BLOCK, np.uint8)

    def blocks(self, blocks: Uint64s) -> Uint64s:
        """Encrypt each pair of words; the answer lives in a buffer that the next call overwrites.

        Args:
            blocks: Contiguous, two words a block, at most `BATCH` blocks.
        """
        self._encryptor.update_into(blocks.view(np.uint8).data, self._out.data)
        return self._out.view(np.uint64)[: blocks.size]


def keystream(key: bytes, length: int) -> bytes:
    """The first `length` bytes of AES-CTR from counter zero (SP 800-38A, section 6.5). A key may be used for one stream only.

    Example:
        >>> keystream(bytes(16), 16).hex()
        '66e94bd4ef8a2c3b884cfa59ca342b2e'
    """
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(BLOCK))).encryptor()
    return encryptor.update(bytes(length)) + encryptor.finalize()
