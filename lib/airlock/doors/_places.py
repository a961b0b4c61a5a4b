"""Where a zone is, to be compared with where others are. Called by `_zones` and `verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airlock.settings import Location

__all__ = ["Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of this machine's disks, or a prefix in a bucket.

    Attributes:
        root: Of an object store: endpoint and bucket; empty on a disk.
        parts: The way from there.
    """

    root: str
    parts: tuple[str, ...]

    @classmethod
    def of(cls, location: Location) -> Place:
        """Where a location is, links resolved.

        Example:
            >>> Place.of(Location("s3://pii-raw/crm/")).parts
            ('crm',)
        """
        if location.is_object_store:
            parts = urlsplit(location.uri)
            return cls(f"{_host(location.endpoint)} {parts.netloc}", tuple(part for part in parts.path.split("/") if part))
        return cls("", Path(unquote(urlsplit(location.uri).path) if "://" in location.uri else location.uri).resolve().parts)

    def overlaps(self, other: Place) -> bool:
        """Whether one is the other, or lies in it.

        Example:
            >>> Place("", ("/", "a")).overlaps(Place("", ("/", "a", "b")))
            True
        """
        shared = min(len(self.parts), len(other.parts))
        return self.root == other.root and self.parts[:shared] == other.parts[:shared]

    def lies_in(self, other: Place) -> bool:
        """Whether it is the other, or below it."""
        return self.root == other.root and self.parts[: len(other.parts)] == other.parts

    def holds(self, path: Path) -> bool:
        """Whether a file of this machine lies in it."""
        return not self.root and path.parts[: len(self.parts)] == self.parts


def _host(endpoint: str | None) -> str:
    """An endpoint without what spellings may differ in; AWS's own are one."""
    if endpoint is None:
        return ""
    parts = urlsplit(endpoint)
    host, port = (parts.hostname or "").rstrip("."), parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return "" if host.endswith(".amazonaws.com") else f"{host}:{port}"
