"""The connections worth asking about: at and around every boundary that a set of documents mentions, and outside of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from itertools import product
from random import Random
from typing import NamedTuple

from tests.cluster.oracle import Address, Pod, address_pairs
from tests.cluster.policysets import POD_RANGES, PROTOCOLS

OUTSIDE = ("192.0.2.1", "2001:db9::1")
"""Addresses that no range of `policysets` holds, but those that hold everything."""


class Probe(NamedTuple):
    """One connection."""

    source: Pod | Address
    destination: Pod | Address
    protocol: str
    port: int
    source_ip: str
    destination_ip: str

    def __str__(self) -> str:
        return f"{_said(self.source)} {self.source_ip} -> {_said(self.destination)} {self.destination_ip} {self.protocol} {self.port}"


def probes(documents, seed: int = 0, limit: int | None = None) -> list[Probe]:
    """All pairs of pods, and of pods and addresses, by every port; or a sample of so many, the same for the same seed."""
    pairs = [
        (one, other, *ips)
        for one, other in _ends(documents)
        for ips in address_pairs(one, other)
        if (one, ips[0]) != (other, ips[1])
    ]
    ports = list(product(PROTOCOLS, ports_at(documents)))
    if limit is None:
        chosen = product(pairs, ports)
    else:
        rng = Random(seed)
        chosen = [(rng.choice(pairs), rng.choice(ports)) for _ in range(limit if pairs else 0)]
    return [Probe(one, other, *port, *ips) for (one, other, *ips), port in chosen]


def pods_of(documents) -> list[Pod]:
    """The pods that are there, and one for each workload without any: at every address it may get, as far as ranges tell them apart."""
    namespaces = {
        each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in documents if each["kind"] == "Namespace"
    }
    found = []
    for document in documents:
        if document["kind"] not in ("Pod", "Deployment"):
            continue
        name, namespace = document["metadata"]["name"], document["metadata"]["namespace"]
        template = document if document["kind"] == "Pod" else document["spec"]["template"]
        found.append(
            Pod(
                namespace,
                template["metadata"].get("labels") or {},
                {**namespaces.get(namespace, {}), "kubernetes.io/metadata.name": namespace},
                _ports(template["spec"]),
                _addresses(document, documents),
                template["spec"].get("hostNetwork", False),
                name,
            )
        )
    return found


def addresses_at(documents) -> list[str]:
    """The first and last address of every range mentioned, the neighbours of both, every node's, and some outside of all ranges."""
    found = {*OUTSIDE, *_node_addresses(documents)}
    for cidr in {*_ranges(documents), *POD_RANGES}:
        network = ip_network(cidr, strict=False)
        first, last, width = int(network[0]), int(network[-1]), network.max_prefixlen
        # By its own class: an integer alone would be taken for IPv4 where it fits.
        found |= {str(type(network[0])(number)) for number in (first - 1, first, last, last + 1) if 0 <= number < 2**width}
    return sorted(found)


def ports_at(documents) -> list[int]:
    """Every port mentioned, the neighbours of each, and the first and last there is."""
    numbers = {1, 65535}
    for number in _numbers(documents):
        numbers |= {number - 1, number, number + 1}
    return sorted(number for number in numbers if 1 <= number <= 65535)


def _said(end: Pod | Address) -> str:
    return "address" if isinstance(end, Address) else f"{end.namespace}/{end.name}"


def _ends(documents) -> Iterator[tuple[Pod | Address, Pod | Address]]:
    pods = pods_of(documents)
    taken = _taken(documents)
    addresses = [Address(ip) for ip in addresses_at(documents) if ip not in taken]
    yield from product(pods, pods)
    for pod, address in product(pods, addresses):
        yield pod, address
        yield address, pod


def _ports(spec) -> tuple[tuple[str, str, int], ...]:
    ports = [port for container in spec["containers"] for port in container.get("ports") or []]
    return tuple((port.get("name", ""), port.get("protocol") or "TCP", port["containerPort"]) for port in ports)


def _addresses(document, documents) -> tuple[str, ...]:
    if document["kind"] == "Pod":
        return tuple(each["ip"] for each in document["status"]["podIPs"])
    families = {ip_address(ip).version for ip in _node_addresses(documents)}
    if document["spec"]["template"]["spec"].get("hostNetwork"):
        return tuple(_node_addresses(documents))
    return tuple(_free(documents, families))


def _taken(documents) -> set[str]:
    """What pods have for themselves alone."""
    pods = [each for each in documents if each["kind"] == "Pod" and not each["spec"].get("hostNetwork")]
    return {each["ip"] for pod in pods for each in pod["status"]["podIPs"]}


def _free(documents, families) -> Iterator[str]:
    """Addresses that a new pod may get: of each boundary within the pods' ranges the next that no pod has."""
    taken = _taken(documents)
    for cidr in POD_RANGES:
        network = ip_network(cidr)
        if network.version in families:
            inside = [ip_address(ip) for ip in addresses_at(documents) if ip_address(ip) in network]
            yield from {str(_next(ip, taken)): None for ip in inside if _next(ip, taken) in network}


def _next(ip, taken):
    while str(ip) in taken:
        ip += 1
    return ip


def _node_addresses(documents) -> list[str]:
    nodes = [each for each in documents if each["kind"] == "Node"]
    return [each["address"] for node in nodes for each in node["status"]["addresses"] if each["type"] != "Hostname"]


def _walk(value, key: str = "") -> Iterator[tuple[str, object]]:
    """Every scalar with the key that it stands under."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _walk(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each, key)
    else:
        yield key, value


def _ranges(documents) -> Iterator[str]:
    yield from (value for key, value in _walk(documents) if key in ("cidr", "except", "networks") and value)


def _numbers(documents) -> Iterator[int]:
    keys = ("port", "endPort", "number", "start", "end", "containerPort")
    yield from (value for key, value in _walk(documents) if key in keys and isinstance(value, int))
