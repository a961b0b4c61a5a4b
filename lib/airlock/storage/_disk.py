"""What the local store asks of the operating system: durable names, locks, temporary files, errors in Airlock's words."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from airlock.errors import AirlockError, ConfigError, NotFoundError, StorageUnavailableError
from airlock.policy.unlisted import shown_path
from airlock.storage._base import PENDING, TEMPORARY_PREFIX, AlreadyExistsError, DigestWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

__all__ = [
    "NO_HARD_LINK",
    "FileWriter",
    "locked_folder",
    "make_folder",
    "place",
    "swept",
    "sync_folder",
    "temporary",
    "translated",
    "version_of",
]

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
_PATIENCE, _PAUSE = 20.0, 0.002
"""Seconds to wait for a folder's lock, and between two looks at it."""

NO_HARD_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn the operating system's errors about `path` into Airlock's."""
    try:
        yield
    except OSError as error:
        raise _translation(error, path) from None


def _translation(error: OSError, path: str) -> AirlockError:
    reason = os.strerror(error.errno).lower() if error.errno else "input/output error"
    path = shown_path(path)
    facts = {"path": path, "errno": error.errno}
    if error.errno in _ABSENT:
        return NotFoundError(f"there is no file '{path}' in this zone ({reason}). Check the name", **facts)
    if error.errno in _REFUSED:
        advice = "Give this door's identity the access it needs, or correct the zone's uri"
        return ConfigError(f"the zone does not let this process use '{path or '.'}': {reason}. {advice}", **facts)
    return StorageUnavailableError(f"the zone's disk failed at '{path}': {reason}. Free or mend it, then run again", **facts)


def version_of(status: os.stat_result) -> str:
    """The etag-like version of a file: modification time, size and inode."""
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


def sync_folder(folder: Path) -> None:
    """Make the folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make the folder and its parents, durably; one that exists is fine. What is pending is for its owner alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700 if folder.name == PENDING else 0o777)
    except FileExistsError:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    else:
        sync_folder(folder.parent)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder's exclusive lock; the system frees it when the process dies."""
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(folder: Path) -> int:
    while True:
        make_folder(folder)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _wait(descriptor)
            # Removed and made anew while we waited: the lock would be on a folder that nobody else sees.
            if folder.is_dir() and os.path.samestat(folder.stat(), os.fstat(descriptor)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _wait(descriptor: int) -> None:
    """Take the lock; whoever holds it does so for moments, unless it is stopped."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from None
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def temporary(folder: Path, *, newer_than: int = 0) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in `folder` that no listing shows, durable on clean exit and gone on an exception.

    While it is written its lock says that the writer lives. Its modification time is set, in nanoseconds and above
    `newer_than`: coarse clocks would give two files of one inode the same version.
    """
    make_folder(folder)
    path = folder / f"{TEMPORARY_PREFIX}{secrets.token_hex(16)}"
    try:
        with path.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file, path
            file.flush()
            modified = max(time.time_ns(), newer_than + 1)
            os.utime(file.fileno(), ns=(modified, modified))
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def place(source: Path, target: Path, name: str, *, held: bool = False) -> None:
    """Give the file `source` the name `target`, create-only, and durably take the old name away.

    `held`: the caller holds the lock of the target's folder.

    Raises:
        AlreadyExistsError: Something is at `target`; `source` stays.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise AlreadyExistsError(name) from None
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        with nullcontext() if held else locked_folder(target.parent):
            if os.path.lexists(target):
                raise AlreadyExistsError(name) from None
            source.rename(target)
    source.unlink(missing_ok=True)
    sync_folder(target.parent)


def swept(root: Path, grace: float) -> int:
    """Remove half-written files below a folder that nobody holds; returns how many."""
    found = [Path(folder, name) for folder, _, files in os.walk(root) for name in files if name.startswith(TEMPORARY_PREFIX)]
    return sum(_discard(path, grace) for path in found)


def _discard(path: Path, grace: float) -> bool:
    try:
        if time.time() - path.lstat().st_mtime < grace:
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


class FileWriter(DigestWriter):
    """A DigestWriter whose failures are Airlock's errors about `path`."""

    def __init__(self, raw: BinaryIO, path: str) -> None:
        super().__init__(raw)
        self._path = path

    def write(self, data: ReadableBuffer, /) -> int:
        """Append `data` whole. Raises StorageUnavailableError."""
        with translated(self._path):
            return super().write(data)

    def flush(self) -> None:
        """Hand what is buffered to the operating system. Raises StorageUnavailableError."""
        with translated(self._path):
            super().flush()
