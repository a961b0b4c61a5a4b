"""Keyed permutations: the order in which rows are written. Called by the pass that shuffles each row group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from airlock.crypto.aes import keystream
from airlock.crypto.kdf import derived_key

__all__ = ["permutation"]


def permutation(key: bytes, name: str, count: int) -> NDArray[np.int64]:
    """The order of `count` things under this key and name; another key or name gives an unrelated one.

    Each position draws 64 bits of an AES-256-CTR stream and positions are sorted by them (but for as many low bits as a position has). The stream's own key is derived from
    `key` and `name` by AES-CMAC in counter mode (NIST SP 800-108r1, section 4.1), so that no two names share a stream.

    Args:
        key: An AES key.
        name: What is permuted, such as a split record's name and a row group's number.
        count: How many things there are.

    Returns:
        Each of 0 to count - 1 once.

    Example:
        >>> permutation(bytes(32), "split-0/0", 5).tolist()
        [3, 0, 4, 2, 1]
    """
    draws = np.frombuffer(keystream(derived_key(key, "airlock/permutation", name), 8 * count), "<u8")
    # Each draw's low bits carry its position: sorting values is several times as fast as sorting positions, and ties can't be.
    low = np.uint64((1 << max(count - 1, 0).bit_length()) - 1)
    placed = np.sort((draws & ~low) | np.arange(count, dtype=np.uint64))
    return (placed & low).astype(np.int64)
