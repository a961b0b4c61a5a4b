"""Services as ways: what stands behind an address that a flow may go to. Called by `netproof`; by `network` for what can't be read.

Whether policies see a Service's address or that of the pod behind it is not defined (concept page "Network Policies"). So who may reach the
address of a Service counts as one who may reach whatever is behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, words
from airlock.cluster.addresses import NOWHERE, Addresses, parse_addresses
from airlock.cluster.ports import LAST, PROTOCOLS, NamedPort, PortRange
from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.rules import Doubt, Pods
from airlock.cluster.selectors import Requirement, Selector, UnmodelledError
from airlock.errors import ConfigError

__all__ = ["SERVICE_NAME", "Behind", "endpoints_of", "given_addresses", "service_doubts", "services_of"]

SERVICE_NAME = "kubernetes.io/service-name"
"""Label by which an EndpointSlice is a Service's."""

_ASKED_FOR = (
    "metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs", "kube-vip.io/loadbalancerIPs", "lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips",
)  # fmt: skip
"""Annotations that ask for addresses of a load balancer."""
_KINDS = (("Service", ""), ("EndpointSlice", "discovery.k8s.io"), ("Endpoints", ""), ("ServiceCIDR", "networking.k8s.io"))


Endpoints = tuple[Addresses, tuple[PortRange, ...] | None]


@dataclass(frozen=True, slots=True)
class Behind:
    """A Service with an address.

    Attributes:
        addresses: Its own; of one that gets an address when it is made all that are free, none where those are not known.
        pods: Those that it selects; None where it selects none.
        endpoints: Addresses that its endpoints name and that no pod which it selects has, each with the ports there; None: any.
        ports: Its own ports, each with the one behind it that it leads to.
    """

    ref: Ref
    addresses: Addresses
    pods: Pods | None
    endpoints: tuple[Endpoints, ...]
    ports: tuple[tuple[PortRange, PortRange | NamedPort], ...] = ()


def services_of(resources: Resources, free: Addresses | None = None) -> Iterator[Behind]:
    """Every Service that has addresses of its own or will get some: of the cluster, of a load balancer, or external ones.

    Args:
        resources: All objects.
        free: Addresses that the cluster gives to Services; None where it is not known.

    Raises:
        ConfigError: A Service, or what names its endpoints, has not the shape of its kind.
    """
    services = resources.of("Service", "")
    own = {one.ref: _addresses(one) for one in services}
    left = (free or NOWHERE) - _parsed(text for texts in own.values() for text in texts)
    named, pods_in = _endpoints(resources), _pods(resources)
    for one in services:
        comes = _comes(one)
        addresses = _parsed(own[one.ref]) | (left if comes else NOWHERE)
        if addresses or comes:
            selector = _selector(one)
            pods = None if selector is None else Pods(one.namespace, pods=selector)
            endpoints = named.get((one.namespace, one.name), [])
            own_pods = NOWHERE
            if endpoints and selector is not None:
                own_pods = _parsed(_of_pods(pods_in.get(one.namespace, ()), selector))
            others = ((found - own_pods, ports) for found, ports in endpoints)
            yield Behind(one.ref, addresses, pods, tuple(pair for pair in others if pair[0]), tuple(_ports(one)))


def service_doubts(resources: Resources) -> Iterator[Doubt]:
    """Addresses of Services and of their endpoints that can't be read, or that some readers read otherwise."""
    for kind, group in _KINDS:
        for one in resources.of(kind, group):
            texts = _addresses(one) if kind == "Service" else _given(one) if kind == "ServiceCIDR" else _named(one)
            for why in filter(None, map(_unread, texts)):
                yield Doubt(one.ref, f"{why}: which address it means is not known")


def given_addresses(one: Resource) -> Addresses:
    """Addresses of the cluster's own that a Service got, or that a ServiceCIDR has for Services.

    Raises:
        ConfigError: The object has not the shape of its kind.
    """
    return _parsed(_given(one))


def _given(one: Resource) -> list[str]:
    with about(one):
        if one.kind == "ServiceCIDR":
            return [*words(one.spec, "cidrs")]
        return [text for text in (*words(one.spec, "clusterIPs"), *_word(one.spec, "clusterIP")) if text != "None"]


def _addresses(one: Resource) -> list[str]:
    found = _given(one)
    with about(one):
        spec = one.spec
        found += [*words(spec, "externalIPs"), *_word(spec, "loadBalancerIP")]
        for entry in mappings(mapping(mapping(one.body, "status"), "loadBalancer"), "ingress"):
            found += _word(entry, "ip")
        notes = mapping(one.metadata, "annotations")
        found += [text for name in _ASKED_FOR for text in str(notes.get(name) or "").replace(",", " ").split()]
    return list(dict.fromkeys(found))


def _comes(one: Resource) -> bool:
    """Whether the cluster will give an address to it: a file rarely names one."""
    with about(one):
        spec = one.spec
        return not words(spec, "clusterIPs") and not _word(spec, "clusterIP") and _word(spec, "type") != ["ExternalName"]


def _selector(one: Resource) -> Selector | None:
    with about(one):
        found = mapping(one.spec, "selector")
        odd = next((key for key, value in found.items() if not isinstance(key, str) or not isinstance(value, str)), None)
        if odd is not None:
            raise ConfigError(f"label '{odd}' of 'selector', or its value, is not text. Write it in quotes")
    return Selector(frozenset(Requirement(key, "In", frozenset([value])) for key, value in found.items())) if found else None


def _ports(one: Resource) -> Iterator[tuple[PortRange, PortRange | NamedPort]]:
    with about(one):
        for port in mappings(one.spec, "ports"):
            protocol, target = str(port.get("protocol") or "TCP"), port.get("targetPort")
            if protocol not in PROTOCOLS:
                raise ConfigError(f"protocol '{protocol}' of 'ports' is none of {', '.join(PROTOCOLS)}. Correct it")
            own = _number(port.get("port"))
            if isinstance(target, str):
                yield PortRange(protocol, own, own), NamedPort(protocol, target)
            else:
                behind = _number(target) if target else own  # 0 and null: the same one
                yield PortRange(protocol, own, own), PortRange(protocol, behind, behind)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LAST:
        raise ConfigError(f"{value!r} is no port, expected a number from 1 to {LAST}. Correct 'ports'")
    return value


def _endpoints(resources: Resources) -> Mapping[tuple[str, str], list[Endpoints]]:
    """By namespace and name of the Service; beside a selector as well: whoever writes a slice sends the Service's traffic there."""
    found: dict[tuple[str, str], list[Endpoints]] = {}
    for one in resources.of("EndpointSlice", "discovery.k8s.io"):
        with about(one):
            ports = _slice_ports(mappings(one.body, "ports"))
        found.setdefault((one.namespace, one.labels.get(SERVICE_NAME, "")), []).append((_parsed(_named(one)), ports))
    for one in resources.of("Endpoints", ""):
        with about(one):
            given = [port for subset in mappings(one.body, "subsets") for port in mappings(subset, "ports")]
            ports = _slice_ports(given)
        found.setdefault((one.namespace, one.name), []).append((_parsed(_named(one)), ports))
    return found


def _slice_ports(given: Sequence[Mapping[str, Any]]) -> tuple[PortRange, ...] | None:
    """None: any. So it is with none, and with one that has no number (discovery/v1, `ports`)."""
    found = []
    for port in given:
        number, protocol = port.get("port"), str(port.get("protocol") or "TCP")
        if number is None or protocol not in PROTOCOLS:
            return None
        found.append(PortRange(protocol, _number(number), _number(number)))
    return tuple(found) or None


def endpoints_of(one: Resource) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Each address that an EndpointSlice or an Endpoints object names, with the entry that it stands in.

    Raises:
        ConfigError: The object has not the shape of its kind.
    """
    if one.kind == "EndpointSlice":
        yield from ((entry, text) for entry in mappings(one.body, "endpoints") for text in words(entry, "addresses"))
        return
    for subset in mappings(one.body, "subsets"):
        for entry in (*mappings(subset, "addresses"), *mappings(subset, "notReadyAddresses")):
            yield from ((entry, text) for text in _word(entry, "ip"))


def _named(one: Resource) -> list[str]:
    with about(one):
        return [text for _, text in endpoints_of(one)]


def _pods(resources: Resources) -> Mapping[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for one in resources.of("Pod", ""):
        found.setdefault(one.namespace, []).append(one)
    return found


def _of_pods(pods: Iterable[Resource], selector: Selector) -> Iterator[str]:
    for one in pods:
        if selector.matches(one.labels):
            with about(one):
                status = mapping(one.body, "status")
                yield from _word(status, "podIP")
                for entry in mappings(status, "podIPs"):
                    yield from _word(entry, "ip")


def _word(body: Mapping[str, Any], key: str) -> list[str]:
    found = body.get(key)
    if found is None or found == "":
        return []
    if not isinstance(found, str):
        raise ConfigError(f"'{key}' is of type {type(found).__name__}, expected text. Correct the object")
    return [found]


def _parsed(texts: Iterable[str]) -> Addresses:
    """What can be read of them; of the rest `service_doubts` speaks, and with a doubt nothing is proved."""
    return parse_addresses(text for text in texts if not _unread(text))


def _unread(text: str) -> str:
    """Why an address can't be read; empty where it can."""
    try:
        parse_addresses([text])
    except UnmodelledError as error:
        return str(error)
    return ""
