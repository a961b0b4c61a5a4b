"""Looks at the key provider that `doctor` takes: who it takes us for, which epochs it has, whether each root comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from airlock.doors.permits import key_permit
from airlock.errors import KeyEpochError, PolicyError
from airlock.keys import open_key_ring
from airlock.keys.open import needed_settings, service_identity
from airlock.policy.load import load_policy, policy_files
from airlock.settings import Settings

__all__ = ["provider_looks"]


def provider_looks(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    """Names of looks, and how to take each: it returns what was found, or raises. None where no provider is configured."""
    provider = settings.require("keys.provider")
    if provider == "file" and settings.get("keys.root") is None:
        return
    for name in needed_settings(settings):
        settings.require(name)
    if provider != "file":
        yield "provider", lambda: f"{provider}: {service_identity(settings)}"
    yield "root", lambda: _unwrapped(settings)


def _unwrapped(settings: Settings) -> str:
    """Derive from every root, and find the epochs that policies name."""
    ring, permit = open_key_ring(settings), key_permit(settings)
    epochs = sorted(ring.epochs().texts)
    for epoch in epochs:
        ring.fingerprint(epoch, permit)
    missing = sorted({f"{name} (epoch {epoch})" for name, epoch in _named(settings).items() if epoch not in epochs})
    if missing:
        raise KeyEpochError(
            f"{ring.place} has epochs {', '.join(map(str, epochs)) or 'none'}, but not those of {', '.join(missing)}"
        )
    return (
        f"epochs {', '.join(map(str, epochs))} in {ring.place}"
        if epochs
        else f"{ring.place} has no epoch: 'airlock keys rotate' adds one"
    )


def _named(settings: Settings) -> dict[str, int]:
    """The epochs of the policies that this configuration names; a policy with faults is `plan`'s business."""
    folder, found = settings.path("policies"), {}
    with suppress(PolicyError):
        for file in policy_files(folder) if folder is not None else ():
            with suppress(PolicyError):
                found[file.name] = load_policy(file).keys.epoch
    return found
