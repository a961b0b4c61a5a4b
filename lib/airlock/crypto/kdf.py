"""Keys from keys: one for each use, none of which tells another. Called by `permute` and by operators that draw by PRF."""

from __future__ import annotations

import pyarrow as pa

from airlock.crypto.cmac import Cmac

__all__ = ["derived_key"]

_BITS = 256


def derived_key(key: bytes, label: str, context: str) -> bytes:
    """An AES-256 key for one use: AES-CMAC in counter mode (NIST SP 800-108r1, section 4.1).

    Args:
        key: An AES key.
        label: What the derived key is for; holds no zero byte.
        context: For which of several such uses.

    Example:
        >>> derived_key(bytes(32), "airlock/permutation", "split-0").hex()[:16]
        '2e45a7917bea1dda'
    """
    # [i] || Label || 0x00 || Context || [L]: two rounds of 128 bits make a key of 256.
    rest = label.encode() + b"\x00" + context.encode() + _BITS.to_bytes(4, "big")
    rounds = pa.array([round_.to_bytes(4, "big") + rest for round_ in (1, 2)], pa.binary())
    return Cmac(key).tags(rounds).tobytes()
