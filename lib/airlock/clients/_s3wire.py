"""How S3 writes addresses and checksums. Called by `s3`."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from airlock.errors import ConfigError

__all__ = [
    "Credentials",
    "Facts",
    "Upload",
    "crc32_text",
    "date_of",
    "parsed_uri",
    "plain",
    "require_authority",
    "require_bare",
    "role_of",
]


def crc32_text(data: bytes) -> str:
    """As a header has it. Left to boto3, it trails the content over TLS, and a gateway that refuses early answers amid chunks unread.

    Example:
        >>> crc32_text(b"123456789")
        'y/Q5Jg=='
    """
    return b64encode(crc32(data).to_bytes(4, "big")).decode()


def plain(etag: str) -> str:
    """An etag without its quotes."""
    return etag.strip('"')


def date_of(answer: Mapping[str, Any]) -> datetime:
    """When the service says that it answered."""
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])


def role_of(arn: str) -> str:
    """One name for a role, whether its own ARN (with a path or without) or that of one of its sessions is given; others as they are.

    Example:
        >>> role_of("arn:aws:sts::123456789012:assumed-role/outer/session-1")
        'arn:aws:iam::123456789012:role/outer'
        >>> role_of("arn:aws:iam::123456789012:role/doors/outer")
        'arn:aws:iam::123456789012:role/outer'
    """
    parts = arn.split(":", 5)
    kind, *names = parts[-1].split("/")
    if kind == "role" and names:
        return ":".join([*parts[:-1], f"role/{names[-1]}"])
    if kind == "assumed-role" and names:
        return ":".join([*parts[:2], "iam", *parts[3:-1], f"role/{names[0]}"])
    return arn


def require_bare(endpoint: str) -> None:
    """Refuse an endpoint with more than a host and a port: a login in it would be shown, a path is not what both readers ask.

    Raises:
        ConfigError: It has more. Nothing of it is quoted.
    """
    parts = urlsplit(endpoint)
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise ConfigError("an endpoint is https://host:port, without user, path or query. Correct s3.endpoint, or the zone's")


def require_authority(ca: str | None) -> None:
    """Refuse a file that holds no certificate.

    Raises:
        ConfigError: It is not there, or is no PEM file of one.
    """
    if ca is None:
        return
    if not Path(ca).is_file():
        raise ConfigError(f"there is no CA file '{ca}'. Correct the zone's ca")
    try:
        ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, OSError):
        raise ConfigError(f"'{ca}' is no PEM file of a certificate authority. Correct s3.ca, or the zone's") from None


def parsed_uri(uri: str) -> tuple[str, str]:
    """Bucket, and prefix that is empty or ends with '/'. Raises ConfigError.

    Example:
        >>> parsed_uri("s3://pii-raw/crm")
        ('pii-raw', 'crm/')
    """
    parts = urlsplit(uri)
    path = parts.path.strip("/")
    odd = (
        parts.query or parts.fragment or "@" in parts.netloc or any(part in {"", ".", ".."} for part in path.split("/") if path)
    )
    if parts.scheme != "s3" or not parts.netloc or odd:
        raise ConfigError(
            "a zone's s3:// uri must be s3://bucket or s3://bucket/prefix, without '.', '..' or empty parts. Correct it"
        )
    return parts.netloc, f"{path}/" if path else ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One object.

    Attributes:
        etag: Without quotes.
    """

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What signs requests, as of now. No repr."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload under way."""

    key: str
    upload_id: str
    started: datetime
