"""Files that no reader sees until they are published. Called by both doors.

Pending files are ordinary files of the store below `.pending/` at the zone's root: on a local disk a folder for its owner alone,
on any store one that listings of the zone leave out. Published is what is linked, or copied, from there.
"""

from __future__ import annotations

import stat
from urllib.parse import quote

from airlock.errors import BoundaryError
from airlock.storage._base import PENDING, Store
from airlock.storage._disk import translated

__all__ = ["close_pending", "pending_folder"]


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
