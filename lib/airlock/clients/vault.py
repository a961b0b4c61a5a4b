"""A session to HashiCorp Vault or OpenBao: login, KV version 2 and transit. Called by `keys`; the only home of hvac.

Nothing that Vault answers is quoted but its HTTP status: an answer may hold a key, and an error's text what was sent.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from airlock.clients._channel import hush, require_private_channel, told
from airlock.errors import (
    AirlockError,
    ConfigError,
    KeyAccessError,
    KeyProviderError,
    MissingCapabilityError,
    TransientError,
)

__all__ = ["Auth", "Secret", "VaultLogin", "VaultSession"]

Auth = Literal["token", "env", "kubernetes", "approle"]
_TIMEOUT = (5, 15)
"""Seconds to connect, and to wait for an answer."""

_TRIES = 3
_BUSY = (408, 412, 429, 500, 502, 503, 504)
"""What a second try may mend; 412: a standby that has not caught up yet, 503: sealed, or electing a leader."""

_UNNAMED = (408, 412, 504)
"""Those that hvac has no class of its own for."""


class _BusyError(Exception):
    """A status of `_UNNAMED`, after the last try."""


class _RedirectError(Exception):
    """Another address was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultLogin:
    """Where Vault is and who asks.

    Attributes:
        auth: `token`: `credential` is a file with a token; `env`: the variable VAULT_TOKEN; `kubernetes`: `credential` is the
            projected token file; `approle`: `credential` is the file with the secret id, `role` the role id.
        auth_mount: Where the method is mounted; its own name by default.
        read: How a credential file is read, which may look at who else can.
        ca: PEM file of the authority that signed Vault's certificate; None: the system's.
    """

    address: str
    auth: Auth = "token"
    role: str | None = None
    credential: Path | None = None
    auth_mount: str | None = None
    read: Callable[[Path], bytes] = Path.read_bytes
    ca: Path | None = None
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A KV secret as it was read; version 0: there is none."""

    data: Mapping[str, Any]
    version: int

    def __repr__(self) -> str:
        return f"Secret(version={self.version})"


class VaultSession:
    """One login, made when it is first needed.

    Raises (every method):
        KeyAccessError: Vault refuses this identity.
        KeyProviderError: Vault can't do what was asked: no such mount, path or key, or a certificate that does not fit.
        TransientError: No answer, sealed, or too busy, after several tries.
        MissingCapabilityError: hvac is not installed.
    Raises (when it is made):
        ConfigError: The address is another machine's, without TLS.
    """

    def __init__(self, login: VaultLogin) -> None:
        require_private_channel(login.address, "keys.vault.address")
        self._login = login

    def __repr__(self) -> str:
        return f"VaultSession({self._login.address!r}, auth={self._login.auth!r})"

    @property
    def address(self) -> str:
        """Vault's address."""
        return self._login.address

    def identity(self) -> str:
        """Who Vault takes this for: the token's display name and policies."""
        with self._told("look up its own token"):
            found = self._client.auth.token.lookup_self()["data"]
            return f"{found['display_name']}, policies {', '.join(found['policies'])}"

    def read(self, mount: str, path: str) -> Secret:
        """The newest version of a KV secret, its data empty where there is none or it was deleted."""
        with self._told(f"read secret '{mount}/{path}'"):
            metadata = self._metadata(mount, path)
            if metadata is None:
                return Secret({}, 0)
            version = int(metadata["current_version"])
            if not version or _gone(metadata["versions"][str(version)]):
                return Secret({}, version)
            answer = self._client.secrets.kv.v2.read_secret_version(
                path, version=version, mount_point=mount, raise_on_deleted_version=True
            )
            return Secret(answer["data"]["data"], version)

    def write(self, mount: str, path: str, data: Mapping[str, Any], *, expected: int) -> None:
        """Write a new version if the newest is still `expected` (0: there is none)."""
        with self._told(f"write secret '{mount}/{path}'"):
            self._client.secrets.kv.v2.create_or_update_secret(path, dict(data), cas=expected, mount_point=mount)

    def destroy_older(self, mount: str, path: str) -> None:
        """Destroy the data of all versions but the newest; they can't be undeleted."""
        with self._told(f"destroy older versions of secret '{mount}/{path}'"):
            metadata = self._metadata(mount, path)
            if metadata is None:
                return
            newest = int(metadata["current_version"])
            old = [
                int(number)
                for number, version in metadata["versions"].items()
                if int(number) != newest and not version["destroyed"]
            ]
            if old:
                self._client.secrets.kv.v2.destroy_secret_versions(path, old, mount_point=mount)

    def encrypt(self, mount: str, key: str, plaintext: bytes, *, bound_to: bytes) -> str:
        """Wrap under a transit key; `bound_to` is authenticated with it."""
        with self._told(f"encrypt under transit key '{mount}/{key}'"):
            answer = self._client.secrets.transit.encrypt_data(
                key, plaintext=_text(plaintext), associated_data=_text(bound_to), mount_point=mount
            )
            return str(answer["data"]["ciphertext"])

    def decrypt(self, mount: str, key: str, wrapped: str, *, bound_to: bytes) -> bytes:
        """Open what `encrypt` wrapped, under the same `bound_to`."""
        with self._told(f"decrypt under transit key '{mount}/{key}'"):
            answer = self._client.secrets.transit.decrypt_data(
                key, ciphertext=wrapped, associated_data=_text(bound_to), mount_point=mount
            )
            return base64.b64decode(answer["data"]["plaintext"], validate=True)

    def _metadata(self, mount: str, path: str) -> dict[str, Any] | None:
        from hvac.exceptions import InvalidPath  # noqa: PLC0415 - an optional extra

        try:
            found: dict[str, Any] = self._client.secrets.kv.v2.read_secret_metadata(path, mount_point=mount)["data"]
        except InvalidPath as error:
            if error.errors:  # a missing secret has an empty list, a missing mount says so
                raise
            return None
        return found

    def _told(self, what: str) -> AbstractContextManager[None]:
        return told(lambda error: _translated(error, self.address, what))

    @cached_property
    def _client(self) -> Any:
        client = _connect(self._login)
        login, at = self._login, self._login.auth_mount or self._login.auth
        if login.auth in ("token", "env"):
            client.token = _credential(login)
        elif login.auth == "kubernetes":
            client.auth.kubernetes.login(_role(login), _credential(login), mount_point=at)
        else:
            client.auth.approle.login(_role(login), _credential(login), mount_point=at)
        return client


def _gone(version: Mapping[str, Any]) -> bool:
    return bool(version["destroyed"] or version["deletion_time"])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _connect(login: VaultLogin) -> Any:
    try:
        import hvac  # noqa: PLC0415 - an optional extra
        import requests  # noqa: PLC0415 - comes with hvac
        from urllib3.util import Retry  # noqa: PLC0415 - comes with hvac
    except ImportError:
        raise MissingCapabilityError(
            "keys.provider asks for Vault, but hvac is not installed. pip install 'airlock[vault]'"
        ) from None
    session = requests.Session()
    # No proxy, .netrc or CA bundle from the environment: what is not in airlock.yaml has no say in where a token goes.
    session.trust_env = False
    hush("hvac", "urllib3", "requests")
    # A Retry-After may name hours: who waits longer than this is told to run again.
    retry = Retry(
        _TRIES, backoff_factor=0.2, backoff_jitter=0.3, status_forcelist=_BUSY, allowed_methods=None, raise_on_status=False,
        respect_retry_after_header=False,
    )  # fmt: skip
    for scheme in ("https://", "http://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    session.hooks["response"].append(_require_answer)
    session.verify = str(login.ca) if login.ca else True
    # A redirect would carry the token along.
    return hvac.Client(
        login.address, token="", session=session, timeout=_TIMEOUT, allow_redirects=False, namespace=login.namespace
    )


def _require_answer(response: Any, *_: object, **__: object) -> None:
    """Raise for what hvac takes for an answer, or has no word for."""
    redirected = 300 <= response.status_code < 400  # noqa: PLR2004 - RFC 9110, section 15.4
    if redirected or response.status_code in _UNNAMED:
        response.close()
        raise _RedirectError if redirected else _BusyError


def _role(login: VaultLogin) -> str:
    if login.role is None:
        raise ConfigError(f"keys.vault.auth is {login.auth}, which needs keys.vault.role. Set it in airlock.yaml")
    return login.role


def _credential(login: VaultLogin) -> str:
    if login.auth == "env":
        token = os.environ.get("VAULT_TOKEN", "")
        if not token:
            raise ConfigError(
                "keys.vault.auth is env, but VAULT_TOKEN is not set. Set it, or name a token file as keys.vault.credential"
            )
        return token
    if login.credential is None:
        raise ConfigError(
            f"keys.vault.auth is {login.auth}, which needs keys.vault.credential (a file). Set it in airlock.yaml"
        )
    try:
        return login.read(login.credential).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise KeyAccessError(
            f"keys.vault.credential '{login.credential}' can't be read. Check the path and its owner"
        ) from None


def _translated(error: Exception, address: str, what: str) -> AirlockError:
    import requests  # noqa: PLC0415 - comes with hvac
    from hvac import exceptions  # noqa: PLC0415 - an optional extra

    if isinstance(error, requests.exceptions.SSLError) or isinstance(error.__context__, ssl.SSLError):
        return KeyProviderError(
            f"Vault at {address} shows a certificate that is not trusted. Name its authority's PEM file as keys.vault.ca"
        )
    if isinstance(error, _RedirectError):
        return KeyProviderError(
            f"Vault at {address} names another address instead of an answer, which is not followed: a token would go along. Set "
            "keys.vault.address to the active server's own"
        )
    down = (
        _BusyError,
        exceptions.VaultDown,
        exceptions.RateLimitExceeded,
        exceptions.InternalServerError,
        exceptions.BadGateway,
    )
    if isinstance(
        error, (requests.exceptions.ConnectionError, requests.exceptions.Timeout, exceptions.VaultNotInitialized, *down)
    ):
        return TransientError(
            f"Vault at {address} did not {what}: {_reason(error)}. Run again; if it stays so, check that it is up, unsealed and reachable"
        )
    if isinstance(error, (exceptions.Forbidden, exceptions.Unauthorized)):
        return KeyAccessError(
            f"Vault at {address} does not let this identity {what}. Give its Vault policy that path, or renew its token"
        )
    return KeyProviderError(
        f"Vault at {address} could not {what}: {_reason(error)}. Check mount, path and key under keys.vault, and that nobody else "
        "changed it meanwhile"
    )


def _reason(error: Exception) -> str:
    words = {
        "InvalidPath": "there is no such path",
        "InvalidRequest": "it refused the request",
        "VaultDown": "it is sealed or on standby",
        "_BusyError": "it was too slow, or has not caught up",
    }
    return words.get(type(error).__name__, type(error).__name__)
