"""Permits to use keys, as the embedded (one machine) door makes them: after its own boundary checks, for a while."""

from __future__ import annotations

import time

from airlock.doors._zones import require_disjoint
from airlock.evidence.canonical import canonical_json, sha256_hex
from airlock.keys import Permit
from airlock.settings import Settings

__all__ = ["local_permit"]


def local_permit(settings: Settings) -> Permit:
    """Check that zones and keys are apart, and permit the use of keys for `permit_minutes`.

    Raises:
        ZonesOverlapError: They are not apart.
    """
    require_disjoint(settings)
    verdict = {"check": "zones-disjoint", "settings": settings.only("zones.", "keys.")}
    return Permit(sha256_hex(canonical_json(verdict)), time.time() + 60 * settings.number("permit_minutes"))
