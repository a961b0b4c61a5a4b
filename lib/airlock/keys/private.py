"""Files that only their owner can read: made, read after a look at who else can, and replaced without a trace of what they held.

Called by everything that keeps a key in a file.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airlock.errors import KeyFileError

__all__ = ["create_private_file", "read_private_file", "replace_private_file", "write_private_file"]

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
    mounted Secret is where the pod does not run as root: the group may read (0440, which Kubernetes makes of `defaultMode:
    0400` under `fsGroup`), nobody else may do anything. Links are followed, as a Secret's are; the file itself is judged.

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
            "chmod 600 it (a mounted Secret: defaultMode: 0400); if others had access, make new keys with 'airlock keys init'"
        )


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file of this user alone, whole and on the disk, or not at all; what stood there is replaced.

    Raises:
        KeyFileError: Its folder can't be written.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)
        create_private_file(fresh, content)
        fresh.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyFileError(f"'{path}' can't be written: {error.strerror}. Check its folder's permissions") from None


def replace_private_file(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Put `change` of the content in its place: at once, on the disk when this returns, and the old bytes overwritten.

    Killed at any point, the file holds the old content or the new one, whole; what is left beside it is wiped by the next
    call. Two calls wait for each other. Overwriting reaches the blocks of a plain disk; snapshots and copies are their owner's.

    Raises:
        KeyFileError: The file can't be read or replaced, has another name, or is a link, as in a mounted Secret.
    """
    if path.is_symlink():
        raise KeyFileError(
            f"key file '{path}' is a link, as in a mounted Secret, and is not changed here. Change the Secret itself"
        )
    fresh, old = (path.with_name(f".{path.name}.{word}") for word in ("new", "old"))
    try:
        with _locked(path.parent):
            _wipe(fresh)
            _wipe(old, living=path)
            _require_one_name(path)
            content = change(read_private_file(path))
            create_private_file(fresh, content)
            os.link(path, old)
            fresh.replace(path)
            _sync_folder(path.parent)
            _wipe(old, living=path)
    except OSError as error:
        raise KeyFileError(f"key file '{path}' can't be replaced: {error.strerror}. Check its folder's permissions") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _wipe(path: Path, *, living: Path | None = None) -> None:
    """Overwrite and remove what an earlier call left; a link and a second name of the living file are only removed."""
    with suppress(FileNotFoundError):
        if not path.is_symlink() and (living is None or not path.samefile(living)):
            _require_one_name(path)
            with open(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "wb", buffering=0) as file:  # noqa: PTH123
                file.write(bytes(os.fstat(file.fileno()).st_size))
                os.fsync(file.fileno())
        path.unlink()
        _sync_folder(path.parent)


def _require_one_name(path: Path) -> None:
    """Overwriting reaches every name of a file, and removing a root from it only where there is no other."""
    names = path.lstat().st_nlink
    if names != 1:
        raise KeyFileError(
            f"key file '{path}' has {names} names (hard links), expected one: what is overwritten here is overwritten there. Find "
            "the others ('find -samefile') and make copies of them, or remove them"
        )


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
