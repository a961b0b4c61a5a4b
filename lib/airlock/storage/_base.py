"""The contract of stores: one zone's files behind '/'-joined relative paths. Every door and the lease speak only this.

What a store promises is tested for every implementation by `tests/conformance/test_store_contract.py`.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, runtime_checkable

from airlock.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Self

    import pyarrow as pa
    import pyarrow.parquet as pq
    from _typeshed import ReadableBuffer

__all__ = [
    "PENDING",
    "TEMPORARY_PREFIX",
    "AlreadyExistsError",
    "ConflictError",
    "DigestWriter",
    "Entry",
    "Folder",
    "Store",
    "checked_path",
]

PENDING = ".pending"
"""The folder at a zone's root that no listing of the zone shows: files that are not published yet."""

TEMPORARY_PREFIX = ".new-"
"""Files that no listing shows: being written, about to appear under their real name."""


class AlreadyExistsError(Exception):
    """A create-only write found something at its path. Callers turn it into their own meaning; it never reaches a user."""

    def __init__(self, path: str) -> None:
        super().__init__(f"'{path}' exists already; a create-only write never replaces it")
        self.path = path

    def __reduce__(self) -> tuple[type[AlreadyExistsError], tuple[str]]:
        return type(self), (self.path,)


class ConflictError(Exception):
    """A compare-and-swap found another version than expected. Callers read again and decide; it never reaches a user."""

    def __init__(self, path: str) -> None:
        super().__init__(f"'{path}' is no longer the version that was read; read it again")
        self.path = path

    def __reduce__(self) -> tuple[type[ConflictError], tuple[str]]:
        return type(self), (self.path,)


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file of a store.

    Attributes:
        path: Relative to the zone, '/'-joined.
        size: In bytes.
        version: Text that changes whenever the content is replaced by another (an etag, or its like). An object store's may come
            back with the same content: what is swapped by its version never has the same content twice.
    """

    path: str
    size: int
    version: str


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies directly in a folder: its files, and the paths of its folders."""

    files: tuple[Entry, ...]
    folders: tuple[str, ...]


class DigestWriter(io.RawIOBase):
    """A binary writer that counts and hashes what passes through it; pyarrow's writers take it as a file.

    Example:
        >>> writer = DigestWriter(io.BytesIO())
        >>> writer.write(b"abc"), writer.size, writer.sha256[:8]
        (3, 3, 'ba7816bf')
    """

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__()
        self._raw = raw
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    @property
    def sha256(self) -> str:
        """Lower-case hex SHA-256 of the bytes written so far."""
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next byte goes: the writer only appends."""
        return self._size

    def write(self, data: ReadableBuffer, /) -> int:
        """Append `data` whole."""
        view = memoryview(data).cast("B")
        self._raw.write(view)
        self._hash.update(view)
        self._size += len(view)
        return len(view)

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        if not self._raw.closed:
            self._raw.flush()


@runtime_checkable
class Store(Protocol):
    """One zone. Paths are relative, '/'-joined, without '.', '..' or empty parts; anything else is a ConfigError.

    Every method may raise StorageUnavailableError (try again), ConfigError (not allowed to) and BoundaryError (a link leaves
    the zone). Stores are values: picklable, cheap to make, without open connections of their own.
    """

    @property
    def uri(self) -> str:
        """Where it is, for people; a local one is opened by it again."""
        ...

    def read(self, path: str) -> bytes:
        """The whole content. Raises NotFoundError."""
        ...

    def stat(self, path: str) -> Entry:
        """Size and version. Raises NotFoundError, for folders too."""
        ...

    def list(self, prefix: str = "", *, hidden: bool = False) -> Iterator[Entry]:
        """The file `prefix`, or every file below the folder `prefix`, sorted by path; uncommitted files only where `hidden` asks."""
        ...

    def folder(self, prefix: str = "") -> Folder:
        """What lies directly in the folder `prefix`, by one look that leaves what is below alone; empty where there is none."""
        ...

    def footer(self, entry: Entry) -> pq.FileMetaData:
        """The metadata of a listed Parquet file, by one request where the store is elsewhere. Raises NotFoundError.

        Raises pa.ArrowException or OSError, too: it is no Parquet file. Where its columns are encrypted, this or whoever reads it says so.
        """
        ...

    def open_input(self, path: str) -> pa.NativeFile:
        """Random access for pyarrow. Raises NotFoundError."""
        ...

    def fetch(self, path: str, ranges: Sequence[tuple[int, int]]) -> Sequence[pa.Buffer]:
        """The bytes of some ranges [start, stop) of a file, several at once where the store is elsewhere. Raises NotFoundError."""
        ...

    def open_output(self, path: str) -> AbstractContextManager[DigestWriter]:
        """Write a file that appears whole on clean exit; on an exception nothing stays. Raises AlreadyExistsError."""
        ...

    def create(self, path: str, data: bytes) -> str:
        """Create `path` with `data`, at once and only if absent; returns its version. Raises AlreadyExistsError."""
        ...

    def read_versioned(self, path: str) -> tuple[bytes, str] | None:
        """Content and its version, consistent with each other; None if absent."""
        ...

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        """Swap in `data` if the version is still `expected` (None: absent); returns the new one. Raises ConflictError."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file; absent is fine."""
        ...

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder `prefix`, which is never the zone itself; absent is fine."""
        ...

    def link_or_copy(self, source: str, target_store: Store, target: str) -> None:
        """Make `target` the same bytes as `source`, sharing them where possible. Raises NotFoundError, AlreadyExistsError."""
        ...

    def sweep(self, prefix: str = "", *, grace: float | None = None) -> int:
        """Remove half-written files whose writer is dead; returns how many.

        Args:
            prefix: Look only below this folder.
            grace: Seconds for which a new one is left alone. None: as long as a living writer may take, for others may write here;
                0: the caller is the one writer.
        """
        ...

    def local_path(self, path: str) -> Path | None:
        """Where the file would be on this machine's disk ('' is the zone itself); None if the store is elsewhere."""
        ...


def checked_path(path: str) -> str:
    """The path itself, if it is relative, '/'-joined and without '.', '..', empty or NUL-holding parts.

    Raises:
        ConfigError: It is not.

    Example:
        >>> checked_path("customers/current.json")
        'customers/current.json'
        >>> checked_path("../raw")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        airlock.errors.ConfigError: '../raw' is not a path inside a zone: it must be relative, without '.', '..' ...
    """
    parts = path.split("/")
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise ConfigError(
            f"{path!r} is not a path inside a zone: it must be relative, without '.', '..' or empty parts. Correct it"
        )
    return path
