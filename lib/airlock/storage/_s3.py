"""What the S3 store is made of: a reader and a writer of objects that speak of failures in Airlock's words."""

from __future__ import annotations

import io
import os
import random
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from airlock.clients.s3 import Credentials, MultipartWrite, S3Session, s3_session
from airlock.errors import ConfigError, NotFoundError, StorageUnavailableError, TransientError
from airlock.policy.unlisted import shown_path
from airlock.settings import Location

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from _typeshed import ReadableBuffer

__all__ = ["ObjectReader", "ObjectWriter", "file_system"]

_PART = 8 << 20
"""Bytes of a part: ten thousand of them are 80 GiB, staged files have at most 256 MiB."""
_UNDER_WAY = 2
_CONNECT, _REQUEST, _TRIES, _PAUSE = 3, 30, 5, 0.1
"""As `clients.s3` has them, and why."""

_OVERFLOW = "Failed to flush response stream"
"""What pyarrow says of an answer longer than the bytes it asked for. A refusal's text is, where a footer's eight bytes were wanted:
a store that asks to slow down looks like one that failed, and pyarrow does not try again."""


def file_system(location: Location, credentials: Credentials) -> fs.S3FileSystem:
    """The view of a location that pyarrow has, one for each set of credentials: those of a role run out."""
    return _file_system(location, credentials.access_key, credentials.secret_key, credentials.token)


@lru_cache(maxsize=16)
def _file_system(location: Location, access_key: str, secret_key: str, token: str | None) -> fs.S3FileSystem:
    session = s3_session(location)
    options = {}
    if location.endpoint is not None:
        parts = urlsplit(location.endpoint)
        options = {"scheme": parts.scheme, "endpoint_override": parts.netloc}
    return fs.S3FileSystem(
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        region=session.region,
        connect_timeout=_CONNECT,
        request_timeout=_REQUEST,
        force_virtual_addressing=session.virtual,
        tls_ca_file_path=location.ca,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        **options,
    )


# pyarrow's threads do not outlive a fork.
os.register_at_fork(after_in_child=_file_system.cache_clear)


class ObjectReader(io.RawIOBase):
    """An object, read through pyarrow; pyarrow reads it as a file. What its store says is told apart from what is in it.

    Raises (every method):
        NotFoundError: No such key.
        ConfigError: Access denied.
        StorageUnavailableError: No answer after several tries.
    """

    def __init__(self, files: fs.S3FileSystem, name: str, path: str) -> None:
        super().__init__()
        self._files, self._name, self._path = files, name, path
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
        wanted = None if size is None or size < 0 else size
        for attempt in range(_TRIES - 1):
            try:
                return bytes(self._file.read(wanted))
            except OSError as error:
                if _OVERFLOW not in str(error):
                    raise self._told(error) from None
            time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311 - jitter
            # Opened anew, for the request that opens it tells what the refusal was: an object that is gone is no busy store.
            here, self._file = self.tell(), self._opened()
            self.seek(here)
        try:
            return bytes(self._file.read(wanted))
        except OSError as error:
            raise self._told(error) from None

    def close(self) -> None:
        """Free the connection."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()

    def _opened(self) -> pa.NativeFile:
        try:
            return self._files.open_input_file(self._name)
        except OSError as error:
            raise self._told(error) from None

    def _told(self, error: OSError) -> Exception:
        path, text = shown_path(self._path), str(error)
        if isinstance(error, FileNotFoundError):
            return NotFoundError(f"there is no file '{path}' in this zone. Check the name", path=path)
        if any(word in text for word in ("ACCESS_DENIED", "HTTP status 403", "INVALID_ACCESS_KEY", "SIGNATURE_DOES_NOT_MATCH")):
            return ConfigError(
                f"the zone does not let this identity read '{path}'. Give it the access that its door needs, or correct the zone's identity",
                path=path,
            )
        return StorageUnavailableError(f"the zone's store did not answer for '{path}'. Run again", path=path)


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
        while len(self._held) >= _PART:
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
