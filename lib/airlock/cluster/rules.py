"""What every kind of network policy comes down to: whom it selects, and rules in order. Made by `netpol` and `admin`, read by `model`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from airlock.cluster.addresses import Addresses
from airlock.cluster.ports import NamedPort, PortRange
from airlock.cluster.resources import Ref
from airlock.cluster.selectors import ANY, Selector

__all__ = ["Action", "Direction", "Doubt", "Peer", "Pods", "Policy", "Rule", "Tier"]


class Direction(StrEnum):
    """Seen from the pod that a policy selects."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Tier(IntEnum):
    """In this order they are asked (network-policy-api, v1alpha2, `tier`)."""

    ADMIN = 0
    NETWORK = 1
    BASELINE = 2


class Action(StrEnum):
    """What a rule does with what it matches."""

    ALLOW = "Accept"
    DENY = "Deny"
    PASS = "Pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods by their namespace and labels. Host-network pods are never among them.

    Attributes:
        namespace: Of this namespace alone; empty: of those that `namespaces` selects.
    """

    namespace: str = ""
    namespaces: Selector = ANY
    pods: Selector = ANY


@dataclass(frozen=True, slots=True)
class Peer:
    """One other end. Exactly one attribute is set.

    Attributes:
        nodes: Nodes that a selector takes: their addresses are asked of `Node` objects.
    """

    pods: Pods | None = None
    addresses: Addresses | None = None
    nodes: Selector | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One entry of a policy.

    Attributes:
        index: Its place in its list, from 1, as people count.
        peers: Other ends; None: everyone.
        ports: None: every protocol and port.
    """

    policy: Ref
    direction: Direction
    index: int
    action: Action
    peers: tuple[Peer, ...] | None
    ports: tuple[PortRange | NamedPort, ...] | None

    def __str__(self) -> str:
        return f"{self.policy} ({self.direction.lower()} rule {self.index})"


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """One policy object.

    Attributes:
        priority: Within its tier, lowest first; 0 in the tier of NetworkPolicies, which have none.
        directions: The ones in which a NetworkPolicy isolates; in other tiers those with rules.
    """

    ref: Ref
    tier: Tier
    priority: int
    subject: Pods
    directions: frozenset[Direction]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that could matter and is not modelled: nothing is proved while it is there."""

    where: Ref
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"
