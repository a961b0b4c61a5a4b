"""Files that no reader sees until they are published, and what is left of half-written ones. Called by both doors.

Pending files are ordinary files of the store below `.pending/` at the zone's root: on a local disk a folder for its owner alone,
on any store one that listings of the zone leave out. Published is what is linked, or copied, from there.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airlock.errors import BoundaryError
from airlock.storage._base import PENDING, TEMPORARY_PREFIX, Store
from airlock.storage._disk import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["close_pending", "pending_folder", "sweep"]


_OWNER_ALONE = 0o700


def pending_folder(sink: str) -> str:
    """Where the pending files of a sink lie, relative to its zone.

    Example:
        >>> pending_folder("team/people")
        '.pending/team%2Fpeople'
    """
    return f"{PENDING}/{quote(sink, safe='')}"


def close_pending(store: Store) -> None:
    """Make the folder of what is pending its owner's alone, where somebody made it before a door did. An absent one is made so.

    Raises:
        BoundaryError: It is a link or a file.
        ConfigError: It is another user's.
    """
    root = store.local_path("")
    if root is None:
        return
    with translated(PENDING):
        try:
            status = (root / PENDING).lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(status.st_mode):
            raise BoundaryError(
                f"'{PENDING}' in zone 'sanitized' is no folder but a link or a file. Find out who made it; remove it",
                path=PENDING,
            )
        if stat.S_IMODE(status.st_mode) != _OWNER_ALONE:
            (root / PENDING).chmod(_OWNER_ALONE)


def sweep(store: Store, prefix: str = "", *, grace: float = 60.0) -> int:
    """Remove half-written files whose writer is dead; returns how many.

    Args:
        store: The zone.
        prefix: Look only below this folder, of which the caller is the one writer.
        grace: Seconds for which a new file is left alone: its writer may not hold its lock yet.
    """
    root = store.local_path(prefix)
    if root is None or not root.is_dir():
        return 0
    with translated("."):
        return sum(_discard(path, grace) for path in _leftovers(root))


def _leftovers(root: Path) -> Iterator[Path]:
    for folder, _, files in os.walk(root):
        yield from (Path(folder, name) for name in files if name.startswith(TEMPORARY_PREFIX))


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
