"""botocore sessions that find an identity where they were told to, and nowhere else. Called by the sessions to AWS services."""

from __future__ import annotations

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
_FILES = ("access_key_id", "secret_access_key", "session_token")


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
    # AWS_ENDPOINT_URL and its like: what is not in airlock.yaml has no say in where data or a root goes.
    session.set_config_variable("ignore_configured_endpoint_urls", True)  # noqa: FBT003 - boto's signature
    if identity is not None and not identity.startswith(PROFILE):
        _take_from(Path(identity), session)
    resolver = session.get_component("credential_provider")
    for provider in list(resolver.providers):
        if (provider.METHOD == _INSTANCE and not metadata_service) or (
            identity is not None and provider.METHOD not in _OF_PROFILES
        ):
            resolver.remove(provider.METHOD)
    return session


def _profile(identity: str | None) -> str | None:
    if identity is None:
        return None
    return identity.removeprefix(PROFILE) if identity.startswith(PROFILE) else "default"


def _take_from(place: Path, session: Any) -> None:
    """A file in AWS's own format, or a folder with a file for each part, as Kubernetes mounts a Secret."""
    try:
        if not place.is_dir():
            place.read_bytes()
            session.set_config_variable("config_file", str(place))
            session.set_config_variable("credentials_file", str(place))
            return
        parts = [(place / name).read_text(encoding="utf-8").strip() if (place / name).exists() else None for name in _FILES]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"identity '{place}' can't be read: {reason}. Correct the zone's identity") from None
    if not parts[0] or not parts[1]:
        raise ConfigError(
            f"identity '{place}' is a folder, but lacks {_FILES[0]} or {_FILES[1]}. Mount the Secret that holds them"
        )
    session.set_credentials(*parts)


def made_client(session: Any, service: str, *, plain_times: bool = False, **options: Any) -> Any:
    """A client of the session, its logs hushed.

    Args:
        session: Of `boto_session`.
        service: As botocore names it.
        plain_times: Leave times in answers as text: a listing has one for every key, and reading those takes half of it.
        options: botocore's own.
    """
    usual = session.get_component("response_parser_factory")
    if plain_times:
        from botocore.parsers import ResponseParserFactory  # noqa: PLC0415 - comes with boto3

        # A client asks its factory anew at every answer; the one that assumes roles needs its times, and gets the usual one.
        own = ResponseParserFactory()
        own.set_parser_defaults(timestamp_parser=str)
        session.register_component("response_parser_factory", own)
    client = session.create_client(service, **options)
    session.register_component("response_parser_factory", usual)
    hush("boto3", "botocore")  # more of botocore was imported for the client
    return client
