"""Bring recorded splits into a run's staged folder: link their files there and make sure of every digest. Called by `anonymize`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from airlock.engines.records import RecordedFile, SplitRecord, record_folder
from airlock.errors import NotFoundError
from airlock.storage import AlreadyExistsError, Store

__all__ = ["adopt"]

_BLOCK = 4 * 1024 * 1024


def adopt(private: Store, staging: Store, dataset: str, run: str, records: Iterable[SplitRecord]) -> set[str]:
    """Make every record's files stand in the run's data folder; returns the names of the records that do.

    A record whose file is gone or has another digest is deleted: its split is done again.
    """
    usable = set()
    for record in records:
        if all(_present(private, staging, dataset, run, file) for file in record.files):
            usable.add(record.name)
        else:
            private.delete(f"{record_folder(dataset)}/{record.name}.json")
    return usable


def _present(private: Store, staging: Store, dataset: str, run: str, file: RecordedFile) -> bool:
    target = f"{dataset}/{run}/data/{file.name}"
    try:
        private.link_or_copy(f"{record_folder(dataset)}/{file.name}", staging, target)
    except AlreadyExistsError:
        pass
    except NotFoundError:
        return False
    if _sha256(staging, target) == file.sha256:
        return True
    staging.delete(target)
    private.delete(f"{record_folder(dataset)}/{file.name}")
    return False


def _sha256(store: Store, path: str) -> str:
    digest = hashlib.sha256()
    with store.open_input(path) as source:
        while block := source.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
