"""Enums and names that every layer shares."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

__all__ = ["Classification", "DatasetName", "Isolation", "RunId", "RunState", "Separation", "Sha256", "Zone"]

DatasetName = NewType("DatasetName", str)
RunId = NewType("RunId", str)
Sha256 = NewType("Sha256", str)
"""Lower-case hex SHA-256, 64 characters."""


class Classification(StrEnum):
    """What a column says about a person (the field's four words)."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    INSENSITIVE = "insensitive"


class Zone(StrEnum):
    """The four places. The inner door sees raw, private and staging; the outer door staging and sanitized."""

    RAW = "raw"
    PRIVATE = "private"
    STAGING = "staging"
    SANITIZED = "sanitized"


class RunState(StrEnum):
    """Where a run stands."""

    OPEN = "open"
    STAGED = "staged"
    RELEASED = "released"
    REFUSED = "refused"
    REVOKED = "revoked"


class Separation(StrEnum):
    """Whether the two doors ran apart: two identities, or one process tree on one machine."""

    NONE = "none"
    IDENTITIES = "identities"


class Isolation(StrEnum):
    """What is known of the network around a run."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    NONE = "none"
