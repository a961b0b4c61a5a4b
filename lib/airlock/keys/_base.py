"""The contract of key providers: what is asked for, what comes back, and the permit without which nothing does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from airlock.errors import PermitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airlock.types import Sha256

__all__ = ["KeyRequest", "KeyRing", "Permit", "SubKeys", "utc_text"]


def utc_text(at: datetime) -> str:
    """A moment as keys and epochs have it beside them, to the second (RFC 3339).

    Example:
        >>> utc_text(datetime(2026, 11, 22, 10, 30, tzinfo=UTC))
        '2026-11-22T10:30:00Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, order=True)
class KeyRequest:
    """One subkey: what for (`pseudonymize`, `order`, ...), for which algorithm (`aes-cmac`, ...), in which key domain.

    Attributes:
        per_run: Every run has a key of its own: its id takes part in the derivation.
    """

    purpose: str
    algorithm: str
    domain: str = ""
    per_run: bool = False


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to use keys: made by a door after its checks, from the digest of their verdict, and running out.

    Attributes:
        verdict: SHA-256 of the checks' verdict.
        not_after: Unix seconds.
        again: Asks anew for what it stands on: a verdict that is renewed, or taken back, while a run lasts. None: it stands by itself.
    """

    verdict: Sha256
    not_after: float
    again: Callable[[], Permit] | None = field(default=None, compare=False, repr=False)

    def valid(self, now: float | None = None) -> bool:
        """Whether it still holds."""
        return (time.time() if now is None else now) < self.not_after

    def require(self) -> None:
        """Make sure that it still holds.

        Raises:
            PermitError: It does not; or whatever `again` raises.
        """
        if not (self if self.again is None else self.again()).valid():
            raise PermitError("the permit to use keys has run out; nothing further was written. Run the door again")


@dataclass(frozen=True, slots=True)
class SubKeys:
    """Derived keys by request. Never printed, never pickled outside an encrypted task frame.

    Attributes:
        ids: A public id per request, for manifests.
    """

    _bytes: Mapping[KeyRequest, bytes] = field(repr=False)
    ids: Mapping[KeyRequest, str]

    def __getitem__(self, request: KeyRequest) -> bytes:
        return self._bytes[request]

    def __iter__(self) -> Iterator[KeyRequest]:
        return iter(self._bytes)

    def __len__(self) -> int:
        return len(self._bytes)

    def __reduce__(self) -> str:
        raise TypeError("subkeys are not pickled; wrap them in a task frame")


class KeyRing(Protocol):
    """Where root keys come from: one implementation per provider."""

    def subkeys(
        self, requests: Iterable[KeyRequest], *, recipient: str, epoch: int, permit: Permit | None, run: str | None = None
    ) -> SubKeys:
        """Derive the requested subkeys; `run` is the id for those that every run has of its own.

        Raises:
            ValueError: Such a one is asked for without a run id.
            PermitError: No permit, or one that has run out.
            KeyFileError, KeyProviderError: The root of this epoch is missing, not private, or refused to this identity.
            TransientError: The key service does not answer.
        """
        ...
