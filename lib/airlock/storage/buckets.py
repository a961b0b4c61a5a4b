"""Looks at a zone's bucket as one identity sees it: what it may do, the service's clock, versions. Taken by `doctor`; nothing stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from airlock.clients.s3 import PreconditionError, S3Session, Upload, s3_session
from airlock.errors import ConfigError, NotFoundError
from airlock.settings import Location
from airlock.storage._base import Entry
from airlock.storage.conditions import probe_path
from airlock.storage.s3 import S3Store

__all__ = ["LIST", "READ", "WRITE", "Bucket"]

LIST, READ, WRITE = "s3:ListBucket", "s3:GetObject", "s3:PutObject"
_NO_VERSION, _NO_UPLOAD = "0" * 32, "none"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A location's bucket, reached as the location says.

    Attributes:
        files: The one name that files written there have, of whoever may write no others; empty: any.

    Raises (every method):
        ConfigError, StorageUnavailableError: As `S3Session`.
    """

    location: Location
    files: str = ""

    @property
    def name(self) -> str:
        """Of the bucket."""
        return self._session.bucket

    @property
    def prefix(self) -> str:
        """Of the zone in it."""
        return self._session.prefix

    def caller(self) -> str:
        """Who asks; no service is asked."""
        return self._session.caller()

    def region(self) -> str:
        """The one that requests are signed for."""
        return self._session.region

    def clock_offset(self) -> float:
        """Seconds by which the service's clock is ahead of this machine's, to within a second and the time of the answer."""
        before = time.time()
        there = self._session.server_time().timestamp()
        return there - (before + time.time()) / 2

    def first(self) -> Entry | None:
        """Some object of the zone."""
        return next(iter(S3Store(self.location).list()), None)

    def lacking(self, actions: Iterable[str], known: Entry | None = None) -> tuple[str, ...]:
        """Those of some actions that this identity may not take. Each is tried so that it changes nothing where it is let through.

        Raises ConfigError, too, where the service does not know the identity (`unknown` among its facts).

        Args:
            actions: As a bucket policy names them.
            known: An object to read; without it an absent one is asked for.
        """
        return tuple(action for action in actions if not _is_let(_TRIES[action], self, known))

    def try_upload(self) -> None:
        """Begin a multipart upload and abort it."""
        self._session.start(self._key()).abort()

    def keeps_versions(self) -> bool:
        """Whether what is deleted or replaced stays."""
        return self._session.keeps_versions()

    @property
    def _session(self) -> S3Session:
        return s3_session(self.location)

    def _key(self) -> str:
        return self.prefix + probe_path() + (self.files and f"/{self.files}")

    def _list(self, _: Entry | None) -> None:
        next(self._session.pages(self.prefix), None)

    def _read(self, known: Entry | None) -> None:
        if known is None or not known.size:
            self._session.head(self._key())
        else:
            self._session.get_byte(self.prefix + known.path)

    def _write(self, _: Entry | None) -> None:
        key = self._key()
        self._session.put(key, b"", match=_NO_VERSION)
        self._session.delete(key)  # there was none of that version: the store passed over the condition

    def _delete(self, _: Entry | None) -> None:
        self._session.delete(self._key())

    def _uploads(self, _: Entry | None) -> None:
        next(self._session.uploads(self._key()), None)

    def _abort(self, _: Entry | None) -> None:
        self._session.abort(Upload(self._key(), _NO_UPLOAD, datetime.now(UTC)))


_TRIES: dict[str, Callable[[Bucket, Entry | None], None]] = {
    LIST: Bucket._list,  # noqa: SLF001 - the class's own table
    READ: Bucket._read,  # noqa: SLF001
    "s3:DeleteObject": Bucket._delete,  # noqa: SLF001
    WRITE: Bucket._write,  # noqa: SLF001
    "s3:ListBucketMultipartUploads": Bucket._uploads,  # noqa: SLF001
    "s3:AbortMultipartUpload": Bucket._abort,  # noqa: SLF001
}


def _is_let(attempt: Callable[[Bucket, Entry | None], None], bucket: Bucket, known: Entry | None) -> bool:
    try:
        attempt(bucket, known)
    except (NotFoundError, PreconditionError):
        return True  # the service looked for it
    except ConfigError as error:
        if error.facts.get("denied"):
            return False
        raise
    return True
