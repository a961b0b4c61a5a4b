"""An object of S3 that is uploaded in parts. Made by a session of `s3`, whose other half this is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airlock.clients._s3wire import Upload, crc32_text

if TYPE_CHECKING:
    from airlock.clients.s3 import S3Session

__all__ = ["MultipartWrite"]


class MultipartWrite:
    """Parts of an object that appears whole when they are completed. Threads may upload parts at once.

    Attributes:
        key: Where it will be.
    """

    def __init__(self, session: S3Session, key: str, upload_id: str, nonce: str) -> None:
        self._session, self._id, self._nonce, self.key = session, upload_id, nonce, key
        self._parts: dict[int, dict[str, Any]] = {}

    def part(self, number: int, data: bytes) -> None:
        """Upload one part, numbered from 1; all but the last have at least 5 MiB."""
        session = self._session
        with session._told(self.key):  # noqa: SLF001 - its other half
            answer = session._client.upload_part(  # noqa: SLF001
                Bucket=session.bucket,
                Key=self.key,
                UploadId=self._id,
                PartNumber=number,
                Body=data,
                ChecksumCRC32=crc32_text(data),
            )
        sums = {name: answer[name] for name in ("ChecksumCRC32",) if name in answer}
        self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **sums}

    def complete(self) -> str:
        """Make the object appear, only where none is; returns its etag. Raises PreconditionError."""
        session, parts = self._session, [self._parts[number] for number in sorted(self._parts)]
        request = lambda: session._client.complete_multipart_upload(  # noqa: E731, SLF001
            Bucket=session.bucket, Key=self.key, UploadId=self._id, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
        )
        return session._conditional(self.key, self._nonce, request)  # noqa: SLF001

    def abort(self) -> None:
        """Free the parts."""
        self._session.abort(Upload(self.key, self._id, datetime.now(UTC)))
