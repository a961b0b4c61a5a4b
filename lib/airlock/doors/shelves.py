"""A dataset's folder of releases, as whoever reads one names it: a local folder, `sanitized/DATASET` or `s3://`. For `verify` and `path`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from airlock.doors._places import Place
from airlock.errors import NotFoundError
from airlock.evidence.verify import CURRENT
from airlock.settings import Location, Settings
from airlock.storage import Store, open_store
from airlock.types import Zone

__all__ = ["Shelf", "located", "shelf", "shelves"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where one dataset's releases are.

    Attributes:
        store: The folder itself as a zone: nothing outside of it is read.
        uri: The folder: a path, or `s3://`.
        parts: Of its path, within zone `sanitized` where it is in the one that is configured.
        in_zone: It is.
        shown: As it was named.
        key: The one name of the folder, whatever it was named by.
    """

    store: Store
    uri: str
    parts: tuple[str, ...]
    in_zone: bool
    shown: str
    key: str

    def at(self, path: str) -> str:
        """What a reader opens: a path of this machine, or an `s3://` uri."""
        return f"{self.uri}/{path}"


def shelf(folder: str | Path, settings: Settings) -> Shelf:
    """The folder that a user names.

    Raises:
        ConfigError: It is an `s3://` uri that names no bucket.
    """
    location = _location(str(folder), settings)
    place = Place.of(location)
    zone = settings.zone(Zone.SANITIZED) if settings.has(Zone.SANITIZED) else None
    parts, in_zone = place.parts, False
    if zone is not None and place.lies_in(Place.of(zone)):
        parts, in_zone = place.parts[len(Place.of(zone).parts) :], True
        location = replace(zone, uri=location.uri)
    key = f"{place.root}/{'/'.join(place.parts)}" if place.root else str(Path(*place.parts))
    return Shelf(open_store(location), location.uri.removeprefix("file://").rstrip("/"), parts, in_zone, str(folder), key)


def shelves(folder: str | Path, settings: Settings) -> list[str]:
    """The folders with a release in or below one; itself where there is none."""
    found = shelf(folder, settings)
    if found.store.local_path("") is not None and not Path(found.uri).is_dir():
        return [str(folder)]
    pointers = [entry.path for entry in found.store.list() if entry.path.rpartition("/")[2] == CURRENT]
    return [f"{str(folder).rstrip('/')}/{path.rpartition('/')[0]}".rstrip("/") for path in pointers] or [str(folder)]


def located(path: str | Path, settings: Settings) -> Path:
    """A folder or file of this machine: `sanitized/customers` is in zone `sanitized`, where a configuration names one.

    Raises:
        NotFoundError: It is in an object store.
    """
    location = _location(str(path), settings)
    if location.is_object_store:
        raise NotFoundError(f"'{path}' is in an object store. Copy the file to this machine's disk, and name that")
    return Path(location.uri.removeprefix("file://"))


def _location(folder: str, settings: Settings) -> Location:
    if folder.startswith("s3://"):
        zone = settings.zone(Zone.SANITIZED) if settings.has(Zone.SANITIZED) else None
        within = zone is not None and f"{folder.rstrip('/')}/".startswith(f"{zone.uri.rstrip('/')}/")
        return replace(zone, uri=folder) if zone is not None and within else settings.location(folder)
    path = Path(folder)
    if not path.exists() and settings.has(Zone.SANITIZED) and path.parts and path.parts[0] == Zone.SANITIZED:
        zone = settings.zone(Zone.SANITIZED)
        return replace(zone, uri="/".join([zone.uri.rstrip("/"), *path.parts[1:]]))
    return Location(folder)
