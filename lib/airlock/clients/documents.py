"""Small signed documents over plain HTTP, from a pod of the same zone. What they say is believed for their signature alone. Called by `evidence`."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from airlock.errors import ConfigError, StorageUnavailableError

__all__ = ["fetched", "is_url"]

_SECONDS, _MOST, _FOUND = 5, 1 << 16, 200


def is_url(place: str) -> bool:
    """Whether it is fetched, and not read from a file.

    Example:
        >>> is_url("http://10.244.1.7:7080/verdict"), is_url("/etc/airlock/verdict")
        (True, False)
    """
    return "://" in place


def fetched(url: str) -> bytes:
    """A document of at most 64 KiB.

    Raises:
        StorageUnavailableError: Nobody answers, or with something else.
        ConfigError: It is no http:// address.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise ConfigError(
            f"'{parts.scheme}://{parts.hostname or ''}' is no address of preflight: expected http://HOST:PORT. Correct it"
        )
    connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        data = answer.read(_MOST + 1)
    except (OSError, HTTPException) as error:
        raise StorageUnavailableError(f"{parts.netloc} does not answer: {type(error).__name__}. Run again") from None
    finally:
        connection.close()
    if answer.status != _FOUND or len(data) > _MOST:
        raise StorageUnavailableError(f"{parts.netloc} answered with {answer.status} and {len(data)} bytes. Run again")
    return data
