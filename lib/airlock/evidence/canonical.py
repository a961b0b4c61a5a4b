"""Canonical JSON, digests and times: one value, one text. Everything that is signed, digested or compared goes through here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from airlock.types import Sha256

__all__ = ["canonical_json", "parse_canonical", "parse_time", "sha256_hex", "time_text"]

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no white space, UTF-8, no floats. Text is kept as it is: no Unicode normalisation.

    Raises:
        TypeError: The value holds a float, or anything else but text, integers, booleans, None, lists and mappings with text keys.
        ValueError: Text that is not Unicode (a lone surrogate).

    Example:
        >>> canonical_json({"b": [1, None], "a": "é"}).decode()
        '{"a":"é","b":[1,null]}'
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError("text for canonical JSON holds a lone surrogate, which UTF-8 can't express") from None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON takes text keys, found {type(key).__name__}")
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(f"canonical JSON takes text, integers, booleans, None, lists and mappings; found {type(value).__name__}")


def parse_canonical(data: bytes) -> Any:
    """Read canonical JSON, and nothing else: duplicate keys, white space, floats and other spellings are refused.

    Raises:
        ValueError: It is not canonical JSON. The message quotes nothing of it.

    Example:
        >>> parse_canonical(b'{"a":1, "b":2}')
        Traceback (most recent call last):
        ValueError: not canonical JSON
    """
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
        same = canonical_json(value) == data
    except (ValueError, TypeError, RecursionError):
        raise ValueError("not canonical JSON") from None
    # A duplicate key loses one of its values on the way, so the bytes differ.
    if not same:
        raise ValueError("not canonical JSON")
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError("not canonical JSON")


def sha256_hex(data: bytes) -> Sha256:
    """Lower-case hex SHA-256.

    Example:
        >>> sha256_hex(b"abc")
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    return Sha256(hashlib.sha256(data).hexdigest())


def time_text(time: datetime) -> str:
    """A time as evidence writes it: UTC, whole seconds, RFC 3339 with `Z`.

    Raises:
        ValueError: The time has no zone.

    Example:
        >>> time_text(datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
        '2026-11-22T10:30:00Z'
    """
    if time.tzinfo is None:
        raise ValueError("a time without a zone can't stand in evidence")
    return time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def parse_time(text: str) -> datetime:
    """The time that `time_text` wrote.

    Raises:
        ValueError: Another spelling.
    """
    try:
        time = datetime.strptime(text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("not a time of the form 2026-11-22T10:30:00Z") from None
    if time_text(time) != text:
        raise ValueError("not a time of the form 2026-11-22T10:30:00Z")
    return time
