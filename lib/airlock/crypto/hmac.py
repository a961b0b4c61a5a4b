"""HMAC-SHA-256 (RFC 2104, FIPS 198-1) over whole columns: Python's own digests, once per distinct value. Called by `hmac`.

Nothing in Python hashes many values in one call, so this is a loop: what a value costs is two copied states, two updates and two
digests, about a microsecond, most of it OpenSSL's allocation of a context for each copy. Python's own SHA-256 copies faster and
compresses slower: no gain at 10 bytes, a loss from 50 on. A SHA-256 of numpy operations was reckoned dearer than either: some 3,200
of them a block, at 0.1 to 0.2 ns a value each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa

from airlock.crypto.aes import Uint8s
from airlock.crypto.columns import ByteColumn

__all__ = ["hmac_sha256"]

_BLOCK, _TAG = 64, 32
_INNER, _OUTER = 0x36, 0x5C


def hmac_sha256(key: bytes, values: pa.Array) -> Uint8s:
    """One tag a value, bit for bit that of Python's `hmac.digest(key, value, "sha256")`.

    Args:
        key: Of any length.
        values: Text (as UTF-8) or binary, of any Arrow layout, sliced or not.

    Returns:
        Shape (len(values), 32). What stands at a null means nothing.

    Raises:
        TypeError: Values of another type.

    Example:
        >>> hmac_sha256(b"Jefe", pa.array(["what do ya want for nothing?"])).tobytes().hex()[:16]
        '5bdcc146bf60754e'
    """
    offsets, data = ByteColumn.of(values).compact()
    if not len(values) - values.null_count:
        return np.zeros((len(values), _TAG), np.uint8)
    plain = pa.Array.from_buffers(
        pa.large_binary(), len(values), [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    )
    encoded = plain.dictionary_encode()
    places, distinct = ByteColumn.of(encoded.dictionary).compact()
    whole = np.ascontiguousarray(distinct).data
    tags = _tags(*_states(key), (whole[start:end] for start, end in pairwise(places.tolist())))
    return np.frombuffer(tags, np.uint8).reshape(-1, _TAG)[np.asarray(encoded.indices)]


def _tags(inner: hashlib._Hash, outer: hashlib._Hash, messages: Iterable[memoryview]) -> bytes:
    """The one loop over values, for want of a digest of many; it does nothing else."""
    made: list[bytes] = []
    begin, end = inner.copy, outer.copy
    for message in messages:
        first = begin()
        first.update(message)
        second = end()
        second.update(first.digest())
        made.append(second.digest())
    return b"".join(made)


def _states(key: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """SHA-256 after the key's inner and outer block (RFC 2104, section 2)."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    block = key.ljust(_BLOCK, b"\0")
    return hashlib.sha256(bytes(byte ^ _INNER for byte in block)), hashlib.sha256(bytes(byte ^ _OUTER for byte in block))
