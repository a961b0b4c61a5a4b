"""Small signed documents over plain HTTP, from a pod of the same zone. What they say is believed for their signature alone. Called by `evidence`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, IncompleteRead
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
    host, port, path = _parts(url)
    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        with _deadline(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            data = answer.read(_MOST + 1)
            if len(data) <= _MOST and answer.length:
                raise IncompleteRead(data)
    # Whoever answers, answers with whatever it likes: http.client raises ValueError at some of it.
    except (OSError, HTTPException, ValueError) as error:
        raise StorageUnavailableError(f"{host}:{port} does not answer: {type(error).__name__}. Run again") from None
    finally:
        connection.close()
    if answer.status != _FOUND or len(data) > _MOST:
        raise StorageUnavailableError(f"{host}:{port} answered with {answer.status} and {len(data)} bytes. Run again")
    return data


def _parts(url: str) -> tuple[str, int, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        fit = parts.scheme == "http" and bool(host) and parts.username is None and host.isascii()
    except ValueError:
        fit = False
    if not fit:
        raise ConfigError("the address of preflight's verdict is none: expected http://HOST:PORT. Correct isolation.preflight")
    return host, port, parts.path or "/"


@contextmanager
def _deadline(connection: HTTPConnection) -> Iterator[None]:
    """For the whole of an exchange: one that trickles, headers and all, would hold up who has to notice."""
    connection.connect()
    late = threading.Event()

    def end(connected: socket.socket) -> None:
        late.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    ending = threading.Timer(_SECONDS, end, [connection.sock])
    ending.daemon = True
    ending.start()
    try:
        yield
    finally:
        ending.cancel()
    if late.is_set():  # what was read until then, http.client may take for whole
        raise TimeoutError
