"""Bring recorded splits into a run's staged folder: link their files there and make sure of every digest. Called by `anonymize`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from airlock.engines.records import RecordedFile, SplitRecord, record_folder
from airlock.errors import NotFoundError
from airlock.storage import AlreadyExistsError, Store
from airlock.storage.at_once import at_once

__all__ = ["adopt"]

_BLOCK = 4 * 1024 * 1024


def adopt(
    private: Store,
    staging: Store,
    base: str,
    records: Iterable[SplitRecord],
    *,
    just_written: frozenset[str] = frozenset(),
    objects: str | None = None,
) -> set[str]:
    """Make every record's files stand in the run's data folder; returns the names of the records that do.

    Args:
        private: Where records and their files are kept.
        staging: Where the run is staged.
        base: `<dataset>/<run>`.
        records: What to bring in.
        just_written: Splits that this run's own tasks finished: their digests were made from the bytes as they were written.
        objects: What preflight's verdict is of; None: there is none.

    A record whose file is gone or has another digest is deleted, and under a verdict one that was not made under one of the same objects: its
    split is done again.
    """

    def is_usable(record: SplitRecord) -> bool:
        fresh = record.name in just_written
        same = objects is None or record.objects == objects
        if same and all(_present(private, staging, base, file, fresh=fresh) for file in record.files):
            return True
        private.delete(f"{record_folder(base.partition('/')[0])}/{record.name}.json")
        return False

    wanted = list(records)
    return {record.name for record, usable in zip(wanted, at_once(staging, is_usable, wanted), strict=True) if usable}


def _present(private: Store, staging: Store, base: str, file: RecordedFile, *, fresh: bool) -> bool:
    kept, target = f"{record_folder(base.partition('/')[0])}/{file.name}", f"{base}/data/{file.name}"
    try:
        private.link_or_copy(kept, staging, target)
    except AlreadyExistsError:
        if fresh:
            return True
    except NotFoundError:
        return False
    if _sha256(staging, target) == file.sha256:
        return True
    staging.delete(target)
    private.delete(kept)
    return False


def _sha256(store: Store, path: str) -> str:
    digest = hashlib.sha256()
    with store.open_input(path) as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
