"""Which public keys are trusted for what, and when. Loaded by doors from a folder or a file; `dsse` asks it.

A key is judged at the time that stands in what it signed, so evidence outlives its keys. Who holds a stolen key can also write
an earlier time: revoke a stolen key from the day it may have been stolen, in doubt from its first day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import SSlibKey

from airlock.errors import SignatureError
from airlock.evidence.canonical import parse_time, time_text

__all__ = ["Role", "Trust", "TrustedKey"]

Role = Literal["stage", "release", "reidentify", "probe", "preflight"]

_FIELDS = {"role", "keyid", "public", "not_before", "not_after", "revoked"}
_ADVICE = (
    "Name the public key of the release (--trust KEY, or AIRLOCK_TRUST); 'airlock keys init' writes it beside the private one"
)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One public key: for one role, from one time to another.

    Attributes:
        keyid: Follows from the key; a file that claims another is refused.
        public: PEM, Ed25519.
        not_after: None: without end.
        revoked: From then on nothing that it signs is trusted.
    """

    keyid: str
    role: Role
    public: str
    not_before: datetime
    not_after: datetime | None = None
    revoked: datetime | None = None

    def key(self) -> SSlibKey:
        """The key itself.

        Raises:
            ValueError: It is not an Ed25519 public key, or `keyid` is another's.
        """
        try:
            loaded = load_pem_public_key(self.public.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("'public' is not a PEM public key") from None
        if not isinstance(loaded, Ed25519PublicKey):
            raise ValueError("'public' is not an Ed25519 key")  # noqa: TRY004 - a fault of the file, not of the caller
        found = SSlibKey.from_crypto(loaded)
        if found.keyid != self.keyid:
            raise ValueError("'keyid' is not the id of this key")
        return found

    def fault(self, at: datetime) -> str | None:
        """Why the key was not good at a time; None if it was."""
        if at < self.not_before:
            return f"is valid from {time_text(self.not_before)}"
        if self.not_after is not None and at > self.not_after:
            return f"was valid until {time_text(self.not_after)}"
        if self.revoked is not None and at >= self.revoked:
            return f"was revoked at {time_text(self.revoked)}"
        return None


class Trust:
    """A set of trusted keys, found by their id.

    Raises:
        SignatureError: A key is malformed, or stands twice: one key never has two roles.
    """

    def __init__(self, keys: Iterable[TrustedKey]) -> None:
        self._keys: dict[str, TrustedKey] = {}
        for key in keys:
            try:
                key.key()
            except ValueError as error:
                raise SignatureError(f"a trusted key can't be used: {error}. Replace its file") from None
            if key.keyid in self._keys:
                raise SignatureError(
                    f"trusted key {key.keyid[:16]} stands twice; one key has one role and one file. Remove one"
                )
            self._keys[key.keyid] = key

    def get(self, keyid: str) -> TrustedKey | None:
        """The key of this id."""
        return self._keys.get(keyid)

    def of_role(self, role: Role) -> tuple[TrustedKey, ...]:
        """The keys of a role, by id."""
        return tuple(key for _, key in sorted(self._keys.items()) if key.role == role)

    def __len__(self) -> int:
        return len(self._keys)

    @classmethod
    def load(cls, path: Path | None) -> Trust:
        """Read a folder of `*.pub` files, or one such file.

        Raises:
            SignatureError: There is none, or one is malformed.
        """
        if path is None:
            raise SignatureError(f"no trusted key is given, so nothing can be verified. {_ADVICE}")
        files = sorted(path.glob("*.pub")) if path.is_dir() else [path]
        if not files or not all(file.is_file() for file in files):
            raise SignatureError(f"no trusted key at '{path}': expected a *.pub file, or a folder of them. {_ADVICE}")
        return cls(_read(file) for file in files)


def _read(file: Path) -> TrustedKey:
    try:
        text = file.read_bytes()
    except OSError:
        raise SignatureError(f"trusted key '{file}' can't be read. Check its permissions") from None
    try:
        # People edit these files (to revoke a key): plain JSON, not canonical.
        return _parsed(json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "not JSON"
        raise SignatureError(
            f"'{file}' is not a trusted key: {reason}. Replace it by the .pub file of 'airlock keys init'"
        ) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _parsed(data: Any) -> TrustedKey:
    if not isinstance(data, dict) or data.keys() != _FIELDS:
        raise ValueError(f"expected exactly the names {', '.join(sorted(_FIELDS))}")
    text = {name: value for name, value in data.items() if value is not None}
    if (
        not all(isinstance(value, str) for value in text.values())
        or not {"role", "keyid", "public", "not_before"} <= text.keys()
    ):
        raise ValueError("every value is text; only not_after and revoked may be null")
    if text["role"] not in get_args(Role):
        raise ValueError(f"'role' is none of {', '.join(get_args(Role))}")
    times = {name: parse_time(text[name]) for name in ("not_before", "not_after", "revoked") if name in text}
    return TrustedKey(keyid=text["keyid"], role=text["role"], public=text["public"], **times)
