"""A zone in a bucket. Objects are written whole or not at all, and over another only under a condition; nothing is locked or renamed.

Bytes are read through `pyarrow.fs` and written through the session's own requests: pyarrow's writer completes an upload even where
its `with` block fails (apache/arrow#40502), and knows no conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from airlock.clients.s3 import Facts, PreconditionError, S3Session, s3_session
from airlock.errors import ConfigError, NotFoundError
from airlock.policy.unlisted import shown_path
from airlock.settings import Location
from airlock.storage._base import (
    PENDING,
    TEMPORARY_PREFIX,
    AlreadyExistsError,
    ConflictError,
    DigestWriter,
    Entry,
    Folder,
    Store,
    checked_path,
)
from airlock.storage._s3 import ObjectReader, ObjectWriter, fetch, file_system, patiently

__all__ = ["S3Store", "caller_of", "checked_location"]

_COPY_BYTES = 8 << 20
_GRACE = 24 * 3600.0
_PARQUET = ds.ParquetFileFormat()


@dataclass(frozen=True, slots=True)
class S3Store:
    """A bucket, or a prefix in one, as a zone. The bucket exists; nothing here makes one.

    Versions are etags: other content has another one, the same content may have the same.
    """

    location: Location

    @property
    def uri(self) -> str:
        """`s3://bucket/prefix`."""
        return self.location.uri

    def read(self, path: str) -> bytes:
        """The whole content."""
        return self._session.get(self._key(path))[0]

    def stat(self, path: str) -> Entry:
        """Size and etag."""
        return self._entry(self._session.head(self._key(path)))

    def list(self, prefix: str = "", *, hidden: bool = False) -> Iterator[Entry]:
        """The object `prefix`, or every object below it, sorted by path."""
        last = ""
        for entry in self._listed(prefix):
            if entry.path < last:
                raise ConfigError(f"{self.uri} lists '{shown_path(entry.path)}' out of order; a store that sorts is needed")
            last = entry.path
            if hidden or not _is_hidden(entry.path, prefix):
                yield entry

    def folder(self, prefix: str = "") -> Folder:
        """What lies directly in a folder."""
        base = self._base(prefix)
        files: list[Entry] = []
        folders: list[str] = []
        for objects, prefixes in self._session.pages(base, delimiter="/"):
            files += [self._entry(found) for found in objects if found.key != base]
            folders += [self._checked_path(self._path(found[:-1])) for found in prefixes]
        shown = [entry for entry in files if not _is_hidden(entry.path, prefix)]
        return Folder(tuple(shown), tuple(path for path in folders if not _is_hidden(path, prefix)))

    def open_input(self, path: str) -> pa.NativeFile:
        """Random access for pyarrow."""
        key = self._key(path)
        session = self._session
        reader = ObjectReader(session.location, f"{session.bucket}/{key}", path)
        return pa.PythonFile(reader, mode="r")

    def footer(self, entry: Entry) -> pq.FileMetaData:
        """The metadata of a Parquet file, whose size is known: one request, made and parsed outside of Python."""
        session, key = self._session, self._key(entry.path)
        files = file_system(session.location)
        fragment = _PARQUET.make_fragment(f"{session.bucket}/{key}", files, file_size=entry.size)
        return patiently(entry.path, lambda: fragment.metadata, look=lambda: self.stat(entry.path))

    def fetch(self, path: str, ranges: Sequence[tuple[int, int]]) -> Sequence[pa.Buffer]:
        """The bytes of some ranges of an object, in requests of a few MiB, several at once."""
        session, key = self._session, self._key(path)
        files = file_system(session.location)
        return fetch(files, f"{session.bucket}/{key}", path, ranges)

    @contextmanager
    def open_output(self, path: str) -> Iterator[DigestWriter]:
        """Write an object that appears whole on clean exit; on an exception its parts are freed."""
        key = self._key(path)
        if self._exists(key):
            raise AlreadyExistsError(path)
        with ObjectWriter(self._session, key) as raw:
            yield DigestWriter(cast("BinaryIO", raw))
            try:
                raw.finish()
            except PreconditionError:
                raise AlreadyExistsError(path) from None

    def create(self, path: str, data: bytes) -> str:
        """Create `path` with `data`, at once and only if absent."""
        try:
            return self._session.put(self._key(path), data, absent=True)
        except PreconditionError:
            raise AlreadyExistsError(path) from None

    def read_versioned(self, path: str) -> tuple[bytes, str] | None:
        """Content and its etag, of one answer."""
        with suppress(NotFoundError):
            return self._session.get(self._key(path))
        return None

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        """Swap in `data` if the etag is still `expected` (None: absent)."""
        try:
            return self._session.put(self._key(path), data, match=expected, absent=expected is None)
        except PreconditionError:
            raise ConflictError(path) from None

    def delete(self, path: str) -> None:
        """Remove an object; absent is fine."""
        self._session.delete(self._key(path))

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder `prefix`, half-written uploads too; absent is fine."""
        base = self._base(checked_path(prefix))
        for upload in self._session.uploads(base):
            self._session.abort(upload)
        for objects, _ in self._session.pages(base):
            self._session.delete_all([found.key for found in objects])

    def link_or_copy(self, source: str, target_store: Store, target: str) -> None:
        """Make `target` the same bytes as `source`: within one service by its own copy."""
        key = self._key(source)
        self._session.head(key)
        if isinstance(target_store, S3Store) and _is_one_service(self.location, target_store.location):
            goal = target_store._key(target)  # noqa: SLF001 - another of this class
            if target_store._exists(goal):  # noqa: SLF001
                raise AlreadyExistsError(target)
            try:
                self._session.copy(key, target_store._session, goal)  # noqa: SLF001
            except PreconditionError:
                raise AlreadyExistsError(target) from None
            return
        with self.open_input(source) as file, target_store.open_output(target) as out:
            while block := file.read(_COPY_BYTES):
                out.write(block)

    def sweep(self, prefix: str = "", *, grace: float | None = None) -> int:
        """Abort multipart uploads. No lock tells whether their writers live: others' are left for a day, by the service's clock."""
        found = list(self._session.uploads(self._base(prefix)))
        if found and grace != 0:
            since = self._session.server_time() - timedelta(seconds=_GRACE if grace is None else grace)
            found = [upload for upload in found if upload.started <= since]
        for upload in found:
            self._session.abort(upload)
        return len(found)

    def local_path(self, path: str) -> Path | None:  # noqa: ARG002 - the contract's
        """None: an object is on no disk of this machine."""
        return None

    # --- keys ---------------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> S3Session:
        return s3_session(self.location)

    @property
    def _prefix(self) -> str:
        return self._session.prefix

    def _key(self, path: str) -> str:
        return self._prefix + checked_path(path)

    def _base(self, prefix: str) -> str:
        return f"{self._key(prefix)}/" if prefix else self._prefix

    def _path(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _entry(self, found: Facts) -> Entry:
        return Entry(self._path(found.key), found.size, found.etag)

    def _exists(self, key: str) -> bool:
        with suppress(NotFoundError):
            self._session.head(key)
            return True
        return False

    def _listed(self, prefix: str) -> Iterator[Entry]:
        """Objects without the empty ones that consoles make for folders."""
        empty = True
        for objects, _ in self._session.pages(self._base(prefix)):
            for found in objects:
                empty = False
                if not (found.key.endswith("/") and found.size == 0):
                    yield self._checked(found)
        if empty and prefix:
            with suppress(NotFoundError):
                yield self.stat(prefix)

    def _checked(self, found: Facts) -> Entry:
        entry = self._entry(found)
        self._checked_path(entry.path)
        return entry

    def _checked_path(self, path: str) -> str:
        try:
            return checked_path(path)
        except ConfigError:
            shown = shown_path(path)
            raise ConfigError(
                f"{self.uri} holds an object whose key is no path, {shown!r}. Remove it, or copy it under another key"
            ) from None


def _is_hidden(path: str, below: str) -> bool:
    """Whether a listing of `below` leaves it out, as on a disk: what is pending, and what is being written."""
    parts = path.removeprefix(below).split("/")
    return any(part == PENDING or part.startswith(TEMPORARY_PREFIX) for part in parts)


def _is_one_service(one: Location, other: Location) -> bool:
    return (one.endpoint, one.region, one.identity) == (other.endpoint, other.region, other.identity)


def checked_location(location: Location) -> Location:
    """The location, if its uri names a bucket and a path in it. Raises ConfigError."""
    s3_session(location)
    return location


def caller_of(location: Location) -> str:
    """Who a location is reached as: a role, or the id of an access key. Asks no service. Raises ConfigError where that can't be told."""
    return s3_session(location).caller()
