"""Split records: what a task did, MACed, created once. Resume, progress and the manifest read them; later runs reuse them.

A record stands in zone `private` with its files, so that a staged run may be deleted while the work stays.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from airlock.evidence.canonical import canonical_json
from airlock.keys import SubKeys
from airlock.plan.compile import INNER_REQUESTS, Plan
from airlock.storage import AlreadyExistsError, ConflictError, Store
from airlock.storage.sources import Split

__all__ = ["ColumnCounts", "RecordedFile", "SplitRecord", "create_record", "read_record", "record_folder", "split_names"]


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One staged file of a split."""

    name: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """How often the tokens of one column occur in a split (`frequency` writes and reads it).

    Attributes:
        rows: Values that are not null.
        many: There are 10,000 different tokens or more; only those that stand out are counted.
        counted: Base64 of pairs of little-endian 64-bit words: a token's keyed fingerprint, and its count.
    """

    column: str
    rows: int
    many: bool
    counted: str


@dataclass(frozen=True, slots=True)
class SplitRecord:
    """What came out of a split.

    Attributes:
        files: Named relative to the run's staged data folder, and to the records' folder.
        rejects: Rejected rows by (column or '', code).
        known_rows: Written rows that were looked through for direct identifiers of theirs.
        known_found: Written cells that still held one, by column.
        frequencies: Of each column whose frequencies count.
        objects: Digest of the policies, rights and guards that preflight's verdict was of, under which it was made; empty: there was none.
        excluded: Places in the sorted list of excluded ids of those that had rows. The list is part of the record's name.
    """

    name: str
    files: tuple[RecordedFile, ...]
    rows_in: int
    rows_out: int
    suppressed: int
    rejects: tuple[tuple[str, str, int], ...]
    known_rows: int
    known_found: tuple[tuple[str, int], ...]
    frequencies: tuple[ColumnCounts, ...]
    excluded: tuple[int, ...] = ()
    objects: str = ""

    @property
    def rejected(self) -> int:
        """Rejected rows, whatever the reason."""
        return sum(count for _, _, count in self.rejects)


def split_names(
    splits: Iterable[Split],
    digests: Mapping[str, str],
    plan: Plan,
    keys: SubKeys,
    excluded: Sequence[str],
    *,
    more: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Each split's keyed name: HMAC-SHA-256 over what it reads, the program, the key ids and the exclusions; 32 hex digits.

    Args:
        splits: Of the source.
        digests: SHA-256 of the source's files by path.
        plan: The program.
        keys: Give the name's key, and the ids of all.
        excluded: Subjects that are left out.
        more: What else its work follows from: conclusions about the whole dataset.
    """
    shared = dict(more) | {
        "program": plan.digest,
        "keys": sorted(keys.ids[request] for request in plan.requests),
        "excluded": hashlib.sha256("\n".join(excluded).encode()).hexdigest(),
    }
    return [_name(shared | {"reads": _reads(split, digests)}, keys) for split in splits]


def _reads(split: Split, digests: Mapping[str, str]) -> list[list[Any]]:
    return [
        [piece.path, piece.size, digests[piece.path], list(piece.row_groups or ()), list(piece.byte_range or ())]
        for piece in split.pieces
    ]


def _name(what: dict[str, Any], keys: SubKeys) -> str:
    return hmac.new(keys[INNER_REQUESTS["name"]], canonical_json(what), hashlib.sha256).hexdigest()[:32]


def record_folder(dataset: str) -> str:
    """Where a dataset's records stand in zone `private`."""
    return f"{dataset}/splits"


def create_record(store: Store, dataset: str, record: SplitRecord, keys: SubKeys) -> SplitRecord:
    """Create a record if there is none; the first that this key made wins and is returned. One that it did not make gives way."""
    body = canonical_json(_to_dict(record))
    envelope = canonical_json({"record": body.decode(), "mac": _mac(body, keys)})
    path = f"{record_folder(dataset)}/{record.name}.json"
    while True:
        found = store.read_versioned(path)
        winner = None if found is None else _read(found[0], record.name, keys)
        if winner is not None:
            return winner
        with suppress(AlreadyExistsError, ConflictError):
            if found is None:
                store.create(path, envelope)
            else:
                store.replace(path, envelope, found[1])
            return record


def read_record(store: Store, dataset: str, name: str, keys: SubKeys) -> SplitRecord | None:
    """A split's record; None where there is none, or where it is not one that this key made (the split is done again)."""
    found = store.read_versioned(f"{record_folder(dataset)}/{name}.json")
    return None if found is None else _read(found[0], name, keys)


def _read(data: bytes, name: str, keys: SubKeys) -> SplitRecord | None:
    try:
        envelope = json.loads(data)
        body = envelope["record"].encode()
        if not hmac.compare_digest(envelope["mac"], _mac(body, keys)):
            return None
        record = _from_dict(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if record.name == name else None


def _mac(body: bytes, keys: SubKeys) -> str:
    return hmac.new(keys[INNER_REQUESTS["record"]], body, hashlib.sha256).hexdigest()


def _to_dict(record: SplitRecord) -> dict[str, Any]:
    return asdict(record)


def _from_dict(data: dict[str, Any]) -> SplitRecord:
    files = tuple(RecordedFile(**file) for file in data["files"])
    rejects = tuple((column, code, count) for column, code, count in data["rejects"])
    found = tuple((column, count) for column, count in data["known_found"])
    frequencies = tuple(ColumnCounts(**counts) for counts in data["frequencies"])
    excluded = tuple(data["excluded"])
    return SplitRecord(
        **(data | {"files": files, "rejects": rejects, "known_found": found, "frequencies": frequencies, "excluded": excluded})
    )
