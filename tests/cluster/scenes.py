"""The traps of `traps/` on a live cluster: which of its pods and addresses stand for those of the fixtures. For `test_live_traps`.

Policies tell pods apart by namespace, labels and named ports: a pod that is there plays one part after another, by its labels. Addresses
are those of the cluster that the live tests know, 198.18.0.0/15, and of a host outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

from tests.cluster.oracle import Address, Pod
from tests.cluster.packets import Named, Party, Plan, Target
from tests.cluster.traps import Connection, Trap, base

NODE, SERVICE = "198.18.255.1", "198.19.0.1"
"""The cluster's node, where its API server is, and the API server's Service."""
SYSTEM = "airlock-traps-system"
"""Stands for kube-system, in which nothing is made."""
RANGES: Mapping[str, str] = {
    "0.0.0.0/0": "0.0.0.0/0",
    "::/0": "::/0",
    "10.0.0.0/8": "198.18.0.0/17",
    "10.0.0.0/16": "198.18.0.0/24",
    "10.96.0.0/16": "198.19.0.0/16",
    "10.96.0.1/32": f"{SERVICE}/32",
    "10.96.0.30/32": "198.19.0.30/32",
    "169.254.0.0/16": "198.18.160.0/20",
    "169.254.169.254/32": "198.18.169.254/32",
    "172.16.0.0/24": "198.18.255.0/24",
    "172.16.0.10/32": f"{NODE}/32",
    "198.51.100.0/28": "198.18.198.0/28",
    "203.0.113.0/24": "198.18.203.0/24",
    "203.0.113.128/25": "198.18.203.128/25",
}
"""Of the fixtures' ranges, those that stand for them."""
OUTSIDE: Mapping[str, str] = {
    "10.200.0.1": "198.18.100.1",
    "169.254.169.254": "198.18.169.254",
    "169.254.170.23": "198.18.170.23",
    "172.16.0.2": "198.18.255.2",
    "198.51.100.1": "198.18.198.1",
    "198.51.100.15": "198.18.198.15",
    "198.51.100.16": "198.18.198.16",
    "203.0.113.9": "198.18.203.9",
    "203.0.113.127": "198.18.203.127",
    "203.0.113.130": "198.18.203.130",
}
"""What is beyond the pods' node: addresses of one host, which also stands for who hands out credentials, and for another node."""
ADDRESSES: Mapping[str, str] = {
    **OUTSIDE,
    "10.96.0.1": SERVICE,
    "10.96.0.20": "198.19.0.20",
    "10.96.0.30": "198.19.0.30",
    "172.16.0.1": NODE,
    "172.16.0.10": NODE,
}
ON_NODE = {f"{SYSTEM}/live-proxy": ("TCP", 443), "other/live-agent": ("TCP", 80), "raw/live-daemon": ("TCP", 22)}
"""The pods on their node's network, all at its one address: who listens where."""
API_SERVER = (f"{SYSTEM}/live-kube-apiserver", ("TCP", 6443))
"""The pod whose labels a rule may name, and where the API server itself listens."""
PORTS = (
    *(("TCP", port) for port in (9, 22, 53, 80, 443, 444, 4040, 4444, 6443, 6999, 7000, 7016, 7017, 7078, 7079, 8080, 8081, 8443, 9000)),
    *(("UDP", port) for port in (1, 53, 54, 80, 443, 5000, 7001, 7078, 9000)),
)  # fmt: skip
"""All that a head speaks of, and the sentinel's."""
PODS: Mapping[str, Party] = {
    **{f"raw/live-{name}": Party() for name in ("one", "two", "three", "four", "five")},
    **{f"other/live-{name}": Party() for name in ("one", "two")},
    **{f"{name}/live": Party() for name in ("sanitized", "third", "later", SYSTEM)},
    "other/live-web-80": Party(named=[("http", "TCP", 80)]),
    "other/live-web-8080": Party(named=[("http", "TCP", 8080)]),
    "other/live-web-udp": Party(named=[("http", "UDP", 80)]),
    "other/live-db": Party(named=[("db", "TCP", 4444)]),
    **{place: Party(on_node=[port]) for place, port in ON_NODE.items()},
    API_SERVER[0]: Party(on_node=[("TCP", 9)]),
}
"""Everybody. No name is one of the fixtures', whose objects the API server is asked about beside these."""
ZONES = ("raw", "sanitized")
SECOND = "raw/second-executor"
"""Executors come in more than one: the fixtures' flow between two of them needs another."""

Key = tuple[str, Target]
"""Who asks for what."""


@cache
def plan() -> Plan:
    """What is started for all traps."""
    namespaces: dict[str, dict[str, str]] = {place.partition("/")[0]: {} for place in PODS}
    accounts = [one for one in base() if one["kind"] == "ServiceAccount"]
    return Plan("airlock-traps-control", namespaces, PODS, PORTS, OUTSIDE, accounts)


def bare() -> dict[str, Mapping[str, str]]:
    """All namespaces and pods, without labels."""
    return {name: {} for name in (*plan().namespaces, *PODS)}


def replaced(value: Any) -> Any:
    """A document with the live cluster's addresses, ranges and namespaces in place of the fixtures'."""
    if isinstance(value, Mapping):
        return {name: replaced(each) for name, each in value.items() if name != "status"}
    if isinstance(value, list):
        return [replaced(each) for each in value]
    if value == "kube-system":
        return SYSTEM
    if not isinstance(value, str) or not _is_range(value):
        return value
    return (RANGES if "/" in value else ADDRESSES)[value]


def _is_range(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Scene:
    """One trap, on the live cluster."""

    trap: Trap

    @cached_property
    def parts(self) -> dict[str, str]:
        """Who plays each pod of the trap, by its name there."""
        found: dict[str, str] = {}
        for pod in sorted(self.trap.pods, key=_place):
            namespace = replaced(pod.namespace)
            own = [f"{namespace}/live-{pod.name}"] if pod.host_network else _alike(namespace, pod.ports)
            found[_place(pod)] = next(place for place in own if place not in found.values())
        if "alone" not in self.trap.truth:
            found[SECOND] = next(place for place in _alike("raw", ()) if place not in found.values())
        return found

    @cached_property
    def labels(self) -> dict[str, Mapping[str, str]]:
        """Of all namespaces and pods."""
        found = bare()
        for one in self.trap.documents:
            if one["kind"] == "Namespace":
                found[replaced(one["metadata"]["name"])] = one["metadata"].get("labels") or {}
        for pod in self.trap.pods:
            found[self.parts[_place(pod)]] = pod.labels
            own = {name: value for name, value in pod.namespace_labels.items() if name != "kubernetes.io/metadata.name"}
            found[replaced(pod.namespace)] = own
        if SECOND in self.parts:
            found[self.parts[SECOND]] = {"role": "executor"}
        return found

    @cached_property
    def policies(self) -> list[dict[str, Any]]:
        """Those that the cluster enforces."""
        return [
            {**replaced(one), "metadata": {name: replaced(one["metadata"][name]) for name in ("name", "namespace")}}
            for one in self.trap.documents
            if one["kind"] == "NetworkPolicy"
        ]

    @cached_property
    def identity(self) -> str:
        """The same for traps that are the same to packets."""
        return json.dumps([self.labels, sorted(self.policies, key=lambda one: json.dumps(one["metadata"]))], sort_keys=True)

    def key(self, one: Connection, addresses: Mapping[str, str]) -> Key:
        """Who asks whom for a connection of the head."""
        source = self.parts[_place(one.source)] if isinstance(one.source, Pod) else one.source.ip
        if source not in PODS and source not in OUTSIDE:
            raise KeyError(f"nobody asks from {source}")
        port = (one.protocol, one.port)
        if isinstance(one.destination, Pod) and not one.destination.host_network:
            place = self.parts[_place(one.destination)]
            return source, Target(place, addresses[place], *port)
        if isinstance(one.destination, Address) and one.destination.ip in OUTSIDE:
            return source, Target(one.destination.ip, OUTSIDE[one.destination.ip], *port)
        return source, _beside(one.destination, port)

    def declared(self, addresses: Mapping[str, str]) -> set[Key]:
        """Every connection that the trap's flows let be, between those that are there."""
        found = set()
        for flow in self.trap.flows["flows"]:
            ports = [(text.split()[0], int(text.split()[1])) for text in flow["ports"]]
            for source, target, port in product(self._members(flow["from"]), self._members(flow["to"]), ports):
                found |= set(_keys(source, target, port, addresses))
        return found

    def _members(self, party: str) -> list[str]:
        said = self.trap.flows["parties"][party]
        if "addresses" in said:
            ranges = [ip_network(text) for text in said["addresses"].split(", ")]
            return [ip for ip in ADDRESSES if any(ip_address(ip) in one for one in ranges)]
        wanted = said["pods"].items()
        inside = [
            place
            for place in PODS
            if place.startswith(f"{replaced(said['namespace'])}/") and place not in {*ON_NODE, API_SERVER[0]}
        ]
        return [place for place in inside if wanted <= self.labels[place].items()]


def sweep(addresses: Mapping[str, str]) -> set[Key]:
    """Whatever goes out of a zone or into one, by every port that anybody listens on. A pod and itself are left out: no packet leaves it."""
    pods = [place for place, one in PODS.items() if one.on_node is None]
    inside = [place for place in pods if place.partition("/")[0] in ZONES]
    everyone = [*pods, *OUTSIDE]
    targets = {place: [Target(place, addresses[place], *port) for port in PORTS] for place in everyone}
    found = {(one, target) for one, other in product(inside, everyone) if one != other for target in targets[other]}
    found |= {(one, target) for one, other in product(everyone, inside) if one != other for target in targets[other]}
    found |= {(one, target) for one in inside for target in _at_node()}
    return found


def at_node(key: Key) -> bool:
    """Whether it goes to the node of who asks, by the API server's Service too."""
    return key[1].address in (NODE, SERVICE)


def _at_node() -> list[Target]:
    hosts = [Target(place, NODE, *port) for place, port in ON_NODE.items()]
    return [*hosts, Target("", NODE, *API_SERVER[1]), Target("", SERVICE, "TCP", 443)]


def _keys(source: str, target: str, port: tuple[str, int], addresses: Mapping[str, str]) -> Iterator[Key]:
    if target in addresses:
        yield source, Target(target, addresses[target], *port)
        return
    yield from ((source, one) for one in _at_node() if (one.address, one.protocol, one.port) == (ADDRESSES[target], *port))


def _beside(end: Pod | Address, port: tuple[str, int]) -> Target:
    """What is at the node's address, or that of the API server's Service."""
    address = NODE if isinstance(end, Pod) else ADDRESSES[end.ip]
    return next(one for one in _at_node() if (one.address, one.protocol, one.port) == (address, *port))


def _alike(namespace: str, named: Sequence[Named]) -> list[str]:
    return [
        place
        for place, one in PODS.items()
        if place.startswith(f"{namespace}/") and one.on_node is None and [*one.named] == [*named]
    ]


def _place(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
