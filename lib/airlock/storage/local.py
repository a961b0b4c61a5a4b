"""A zone on a local (or mounted) file system. The embedded default, and the reference for every other store.

Nothing is ever changed in place: content is written under a temporary name, made durable, then linked or renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from airlock.errors import BoundaryError, NotFoundError
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
from airlock.storage._disk import (
    NO_HARD_LINK,
    FileWriter,
    locked_folder,
    make_folder,
    place,
    swept,
    sync_folder,
    temporary,
    translated,
    version_of,
)
from airlock.storage._footer import read_footer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["LocalStore"]

_COPY_BYTES = 1 << 20
_GRACE = 60.0
"""Seconds after which a writer holds its file's lock."""


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A folder as a zone. It need not exist: the first write makes it.

    Attributes:
        root: Absolute.
    """

    root: Path

    @property
    def uri(self) -> str:
        """The folder as a `file://` uri."""
        return self.root.as_uri()

    def read(self, path: str) -> bytes:
        """The whole content."""
        with translated(path), self._open(path) as file:
            return file.read()

    def stat(self, path: str) -> Entry:
        """Size and version."""
        with translated(path):
            status = self._resolve(path).stat()
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return Entry(path, status.st_size, version_of(status))

    def list(self, prefix: str = "", *, hidden: bool = False) -> Iterator[Entry]:
        """The file `prefix`, or every file below the folder `prefix`, sorted by path."""
        with translated(prefix):
            start = self._resolve(prefix) if prefix else self.root
            if start.is_dir():
                yield from self._walk(start, prefix, hidden=hidden)
            elif start.exists():
                yield self.stat(prefix)

    def folder(self, prefix: str = "") -> Folder:
        """What lies directly in a folder."""
        with translated(prefix):
            start = self._resolve(prefix) if prefix else self.root
            if not start.is_dir():
                return Folder((), ())
            found = list(self._look(start, prefix, hidden=False))
        return Folder(
            tuple(entry for _, entry in found if entry is not None), tuple(path for path, entry in found if entry is None)
        )

    def open_input(self, path: str) -> pa.NativeFile:
        """Random access for pyarrow."""
        with translated(path):
            found = self._resolve(path)
            if not stat.S_ISREG(found.stat().st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return pa.OSFile(str(found), "rb")

    def fetch(self, path: str, ranges: Sequence[tuple[int, int]]) -> Sequence[pa.Buffer]:
        """The bytes of some ranges of a file."""
        with self.open_input(path) as file, translated(path):
            return [pa.py_buffer(file.read_at(stop - start, start)) for start, stop in ranges]

    @contextmanager
    def open_output(self, path: str) -> Iterator[DigestWriter]:
        """Write a file that appears whole on clean exit."""
        with ExitStack() as stack:
            with translated(path):
                target = self._slot(path)
                if os.path.lexists(target):
                    raise AlreadyExistsError(path)
                file, made = stack.enter_context(temporary(target.parent))
            # Outside `translated`: the body's own errors are not about this path.
            yield FileWriter(file, path)
            with translated(path):
                stack.close()
                self._place(made, target, path)

    def create(self, path: str, data: bytes) -> str:
        """Create `path` with `data`, at once and only if absent."""
        with translated(path):
            target = self._slot(path)
            with temporary(target.parent) as (file, made):
                file.write(data)
            version = version_of(made.stat())
            self._place(made, target, path)
        return version

    def read_versioned(self, path: str) -> tuple[bytes, str] | None:
        """Content and its version: a file is replaced, never changed, so one descriptor sees both."""
        try:
            with translated(path), self._open(path) as file:
                return file.read(), version_of(os.fstat(file.fileno()))
        except NotFoundError:
            return None

    def replace(self, path: str, data: bytes, expected: str | None) -> str:
        """Swap in `data` if the version is still `expected` (None: absent)."""
        with translated(path):
            target = self._slot(path)
            with locked_folder(target.parent):
                status = target.lstat() if os.path.lexists(target) else None
                if (status and version_of(status)) != expected:
                    raise ConflictError(path)
                with temporary(target.parent, newer_than=status.st_mtime_ns if status else 0) as (file, made):
                    file.write(data)
                version = version_of(made.stat())
                self._swap(made, target, create=status is None)
        return version

    def delete(self, path: str) -> None:
        """Remove a file; absent is fine."""
        with translated(path):
            target = self._slot(path)
            try:
                target.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            sync_folder(target.parent)

    def delete_tree(self, prefix: str) -> None:
        """Remove everything below the folder `prefix`; absent is fine."""
        with translated(prefix):
            target = self._slot(prefix)
            if target.is_symlink():
                target.unlink()
            elif target.is_dir():
                shutil.rmtree(target)
                sync_folder(target.parent)

    def link_or_copy(self, source: str, target_store: Store, target: str) -> None:
        """Make `target` the same bytes as `source`: a hard link on one file system, else a copy."""
        self.stat(source)
        goal = target_store.local_path(target)
        if goal is None or not self._link(self._resolve(source), goal, target):
            with translated(source), self._open(source) as file, target_store.open_output(target) as out:
                shutil.copyfileobj(file, out, _COPY_BYTES)

    def footer(self, entry: Entry) -> pq.FileMetaData:
        """The metadata of a Parquet file."""
        with ExitStack() as stack:
            with translated(entry.path):
                file = stack.enter_context(self._open(entry.path))
                size = os.fstat(file.fileno()).st_size
            # Outside `translated`: what is wrong with the content is not about the disk.
            return read_footer(file, size)

    def sweep(self, prefix: str = "", *, grace: float | None = None) -> int:
        """Remove half-written files; a living writer holds its file's lock."""
        root = self._resolve(prefix) if prefix else self.root
        if not root.is_dir():
            return 0
        with translated("."):
            return swept(root, _GRACE if grace is None else grace)

    def local_path(self, path: str) -> Path | None:
        """Where the file would be on this machine's disk."""
        return self._resolve(path) if path else self.root

    def _resolve(self, path: str) -> Path:
        # As text: pathlib takes twice as long, and ten thousand files are looked at before a run starts.
        root = os.path.realpath(self.root)
        found = os.path.realpath(f"{root}/{checked_path(path)}")
        if not found.startswith(root.rstrip("/") + "/"):
            raise BoundaryError(
                f"'{path}' is a link that leaves its zone. Remove the link, or copy the file into the zone", path=path
            )
        return Path(found)

    def _slot(self, path: str) -> Path:
        """Where a name is written or removed: its folder is resolved, the name itself is never followed."""
        folder, _, name = checked_path(path).rpartition("/")
        return (self._resolve(folder) if folder else self.root.resolve()) / name

    def _open(self, path: str) -> BinaryIO:
        descriptor = os.open(self._resolve(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return os.fdopen(descriptor, "rb")

    def _walk(self, folder: Path, prefix: str, *, hidden: bool) -> Iterator[Entry]:
        for path, entry in self._look(folder, prefix, hidden=hidden):
            if entry is None:
                yield from self._walk(folder / path.rpartition("/")[2], path, hidden=hidden)
            else:
                yield entry

    def _look(self, folder: Path, prefix: str, *, hidden: bool) -> Iterator[tuple[str, Entry | None]]:
        """What a folder holds, by path; None for a folder of its own. In the order in which a whole walk is sorted by path."""
        with os.scandir(folder) as found:
            shown = [item for item in found if hidden or not _is_hidden(item.name)]
        # A folder sorts as its name with '/': the whole walk then comes out sorted by path.
        for item in sorted(shown, key=lambda item: item.name + "/" * item.is_dir(follow_symlinks=False)):
            path = f"{prefix}/{item.name}" if prefix else item.name
            if item.is_dir(follow_symlinks=False):
                yield path, None
            elif item.is_dir():
                raise BoundaryError(f"'{path}' is a link to a folder. Replace it by the folder itself", path=path)
            elif item.is_symlink():
                yield path, self.stat(path)
            else:
                with suppress(FileNotFoundError):  # deleted since the folder was read
                    status = item.stat(follow_symlinks=False)
                    yield path, Entry(path, status.st_size, version_of(status))

    def _place(self, made: Path, target: Path, path: str) -> None:
        try:
            place(made, target, path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise

    def _swap(self, made: Path, target: Path, *, create: bool) -> None:
        try:
            if create:
                place(made, target, target.name, held=True)
            else:
                made.replace(target)
                sync_folder(target.parent)
        except AlreadyExistsError:
            made.unlink(missing_ok=True)
            raise ConflictError(target.name) from None
        except BaseException:
            made.unlink(missing_ok=True)
            raise

    def _link(self, source: Path, goal: Path, target: str) -> bool:
        with translated(target):
            make_folder(goal.parent)
            try:
                os.link(source, goal)
            except FileExistsError:
                raise AlreadyExistsError(target) from None
            except OSError as error:
                if error.errno in NO_HARD_LINK:
                    return False
                raise
            sync_folder(goal.parent)
        return True


def _is_hidden(name: str) -> bool:
    return name == PENDING or name.startswith(TEMPORARY_PREFIX)
