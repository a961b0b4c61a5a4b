"""From a root key to the subkeys of one recipient and epoch. Called by every key provider.

HKDF-SHA-256 (RFC 5869) without salt: the root is random already. Its `info` names everything that must part two subkeys, each
part with its length before it, so that no two lists of parts give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from airlock.keys._base import KeyRequest, SubKeys

__all__ = [
    "KEY_BYTES",
    "VERSION",
    "derive",
    "derive_all",
    "expand",
    "hkdf",
    "key_bytes",
    "key_id",
    "length_prefixed",
    "root_fingerprint",
]

KEY_BYTES = {"aes-siv": 64}
"""How long keys of an algorithm are; all others have 32 bytes."""

VERSION = "airlock/v1"
"""First part of every `info`: another version would derive other keys from the same roots."""

_ID_BYTES = 8


def length_prefixed(parts: Iterable[str]) -> bytes:
    r"""Each part as UTF-8 with its length before it, in four bytes, big endian.

    Example:
        >>> length_prefixed(["ab", ""])
        b'\x00\x00\x00\x02ab\x00\x00\x00\x00'
    """
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def hkdf(key: bytes, info: bytes, length: int, *, salt: bytes | None = None) -> bytes:
    """HKDF-SHA-256 (RFC 5869), extract and expand."""
    return HKDF(SHA256(), length, salt=salt, info=info).derive(key)


def expand(key: bytes, parts: Iterable[str], length: int = 32) -> bytes:
    """HKDF-SHA-256 of `key` under (`VERSION`, *parts)."""
    return hkdf(key, length_prefixed([VERSION, *parts]), length)


def key_bytes(request: KeyRequest) -> int:
    """How long the requested key is."""
    return KEY_BYTES.get(request.algorithm, 32)


def derive(root: bytes, request: KeyRequest, recipient: str, epoch: int, length: int = 32, *, run: str | None = None) -> bytes:
    """The subkey of a request. Frozen by golden vectors: a change here would end every join with older releases.

    Args:
        root: The epoch's root, 32 random bytes.
        request: Purpose, algorithm and key domain.
        recipient: Whose pseudonyms these are.
        epoch: The root's generation.
        length: Bytes wanted.
        run: The run's id, where every run has a key of its own.

    Raises:
        ValueError: It has, and no run is named.

    Example:
        >>> derive(bytes(32), KeyRequest("pseudonymize", "aes-cmac", "customer"), "analytics", 1).hex()[:16]
        '801e32cfe582d76d'
    """
    parts = [request.purpose, request.algorithm, request.domain, recipient, str(epoch)]
    if request.per_run:
        if not run:
            raise ValueError(f"the key for '{request.purpose}' is one run's own and no run is named; expected a run id")
        parts.append(run)
    return expand(root, parts, length)


def key_id(subkey: bytes, request: KeyRequest, recipient: str, epoch: int) -> str:
    """A public name that two subkeys share only if they are equal: `domain-or-purpose/recipient/epoch:16 hex digits`.

    The digits are an HKDF output under the purpose `key-id`, so they say nothing about the subkey.
    """
    digits = expand(subkey, ["key-id", request.algorithm, request.domain, recipient, str(epoch)], _ID_BYTES).hex()
    return f"{request.domain or request.purpose}/{recipient}/{epoch}:{digits}"


def root_fingerprint(root: bytes, epoch: int) -> str:
    """A public fingerprint of an epoch's root, 16 hex digits: equal for equal roots, and it says nothing about them.

    Example:
        >>> len(root_fingerprint(bytes(32), 1))
        16
    """
    return expand(root, ["key-check", str(epoch)], _ID_BYTES).hex()


def derive_all(root: bytes, requests: Iterable[KeyRequest], *, recipient: str, epoch: int, run: str | None = None) -> SubKeys:
    """Every requested subkey with its id."""
    made = {request: derive(root, request, recipient, epoch, key_bytes(request), run=run) for request in requests}
    return SubKeys(made, {request: key_id(key, request, recipient, epoch) for request, key in made.items()})
