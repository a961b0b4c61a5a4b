"""Who a door is to an object store, as a digest: the inner door signs it with what it stages, the outer door refuses its own.

Where each door has a configuration of its own, neither knows the other's identity; so one identity given to both shows here.
"""

from __future__ import annotations

from airlock.errors import ZonesOverlapError
from airlock.evidence.canonical import sha256_hex
from airlock.settings import Settings
from airlock.storage import caller_of
from airlock.types import Zone

__all__ = ["caller_digest", "require_other_caller"]


def caller_digest(settings: Settings, zone: Zone) -> str | None:
    """SHA-256 of the role or access key id that a zone is reached as; None where it is on a disk."""
    location = settings.zone(zone)
    return sha256_hex(f"airlock caller\0{caller_of(location)}".encode()) if location.is_object_store else None


def require_other_caller(caller: str | None, settings: Settings, run: str) -> None:
    """Refuse a run that was staged by the identity which would publish it.

    Raises:
        ZonesOverlapError: It was. The run waits, as it is not to blame.
    """
    own = {caller_digest(settings, Zone.SANITIZED), caller_digest(settings.outer(), Zone.STAGING)}
    if caller is not None and caller in own:
        raise ZonesOverlapError(
            f"run '{run}' was staged by the identity that this door has, too: no identity may reach both sides. Give the "
            "outer door one of its own (zones.sanitized.identity); the run waits",
            zones=[Zone.RAW, Zone.SANITIZED],
        )
