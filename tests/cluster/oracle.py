"""What policies permit between two addresses, decided one connection at a time, straight from the words of the API documents.

It is what the reachability model is checked against: slow, plain, and without a line in common with it. Its input are documents as
they are read from YAML. It speaks of policies alone: not of the pod's own node, which no policy shuts out, not of Services, and not
of whether anything enforces what is written.

Sources: networking.k8s.io/v1 (types.go, defaults.go); policy.networking.k8s.io/v1alpha2 (ClusterNetworkPolicy) and v1alpha1 as of
v0.1.7 (AdminNetworkPolicy, BaselineAdminNetworkPolicy).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Document = Mapping[str, Any]
ADMIN, BASELINE = "Admin", "Baseline"
GROUP = "policy.networking.k8s.io"


class Undecided(Exception):  # noqa: N818  # an answer, not a fault
    """The documents don't say whether the connection is permitted."""


class Ambiguous(Undecided):
    """Two policies of one tier and priority decide a connection differently, and either may win."""


class Unknown(Undecided):
    """Something that the API's version doesn't have, or that its validation refuses."""


@dataclass(frozen=True)
class Pod:
    """A pod, as far as policies can tell pods apart.

    Attributes:
        ports: (name, protocol, number) of its container ports.
        addresses: Its own in IPv4, IPv6 or both; its node's if it has host network; for pods that don't exist yet, some they may get.
    """

    namespace: str
    labels: Mapping[str, str]
    namespace_labels: Mapping[str, str]
    ports: tuple[tuple[str, str, int], ...] = ()
    addresses: tuple[str, ...] = ()
    host_network: bool = False
    name: str = ""


@dataclass(frozen=True)
class Address:
    """What is no pod: a node, or something outside the cluster."""

    ip: str


@dataclass(frozen=True)
class _End:
    """One end of a connection. A pod with host network is no more than its node's address: nothing selects it, nothing governs it."""

    pod: Pod | None
    ip: str


@dataclass(frozen=True)
class _Traffic:
    """What a rule looks at: the other end, and the port on the destination (which alone can say what its ports are called)."""

    peer: _End
    destination: _End
    protocol: str
    port: int
    nodes: Sequence[Document] = field(repr=False)


def allowed(documents, source, destination, protocol, port, *, source_ip=None, destination_ip=None) -> bool:
    """Whether a connection is permitted at both its ends.

    Args:
        documents: Everything that stands in the cluster; what is no policy, namespace or node is passed over.
        source: A Pod or an Address.
        destination: A Pod or an Address; one of the two is a pod.
        protocol: TCP, UDP or SCTP.
        port: The port at the destination.
        source_ip: The address that the pod uses; needed where it has several.
        destination_ip: The same, of the destination.

    Raises:
        Ambiguous: No end denies it for certain, and at one the winner among policies of equal priority is undefined.
        Unknown: A policy has a field that its version doesn't know.
    """
    if {type(source), type(destination)} == {Address}:
        raise ValueError("neither end is a pod: policies have no say")
    here, there = _end(source, source_ip), _end(destination, destination_ip)
    if _address(here.ip).version != _address(there.ip).version:
        raise ValueError(f"{here.ip} and {there.ip} are of two address families: no connection can be between them")
    if source == destination and here.ip == there.ip:
        return True  # "a Pod cannot block access to itself"
    nodes = [each for each in documents if each["kind"] == "Node"]
    outward = _verdict(documents, here, _Traffic(there, there, protocol, port, nodes), "egress")
    inward = _verdict(documents, there, _Traffic(here, there, protocol, port, nodes), "ingress")
    if outward == "Deny" or inward == "Deny":
        return False
    for each in (outward, inward):
        if isinstance(each, Ambiguous):
            raise each
    return True


def allowed_any_family(documents, source, destination, protocol, port) -> bool:
    """Whether a connection is permitted between any two of their addresses of one family.

    Raises:
        Ambiguous: None is permitted for certain, and one is ambiguous.
    """
    doubt = None
    for source_ip, destination_ip in address_pairs(source, destination):
        try:
            if allowed(documents, source, destination, protocol, port, source_ip=source_ip, destination_ip=destination_ip):
                return True
        except Ambiguous as error:
            doubt = error
    if doubt is not None:
        raise doubt
    return False


def address_pairs(source, destination) -> Iterator[tuple[str, str]]:
    """The pairs of their addresses between which there can be a connection."""
    for source_ip in addresses_of(source):
        for destination_ip in addresses_of(destination):
            if _address(source_ip).version == _address(destination_ip).version:
                yield source_ip, destination_ip


def addresses_of(end) -> tuple[str, ...]:
    """Its addresses."""
    return (end.ip,) if isinstance(end, Address) else end.addresses


def _end(end: Pod | Address, ip: str | None) -> _End:
    if ip is None:
        (ip,) = addresses_of(end)
    if ip not in addresses_of(end):
        raise ValueError(f"{ip} is none of {addresses_of(end)}")
    return _End(None, ip) if isinstance(end, Address) or end.host_network else _End(end, ip)


def _verdict(documents, subject: _End, traffic: _Traffic, direction: str) -> str | Ambiguous:
    """'Accept', 'Deny', or the doubt: Admin tier, then NetworkPolicy, then Baseline tier, then the default, which accepts."""
    if subject.pod is None:
        return "Accept"
    try:
        action = _tier(documents, ADMIN, subject.pod, traffic, direction)
        if action in ("Accept", "Deny"):
            return action
        policies = [each for each in documents if _governs(each, subject.pod, direction)]
        if policies:
            return "Accept" if any(_permits(each, traffic, direction) for each in policies) else "Deny"
        action = _tier(documents, BASELINE, subject.pod, traffic, direction)
    except Ambiguous as error:
        return error
    return "Deny" if action == "Deny" else "Accept"


def _governs(document: Document, pod: Pod, direction: str) -> bool:
    """Whether a document is a NetworkPolicy that isolates the pod in this direction."""
    if document["kind"] != "NetworkPolicy":
        return False
    if document["apiVersion"] != "networking.k8s.io/v1":
        raise Unknown(f"a NetworkPolicy of {document['apiVersion']}")
    spec = document.get("spec") or {}
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return (
        direction.capitalize() in types
        and (document["metadata"].get("namespace") or "default") == pod.namespace
        and selects(spec.get("podSelector") or {}, pod.labels)
    )


def _permits(policy: Document, traffic: _Traffic, direction: str) -> bool:
    """Whether one of its rules matches."""
    namespace = policy["metadata"].get("namespace") or "default"
    for rule in (policy.get("spec") or {}).get(direction) or []:
        peers = rule.get("from" if direction == "ingress" else "to")
        ports = rule.get("ports")
        if (not peers or any(_is_peer(each, namespace, traffic.peer) for each in peers)) and (
            not ports or any(_is_port(each, traffic) for each in ports)
        ):
            return True
    return False


def _is_peer(peer: Document, namespace: str, end: _End) -> bool:
    chosen = {key: value for key, value in peer.items() if value is not None}
    if set(chosen) == {"ipBlock"}:
        block = chosen["ipBlock"]
        return _in(end.ip, block["cidr"]) and not any(_in(end.ip, each) for each in block.get("except") or [])
    if not chosen or set(chosen) - {"podSelector", "namespaceSelector"}:
        raise Unknown(f"a NetworkPolicy's peer with {sorted(peer)}")
    if end.pod is None:
        return False
    if "namespaceSelector" in chosen:
        there = selects(chosen["namespaceSelector"], end.pod.namespace_labels)
    else:
        there = end.pod.namespace == namespace
    return there and selects(chosen.get("podSelector", {}), end.pod.labels)


def _is_port(port: Document, traffic: _Traffic) -> bool:
    if (port.get("protocol") or "TCP") != traffic.protocol:
        return False
    first = port.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return _is_called(first, traffic)
    return first <= traffic.port <= (port.get("endPort") or first)


def _is_called(name: str, traffic: _Traffic) -> bool:
    """Whether the destination is a pod that calls this port of this protocol so."""
    pod = traffic.destination.pod
    return pod is not None and (name, traffic.protocol, traffic.port) in pod.ports


def _tier(documents, tier: str, pod: Pod, traffic: _Traffic, direction: str) -> str | None:
    """What the first match of a tier does: 'Accept', 'Deny', 'Pass'; None where nothing matches.

    The two versions of the API are two APIs: how their policies rank among each other is said nowhere.
    """
    found = {_first_policy(documents, (tier, version), pod, traffic, direction) for version in ("v1alpha1", "v1alpha2")} - {
        None
    }
    if len(found) > 1:
        raise Ambiguous(f"{direction} in the {tier} tier: policies of two APIs say {sorted(found)}")
    return found.pop() if found else None


def _first_policy(documents, place: tuple[str, str], pod: Pod, traffic: _Traffic, direction: str) -> str | None:
    matching: dict[int, set[str]] = {}
    for document in documents:
        if _place_of(document) == place and _is_subject(document["spec"]["subject"], pod):
            action = _first_match(document, traffic, direction)
            if action is not None:
                matching.setdefault(document["spec"].get("priority", 0), set()).add(action)
    if not matching:
        return None
    first = matching[min(matching)]
    if len(first) > 1:
        raise Ambiguous(f"{direction} in the {place[0]} tier: policies of priority {min(matching)} say {sorted(first)}")
    return first.pop()


_INGRESS, _EGRESS = {"namespaces", "pods"}, {"namespaces", "pods", "nodes", "networks"}
_KINDS = {
    ("ClusterNetworkPolicy", f"{GROUP}/v1alpha2"): {"ingress": _INGRESS, "egress": _EGRESS | {"domainNames"}},
    ("AdminNetworkPolicy", f"{GROUP}/v1alpha1"): {"ingress": _INGRESS, "egress": _EGRESS | {"domainNames"}},
    ("BaselineAdminNetworkPolicy", f"{GROUP}/v1alpha1"): {"ingress": _INGRESS, "egress": _EGRESS},
}
"""The peers that each version knows."""
_ACTIONS = {
    "ClusterNetworkPolicy": "Accept Deny Pass",
    "AdminNetworkPolicy": "Allow Deny Pass",
    "BaselineAdminNetworkPolicy": "Allow Deny",
}


def _place_of(document: Document) -> tuple[str, str] | None:
    """The tier of a policy and the version of its API; None for everything else."""
    group, _, version = document["apiVersion"].rpartition("/")
    kind = document["kind"]
    if group != GROUP:
        return None
    if (kind, document["apiVersion"]) not in _KINDS:
        raise Unknown(f"{kind} of {document['apiVersion']}")
    if kind == "BaselineAdminNetworkPolicy" and document["metadata"]["name"] != "default":
        raise Unknown("a BaselineAdminNetworkPolicy that is not named 'default'")
    tiers = {"AdminNetworkPolicy": ADMIN, "BaselineAdminNetworkPolicy": BASELINE}
    return tiers.get(kind) or document["spec"]["tier"], version


def _is_subject(subject: Document, pod: Pod) -> bool:
    if set(subject) == {"namespaces"}:
        return selects(subject["namespaces"], pod.namespace_labels)
    if set(subject) == {"pods"}:
        return _is_namespaced(subject["pods"], pod)
    raise Unknown(f"a subject with {sorted(subject)}")


def _is_namespaced(pods: Document, pod: Pod) -> bool:
    return selects(pods.get("namespaceSelector") or {}, pod.namespace_labels) and selects(
        pods.get("podSelector") or {}, pod.labels
    )


def _first_match(policy: Document, traffic: _Traffic, direction: str) -> str | None:
    known = _KINDS[policy["kind"], policy["apiVersion"]][direction]
    for rule in (policy.get("spec") or {}).get(direction) or []:
        if rule["action"] not in _ACTIONS[policy["kind"]].split():
            raise Unknown(f"action {rule['action']} in a {policy['kind']}")
        action = {"Allow": "Accept"}.get(rule["action"], rule["action"])
        peers = rule["from" if direction == "ingress" else "to"]
        if any(len(each) != 1 or set(each) - known for each in peers):
            # Failing closed: such an Accept matches nothing, such a Deny or Pass denies everything.
            if action != "Accept":
                return "Deny"
            continue
        if any(_is_tier_peer(each, traffic) for each in peers) and _is_tier_port(rule, traffic):
            return action
    return None


def _is_tier_peer(peer: Document, traffic: _Traffic) -> bool:
    ((kind, value),) = peer.items()
    end = traffic.peer
    if kind == "networks":
        return any(_in(end.ip, each) for each in value)
    if kind == "nodes":
        return any(
            selects(value, node["metadata"].get("labels") or {}) and end.ip in _node_addresses(node) for node in traffic.nodes
        )
    if kind == "domainNames":
        raise Unknown("domainNames: what addresses a name has is not in the documents")
    if end.pod is None:
        return False
    return selects(value, end.pod.namespace_labels) if kind == "namespaces" else _is_namespaced(value, end.pod)


def _node_addresses(node: Document) -> list[str]:
    return [each["address"] for each in (node.get("status") or {}).get("addresses") or []]


def _is_tier_port(rule: Document, traffic: _Traffic) -> bool:
    listed = [*(rule.get("protocols") or []), *(rule.get("ports") or [])]
    return not listed or any(_is_one_port(each, traffic) for each in listed)


def _is_one_port(port: Document, traffic: _Traffic) -> bool:
    """One item of `protocols` (v1alpha2) or of `ports` (v1alpha1)."""
    ((kind, value),) = port.items()
    if kind in ("destinationNamedPort", "namedPort"):
        return _is_called(value, traffic)
    if kind in ("tcp", "udp", "sctp"):
        if kind.upper() != traffic.protocol:
            return False
        number = value.get("destinationPort")
        return number is None or _is_number(number.get("number"), number.get("range"), traffic)
    if kind in ("portNumber", "portRange"):
        if (value.get("protocol") or "TCP") != traffic.protocol:
            return False
        return _is_number(value.get("port"), value if kind == "portRange" else None, traffic)
    raise Unknown(f"a port given by {kind}")


def _is_number(number: int | None, between: Document | None, traffic: _Traffic) -> bool:
    if between is not None:
        return between["start"] <= traffic.port <= between["end"]
    return number == traffic.port


def selects(selector: Document, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches: all of its labels and all of its expressions."""
    if set(selector) - {"matchLabels", "matchExpressions"}:
        raise Unknown(f"a selector with {sorted(selector)}")
    return all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items()) and all(
        _holds(each, labels) for each in selector.get("matchExpressions") or []
    )


def _holds(expression: Document, labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    if operator == "In":
        return key in labels and labels[key] in expression["values"]
    if operator == "NotIn":
        return key not in labels or labels[key] not in expression["values"]
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise Unknown(f"operator {operator}")


def _in(ip: str, cidr: str) -> bool:
    address, network = _address(ip), _network(cidr)
    return address.version == network.version and address in network


@cache
def _address(ip: str) -> IPv4Address | IPv6Address:
    return ip_address(ip)


@cache
def _network(cidr: str) -> IPv4Network | IPv6Network:
    return ip_network(cidr, strict=False)
