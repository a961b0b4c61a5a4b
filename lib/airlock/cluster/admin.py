"""Policies of the whole cluster (policy.networking.k8s.io) as rules. Called by `model`.

ClusterNetworkPolicy v1alpha2 (v0.2.0), AdminNetworkPolicy and BaselineAdminNetworkPolicy v1alpha1 (v0.1.7). Every meaning here is from the
types' own documentation in kubernetes-sigs/network-policy-api.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airlock.cluster.addresses import parse_addresses
from airlock.cluster.netpol import checked_range, spec_of
from airlock.cluster.ports import PROTOCOLS, NamedPort, PortRange
from airlock.cluster.resources import Resource
from airlock.cluster.rules import Action, Direction, Peer, Pods, Policy, Rule, Tier
from airlock.cluster.selectors import UnmodelledError, known_only, list_of, parse_selector

__all__ = ["ADMIN_GROUP", "ADMIN_KINDS", "parse_admin_policy"]

ADMIN_GROUP = "policy.networking.k8s.io"
ADMIN_KINDS = {"ClusterNetworkPolicy": "v1alpha2", "AdminNetworkPolicy": "v1alpha1", "BaselineAdminNetworkPolicy": "v1alpha1"}
_PRIORITIES = range(1001)
_OLD_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}
_NEW_ACTIONS = {"Accept": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS}


def parse_admin_policy(resource: Resource) -> Policy:
    """One policy as rules in order.

    Raises:
        UnmodelledError: Another version, or a field or value that the model has no meaning for; so is a peer by domain name, whose
            addresses nobody knows.
    """
    kind, spec = resource.kind, spec_of(resource)
    if resource.version != ADMIN_KINDS[kind]:
        raise UnmodelledError(f"version {resource.version} of {kind}; {ADMIN_KINDS[kind]} is modelled")
    tier, priority = _place(kind, spec)
    rules = []
    for direction, name, ends in ((Direction.INGRESS, "ingress", "from"), (Direction.EGRESS, "egress", "to")):
        for index, raw in enumerate(list_of(spec, name), 1):
            rules.append(_rule(resource, raw, direction, index, ends))
    directions = frozenset(one.direction for one in rules)
    return Policy(resource.ref, tier, priority, _subject(spec.get("subject")), directions, tuple(rules))


def _place(kind: str, spec: Mapping[str, Any]) -> tuple[Tier, int]:
    if kind == "BaselineAdminNetworkPolicy":
        known_only(spec, ("subject", "ingress", "egress"), "spec")
        return Tier.BASELINE, 0
    known_only(spec, ("tier", "priority", "subject", "ingress", "egress"), "spec")
    priority, tier = spec.get("priority"), spec.get("tier", "Admin" if kind == "AdminNetworkPolicy" else None)
    if type(priority) is not int or priority not in _PRIORITIES:
        raise UnmodelledError(f"priority {priority!r}")
    if tier not in ("Admin", "Baseline"):
        raise UnmodelledError(f"tier {tier!r}")
    return (Tier.ADMIN if tier == "Admin" else Tier.BASELINE), priority


def _subject(raw: Any) -> Pods:
    known_only(raw, ("namespaces", "pods"), "subject")
    if len(raw) != 1:
        raise UnmodelledError(f"a subject with {len(raw)} fields, expected 1")
    return _pods(raw, "subject")


def _pods(raw: Mapping[str, Any], what: str) -> Pods:
    if "namespaces" in raw:
        return Pods(namespaces=parse_selector(raw["namespaces"]))
    known_only(raw["pods"], ("namespaceSelector", "podSelector"), f"pods of {what}")
    return Pods(
        namespaces=parse_selector(raw["pods"].get("namespaceSelector")), pods=parse_selector(raw["pods"].get("podSelector"))
    )


def _rule(resource: Resource, raw: Any, direction: Direction, index: int, ends: str) -> Rule:
    new = resource.kind == "ClusterNetworkPolicy"
    ports_name = "protocols" if new else "ports"
    known_only(raw, ("name", "action", ends, ports_name), f"{direction.lower()} rule {index}")
    given = raw.get("action")
    action = (_NEW_ACTIONS if new else _OLD_ACTIONS).get(given) if isinstance(given, str) else None
    if action is None or (action is Action.PASS and resource.kind == "BaselineAdminNetworkPolicy"):
        raise UnmodelledError(f"action {given!r} in {direction.lower()} rule {index}")
    peers = tuple(_peer(one, direction) for one in list_of(raw, ends))
    if not peers:
        raise UnmodelledError(f"{direction.lower()} rule {index} without an entry in '{ends}'")
    ports = tuple(_protocol(one) if new else _port(one) for one in list_of(raw, ports_name)) or None
    return Rule(resource.ref, direction, index, action, peers, ports)


def _peer(raw: Any, direction: Direction) -> Peer:
    known_only(raw, ("namespaces", "pods", *(("nodes", "networks") if direction is Direction.EGRESS else ())), "a peer")
    if len(raw) != 1:
        raise UnmodelledError(f"a peer with {len(raw)} fields, expected 1")
    if "networks" in raw:
        return Peer(addresses=parse_addresses(list_of(raw, "networks")))
    return Peer(nodes=parse_selector(raw["nodes"])) if "nodes" in raw else Peer(_pods(raw, "a peer"))


def _protocol(raw: Any) -> PortRange | NamedPort:
    """Of v1alpha2: one protocol with or without ports, or a name."""
    known_only(raw, ("tcp", "udp", "sctp", "destinationNamedPort"), "protocols")
    if len(raw) != 1:
        raise UnmodelledError(f"an entry of protocols with {len(raw)} fields, expected 1")
    ((name, given),) = raw.items()
    if name == "destinationNamedPort":
        return NamedPort("", _named(given))
    known_only(given, ("destinationPort",), name)
    port = given.get("destinationPort")
    if port is None:
        return PortRange(name.upper())
    known_only(port, ("number", "range"), "destinationPort")
    if len(port) != 1:
        raise UnmodelledError(f"a destinationPort with {len(port)} fields, expected 1")
    if "number" in port:
        return PortRange(name.upper(), *checked_range(port["number"], port["number"]))
    known_only(port["range"], ("start", "end"), "range")
    return PortRange(name.upper(), *checked_range(port["range"].get("start"), port["range"].get("end")))


def _named(given: Any) -> str:
    if not isinstance(given, str):
        raise UnmodelledError("a port's name that is not text")
    return given


def _port(raw: Any) -> PortRange | NamedPort:
    """Of v1alpha1: `portNumber`, `portRange` or `namedPort`."""
    known_only(raw, ("portNumber", "portRange", "namedPort"), "ports")
    if len(raw) != 1:
        raise UnmodelledError(f"an entry of ports with {len(raw)} fields, expected 1")
    ((name, given),) = raw.items()
    if name == "namedPort":
        return NamedPort("", _named(given))
    known_only(given, ("protocol", *(("port",) if name == "portNumber" else ("start", "end"))), name)
    protocol = given.get("protocol") or "TCP"
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise UnmodelledError(f"protocol '{protocol}'")
    ends = (given.get("port"), given.get("port")) if name == "portNumber" else (given.get("start"), given.get("end"))
    return PortRange(protocol, *checked_range(*ends))
