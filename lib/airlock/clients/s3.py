"""A session to one bucket of S3, or of what speaks its API: requests in, bytes and etags out. Called by `storage` alone.

What a bucket keeps is never changed in place, and what must not be overwritten is written under a condition (RFC 9110, section 13).
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from airlock.clients._boto import boto_session, made_client
from airlock.clients._channel import require_private_channel, told
from airlock.clients._s3errors import (
    CONFLICT,
    ENDED,
    GONE,
    UNMET,
    PreconditionError,
    broken_off,
    code_of,
    is_down,
    retries_of,
    translated,
    unasked,
)
from airlock.clients._s3listing import OBJECTS, read_objects
from airlock.clients._s3parts import MultipartWrite
from airlock.clients._s3wire import (
    Credentials,
    Facts,
    Upload,
    crc32_text,
    date_of,
    parsed_uri,
    plain,
    require_authority,
    require_bare,
    role_of,
)
from airlock.errors import ConfigError, NotFoundError, StorageUnavailableError
from airlock.policy.unlisted import shown_path
from airlock.settings import Location

__all__ = [
    "CONNECT",
    "READ",
    "TRIES",
    "Credentials",
    "Facts",
    "MultipartWrite",
    "PreconditionError",
    "S3Session",
    "Upload",
    "s3_session",
]

CONNECT, READ, TRIES, _POOL = 3, 30, 5, 64
"""Seconds and tries. A line that swallows packets costs a door some requests in a row, each up to all of its tries: with these it tells
of the outage within two minutes. No answer is awaited for long, for no object is larger than a staged file; SYNs are sent again after 1 s.
"""

_RACES, _PAUSE = 8, 0.05
"""How often a write that met another one at the same moment is tried again, and the longest first pause in seconds."""

_NONCE = "airlock-write"
"""Metadata of everything written: tells whether a write whose answer was lost is the one that stands there."""

_DELETED_AT_ONCE = 1000


class S3Session:
    """One client for one bucket, made when it is first needed. Threads may share it; a forked process may not.

    Attributes:
        prefix: What stands before every key of the zone: empty, or ends with '/'.

    Raises (every method):
        NotFoundError: No such key.
        ConfigError: No such bucket, access denied, no identity, a certificate that is not trusted, or a wrong region.
        StorageUnavailableError: No answer, throttled, or failed, after several tries with growing pauses.
        MissingCapabilityError: boto3 is not installed.
    """

    def __init__(self, location: Location) -> None:
        if location.endpoint is not None:
            require_private_channel(location.endpoint, "the zone's endpoint")
            require_bare(location.endpoint)
        self.location = location
        self.bucket, self.prefix = parsed_uri(location.uri)

    def __repr__(self) -> str:
        return f"S3Session({self.bucket!r})"

    # --- reading ------------------------------------------------------------------------------------------------------

    def head(self, key: str) -> Facts:
        """Size and etag."""
        return self._facts(key, self._head(key))

    def get(self, key: str) -> tuple[bytes, str]:
        """Content and etag, consistent with each other."""
        return self._whole(key)

    def get_byte(self, key: str) -> bytes:
        """The first byte of an object that has one."""
        return self._whole(key, Range="bytes=0-0")[0]

    def pages(self, prefix: str, *, delimiter: str = "") -> Iterator[tuple[list[Facts], list[str]]]:
        """Keys below a prefix, sorted by their UTF-8 bytes; with a delimiter, prefixes of keys that hold it further on."""
        with self._told(prefix):
            options = {"Delimiter": delimiter} if delimiter else {}
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, **options)
            for page in pages:
                yield page[OBJECTS], [item["Prefix"] for item in page.get("CommonPrefixes", ())]

    # --- writing ------------------------------------------------------------------------------------------------------

    def put(self, key: str, data: bytes, *, match: str | None = None, absent: bool = False) -> str:
        """Write an object whole; returns its etag.

        Args:
            key: Where.
            data: The content.
            match: Only over the object with this etag.
            absent: Only where no object is.

        Raises:
            PreconditionError: The condition does not hold.
        """
        condition = {"IfMatch": f'"{match}"'} if match is not None else {"IfNoneMatch": "*"} if absent else {}
        nonce = secrets.token_hex(16)
        put = lambda: self._client.put_object(  # noqa: E731 - the request as a value
            Bucket=self.bucket,
            Key=key,
            Body=data,
            ChecksumCRC32=crc32_text(data),
            Metadata={_NONCE: nonce},
            **condition,
            **self._encryption,
        )
        return self._conditional(key, nonce, put, swap=match is not None)

    def start(self, key: str) -> MultipartWrite:
        """Begin a multipart upload."""
        nonce = secrets.token_hex(16)
        with self._told(key):
            made = self._client.create_multipart_upload(
                Bucket=self.bucket, Key=key, Metadata={_NONCE: nonce}, ChecksumAlgorithm="CRC32", **self._encryption
            )
        return MultipartWrite(self, key, made["UploadId"], nonce)

    def copy(self, key: str, target: S3Session, target_key: str) -> None:
        """Copy to another bucket of the service, or in this one, only where no object is. Raises PreconditionError."""
        source, nonce = {"Bucket": self.bucket, "Key": key}, secrets.token_hex(16)
        said = {"MetadataDirective": "REPLACE", "Metadata": {_NONCE: nonce}, "IfNoneMatch": "*"}
        copy = lambda: target._client.copy_object(  # noqa: E731
            Bucket=target.bucket, Key=target_key, CopySource=source, **said, **target._encryption
        )
        with self._told(key):
            self._raced(target_key, copy, mine=lambda: target._own(target_key, nonce))

    def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        with suppress(NotFoundError), self._told(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove objects, a thousand a request."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            with self._told(keys[start]):
                answer = self._client.delete_objects(Bucket=self.bucket, Delete={"Objects": some, "Quiet": True})
            for failed in answer.get("Errors", ()):
                if failed.get("Code") not in GONE:
                    raise translated(failed.get("Code", "?"), self.location, failed.get("Key", "").removeprefix(self.prefix))

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Multipart uploads under way below a prefix."""
        with self._told(prefix):
            for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Uploads", ()):
                    yield Upload(item["Key"], item["UploadId"], item["Initiated"])

    def abort(self, upload: Upload) -> None:
        """End a multipart upload and free its parts; one that is over is fine."""
        with suppress(NotFoundError), self._told(upload.key):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id)

    # --- looking ------------------------------------------------------------------------------------------------------

    def credentials(self) -> Credentials:
        """The identity's credentials, fresh for at least some minutes. Raises ConfigError where there are none."""
        with self._told(""):
            found = self._session.get_credentials()
            if found is None:
                raise translated("NoCredentialsError", self.location, "")
            now = found.get_frozen_credentials()
            return Credentials(now.access_key, now.secret_key, now.token)

    def caller(self) -> str:
        """Who asks: a role, where credentials are of one, else the id of the access key.

        Temporary credentials of a container, an instance or SSO name nobody and differ at every login: at AWS its STS is asked whose they
        are (`GetCallerIdentity`, which nobody can be denied). Elsewhere there is none to ask.
        """
        with self._told(""):
            found = self._session.get_credentials()
            if found is None:
                raise translated("NoCredentialsError", self.location, "")
            if found.method.startswith("assume-role"):
                web = found.method.endswith("web-identity") and self.location.identity is None
                named = os.environ.get("AWS_ROLE_ARN") if web else None  # which goes before the configuration
                return role_of(str(named or self._session.get_scoped_config().get("role_arn")))
            temporary = found.get_frozen_credentials().token is not None
            return self._asked_caller if temporary and self.location.endpoint is None else str(found.access_key)

    def server_time(self) -> datetime:
        """The service's clock, by the date of an answer, be it one that refuses."""
        with self._told(""):
            try:
                return date_of(self._client.head_bucket(Bucket=self.bucket))
            except self._client.exceptions.ClientError as error:
                if is_down(error):
                    raise
                return date_of(error.response)

    def keeps_versions(self) -> bool:
        """Whether the bucket keeps what is deleted or replaced."""
        with self._told(""):
            return bool(self._client.get_bucket_versioning(Bucket=self.bucket).get("Status") == "Enabled")

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return str(self._client.meta.region_name)

    @property
    def ca(self) -> str | None:
        """PEM file of the authority that certificates are of; None: the system's."""
        return self.location.ca or self._session.get_config_variable("ca_bundle")

    @property
    def virtual(self) -> bool:
        """Whether the bucket is a part of the host's name."""
        style = self.location.style
        return style == "virtual" or (style == "auto" and self.location.endpoint is None)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _whole(self, key: str, **part: str) -> tuple[bytes, str]:
        """An answer to its end. botocore tries again until one begins; a staged file may break off after that."""
        with self._told(key):
            for _ in range(TRIES - 1):
                answer = self._client.get_object(Bucket=self.bucket, Key=key, **part)
                with suppress(*broken_off()):
                    return bytes(answer["Body"].read()), plain(answer["ETag"])
            answer = self._client.get_object(Bucket=self.bucket, Key=key, **part)
            return bytes(answer["Body"].read()), plain(answer["ETag"])

    def _conditional(self, key: str, nonce: str, request: Callable[[], Any], *, swap: bool = False) -> str:
        with self._told(key):
            answer = self._raced(key, request, mine=lambda: self._own(key, nonce), swap=swap)
            return answer if isinstance(answer, str) else plain(answer["ETag"])

    def _raced(self, key: str, request: Callable[[], Any], *, mine: Callable[[], str | None], swap: bool = False) -> Any:
        """Carry a conditional write out. A try whose answer was lost may have written: then the condition fails on our own write.

        `swap`: over what was there, so that nothing there is the condition that does not hold.
        """
        attempt = 0
        while True:
            try:
                return request()
            except self._client.exceptions.ClientError as error:
                code = code_of(error)
                if code in CONFLICT and attempt < _RACES:
                    time.sleep(random.uniform(0, _PAUSE * 2**attempt))  # noqa: S311 - jitter
                    attempt += 1
                    continue
                if code not in UNMET | GONE:
                    raise
                own = mine() if retries_of(error) or attempt else None
                if own is not None:
                    return own
                if code in GONE and not swap:
                    raise self._ended(key) if code == ENDED else translated(error, self.location, self._shown(key)) from None
                raise PreconditionError(key) from None

    def _ended(self, key: str) -> StorageUnavailableError:
        return StorageUnavailableError(f"the upload of '{shown_path(self._shown(key))}' was ended by another door. Run again")

    def _shown(self, key: str) -> str:
        return key.removeprefix(self.prefix)

    def _own(self, key: str, nonce: str) -> str | None:
        """The etag of what stands at a key, if it is what was written with this nonce."""
        with suppress(NotFoundError):
            answer = self._head(key)
            # A proxy may write names of headers in any case (RFC 9110, section 5.1).
            if nonce in (value for name, value in answer.get("Metadata", {}).items() if name.lower() == _NONCE):
                return plain(answer["ETag"])
        return None

    def _head(self, key: str) -> Mapping[str, Any]:
        with self._told(key):
            answer: Mapping[str, Any] = self._client.head_object(Bucket=self.bucket, Key=key)
            return answer

    @staticmethod
    def _facts(key: str, answer: Mapping[str, Any]) -> Facts:
        return Facts(key, answer["ContentLength"], plain(answer["ETag"]))

    def _told(self, key: str) -> AbstractContextManager[None]:
        return told(lambda error: translated(error, self.location, key.removeprefix(self.prefix)))

    @cached_property
    def _asked_caller(self) -> str:
        with told(lambda error: unasked(error, self.location)):
            sts = made_client(self._session, "sts", region_name=self.region, config=self._config())
            return role_of(sts.get_caller_identity()["Arn"])

    @cached_property
    def _encryption(self) -> dict[str, str]:
        key = self.location.kms_key
        return {} if key is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}

    @cached_property
    def _session(self) -> Any:
        return boto_session(self.location.identity, metadata_service=self.location.metadata_service, extra="s3")

    @staticmethod
    def _config(s3: dict[str, Any] | None = None) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - comes with boto3

        tries = {"mode": "standard", "total_max_attempts": TRIES}
        return Config(connect_timeout=CONNECT, read_timeout=READ, max_pool_connections=_POOL, retries=tries, s3=s3)

    @cached_property
    def _client(self) -> Any:
        place, session = self.location, self._session
        require_authority(place.ca)
        region = place.region or session.get_config_variable("region") or ("us-east-1" if place.endpoint else None)
        if region is None:
            raise ConfigError(f"bucket '{self.bucket}' needs a region. Set s3.region, or AWS_REGION")
        # What is sent has a checksum and goes by TLS, or stays on this machine: a digest in its signature would be made twice more.
        config = self._config({"addressing_style": "virtual" if self.virtual else "path", "payload_signing_enabled": False})
        made = made_client(session, "s3", region_name=region, endpoint_url=place.endpoint, verify=place.ca, config=config)
        made.meta.events.register("before-parse.s3.ListObjectsV2", read_objects)
        return made


@lru_cache(maxsize=16)
def s3_session(location: Location) -> S3Session:
    """The process's session for a location's bucket.

    Raises:
        ConfigError: The uri names no bucket, or a path in it that is none; the endpoint is another machine's, without TLS.

    Example:
        >>> session = s3_session(Location("s3://pii-raw/crm/"))
        >>> session.bucket, session.prefix
        ('pii-raw', 'crm/')
    """
    return S3Session(location)


# Connections and their threads do not outlive a fork.
os.register_at_fork(after_in_child=s3_session.cache_clear)
