"""Signing keys: Ed25519, private half in a 0600 file, public half as the JSON that a trust folder holds. Doors load signers here.

`airlock keys init` makes one for each door: `stage` for the inner one, `release` for the outer one; with `--reidentify` the one
that signs for `airlock reidentify`.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey

from airlock.errors import KeyFileError
from airlock.keys._base import utc_text
from airlock.keys.private import create_private_file, read_private_file

__all__ = ["SigningRole", "create_signing_key", "load_signer"]

SigningRole = Literal["stage", "release", "reidentify", "probe", "preflight"]


def create_signing_key(
    path_private: Path, path_public: Path, role: SigningRole, *, now: datetime | None = None, valid_days: int | None = None
) -> str:
    """Make a key pair; nothing is overwritten.

    Args:
        path_private: PKCS#8 PEM, 0600.
        path_public: JSON for a trust folder; named `*.pub` there.
        role: What the key may sign.
        now: From when it is valid.
        valid_days: Until when; None is without end.

    Returns:
        The key's id.

    Raises:
        KeyFileError: A file exists already, or its folder does not.
    """
    if os.path.lexists(path_public):
        raise KeyFileError(
            f"public key file '{path_public}' exists and is not overwritten. Choose another name, or move it away"
        )
    private = Ed25519PrivateKey.generate()
    start = (datetime.now(UTC) if now is None else now).astimezone(UTC)
    public = private.public_key()
    keyid: str = SSlibKey.from_crypto(public).keyid
    end = None if valid_days is None else utc_text(start + timedelta(days=valid_days))
    described = {
        "role": role,
        "keyid": keyid,
        "public": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "not_before": utc_text(start),
        "not_after": end,
        "revoked": None,
    }
    create_private_file(path_private, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _create_public(path_public, json.dumps(described, indent=2, sort_keys=True).encode() + b"\n")
    return keyid


def _create_public(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(
            f"public key file '{path}' can't be made: {error.strerror}. Remove the private one and try again"
        ) from None


def load_signer(path: Path) -> Signer:
    """The signer of a private key file that nobody else can read.

    Raises:
        KeyFileError: The file is missing, readable by others, or not an Ed25519 key.
    """
    text = read_private_file(path)
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"'{path}' is not an Ed25519 private key in PEM form. Make one with 'airlock keys init'")
    return CryptoSigner(private)
