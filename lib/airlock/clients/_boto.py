"""botocore sessions that find an identity where they were told to, and nowhere else. Called by the sessions to AWS services."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from airlock.clients._channel import hush
from airlock.errors import ConfigError, MissingCapabilityError
from airlock.settings import PROFILE

__all__ = ["boto_session", "made_client"]

_OF_PROFILES = {
    "assume-role", "assume-role-with-web-identity", "sso", "login", "shared-credentials-file", "custom-process", "config-file",
}  # fmt: skip
_INSTANCE = "iam-role"
_GOOD_FOR = timedelta(minutes=30)
_FILES = ("access_key_id", "secret_access_key", "session_token")
_PAUSE = 0.5
"""Longest first pause in seconds before a failed request is sent again; it doubles. A service that is restarted is gone for seconds,
and botocore pauses for 50 ms at first (`ExponentialBackoff`): five of its tries are over within one."""
_SERVER = 500


def boto_session(identity: str | None, *, metadata_service: bool, extra: str) -> Any:
    """A botocore session whose identity comes from one place.

    Args:
        identity: As `Location.identity`.
        metadata_service: Leave to ask an instance's metadata service: an address that every pod on a node may reach.
        extra: Of this package, which brings boto3.

    Raises:
        ConfigError: There is no such file or profile.
        MissingCapabilityError: boto3 is not installed.
    """
    try:
        import boto3  # noqa: F401, PLC0415 - an optional extra; its logger exists from here on
        import botocore.session  # noqa: PLC0415 - comes with boto3
    except ImportError:
        raise MissingCapabilityError(
            f"this configuration asks for AWS, but boto3 is not installed. pip install 'airlock[{extra}]'"
        ) from None
    hush("boto3", "botocore")
    session = botocore.session.Session(profile=_profile(identity))
    if identity is not None:
        session.session_var_map["profile"] = (None, None, None, None)  # AWS_PROFILE has no say where an identity is named
    session.register_component("data_loader", _loader())
    if region := os.environ.get("AWS_REGION"):  # every SDK's but botocore's, which knows AWS_DEFAULT_REGION
        session.set_config_variable("region", region)
    # AWS_ENDPOINT_URL and its like: what is not in airlock.yaml has no say in where data or a root goes.
    session.set_config_variable("ignore_configured_endpoint_urls", True)  # noqa: FBT003 - boto's signature
    if identity is not None and not identity.startswith(PROFILE):
        _take_from(Path(identity), session)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    resolver = session.get_component("credential_provider")
    for provider in list(resolver.providers):
        if (provider.METHOD == _INSTANCE and not metadata_service) or (
            identity is not None and provider.METHOD not in _OF_PROFILES
        ):
            resolver.remove(provider.METHOD)
    return session


@lru_cache(maxsize=1)
def _loader() -> Any:
    """Descriptions of services: megabytes of JSON, which a session of its own each would read again."""
    from botocore.loaders import create_loader  # noqa: PLC0415 - comes with boto3

    return create_loader()


def _profile(identity: str | None) -> str | None:
    """A file's is `default`. A folder has none: botocore would look for it in the configuration of whoever runs this."""
    if identity is None or Path(identity).is_dir():
        return None
    return identity.removeprefix(PROFILE) if identity.startswith(PROFILE) else "default"


def _take_from(place: Path, session: Any) -> None:
    """A file in AWS's own format, or a folder with a file for each part, as Kubernetes mounts a Secret."""
    if place.is_dir():
        from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - comes with boto3

        fresh = partial(_mounted, place)
        # A Secret is replaced while a door runs: it is read again every quarter of an hour.
        session._credentials = RefreshableCredentials.create_from_metadata(fresh(), fresh, "mounted-folder")  # noqa: SLF001
        return
    try:
        place.read_bytes()
    except OSError as error:
        raise ConfigError(f"identity '{place}' can't be read: {error.strerror}. Correct the zone's identity") from None
    session.set_config_variable("config_file", str(place))
    session.set_config_variable("credentials_file", str(place))


def _mounted(place: Path) -> dict[str, str | None]:
    """What a folder holds now, good until botocore asks again (900 s before the end that is said here)."""
    try:
        parts = [(place / name).read_text(encoding="utf-8").strip() if (place / name).exists() else None for name in _FILES]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"identity '{place}' can't be read: {reason}. Correct the zone's identity") from None
    if not parts[0] or not parts[1]:
        raise ConfigError(
            f"identity '{place}' is a folder, but lacks {_FILES[0]} or {_FILES[1]}. Mount the Secret that holds them"
        )
    until = (datetime.now(UTC) + _GOOD_FOR).isoformat()
    return {"access_key": parts[0], "secret_key": parts[1], "token": parts[2] or None, "expiry_time": until}


def made_client(session: Any, service: str, **options: Any) -> Any:
    """A client of the session, its logs hushed. `options`: botocore's own."""
    client = session.create_client(service, **options)
    hush("boto3", "botocore")  # more of botocore was imported for the client
    event, tries = (
        f"needs-retry.{client.meta.service_model.service_id.hyphenize()}",
        client.meta.config.retries["total_max_attempts"],
    )
    client.meta.events.register_first(event, partial(_patience, tries))
    return client


def _patience(tries: int, *, attempts: int, caught_exception: Exception | None, response: Any, **_: Any) -> float | None:
    """Seconds to wait for a service that did not answer or failed; None leaves it to botocore, which throttles by itself."""
    from botocore import exceptions  # noqa: PLC0415 - comes with boto3

    silent = isinstance(caught_exception, (exceptions.ConnectionError, exceptions.HTTPClientError))
    failed = response is not None and response[0].status_code >= _SERVER
    if attempts >= tries or isinstance(caught_exception, exceptions.SSLError) or not (silent or failed):
        return None
    return random.uniform(0.5, 1) * _PAUSE * float(2 ** (attempts - 1))  # noqa: S311 - jitter


def _time(value: Any) -> Any:
    """As botocore reads times, but for those of S3's listings in a fiftieth of the time: every key has one."""
    if isinstance(value, str) and value[10:11] == "T" and value.endswith("Z"):
        return datetime.fromisoformat(value)
    from botocore.utils import parse_timestamp  # noqa: PLC0415 - comes with boto3

    return parse_timestamp(value)
