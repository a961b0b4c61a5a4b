"""What epochs there are, and one more: `airlock keys show` and `airlock keys rotate`. Never shows a byte of a key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airlock.doors.permits import key_permit
from airlock.keys import Permit, RootRing, open_key_ring
from airlock.keys.epochs import Epochs
from airlock.plan.bind import BoundPolicy, bind_policy
from airlock.policy.load import load_policy, policy_files
from airlock.policy.model import Policy
from airlock.settings import Settings

__all__ = ["Epoch", "KeysShown", "Rotated", "rotate_epoch", "show_keys"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One generation of the root.

    Attributes:
        fingerprint: The root's public fingerprint; empty once it is destroyed.
        created: Empty where nobody noted it.
    """

    epoch: int
    state: str
    fingerprint: str = ""
    created: str = ""
    destroyed: str = ""


@dataclass(frozen=True, slots=True)
class KeysShown:
    """What is known of the keys.

    Attributes:
        key_ids: By dataset, the public ids of the subkeys that its policy uses.
    """

    provider: str
    place: str
    epochs: tuple[Epoch, ...]
    key_ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def show_keys(settings: Settings, policies: Iterable[Path] = ()) -> KeysShown:
    """Every epoch, with fingerprints; and the ids of the keys that policies use.

    Args:
        settings: Name a key provider.
        policies: Policy files, or folders of them.

    Raises:
        ConfigError, KeyFileError, KeyProviderError, TransientError: The provider can't be asked.
        PolicyError: A policy has faults.
    """
    ring, permit = open_key_ring(settings), key_permit(settings)
    bound = [bind_policy(file) for path in policies for file in policy_files(path)]
    stored = ring.epochs()
    epochs = [
        Epoch(epoch, "active", ring.fingerprint(epoch, permit), stored.created.get(epoch, "")) for epoch in sorted(stored.texts)
    ]
    gone = [Epoch(epoch, "destroyed", "", stored.created.get(epoch, ""), when) for epoch, when in stored.destroyed.items()]
    shown = tuple(sorted([*epochs, *gone], key=lambda one: one.epoch))
    return KeysShown(ring.provider, ring.place, shown, {one.policy.dataset: _ids(one, stored, ring, permit) for one in bound})


def _ids(bound: BoundPolicy, stored: Epochs, ring: RootRing, permit: Permit) -> tuple[str, ...]:
    requests = {request for operator in bound.operators.values() for request in operator.requests() if not request.per_run}
    keys = bound.policy.keys
    if keys.epoch not in stored.texts:
        return (f"none: there is no root for epoch {keys.epoch}",)
    made = ring.subkeys(sorted(requests), recipient=keys.recipient, epoch=keys.epoch, permit=permit)
    return tuple(sorted(made.ids.values()))


@dataclass(frozen=True, slots=True)
class Rotated:
    """A new epoch.

    Attributes:
        fingerprint: The new root's public fingerprint.
        older: Policy files that name an older epoch.
        joins: Key domains whose joins with older releases end when these policies change.
    """

    provider: str
    place: str
    epoch: int
    fingerprint: str
    older: tuple[str, ...]
    joins: tuple[str, ...]


def rotate_epoch(settings: Settings, policies: Iterable[Path] = ()) -> Rotated:
    """Add an epoch with an independent random root. Older ones stay: nothing changes until a policy names the new one.

    Args:
        settings: Name a key provider that this process may write to.
        policies: Policy files, or folders of them, that are to follow.

    Raises:
        ConfigError, KeyFileError, KeyProviderError, TransientError: Nothing was added.
    """
    ring, permit = open_key_ring(settings), key_permit(settings)
    loaded = {str(file): load_policy(file) for path in policies for file in policy_files(path)}
    epoch = ring.add()
    older = {file: policy for file, policy in loaded.items() if policy.keys.epoch < epoch}
    return Rotated(
        ring.provider, ring.place, epoch, ring.fingerprint(epoch, permit), tuple(sorted(older)), _joins(older.values())
    )


def _joins(policies: Iterable[Policy]) -> tuple[str, ...]:
    return tuple(sorted({domain for policy in policies for domain in policy.keys.domains}))
