"""Does an object store hold to the conditions of writes? Asked by whoever takes a lease or writes for the first time, and by `doctor`.

A server that does not know `If-None-Match` and `If-Match` of a PUT (RFC 9110, section 13) passes over them, and every publisher
wins. No answer of such a server says so; it has to be tried.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

from airlock.errors import WeakStoreError
from airlock.settings import Location
from airlock.storage._base import PENDING, ConflictError, Store
from airlock.storage.s3 import S3Store

__all__ = ["broken_condition", "probe_path", "require_conditions"]

_PROBES = f"{PENDING}/=probe"
"""No sink's pending files lie there: '=' is quoted in the names of their folders."""

_RACERS = 8
_LEFT_AFTER = 3600
"""Seconds after which a probe's object is one that a killed process left."""


def require_conditions(store: Store) -> None:
    """Refuse a store in which two writers could both win. Asked once in a process for each location; a disk needs no asking.

    Raises:
        WeakStoreError: It lets several win, or none.
    """
    if isinstance(store, S3Store):
        _require(store.location)


@lru_cache(maxsize=64)
def _require(location: Location) -> None:
    broken = broken_condition(location)
    if broken is not None:
        at = f" at {location.endpoint}" if location.endpoint else ""
        raise WeakStoreError(
            f"{location.uri}{at}: the store does not hold to the conditions of writes, so two publishers could both win: {broken}. "
            "Nothing was written. Take a store that enforces If-None-Match and If-Match, or switch that on in this one",
            uri=location.uri,
        )


def broken_condition(location: Location) -> str | None:
    """What the store did with an object of random name that it must not do; None where every condition holds. Nothing of it stays."""
    store = S3Store(location)
    _sweep(store)
    path = probe_path()
    try:
        return _broken(store, path)
    finally:
        store.delete(path)


def probe_path() -> str:
    """Of an object that nobody else has, and no listing of the zone shows."""
    return f"{_PROBES}/{int(time.time())}-{secrets.token_hex(16)}"


def _broken(store: Store, path: str) -> str | None:
    """Writers at the same moment, then one that comes late, then one that comes after all."""
    created = _race(lambda: _swapped(store, path, None))
    if len(created) != 1:
        return f"{len(created)} of {_RACERS} writers created one object, each if there was none (If-None-Match), expected 1"
    swapped = _race(lambda: _swapped(store, path, created[0]))
    if len(swapped) != 1:
        return f"{len(swapped)} of {_RACERS} writers replaced one version of an object (If-Match), expected 1"
    if _swapped(store, path, created[0]) is not None:
        return "a version that had been replaced before was replaced again (If-Match)"
    store.delete(path)
    if _swapped(store, path, swapped[0]) is not None:
        return "an object that was not there any more was replaced (If-Match)"
    return None


def _race(write: Callable[[], str | None]) -> list[str]:
    """The versions of those that won."""
    barrier = Barrier(_RACERS)

    def run() -> str | None:
        barrier.wait()
        return write()

    with ThreadPoolExecutor(_RACERS, "probe") as pool:
        running = [pool.submit(run) for _ in range(_RACERS)]
    return [version for version in (one.result() for one in running) if version is not None]


def _swapped(store: Store, path: str, expected: str | None) -> str | None:
    """The new version, of content that no other write has; None where the condition did not hold."""
    try:
        return store.replace(path, secrets.token_bytes(32), expected)
    except ConflictError:
        return None


def _sweep(store: Store) -> None:
    before = time.time() - _LEFT_AFTER
    for entry in list(store.list(_PROBES)):
        since = entry.path.rpartition("/")[2].partition("-")[0]
        if not since.isdecimal() or int(since) < before:
            store.delete(entry.path)
