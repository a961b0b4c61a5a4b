"""The key ring that the settings name. Called by every door that needs keys, by `airlock keys` and by `airlock doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from airlock.clients.aws import KmsKey, KmsSession
from airlock.clients.vault import Auth, VaultLogin, VaultSession
from airlock.errors import KeyAccessError
from airlock.keys.file import FileEpochs, FileKeyRing
from airlock.keys.kms import KmsWrapper
from airlock.keys.private import read_private_file
from airlock.keys.ring import Plain, RootRing
from airlock.keys.vault import KvEpochs, TransitWrapper
from airlock.settings import Settings

__all__ = ["needed_settings", "open_key_ring", "service_identity"]

_NEEDED = {
    "file": ("keys.root",),
    "vault-kv": ("keys.vault.address", "keys.vault.path"),
    "vault-transit": ("keys.root", "keys.vault.address", "keys.vault.key"),
    "aws-kms": ("keys.root", "keys.kms.key_id"),
}


def needed_settings(settings: Settings) -> tuple[str, ...]:
    """What must be set for the provider that the settings name."""
    return _NEEDED[settings.require("keys.provider")]


def open_key_ring(settings: Settings) -> RootRing:
    """The ring of `keys.provider`. Nothing is opened or asked before it is used.

    Raises:
        ConfigError: A setting that the provider needs is not set, or the service's address is another machine's without TLS.
    """
    for name in needed_settings(settings):
        settings.require(name)
    provider = settings.require("keys.provider")
    if provider == "file":
        return FileKeyRing(settings.require("keys.root"))
    if provider == "vault-kv":
        store = KvEpochs(_vault(settings), settings.get("keys.vault.mount") or "secret", settings.require("keys.vault.path"))
        return RootRing(provider, store, Plain())
    wrapper = KmsWrapper(_kms(settings)) if provider == "aws-kms" else _transit(settings)
    holds = "roots that the key service wrapped"
    return RootRing(provider, FileEpochs(Path(settings.require("keys.root")), wrapper, holds=holds), wrapper)


def service_identity(settings: Settings) -> str | None:
    """Who the key service takes this process for; None: no service is asked. Raises as the ring does."""
    provider = settings.require("keys.provider")
    if provider == "file":
        return None
    session = _kms(settings) if provider == "aws-kms" else _vault(settings)
    try:
        return session.identity()
    except KeyAccessError:
        # Least privilege is to read or decrypt alone, which the look at the roots tries.
        return "this identity may not ask who it is, or not describe the key; only this look would need that"


def _transit(settings: Settings) -> TransitWrapper:
    mount = settings.get("keys.vault.mount") or "transit"
    return TransitWrapper(_vault(settings), mount, settings.require("keys.vault.key"))


def _vault(settings: Settings) -> VaultSession:
    auth = cast("Auth", settings.get("keys.vault.auth") or "token")
    return VaultSession(
        VaultLogin(
            address=settings.require("keys.vault.address"),
            auth=auth,
            role=settings.get("keys.vault.role"),
            credential=settings.path("keys.vault.credential"),
            # A projected service account token is mounted for whoever runs in the pod.
            read=Path.read_bytes if auth == "kubernetes" else read_private_file,
            auth_mount=settings.get("keys.vault.auth_mount"),
            ca=settings.path("keys.vault.ca"),
            namespace=settings.get("keys.vault.namespace"),
        )
    )


def _kms(settings: Settings) -> KmsSession:
    key_id, region, endpoint = (settings.get(f"keys.kms.{name}") for name in ("key_id", "region", "endpoint"))
    return KmsSession(
        KmsKey(
            key_id=key_id or settings.require("keys.kms.key_id"),
            region=region,
            endpoint=endpoint,
            metadata_service=settings.get("metadata_service") == "on",
        )
    )
