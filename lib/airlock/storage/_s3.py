"""What the S3 store is made of: a reader and a writer of objects that speak of failures in Airlock's words."""

from __future__ import annotations

import io
import os
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from airlock.clients.s3 import CONNECT, READ, TRIES, MultipartWrite, S3Session, s3_session
from airlock.errors import AirlockError, ConfigError, NotFoundError, StorageUnavailableError, TransientError
from airlock.policy.unlisted import shown_path
from airlock.settings import Location

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from _typeshed import ReadableBuffer

__all__ = ["ObjectReader", "ObjectWriter", "fetch", "file_system", "patiently"]

T = TypeVar("T")

_PART = 8 << 20
"""Bytes of a part: ten thousand of them are 80 GiB, staged files have at most 256 MiB."""
_WHOLE = 24 << 20
"""Bytes up to which an object is sent whole: a store joins parts by copying them, and asks for two requests more."""
_UNDER_WAY = 2
_TAIL, _FRESH = 128 << 10, 60.0
_REQUEST_BYTES, _REQUESTS = 8 << 20, 8
_PAUSE = 0.1

_OVERFLOW = "Failed to flush response stream"
"""What pyarrow says of an answer longer than the bytes it asked for. A refusal's text is, where a footer's eight bytes were wanted:
a store that asks to slow down looks like one that failed, and pyarrow does not try again."""

_EXPIRED = "EXPIRED_TOKEN"
_STORE = "AWS Error"
"""Stands in every error that is about the store, none that is about content (Arrow's `s3_internal.h`)."""
_DENIED = ("ACCESS_DENIED", "HTTP status 403", "INVALID_ACCESS_KEY", "SIGNATURE_DOES_NOT_MATCH", "INVALID_SIGNATURE", _EXPIRED)


def file_system(location: Location) -> fs.S3FileSystem:
    """The view of a location that pyarrow has, one for each set of credentials: those of a role run out, not within a minute."""
    return _current(location, int(time.monotonic() // _FRESH))


@lru_cache(maxsize=16)
def _current(location: Location, minute: int) -> fs.S3FileSystem:  # noqa: ARG001 - the cache's
    credentials = s3_session(location).credentials()
    return _file_system(location, credentials.access_key, credentials.secret_key, credentials.token)


@lru_cache(maxsize=16)
def _file_system(location: Location, access_key: str, secret_key: str, token: str | None) -> fs.S3FileSystem:
    session = s3_session(location)
    options = {}
    if location.endpoint is not None:
        parts = urlsplit(location.endpoint)
        options = {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    elif not session.virtual:  # which pyarrow takes for AWS's own buckets unless their endpoint is named
        options = {"endpoint_override": f"s3.{session.region}.amazonaws.com"}
    return fs.S3FileSystem(
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        region=session.region,
        connect_timeout=CONNECT,
        request_timeout=READ,
        force_virtual_addressing=session.virtual,
        tls_ca_file_path=session.ca,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
        **options,
    )


# pyarrow's threads do not outlive a fork.
os.register_at_fork(after_in_child=_file_system.cache_clear)
os.register_at_fork(after_in_child=_current.cache_clear)


@contextmanager
def failures(path: str) -> Iterator[None]:
    """What pyarrow says of a store, in Airlock's words; what it says of content stays."""
    try:
        yield
    except FileNotFoundError:
        found: AirlockError = NotFoundError(f"there is no file '{shown_path(path)}' in this zone. Check the name", path=path)
    except OSError as error:
        text = str(error)
        if _STORE not in text:
            raise
        found = _told(text, shown_path(path))
    else:
        return
    raise found


def _told(text: str, path: str) -> AirlockError:
    if any(word in text for word in _DENIED):
        return ConfigError(
            f"the zone does not let this identity read '{path}'. Give it the access that its door needs, or correct the zone's identity",
            path=path,
        )
    return StorageUnavailableError(f"the zone's store did not answer for '{path}'. Run again", path=path)


def patiently(path: str, act: Callable[[], T], *, look: Callable[[], object]) -> T:
    """Carry out a read by pyarrow, again where a refusal hid itself.

    Args:
        path: What is read.
        act: The read.
        look: Asks for the object in a way that tells what the refusal was: one that is gone is no busy store. It may open it anew, with
            credentials that have not expired.
    """
    for attempt in range(TRIES - 1):
        try:
            return act()
        except OSError as error:
            text = str(error)
            if not any(word in text for word in (_OVERFLOW, _EXPIRED)):
                if _STORE in text:
                    look()
                with failures(path):
                    raise
        time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311 - jitter
        look()
    with failures(path):
        return act()


def fetch(files: fs.S3FileSystem, name: str, path: str, ranges: Sequence[tuple[int, int]]) -> list[pa.Buffer]:
    """Ranges of an object, cut into requests of which several are under way."""
    cuts = [[(at, min(at + _REQUEST_BYTES, stop)) for at in range(start, stop, _REQUEST_BYTES)] for start, stop in ranges]
    with failures(path), files.open_input_file(name) as file, ThreadPoolExecutor(_REQUESTS, "fetch") as pool:
        look = lambda: files.open_input_file(name).close()  # noqa: E731 - the request as a value
        one = lambda cut: patiently(path, lambda: file.read_at(cut[1] - cut[0], cut[0]), look=look)  # noqa: E731
        found = pool.map(one, [cut for some in cuts for cut in some])
        return [_joined([next(found) for _ in some]) for some in cuts]


def _joined(parts: list[bytes]) -> pa.Buffer:
    return pa.py_buffer(parts[0] if len(parts) == 1 else b"".join(parts))


class ObjectReader(io.RawIOBase):
    """An object, read through pyarrow; pyarrow reads it as a file. What its store says is told apart from what is in it.

    Raises (every method):
        NotFoundError: No such key.
        ConfigError: Access denied.
        StorageUnavailableError: No answer after several tries.
    """

    def __init__(self, location: Location, name: str, path: str) -> None:
        super().__init__()
        self._location, self._name, self._path = location, name, path
        self._tail = (0, b"")
        self._file: pa.NativeFile = self._opened()

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def size(self) -> int:
        """In bytes."""
        return int(self._file.size())

    def tell(self) -> int:
        """Where the next byte is read."""
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go there."""
        return int(self._file.seek(offset, whence))

    def read(self, size: int | None = -1, /) -> bytes:
        """That many bytes, fewer only at the end."""
        start = self._file.tell()
        at, tail = self._tail
        if size is not None and size >= 0 and at <= start and start + size <= at + len(tail):
            self._file.seek(start + size)
            return tail[start - at : start - at + size]
        wanted = None if size is None or size < 0 else size
        found = patiently(self._path, lambda: bytes(self._file.read(wanted)), look=self._reopen)
        if start + len(found) == self.size() and len(found) <= _TAIL:
            self._tail = (start, found)  # Parquet's readers look at a file's end more than once
        return found

    def close(self) -> None:
        """Free the connection."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()

    def _opened(self) -> pa.NativeFile:
        with failures(self._path):
            # With the credentials of now: a long file may outlast those that it was opened with.
            return file_system(self._location).open_input_file(self._name)

    def _reopen(self) -> None:
        here, self._file = self.tell(), self._opened()
        self.seek(here)


class ObjectWriter(io.RawIOBase):
    """Collects an object's bytes and sends them in parts, some at once; small ones in one request. Leaving without `finish` aborts.

    Raises (write, finish):
        StorageUnavailableError: No answer after several tries.
        PreconditionError: Something stands at the key already (`finish`).
    """

    def __init__(self, session: S3Session, key: str) -> None:
        super().__init__()
        self._session, self._key = session, key
        self._held = bytearray()
        self._multipart: MultipartWrite | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sent: deque[Future[None]] = deque()
        self._parts = 0
        self._done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._done:
            self._abort()
        self.close()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Take `data` whole."""
        view = memoryview(data).cast("B")
        self._held += view
        while len(self._held) >= (_WHOLE if self._multipart is None else _PART):
            self._send(bytes(memoryview(self._held)[:_PART]))
            del self._held[:_PART]
        return len(view)

    def finish(self) -> str:
        """Make the object appear, only where none is; returns its etag."""
        if self._multipart is None:
            etag = self._session.put(self._key, bytes(self._held), absent=True)
        else:
            if self._held:
                self._send(bytes(self._held))
            self._settle(0)
            etag = self._multipart.complete()
        self._held.clear()
        self._done = True
        return etag

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        super().close()

    def _send(self, data: bytes) -> None:
        if self._multipart is None or self._pool is None:
            self._multipart = self._session.start(self._key)
            self._pool = ThreadPoolExecutor(_UNDER_WAY, "upload")
        self._settle(_UNDER_WAY - 1)
        self._parts += 1
        self._sent.append(self._pool.submit(self._multipart.part, self._parts, data))

    def _settle(self, most: int) -> None:
        while len(self._sent) > most:
            self._sent.popleft().result()

    def _abort(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._multipart is not None:
            # Not aborted, the next door's sweep does it: no reason to hide the error that is under way.
            with suppress(TransientError):
                self._multipart.abort()
