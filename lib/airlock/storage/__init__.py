"""File systems, dataset formats, staged writes, atomic publish."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from airlock.errors import ConfigError
from airlock.storage._base import AlreadyExistsError, ConflictError, DigestWriter, Entry, Store
from airlock.storage.local import LocalStore

__all__ = ["AlreadyExistsError", "ConflictError", "DigestWriter", "Entry", "LocalStore", "Store", "open_store"]


def open_store(uri: str) -> Store:
    """The store of a zone, from its `uri`: a plain path, or `file://`.

    Raises:
        ConfigError: The scheme is not supported; nothing is guessed.

    Example:
        >>> open_store("file:///srv/staging").uri
        'file:///srv/staging'
    """
    if not uri or "\0" in uri:
        raise ConfigError("a zone has an empty uri. Give a folder's path, or a file:// uri")
    if "://" not in uri:
        return LocalStore(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise ConfigError(
            f"a zone's uri has scheme '{parts.scheme}://'. Supported: a plain path, or file://", scheme=parts.scheme
        )
    if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or not parts.path.startswith("/"):
        raise ConfigError("a zone's file:// uri must be file:///absolute/path, without host, query or fragment. Correct it")
    return LocalStore(Path(unquote(parts.path)))
