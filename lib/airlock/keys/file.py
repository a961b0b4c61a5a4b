"""Root keys in a file: the provider for one machine and for a mounted Secret. Called by the inner door and `airlock keys`.

`{"version": 1, "epochs": {"1": "<32 random bytes, base64>"}}`: every epoch has a root of its own, so destroying one destroys what
it derived and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airlock.errors import KeyFileError, PermitError
from airlock.keys._base import KeyRequest, Permit, SubKeys
from airlock.keys.derive import derive_all

__all__ = ["ROOT_BYTES", "FileKeyRing", "create_private_file", "create_root_file", "read_private_file"]

ROOT_BYTES = 32

_VERSION = 1
_MAX_BYTES = 1 << 20


def create_private_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read (0600).

    Raises:
        KeyFileError: The file exists already (nothing is overwritten), or its folder does not.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError(f"key file '{path}' exists and is not overwritten. Choose another name, or move it away") from None
    except OSError as error:
        raise KeyFileError(f"key file '{path}' can't be made: {error.strerror}. Check the folder") from None
    with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        # The umask may have taken bits away; it can't have added any.
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_private_file(path: Path) -> bytes:
    """Read a key file after checking, on the opened file, that nobody else can.

    Owned by this user: no permission for group and others (0600 or less). Owned by root and read by another user, as a
    mounted Secret is: the group may read (0440), nobody else may do anything.

    Raises:
        KeyFileError: The file is missing, not a plain file, of another owner, open to others, or implausibly large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyFileError(f"key file '{path}' can't be opened: {error.strerror}. Check the path and its owner") from None
    with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        _require_private(path, os.fstat(file.fileno()))
        return file.read()


def _require_private(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
        raise KeyFileError(f"'{path}' is not a key file: expected a plain file of at most {_MAX_BYTES:,} bytes. Check the path")
    if status.st_uid not in (user, 0):
        raise KeyFileError(
            f"key file '{path}' belongs to user {status.st_uid}, expected {user}. chown it, or make your own with 'airlock keys init'"
        )
    allowed = 0o700 if status.st_uid == user else 0o740
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~allowed:
        raise KeyFileError(
            f"key file '{path}' has permissions {mode:04o}, expected 0600: others could use it. "
            "chmod 600 it; if others had access, make new keys with 'airlock keys init'"
        )


def create_root_file(path: Path, epochs: Iterable[int] = (1,)) -> None:
    """Write a new root file (0600) with a fresh random root for each epoch.

    Raises:
        KeyFileError: The file exists already, or its folder does not.
    """
    roots = {str(epoch): base64.b64encode(secrets.token_bytes(ROOT_BYTES)).decode() for epoch in epochs}
    text = json.dumps({"version": _VERSION, "epochs": roots}, sort_keys=True, separators=(",", ":"))
    create_private_file(path, text.encode() + b"\n")


class FileKeyRing:
    """A `KeyRing` over a root file. The file is read anew for each request and never kept.

    Example:
        >>> import tempfile, time
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = Path(folder.name, "root.json")
        >>> create_root_file(path)
        >>> request, permit = KeyRequest("pseudonymize", "aes-cmac", "email"), Permit("0" * 64, time.time() + 60)
        >>> keys = FileKeyRing(path).subkeys([request], recipient="analytics", epoch=1, permit=permit)
        >>> len(keys[request]), keys.ids[request].partition(":")[0]
        (32, 'email/analytics/1')
        >>> folder.cleanup()
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"FileKeyRing({str(self._path)!r})"

    def subkeys(
        self, requests: Iterable[KeyRequest], *, recipient: str, epoch: int, permit: Permit | None, run: str | None = None
    ) -> SubKeys:
        """Derive the requested subkeys.

        Raises:
            PermitError: No permit, or one that has run out; the file was not opened.
            KeyFileError: The file is missing, malformed or readable by others, or has no root for this epoch.
        """
        if permit is None:
            raise PermitError("keys were asked for without a permit; expected one from the door's own checks. Run the door")
        permit.require()
        roots = _roots(self._path)
        if epoch not in roots:
            found = ", ".join(map(str, sorted(roots))) or "none"
            raise KeyFileError(
                f"key file '{self._path}' has no root for epoch {epoch}; it has: {found}. "
                "Set keys.epoch to one of them, or add a root with 'airlock keys rotate'",
                epoch=epoch,
            )
        return derive_all(roots[epoch], requests, recipient=recipient, epoch=epoch, run=run)


def _roots(path: Path) -> dict[int, bytes]:
    content = read_private_file(path)
    try:
        roots = _parsed(json.loads(content))
    except (ValueError, TypeError, AttributeError):
        roots = None
    if roots is None:
        # Outside of the handler: the cause could quote a root.
        raise KeyFileError(
            f"key file '{path}' is malformed; expected JSON with version {_VERSION} and, by epoch, different roots of "
            f"{ROOT_BYTES} bytes in base64. Restore it from a backup, or make new keys with 'airlock keys init'"
        )
    return roots


def _parsed(data: Any) -> dict[int, bytes] | None:
    if set(data) != {"version", "epochs"} or data["version"] != _VERSION:
        return None
    roots = {int(epoch): base64.b64decode(root, validate=True) for epoch, root in data["epochs"].items()}
    canonical = {str(epoch) for epoch in roots if epoch > 0} == set(data["epochs"])
    sized = all(len(root) == ROOT_BYTES for root in roots.values())
    return roots if canonical and sized and len(set(roots.values())) == len(roots) else None
