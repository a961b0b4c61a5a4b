"""Footers of raw objects, kept in zone `private` by the store's version of each: a source of many objects is planned by its listing.

On a disk a footer is read as fast as it is looked up, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from airlock.doors._zones import open_zone
from airlock.errors import ConfigError
from airlock.settings import Settings
from airlock.storage import ConflictError, Store
from airlock.storage.sources import Listing, pack_footers, unpack_footers
from airlock.storage.sources.known import Footer
from airlock.types import Zone

__all__ = ["FOOTERS", "forget_footers", "keep_footers", "known_footers"]

FOOTERS = "footers"
"""Beside the runs of a dataset in zone `private`."""


def known_footers(raw: Store, settings: Settings, dataset: str) -> Mapping[str, Footer]:
    """What an earlier run kept; nothing where zone `private` is not configured, or not for this identity: planning does not need it."""
    if raw.local_path("") is not None or not settings.has(Zone.PRIVATE):
        return {}
    with suppress(ConfigError):
        found = open_zone(settings, Zone.PRIVATE).read_versioned(f"{dataset}/{FOOTERS}")
        return {} if found is None else unpack_footers(found[0])
    return {}


def keep_footers(raw: Store, private: Store, dataset: str, listing: Listing) -> None:
    """Keep a listing's footers. Needs the dataset's lease."""
    if raw.local_path("") is not None:
        return
    path, data = f"{dataset}/{FOOTERS}", pack_footers(listing.files)
    found = private.read_versioned(path)
    if found is None or found[0] != data:
        with suppress(ConflictError):
            private.replace(path, data, None if found is None else found[1])


def forget_footers(private: Store, dataset: str) -> None:
    """Of files that are not what they were planned by."""
    private.delete(f"{dataset}/{FOOTERS}")
