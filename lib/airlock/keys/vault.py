"""Roots in Vault: as a KV secret, or in a file that its transit engine wrapped. Called through `open_key_ring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airlock.clients.vault import VaultSession
from airlock.errors import KeyProviderError
from airlock.keys.epochs import TIMES, VERSION, Epochs, epochs_tree, parse_epochs
from airlock.keys.ring import ROOT_BYTES, Plain

__all__ = ["KvEpochs", "TransitWrapper"]


class KvEpochs:
    """Epochs in one KV secret (version 2): `{"1": "<32 random bytes, base64>"}`, and times beside them.

    A write names the version that was read, so of two at once one is refused. Only the newest version is kept readable.
    """

    def __init__(self, session: VaultSession, mount: str, path: str) -> None:
        self._session, self._mount, self._path = session, mount, path

    @property
    def place(self) -> str:
        """The secret."""
        return f"Vault secret '{self._mount}/{self._path}'"

    def load(self) -> Epochs:
        """Read the secret.

        Raises:
            KeyProviderError: It is not there, malformed, or refused to this identity.
            TransientError: Vault does not answer.
        """
        return self._read()[0]

    def create(self, epochs: Epochs) -> None:
        """Write the first version. Raises KeyProviderError where the secret is there already."""
        found = self._session.read(self._mount, self._path)
        if found.version:
            raise KeyProviderError(f"{self.place} exists already and is not overwritten. Choose another keys.vault.path")
        self._session.write(self._mount, self._path, _data(epochs), expected=0)

    def change(self, edit: Callable[[Epochs], Epochs]) -> None:
        """Write a new version and destroy the older ones, those of a broken-off call too."""
        epochs, version = self._read()
        changed = edit(epochs)
        if changed != epochs:
            self._session.write(self._mount, self._path, _data(changed), expected=version)
        self._session.destroy_older(self._mount, self._path)

    def _read(self) -> tuple[Epochs, int]:
        found = self._session.read(self._mount, self._path)
        if not found.data:
            raise KeyProviderError(f"{self.place} is not there. Make it with 'airlock keys init --provider vault-kv'")
        epochs = parse_epochs(_tree(found.data), Plain().accepts)
        if epochs is None:
            raise KeyProviderError(
                f"{self.place} is malformed; expected, by epoch, different roots of {ROOT_BYTES} bytes in base64. "
                "Restore an older version of it"
            )
        return epochs, found.version


def _tree(data: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: data[name] for name in TIMES if name in data}
    return {"version": VERSION, "epochs": {name: value for name, value in data.items() if name not in TIMES}, **times}


def _data(epochs: Epochs) -> dict[str, Any]:
    tree = epochs_tree(epochs)
    return tree["epochs"] | {name: tree[name] for name in TIMES if name in tree}


class TransitWrapper:
    """Roots wrapped by a transit key that never leaves Vault; each is bound to its epoch (AEAD associated data)."""

    def __init__(self, session: VaultSession, mount: str, key: str) -> None:
        self._session, self._mount, self._key = session, mount, key

    def accepts(self, text: str) -> bool:
        """Whether it is transit's `vault:v1:...`."""
        return text.startswith("vault:v")

    def wrap(self, epoch: int, root: bytes) -> str:
        """Encrypt in Vault."""
        return self._session.encrypt(self._mount, self._key, root, bound_to=_bound(epoch))

    def unwrap(self, epoch: int, text: str) -> bytes:
        """Decrypt in Vault."""
        return self._session.decrypt(self._mount, self._key, text, bound_to=_bound(epoch))


def _bound(epoch: int) -> bytes:
    return f"airlock/v1/epoch/{epoch}".encode()
