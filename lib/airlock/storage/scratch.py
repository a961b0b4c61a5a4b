"""A private folder of this machine for as long as a block runs. Doors keep there what no zone may hold, such as a run's executor key.

The owner holds the folder's lock, which the system frees when it dies: the next one that asks for a folder removes what the dead
have left.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airlock.errors import ConfigError

__all__ = ["scratch_folder"]

_PREFIX = "airlock-scratch-"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}")
_ATTEMPTS = 20
_PERMISSIONS = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder (0700) in the folder for temporary files, gone afterwards; leftovers of this user's killed processes go first.

    Raises:
        ConfigError: The file system there has no locks.
    """
    base = Path(tempfile.gettempdir())
    for name in os.listdir(base):  # noqa: PTH208 - names are what is matched
        if _NAME.fullmatch(name):
            _discard(base / name)
    folder, lock = _make(base)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _make(base: Path) -> tuple[Path, int]:
    for _ in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
        lock = _take(folder)
        # None: another process took it for a leftover, in the moment before it was locked.
        if lock is not None:
            return folder, lock
        shutil.rmtree(folder, ignore_errors=True)
    raise ConfigError(f"the folder for temporary files, '{base}', can't lock what is in it; name another in TMPDIR")


def _discard(folder: Path) -> None:
    lock = _take(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _take(folder: Path) -> int | None:
    """The folder's lock, if it is a private folder of this user and no living process holds it."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(lock)
        # A folder in one that hands its group down (an emptyDir under fsGroup does) has that bit, too.
        if status.st_uid == os.geteuid() and status.st_mode & _PERMISSIONS == stat.S_IRWXU:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(folder.lstat(), status):
                return lock
    except OSError:
        pass
    os.close(lock)
    return None
