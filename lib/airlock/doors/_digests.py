"""Digests of the source's files: what splits are named by, and what an auditor compares raw data with. Called by `anonymize`.

Raw digests tell whether a guess at a file is right, so they stay in zone `private`. They are kept there by the store's version of each
file: a file is hashed once, and raw data that were restored from a copy make the same release.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from airlock.errors import NotFoundError, SourceChangedError
from airlock.evidence.canonical import canonical_json
from airlock.keys import SubKeys
from airlock.plan.compile import INNER_REQUESTS
from airlock.storage import Store
from airlock.storage.sources import SourceFile

__all__ = ["DIGESTS", "sha256_of", "source_digests"]

DIGESTS = "digests.json"
"""Beside the runs of a dataset in zone `private`."""

ETAG = "etag:"

_BLOCK = 4 * 1024 * 1024

Kept = dict[str, tuple[str, str]]
"""By path: the version that was hashed, and its SHA-256."""


def source_digests(raw: Store, files: Iterable[SourceFile], private: Store, dataset: str, keys: SubKeys) -> dict[str, str]:
    """What each file is known by, by its path: its SHA-256, of which only new or changed files are read; of an object, whose store
    changes the etag with the content, `etag:` and that: it is not read for it. Needs the dataset's lease.

    Raises:
        SourceChangedError: A file changed since it was listed.
    """
    path, wanted = f"{dataset}/{DIGESTS}", list(files)
    if raw.local_path("") is None:
        return {file.path: f"{ETAG}{file.version}" for file in wanted}
    found = private.read_versioned(path)
    before = {} if found is None else _parsed(found[0], keys)
    new = [file for file in wanted if before.get(file.path, ("", ""))[0] != file.version]
    with ThreadPoolExecutor(os.cpu_count(), "hashing") as pool:
        made = dict(zip((file.path for file in new), pool.map(lambda file: _hashed(raw, file), new), strict=True))
    kept = {file.path: (file.version, made.get(file.path) or before[file.path][1]) for file in wanted}
    if kept != before:
        private.replace(path, _sealed(kept, keys), None if found is None else found[1])
    return {name: digest for name, (_, digest) in kept.items()}


def sha256_of(digest: str) -> str | None:
    """A file's SHA-256, if it was hashed."""
    return None if digest.startswith(ETAG) else digest


def _hashed(raw: Store, file: SourceFile) -> str:
    digest = hashlib.sha256()
    try:
        with raw.open_input(file.path) as source:
            while block := source.read(_BLOCK):
                digest.update(block)
        now = raw.stat(file.path)
    except NotFoundError:
        raise SourceChangedError(f"'{file.path}' is gone since it was listed. Run again", file=file.path) from None
    if (now.size, now.version) != (file.size, file.version):
        raise SourceChangedError(f"'{file.path}' changed since it was listed. Run again", file=file.path)
    return digest.hexdigest()


def _sealed(kept: Mapping[str, tuple[str, str]], keys: SubKeys) -> bytes:
    body = canonical_json({name: list(pair) for name, pair in kept.items()})
    return canonical_json({"digests": body.decode(), "mac": _mac(body, keys)})


def _parsed(data: bytes, keys: SubKeys) -> Kept:
    """What this key sealed; nothing otherwise: the files are hashed again."""
    try:
        envelope = json.loads(data)
        body = envelope["digests"].encode()
        if not hmac.compare_digest(envelope["mac"], _mac(body, keys)):
            return {}
        return {name: (version, digest) for name, (version, digest) in json.loads(body).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _mac(body: bytes, keys: SubKeys) -> str:
    return hmac.new(keys[INNER_REQUESTS["record"]], b"source digests\0" + body, hashlib.sha256).hexdigest()
