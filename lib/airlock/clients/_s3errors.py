"""What S3's answers mean in Airlock's words. Called by `s3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airlock.errors import AirlockError, ConfigError, NotFoundError, StorageUnavailableError
from airlock.policy.unlisted import shown_path
from airlock.settings import Location

__all__ = [
    "CONFLICT", "ENDED", "GONE", "UNMET", "UNTRUSTED", "PreconditionError", "broken_off", "code_of", "is_down", "retries_of", "translated", "unasked",
]  # fmt: skip

ENDED = "NoSuchUpload"
GONE = {"NoSuchKey", "404", "NotFound", ENDED}
UNMET = {"PreconditionFailed", "412"}
CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "ExistingObjectIsDirectory"}
"""The last is of gateways to a file system: what they say of a key that is a folder, and while another request removes the key's folder."""

UNTRUSTED = "UntrustedCertificate"
_NO_IDENTITY = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound", "ConfigParseError",
    "ConfigNotFound", "InvalidConfigError", "SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError",
}  # fmt: skip
_UNKNOWN = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId", "ExpiredTokenException",
    "InvalidIdentityToken", "XAdminUserNotFound",
}  # fmt: skip
_DENIED = {
    "AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem", "401", "AccessDeniedException",
    "KMS.AccessDeniedException",
}  # fmt: skip
_ELSEWHERE = {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "307"}
_SKEWED = {"RequestTimeTooSkewed", "RequestExpired"}
_BUSY = {
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "RequestTimeoutException", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequestsException", "PriorRequestNotComplete",
    "EC2ThrottledException", "ThrottledException", "OperationAborted", "ConditionalRequestConflict", "429", "IncompleteBody",
}  # fmt: skip
_UNABLE = {"NotImplemented", "501"}
_FULL = {"InsufficientStorage", "507", "QuotaExceeded", "XMinioStorageFull"}
_SERVER = 500


class PreconditionError(Exception):
    """The condition of a write does not hold. Callers turn it into their own meaning; it never reaches a user."""


def code_of(error: Exception) -> str:
    """The service's code, or the exception's class; of a connection that TLS could not make, whether the certificate is at fault."""
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    name = type(error).__name__
    untrusted = name == "SSLError" and "CERTIFICATE_VERIFY_FAILED" in str(error)
    return str(answer.get("Error", {}).get("Code") or (UNTRUSTED if untrusted else name))


def retries_of(error: Exception) -> int:
    """How often the request had been sent before the answer that `error` is."""
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    return int(answer.get("ResponseMetadata", {}).get("RetryAttempts", 0))


_MEANINGS: tuple[tuple[set[str], type[AirlockError], str], ...] = (
    (GONE, NotFoundError, "there is no file '{path}' in this zone. Check the name"),
    ({"NoSuchBucket"}, ConfigError, "{where}: there is no such bucket. Make it, or correct the zone's uri or endpoint"),
    (_NO_IDENTITY, ConfigError, "{where}: no identity is found ({code}). Set the zone's identity, or the AWS environment"),
    (
        _DENIED | _UNKNOWN,
        ConfigError,
        "{where} does not let this identity use '{path}': {code}. Give it the access that its door needs, or correct the zone's identity",
    ),
    (_ELSEWHERE, ConfigError, "{where} is in another region ({code}). Correct s3.region, or the zone's"),
    (_SKEWED, ConfigError, "{where}: this machine's clock is too far from the store's ({code}). Set it by NTP"),
    (
        {UNTRUSTED},
        ConfigError,
        "{where}: the endpoint's certificate is not trusted. Set s3.ca, or the zone's, to its authority",
    ),
    (_UNABLE, ConfigError, "{where} can't do what was asked of it for '{path}': {code}. Take a store that can"),
    (_FULL, StorageUnavailableError, "{where} is full, '{path}' was not written ({code}). Make room there, then run again"),
    (_BUSY, StorageUnavailableError, "{where} did not answer for '{path}': {code}. Run again"),
)
_OTHER = "{where} refused a request for '{path}': {code}. Correct what it names"


def translated(error: Exception | str, location: Location, key: str) -> AirlockError | PreconditionError:
    """A failure as Airlock's error; what S3 wrote is not quoted, for it quotes keys and headers.

    Among its facts are the service's `reason`, and whether it knows the identity and refuses (`denied`) or does not know it (`unknown`).
    """
    if isinstance(error, PreconditionError):
        return error
    code = error if isinstance(error, str) else code_of(error)
    known = next(((kind, text) for codes, kind, text in _MEANINGS if code in codes), None)
    if known is None:
        known = (StorageUnavailableError, _MEANINGS[-1][2]) if is_down(error) else (ConfigError, _OTHER)
    kind, text = known
    path = shown_path(key) or "."
    return kind(
        text.format(where=_where(location), path=path, code=code),
        path=path,
        reason=code,
        denied=code in _DENIED,
        unknown=code in _UNKNOWN,
    )


def unasked(error: Exception, location: Location) -> AirlockError:
    """Why it can't be told whose a zone's credentials are."""
    return StorageUnavailableError(
        f"{_where(location)}: whose credentials these are was not told by AWS STS ({code_of(error)}), so whether both doors have them is not "
        "known. Let this door reach STS, or name a profile with a role as the zone's identity",
        reason=code_of(error),
    )


def _where(location: Location) -> str:
    return f"{location.uri}" + (f" at {location.endpoint}" if location.endpoint else "")


def is_down(error: Exception | str) -> bool:
    """Whether the service failed, or did not answer at all."""
    return _status(error) >= _SERVER or _is_connection(error)


def _status(error: Exception | str) -> int:
    answer: Mapping[str, Any] = getattr(error, "response", None) or {}
    return int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_connection(error: Exception | str) -> bool:
    return not isinstance(error, str) and isinstance(error, (*broken_off(), OSError))


def broken_off() -> tuple[type[Exception], ...]:
    """What botocore raises where a connection fails, also in the middle of an answer."""
    from botocore import exceptions  # noqa: PLC0415 - comes with boto3

    return (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.FlexibleChecksumError,
    )
