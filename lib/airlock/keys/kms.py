"""Roots in a file that AWS KMS wrapped (envelope encryption). Called through `open_key_ring`."""

from __future__ import annotations

import base64

from airlock.clients.aws import KmsSession
from airlock.keys.ring import ROOT_BYTES, decoded

__all__ = ["KmsWrapper"]


class KmsWrapper:
    """Roots wrapped by a KMS key that never leaves KMS; each is bound to its epoch (encryption context)."""

    def __init__(self, session: KmsSession) -> None:
        self._session = session

    def accepts(self, text: str) -> bool:
        """Whether it is base64 of more than a bare root: an unwrapped root is never sent anywhere."""
        return len(decoded(text) or b"") > ROOT_BYTES

    def wrap(self, epoch: int, root: bytes) -> str:
        """Encrypt in KMS."""
        return base64.b64encode(self._session.encrypt(root, _context(epoch))).decode()

    def unwrap(self, epoch: int, text: str) -> bytes:
        """Decrypt in KMS."""
        return self._session.decrypt(decoded(text) or b"", _context(epoch))


def _context(epoch: int) -> dict[str, str]:
    return {"airlock": "v1", "epoch": str(epoch)}
