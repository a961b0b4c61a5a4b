"""Files written where no reader sees them until they are committed. A door's parent process owns them, its workers write them.

On a local disk: a hidden 0700 folder at the zone's root, so that a commit is one rename a file. The owner holds the folder's
lock; the system frees it when the owner dies, and `sweep` removes what has no owner.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.errors import ConfigError, IntegrityError, LeaseHeldError
from airlock.storage import open_store
from airlock.storage._base import PENDING_PREFIX, TEMPORARY_PREFIX, AlreadyExistsError, Store, checked_path
from airlock.storage._disk import FileWriter, make_folder, place, sync_folder, temporary, translated, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["PendingFile", "PendingFiles", "PendingTarget", "PendingWriter", "sweep"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, order=True)
class PendingFile:
    """One finished file, ready to be committed.

    Attributes:
        path: Where it goes, relative to the zone.
        sha256: Of its content, lower-case hex.
        size: In bytes.
        token: What the store knows it by until then.
    """

    path: str
    sha256: str
    size: int
    token: str


class PendingWriter(FileWriter):
    """A binary writer of one pending file: finished on leaving its `with` block, discarded if an exception leaves it."""

    def __init__(self, folder: Path, path: str) -> None:
        self._final = folder / checked_path(path)
        self._stack = ExitStack()
        self._result: PendingFile | None = None
        with translated(path):
            file, self._made = self._stack.enter_context(temporary(self._final.parent))
        super().__init__(file, path)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.finish()
        else:
            self._stack.__exit__(kind, error, trace)
        self.close()

    def finish(self) -> PendingFile:
        """Make the file durable; a second call returns the same. An earlier pending file of the same path is replaced."""
        if self._result is None:
            with translated(self._path):
                self._stack.close()
                token = version_of(self._made.stat())
                self._made.replace(self._final)
                sync_folder(self._final.parent)
            self._result = PendingFile(self._path, self.sha256, self.size, token)
        return self._result


@dataclass(frozen=True, slots=True)
class PendingTarget:
    """Where to write pending files: a value that goes to worker processes."""

    uri: str
    name: str

    def open(self, path: str) -> PendingWriter:
        """A writer for the file that a commit will put at `path`; its `finish()` says what was written."""
        return PendingWriter(_folder(open_store(self.uri), self.name), path)


class PendingFiles:
    """The pending files of one owner. Leaving the `with` block discards what was not committed.

    A killed owner leaves them as they are: the same name, opened again, goes on with them.
    """

    def __init__(self, store: Store, name: str) -> None:
        """Take the ownership of `name`.

        Raises:
            LeaseHeldError: Another living process owns it.
            ConfigError: The store can't hold pending files.
        """
        self._store = store
        self.target = PendingTarget(store.uri, name)
        self._folder = _folder(store, name)
        self._lock: int | None = _own(self._folder, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def open(self, path: str) -> PendingWriter:
        """A writer for the file that a commit will put at `path`."""
        return self.target.open(path)

    def commit(self, files: Iterable[PendingFile]) -> None:
        """Move each file to its path, create-only, and discard all others.

        Interrupted half-way, it is called again with the same files (by another process too) and finishes. All files are
        looked at before the first is moved.

        Raises:
            AlreadyExistsError: Something else is at a file's path.
            IntegrityError: A pending file is gone or is not the one that was written.
        """
        waiting = [file for file in sorted(files) if self._waits(file)]
        for file in waiting:
            with translated(file.path):
                target = self._target(file.path)
                make_folder(target.parent)
                place(self._folder / file.path, target, file.path)
        self.abort()

    def abort(self) -> None:
        """Discard every pending file; a second call does nothing."""
        if self._lock is None:
            return
        with translated(self._folder.name):
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
        self._lock = None

    def _waits(self, file: PendingFile) -> bool:
        with translated(file.path):
            here = _token(self._folder / checked_path(file.path))
            there = _token(self._target(file.path))
        if there is not None and there != file.token:
            raise AlreadyExistsError(file.path)
        if here not in {file.token, None} or (here is None and there is None):
            raise IntegrityError(
                f"the pending file for '{file.path}' is not the one that was written. Nothing was committed; run again",
                path=file.path,
            )
        return there is None

    def _target(self, path: str) -> Path:
        found = self._store.local_path(path)
        assert found is not None  # _folder() took the store
        return found


def sweep(store: Store, prefix: str = "", *, grace: float = 60.0) -> int:
    """Remove pending folders and half-written files whose owner is dead; returns how many.

    Args:
        store: The zone.
        prefix: Look only below this folder, of which the caller is the one writer.
        grace: Seconds for which a new file is left alone: its writer may not hold its lock yet. (The owner of a folder that
            goes before it is locked makes it anew.)
    """
    root = store.local_path(prefix)
    if root is None or not root.is_dir():
        return 0
    with translated("."):
        return sum(_discard(path, grace) for path in _leftovers(root))


def _folder(store: Store, name: str) -> Path:
    root = store.local_path("")
    if root is None:
        raise ConfigError(f"zone {store.uri} can't hold pending files; they need a local folder. Correct the zone's uri")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} can't name pending files: letters, digits, '.', '_' and '-' only. Use the run id")
    return root / f"{PENDING_PREFIX}{name}"


def _own(folder: Path, name: str) -> int:
    with translated(folder.name):
        while True:
            make_folder(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            descriptor = _try_lock(folder)
            if descriptor is not None and _is(folder, descriptor):
                return descriptor
            if descriptor is None:
                raise LeaseHeldError(
                    f"the pending files of '{name}' belong to a process that still runs. Wait for it, or stop it"
                )
            os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _token(path: Path) -> str | None:
    try:
        return version_of(path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _leftovers(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        pending = [name for name in folders if name.startswith(PENDING_PREFIX)]
        folders[:] = [name for name in folders if name not in pending]
        yield from (Path(folder, name) for name in [*pending, *files] if name.startswith((PENDING_PREFIX, TEMPORARY_PREFIX)))


def _discard(path: Path, grace: float) -> bool:
    try:
        if not path.is_dir() and time.time() - path.lstat().st_mtime < grace:
            return False
        descriptor = _try_lock(path)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return False
    try:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True
