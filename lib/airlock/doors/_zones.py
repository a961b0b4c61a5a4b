"""The zones that a door may see, opened, and the boundary between them checked. Called by every door."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from pathlib import Path

from airlock.errors import ZonesOverlapError
from airlock.settings import Settings
from airlock.storage import Store, open_store
from airlock.types import Zone

__all__ = ["open_own_zone", "open_private", "open_zone", "require_disjoint", "zone_place"]

_KEY_FILES = (
    "keys.root", "keys.stage_signing", "keys.release_signing", "keys.executor", "keys.records", "keys.vault.credential",
    "reidentify.signing",
)  # fmt: skip


def open_zone(settings: Settings, zone: Zone) -> Store:
    """A zone's store. Raises ConfigError where the configuration does not name it."""
    return open_store(settings.zone(zone))


def open_own_zone(settings: Settings, zone: Zone) -> Store:
    """A zone's store, whose folder is for its owner alone where this makes it: no gate has checked what it will hold."""
    return open_private(settings.zone(zone))


def open_private(uri: str) -> Store:
    """A store whose folder is for its owner alone where this makes it."""
    store = open_store(uri)
    root = store.local_path("")
    if root is not None and root.parent.is_dir():
        with suppress(OSError):  # whoever writes there says what is wrong with it
            root.mkdir(mode=0o700)
    return store


def require_disjoint(settings: Settings) -> None:
    """Refuse zones or keys that share a location, or lie one within another.

    Raises:
        ZonesOverlapError: Two of them do; the message names both.
    """
    named = {f"zone '{zone}'": settings.get(f"zones.{zone}.uri") for zone in Zone}
    named["the place of reports"] = settings.get("reports")
    places = {name: zone_place(uri) for name, uri in named.items() if uri is not None}
    for (first, left), (second, right) in combinations(places.items(), 2):
        if left == right or left in right.parents or right in left.parents:
            raise ZonesOverlapError(
                f"{first} and {second} overlap: one location is, or lies in, the other. Give each zone a location of its own",
                zones=[first, second],
            )
    keys = {name: settings.path(name) for name in _KEY_FILES}
    files = {name: path.resolve() for name, path in keys.items() if path is not None}
    for (first, one), (second, other) in combinations(files.items(), 2):
        if one == other:
            raise ZonesOverlapError(
                f"'{first}' and '{second}' are one file. Each key has one purpose; make them with 'airlock keys init'"
            )
    readable = {place: zone for zone, place in places.items()}
    for name, path in files.items():
        for place, zone in readable.items():
            if place in path.parents:
                raise ZonesOverlapError(f"'{name}' lies inside {zone}. Keep keys outside of every zone")


def zone_place(uri: str) -> Path:
    """Where a zone on a local disk is."""
    return Path(uri.removeprefix("file://")).resolve()
