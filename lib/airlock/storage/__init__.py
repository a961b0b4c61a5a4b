"""File systems, dataset formats, staged writes, atomic publish."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from airlock.errors import ConfigError
from airlock.settings import Location
from airlock.storage._base import AlreadyExistsError, ConflictError, DigestWriter, Entry, Folder, Store
from airlock.storage.local import LocalStore
from airlock.storage.s3 import S3Store, caller_of, checked_location

__all__ = [
    "AlreadyExistsError",
    "ConflictError",
    "DigestWriter",
    "Entry",
    "Folder",
    "LocalStore",
    "S3Store",
    "Store",
    "caller_of",
    "open_store",
]


def open_store(place: str | Location) -> Store:
    """The store of a zone: a plain path or `file://` on this machine's disks, `s3://bucket/prefix` in an object store.

    Args:
        place: Where, and how it is reached; a uri alone is reached as the AWS environment says.

    Raises:
        ConfigError: The scheme is not supported; nothing is guessed.

    Example:
        >>> open_store("file:///srv/staging").uri
        'file:///srv/staging'
    """
    location = Location(place) if isinstance(place, str) else place
    uri = location.uri
    if not uri or "\0" in uri:
        raise ConfigError("a zone has an empty uri. Give a folder's path, file:// or s3://bucket/prefix")
    if "://" not in uri:
        return LocalStore(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return S3Store(checked_location(location))
    if parts.scheme != "file":
        raise ConfigError(
            f"a zone's uri has scheme '{parts.scheme}://'. Supported: a plain path, file://, or s3://bucket/prefix",
            scheme=parts.scheme,
        )
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or not parts.path.startswith("/"):
        raise ConfigError("a zone's file:// uri must be file:///absolute/path, without host, query or fragment. Correct it")
    return LocalStore(Path(unquote(parts.path)))
