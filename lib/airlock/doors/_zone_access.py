"""What the inner door's identity may do at the stores: raw data read and not written, staging written, sanitized and foreign buckets not. Called by `preflight`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from airlock.clients.s3 import S3Session, s3_session
from airlock.doors._zone_looks import Found
from airlock.errors import AirlockError, ConfigError, StorageUnavailableError
from airlock.settings import Location

__all__ = ["Stores", "zone_access"]

_TRIED = ".airlock-preflight"
"""Prefix below which writes are tried: no dataset's name begins with a dot."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Buckets, with the identity under which each is asked.

    Attributes:
        raw: May be read, and not written.
        written: Staging, and what stays on the raw side: may be written.
        never: Sanitized buckets, and such as are no business of the inner door's: neither read nor written, under its
            own identity or with keys that somebody brings along. They answer with a refusal: those that no way leads to, probes are for.
    """

    raw: Location
    written: tuple[Location, ...]
    never: tuple[Location, ...]


def zone_access(stores: Stores) -> Found:
    """Try each of it. An object that a write which should be refused has left is deleted, where that is let.

    Raises:
        StorageUnavailableError: A store that must answer does not.
        ConfigError: It refuses what must be allowed, or there is no such bucket.
    """
    wrong = []
    raw = s3_session(stores.raw)
    _read(raw)
    if _may(lambda: _write(raw)):
        wrong.append(f"{stores.raw.uri} can be written, and raw data are read alone")
    for place in stores.written:
        _write(s3_session(place))
    for place in stores.never:
        session, whose = s3_session(place), "" if place.identity == stores.raw.identity else " with somebody else's keys"
        wrong += [
            f"{place.uri} can be {what}{whose}, and the inner door has no business there"
            for what, act in (("written", lambda: _write(session)), ("read", lambda: _read(session)))  # noqa: B023 - called at once
            if _may(act)
        ]
    return wrong, f"raw data can be read and not written, {len(stores.written)} buckets written, {len(stores.never)} neither"


def _read(session: S3Session) -> None:
    page, _ = next(iter(session.pages(session.prefix)), ([], []))
    with_bytes = [one for one in page if one.size]
    if with_bytes:
        session.get_byte(with_bytes[0].key)


def _write(session: S3Session) -> None:
    key = f"{session.prefix}{_TRIED}/{secrets.token_hex(8)}"
    session.put(key, b"preflight")
    with suppress(ConfigError, StorageUnavailableError):  # written is written
        session.delete(key)


def _may(act: Callable[[], None]) -> bool:
    """Whether it can be done; only a refusal says that it can't: who does not answer, may another time."""
    try:
        act()
    except AirlockError as error:
        if not error.facts.get("denied"):
            raise
        return False
    return True
