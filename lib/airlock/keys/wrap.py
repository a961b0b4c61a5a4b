"""Subkeys, task frames and rejected rows under AES-256-GCM. Called by the engines on both ends of a task, and by the inner door.

A frame travels through Spark's conf, event logs and block files; what it says is bound to one run, plan, recipient and epoch.
"""

from __future__ import annotations

import base64
import json
import secrets
import tempfile
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from airlock.errors import IntegrityError, KeyFileError
from airlock.keys._base import KeyRequest, SubKeys
from airlock.keys.derive import expand, length_prefixed
from airlock.keys.private import create_private_file, read_private_file

__all__ = ["create_executor_key_file", "frame_key", "read_executor_key", "seal", "unseal", "unwrap", "wrap"]

_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORM = b"AS1\x00"
"""First bytes of everything sealed; another layout will get another number."""

_START = len(_FORM) + _NONCE_BYTES


def seal(plaintext: bytes, *, key: bytes, context: Iterable[str]) -> bytes:
    """Encrypt and authenticate (AES-256-GCM, NIST SP 800-38D) under a fresh random nonce.

    Args:
        plaintext: At most 2^31 - 1 bytes.
        key: 32 bytes; fewer than 2^32 messages a key keep nonces apart (SP 800-38D, section 8.3).
        context: What the message is bound to, such as run id and file name; `unseal` must be given the same.

    Example:
        >>> sealed = seal(b"row", key=bytes(32), context=["run-1", "rejects-0"])
        >>> unseal(sealed, key=bytes(32), context=["run-1", "rejects-0"])
        b'row'
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORM + nonce + AESGCM(_checked(key)).encrypt(nonce, plaintext, _associated(context))


def unseal(sealed: bytes, *, key: bytes, context: Iterable[str]) -> bytes:
    """Open what `seal` made.

    Raises:
        IntegrityError: Another key or context, or changed bytes; which of them can't be told.
    """
    head, nonce, body = sealed[: len(_FORM)], sealed[len(_FORM) : _START], sealed[_START:]
    try:
        if head == _FORM and len(body) >= _TAG_BYTES:
            return AESGCM(_checked(key)).decrypt(nonce, body, _associated(context))
    except InvalidTag:
        pass
    raise IntegrityError("a sealed message does not open under this key and context; nothing was used. Run again")


def _checked(key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise ValueError(f"needs a key of {_KEY_BYTES} bytes, found {len(key)}")
    return key


def _associated(context: Iterable[str]) -> bytes:
    return _FORM + length_prefixed(context)


def frame_key(executor_key: bytes, run_id: str) -> bytes:
    """The key of one run's frames: derived from the executors' key, and from no root."""
    return expand(executor_key, ["wrap", "aes-256-gcm", run_id])


def wrap(subkeys: SubKeys, *, executor_key: bytes, run_id: str, plan_digest: str, recipient: str, epoch: int) -> bytes:
    """Subkeys as a sealed message that opens only under the same run, plan, recipient and epoch."""
    rows = [
        [*astuple(request), base64.b64encode(subkeys[request]).decode(), subkeys.ids[request]] for request in sorted(subkeys)
    ]
    plaintext = json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()
    context = _binding(run_id, plan_digest, recipient, epoch)
    return seal(plaintext, key=frame_key(executor_key, run_id), context=context)


def unwrap(wrapped: bytes, *, executor_key: bytes, run_id: str, plan_digest: str, recipient: str, epoch: int) -> SubKeys:
    """Open what `wrap` made.

    Raises:
        IntegrityError: Another executor key, run, plan, recipient or epoch, or changed bytes.
    """
    context = _binding(run_id, plan_digest, recipient, epoch)
    rows = json.loads(unseal(wrapped, key=frame_key(executor_key, run_id), context=context))
    requests = [KeyRequest(*row[:-2]) for row in rows]
    made = {request: base64.b64decode(row[-2]) for request, row in zip(requests, rows, strict=True)}
    return SubKeys(made, {request: row[-1] for request, row in zip(requests, rows, strict=True)})


def _binding(run_id: str, plan_digest: str, recipient: str, epoch: int) -> list[str]:
    return ["subkeys", run_id, plan_digest, recipient, str(epoch)]


def create_executor_key_file(folder: Path) -> Path:
    """Write a fresh executor key (0600) into a new private folder (0700) below `folder`; the caller removes it at exit."""
    path = Path(tempfile.mkdtemp(prefix="airlock-", dir=folder), "executor.key")
    create_private_file(path, secrets.token_bytes(_KEY_BYTES))
    return path


def read_executor_key(path: Path) -> bytes:
    """The 32 bytes of an executor key file.

    Raises:
        KeyFileError: The file is missing, readable by others, or not 32 bytes long.
    """
    key = read_private_file(path)
    if len(key) != _KEY_BYTES:
        raise KeyFileError(
            f"executor key file '{path}' has {len(key)} bytes, expected {_KEY_BYTES} random ones. Make a new Secret from 32 bytes"
        )
    return key
