"""A session to AWS KMS, or what speaks its API: one symmetric key, encrypt and decrypt. Called by `keys`.

The identity is what boto3's own chain finds (web identity, instance role, profile); none is ever in airlock.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airlock.clients._boto import boto_session, made_client
from airlock.clients._channel import require_private_channel, told
from airlock.errors import AirlockError, KeyAccessError, KeyProviderError, TransientError

__all__ = ["KmsKey", "KmsSession"]

_TIMEOUT = 15
_TRIES = 4
_DENIED = {
    "AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException",
    "ExpiredToken", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "InvalidIdentityToken",
}  # fmt: skip
_BUSY = {
    "ThrottlingException", "Throttling", "RequestLimitExceeded", "KMSInternalException", "DependencyTimeoutException",
    "KeyUnavailableException", "ServiceUnavailable", "InternalFailure", "LimitExceededException",
}  # fmt: skip
_FORBIDDEN, _SERVER = (401, 403), 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """Which key, and where.

    Attributes:
        key_id: ARN, id or alias; what another key wrapped is not opened.
        endpoint: Instead of the region's own.
        metadata_service: Whether an instance's metadata service may be asked for credentials.
    """

    key_id: str
    region: str | None = None
    endpoint: str | None = None
    metadata_service: bool = False


class KmsSession:
    """One client, made when it is first needed.

    Raises (every method):
        KeyAccessError: KMS refuses this identity, or there is none.
        KeyProviderError: No such key, a key that is disabled, or bytes that it did not wrap for this epoch.
        TransientError: No answer, or too busy, after several tries.
        MissingCapabilityError: boto3 is not installed.
    Raises (when it is made):
        ConfigError: The endpoint is another machine's, without TLS.
    """

    def __init__(self, key: KmsKey) -> None:
        if key.endpoint is not None:
            require_private_channel(key.endpoint, "keys.kms.endpoint")
        self._key = key

    def __repr__(self) -> str:
        return f"KmsSession({self._key!r})"

    def identity(self) -> str:
        """The key as KMS knows it, and its state: shows that this identity may ask."""
        with self._told("describe it"):
            found = self._client.describe_key(KeyId=self._key.key_id)["KeyMetadata"]
            return f"{found['Arn']}, {found['KeyState']}"

    def encrypt(self, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """Wrap under the key; `context` is authenticated with it."""
        with self._told("encrypt"):
            answer = self._client.encrypt(KeyId=self._key.key_id, Plaintext=plaintext, EncryptionContext=dict(context))
            return bytes(answer["CiphertextBlob"])

    def decrypt(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Open what `encrypt` wrapped, under this key and the same context."""
        with self._told("decrypt"):
            answer = self._client.decrypt(KeyId=self._key.key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context))
            return bytes(answer["Plaintext"])

    def _told(self, what: str) -> AbstractContextManager[None]:
        return told(lambda error: _translated(error, self._key, what))

    @cached_property
    def _client(self) -> Any:
        session = boto_session(None, metadata_service=self._key.metadata_service, extra="aws")
        from botocore.config import Config  # noqa: PLC0415 - comes with boto3

        config = Config(connect_timeout=5, read_timeout=_TIMEOUT, retries={"mode": "standard", "total_max_attempts": _TRIES})
        return made_client(session, "kms", region_name=self._key.region, endpoint_url=self._key.endpoint, config=config)


def _translated(error: Exception, key: KmsKey, what: str) -> AirlockError:
    from botocore import exceptions  # noqa: PLC0415 - comes with boto3

    shown = f"KMS key '{key.key_id}'"
    answer: Mapping[str, Any] = error.response if isinstance(error, exceptions.ClientError) else {}
    code = answer.get("Error", {}).get("Code") or type(error).__name__
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if isinstance(error, exceptions.SSLError):
        return KeyProviderError(
            f"{shown}: the endpoint's certificate is not trusted. Check keys.kms.endpoint and AWS_CA_BUNDLE"
        )
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)) or code in _BUSY or status >= _SERVER:
        return TransientError(f"{shown} did not {what}: {code}. Run again; if it stays so, check keys.kms and the network")
    if (
        code in _DENIED
        or status in _FORBIDDEN
        or isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError))
    ):
        return KeyAccessError(
            f"{shown}: this identity may not {what}: {code}. Give its role kms:{what.split(maxsplit=1)[0].title()} on the key"
        )
    return KeyProviderError(
        f"{shown} could not {what}: {code}. Check keys.kms, the key's state, and that this key wrapped the file"
    )
