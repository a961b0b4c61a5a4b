"""The zones that a door may see, opened, and the boundary between them checked. Called by every door."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path

from airlock.doors._places import Place
from airlock.errors import ZonesOverlapError
from airlock.settings import Location, Settings
from airlock.storage import Store, caller_of, open_store
from airlock.types import Zone

__all__ = ["open_outer_staging", "open_own_zone", "open_private", "open_zone", "require_disjoint"]

_KEY_FILES = (
    "keys.root", "keys.stage_signing", "keys.release_signing", "keys.executor", "keys.records", "keys.vault.credential",
    "reidentify.signing",
)  # fmt: skip


def open_zone(settings: Settings, zone: Zone) -> Store:
    """A zone's store. Raises ConfigError where the configuration does not name it."""
    return open_store(settings.zone(zone))


def open_outer_staging(settings: Settings) -> Store:
    """Zone `staging` as the outer door reaches it: with its own identity, where one configuration serves both doors."""
    return open_zone(settings.outer(), Zone.STAGING)


def open_own_zone(settings: Settings, zone: Zone) -> Store:
    """A zone's store, whose folder is for its owner alone where this makes it: no gate has checked what it will hold."""
    return open_private(settings.zone(zone))


def open_private(place: str | Location) -> Store:
    """A store whose folder is for its owner alone where this makes it."""
    store = open_store(place)
    root = store.local_path("")
    if root is not None and root.parent.is_dir():
        with suppress(OSError):  # whoever writes there says what is wrong with it
            root.mkdir(mode=0o700)
    return store


def require_disjoint(settings: Settings) -> None:
    """Refuse zones or keys that share a location, or lie one within another; the two sides also one bucket or identity.

    Raises:
        ZonesOverlapError: Two of them do; the message names both.
        ConfigError: An identity can't be read.
    """
    zones = {zone: settings.zone(zone) for zone in Zone if settings.has(zone)}
    places = {f"zone '{zone}'": Place.of(location) for zone, location in zones.items()}
    reports = settings.reports()
    if reports is not None:
        places["the place of reports"] = Place.of(reports)
    for (first, left), (second, right) in combinations(places.items(), 2):
        if left.overlaps(right):
            raise ZonesOverlapError(
                f"{first} and {second} overlap: one location is, or lies in, the other. Give each zone a location of its own",
                zones=[first, second],
            )
    for inner in (Zone.RAW, Zone.PRIVATE):
        if inner in zones and Zone.SANITIZED in zones:
            _require_two_sides(inner, zones[inner], zones[Zone.SANITIZED])
    if Zone.RAW in zones and Zone.SANITIZED in zones and settings.get("zones.staging.identity"):
        for own in (Zone.RAW, Zone.SANITIZED):
            _require_neither(own, zones[own], zones[Zone.STAGING])
    keys = {name: settings.path(name) for name in _KEY_FILES}
    _require_apart({name: path.resolve() for name, path in keys.items() if path is not None}, places)


def _require_two_sides(zone: Zone, inner: Location, sanitized: Location) -> None:
    if not (inner.is_object_store and sanitized.is_object_store):
        return
    both, zones = f"zone '{zone}' and zone 'sanitized'", [zone, Zone.SANITIZED]
    if Place.of(inner).root == Place.of(sanitized).root:
        raise ZonesOverlapError(
            f"{both} are in one bucket, whose policy can't keep the doors apart. Give each a bucket of its own", zones=zones
        )
    if inner.identity == sanitized.identity or caller_of(inner) == caller_of(sanitized):
        raise ZonesOverlapError(
            f"{both} are reached by one identity: no identity may reach both sides. Give each door its own "
            "(zones.raw.identity, zones.sanitized.identity)",
            zones=zones,
        )


def _require_neither(zone: Zone, own: Location, staging: Location) -> None:
    """One file for both doors gives the identity that it names for staging to both."""
    if not (own.is_object_store and staging.is_object_store):
        return
    if own.identity == staging.identity or caller_of(own) == caller_of(staging):
        raise ZonesOverlapError(
            f"zones.staging.identity is the identity of zone '{zone}', and this file gives it to both doors. Leave it out: each door "
            "then has its own for staging, too",
            zones=[zone, Zone.STAGING],
        )


def _require_apart(files: Mapping[str, Path], places: Mapping[str, Place]) -> None:
    """Key files: each its own, and outside of every zone."""
    for (first, one), (second, other) in combinations(files.items(), 2):
        if one == other:
            raise ZonesOverlapError(
                f"'{first}' and '{second}' are one file. Each key has one purpose; make them with 'airlock keys init'"
            )
    for name, path in files.items():
        for zone, place in places.items():
            if place.holds(path):
                raise ZonesOverlapError(f"'{name}' lies inside {zone}. Keep keys outside of every zone")
