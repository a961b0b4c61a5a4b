"""NetworkPolicy (networking.k8s.io/v1) as rules. Called by `model`.

Source of every meaning here: the API reference of NetworkPolicySpec and its parts, and the concept page "Network Policies".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster.addresses import parse_addresses
from airlock.cluster.ports import LAST, PROTOCOLS, NamedPort, PortRange
from airlock.cluster.resources import Resource
from airlock.cluster.rules import Action, Direction, Peer, Pods, Policy, Rule, Tier
from airlock.cluster.selectors import UnmodelledError, known_only, list_of, parse_selector

__all__ = ["checked_range", "parse_network_policy", "spec_of"]

_SIDES = ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to"))


def parse_network_policy(resource: Resource) -> Policy:
    """A NetworkPolicy as rules that allow.

    Raises:
        UnmodelledError: A field, protocol or value that the model has no meaning for.
    """
    spec = spec_of(resource)
    known_only(spec, ("podSelector", "policyTypes", "ingress", "egress"), "spec")
    rules = []
    for direction, name, ends in _SIDES:
        for index, raw in enumerate(list_of(spec, name), 1):
            given = {} if raw is None else raw
            known_only(given, (ends, "ports"), name)
            peers = tuple(_peers(list_of(given, ends), resource.namespace)) or None
            ports = tuple(_port(one) for one in list_of(given, "ports")) or None
            rules.append(Rule(resource.ref, direction, index, Action.ALLOW, peers, ports))
    subject = Pods(resource.namespace, pods=parse_selector(spec.get("podSelector")))
    directions = _directions(spec)
    # Rules of a direction that policyTypes leaves out have no effect.
    return Policy(
        resource.ref, Tier.NETWORK, 0, subject, directions, tuple(one for one in rules if one.direction in directions)
    )


def _directions(spec: Mapping[str, Any]) -> frozenset[Direction]:
    """Where `policyTypes` is missing: ingress always, egress where it has rules. An empty list of rules isolates nothing by itself."""
    given = list_of(spec, "policyTypes")
    if not given:
        return frozenset({Direction.INGRESS} | ({Direction.EGRESS} if spec.get("egress") else set()))
    try:
        return frozenset(map(Direction, given))
    except ValueError:
        raise UnmodelledError(f"policyTypes {given}") from None


def _peers(raw: Sequence[Any], own: str) -> Iterator[Peer]:
    for one in raw:
        known_only(one, ("podSelector", "namespaceSelector", "ipBlock"), "a peer")
        # A field that is null is one that is not there; {} is.
        block, pods, namespaces = one.get("ipBlock"), one.get("podSelector"), one.get("namespaceSelector")
        if block is not None:
            if pods is not None or namespaces is not None:
                raise UnmodelledError("a peer with ipBlock beside a selector")
            known_only(block, ("cidr", "except"), "ipBlock")
            yield Peer(
                addresses=parse_addresses([_text(block.get("cidr"))]) - parse_addresses(map(_text, list_of(block, "except")))
            )
        elif namespaces is not None:
            yield Peer(Pods(namespaces=parse_selector(namespaces), pods=parse_selector(pods)))
        elif pods is not None:
            yield Peer(Pods(own, pods=parse_selector(pods)))
        else:
            raise UnmodelledError("a peer without any field")


def _port(raw: Any) -> PortRange | NamedPort:
    known_only(raw, ("protocol", "port", "endPort"), "ports")
    protocol, port, end = raw.get("protocol") or "TCP", raw.get("port"), raw.get("endPort")
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise UnmodelledError(f"protocol '{protocol}'")
    if port is None and end is None:
        return PortRange(protocol)
    if isinstance(port, str) and end is None:
        return NamedPort(protocol, port)
    return PortRange(protocol, *checked_range(port, port if end is None else end))


def spec_of(resource: Resource) -> Mapping[str, Any]:
    """A policy's spec; empty where it has none. Raises UnmodelledError where it is no mapping."""
    found = resource.body.get("spec")
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise UnmodelledError("spec is not a mapping")
    return found


def checked_range(low: Any, high: Any) -> tuple[int, int]:
    """Two ports in order. Raises UnmodelledError where they are none."""
    if type(low) is not int or type(high) is not int or not 1 <= low <= high <= LAST:
        raise UnmodelledError(f"ports {low!r} to {high!r}")
    return low, high


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise UnmodelledError("a CIDR that is not text")
    return value
