"""What all key providers share: the permit, the epoch, the derivation. A provider is a store of epochs and a way to wrap roots."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

from airlock.errors import KeyProviderError, PermitError
from airlock.keys._base import KeyRequest, Permit, SubKeys, utc_text
from airlock.keys.derive import derive_all, root_fingerprint
from airlock.keys.epochs import Epochs, EpochStore

__all__ = ["ROOT_BYTES", "Plain", "RootRing", "Wrapper", "decoded"]

ROOT_BYTES = 32


class Wrapper(Protocol):
    """How a root is kept outside of this process."""

    def accepts(self, text: str) -> bool:
        """Whether a stored text may be one of its own."""
        ...

    def wrap(self, epoch: int, root: bytes) -> str:
        """The text to store."""
        ...

    def unwrap(self, epoch: int, text: str) -> bytes:
        """The root again; bound to its epoch wherever the service can."""
        ...


def decoded(text: str) -> bytes | None:
    """Bytes of strict base64; None where it is not."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


class Plain:
    """Roots as they are, in base64: the store itself keeps them secret."""

    def accepts(self, text: str) -> bool:
        """Whether it is 32 bytes in base64."""
        return len(decoded(text) or b"") == ROOT_BYTES

    def wrap(self, epoch: int, root: bytes) -> str:
        """In base64."""
        del epoch
        return base64.b64encode(root).decode()

    def unwrap(self, epoch: int, text: str) -> bytes:
        """From base64."""
        del epoch
        return decoded(text) or b""


class RootRing:
    """A `KeyRing` over a store of epochs. Roots are fetched anew for each request and never kept.

    Attributes:
        provider: The word for it in settings.
    """

    def __init__(self, provider: str, store: EpochStore, wrapper: Wrapper) -> None:
        self.provider, self._store, self._wrapper = provider, store, wrapper

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.provider!r}, {self.place!r})"

    @property
    def place(self) -> str:
        """Where the epochs are kept, for messages."""
        return self._store.place

    def subkeys(
        self, requests: Iterable[KeyRequest], *, recipient: str, epoch: int, permit: Permit | None, run: str | None = None
    ) -> SubKeys:
        """Derive the requested subkeys; `run` is the id for those that every run has of its own.

        Raises:
            ValueError: Such a one is asked for without a run id.
            PermitError: No permit, or one that has run out; nothing was opened or asked.
            KeyEpochError: There is no root for this epoch.
            KeyFileError, KeyProviderError: The roots are malformed, readable by others, or refused to this identity.
            TransientError: The key service does not answer.
        """
        return derive_all(self._root(epoch, permit), requests, recipient=recipient, epoch=epoch, run=run)

    def fingerprint(self, epoch: int, permit: Permit | None) -> str:
        """A public fingerprint of an epoch's root, to tell whether two places hold the same one. Raises as `subkeys` does."""
        return root_fingerprint(self._root(epoch, permit), epoch)

    def epochs(self) -> Epochs:
        """Which epochs there are."""
        return self._store.load()

    def create(self) -> None:
        """Make epoch 1, where there is nothing yet."""
        self._store.create(Epochs({}).adding(1, self._wrapper.wrap(1, _fresh()), _now()))

    def add(self) -> int:
        """Add the next epoch, with an independent random root; returns its number."""
        epoch = self.epochs().next
        text, now = self._wrapper.wrap(epoch, _fresh()), _now()
        self._store.change(lambda stored: stored.adding(epoch, text, now))
        return epoch

    def remove(self, epoch: int) -> None:
        """Destroy an epoch's root; what is destroyed already is looked after again, so that a broken-off call can be repeated."""
        now = _now()
        self._store.change(lambda stored: stored.without(epoch, now))

    def _root(self, epoch: int, permit: Permit | None) -> bytes:
        if permit is None:
            raise PermitError("keys were asked for without a permit; expected one from the door's own checks. Run the door")
        permit.require()
        root = self._wrapper.unwrap(epoch, self._store.load().text(epoch, self.place))
        if len(root) != ROOT_BYTES:
            raise KeyProviderError(
                f"the root of epoch {epoch} in {self.place} has {len(root)} bytes, expected {ROOT_BYTES}. Restore it from a backup"
            )
        return root


def _fresh() -> bytes:
    return secrets.token_bytes(ROOT_BYTES)


def _now() -> str:
    return utc_text(datetime.now(UTC))
