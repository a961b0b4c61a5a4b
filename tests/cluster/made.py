"""Pods, addresses and policies made by hand, and a short way to ask the evaluator about them. Shared by its tests."""

from __future__ import annotations

from functools import partial
from textwrap import indent

import yaml
from tests.cluster.oracle import Address, Pod, allowed

RED = {"kubernetes.io/metadata.name": "red", "team": "a"}
BLUE = {"kubernetes.io/metadata.name": "blue", "team": "b"}
JOB = Pod("red", {"app": "job"}, RED, (), ("10.0.1.1", "fd00::1:1"), name="job")
WEB = Pod(
    "red",
    {"app": "web", "tier": "front"},
    RED,
    (("http", "TCP", 80), ("dns", "UDP", 53)),
    ("10.0.1.2", "fd00::1:2"),
    name="web",
)
STORE = Pod("blue", {"app": "store"}, BLUE, (("http", "TCP", 8080),), ("10.0.2.1", "fd00::2:1"), name="store")
HOST = Pod("red", {"app": "job"}, RED, (("http", "TCP", 80),), ("172.16.0.1",), host_network=True, name="host")
OUTSIDE, OUTSIDE6 = Address("203.0.113.9"), Address("2001:db8::9")


def policy(spec: str, namespace: str = "red") -> dict:
    return yaml.safe_load(
        f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: one, namespace: {namespace}}}\nspec:\n{indent(spec, '  ')}\n"
    )


def tiered(tier: str, priority: int, **rules) -> dict:
    """A ClusterNetworkPolicy for every pod."""
    spec = {"tier": tier, "priority": priority, "subject": {"namespaces": {}}, **rules}
    name = f"{tier}-{priority}-{rules}"
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha2",
        "kind": "ClusterNetworkPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def older(kind: str = "AdminNetworkPolicy", priority: int = 1, **rules) -> dict:
    spec = {"priority": priority} if kind == "AdminNetworkPolicy" else {}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "default"},
        "spec": {**spec, "subject": {"namespaces": {}}, **rules},
    }  # fmt: skip


def reaches(documents, source, destination, protocol="TCP", port=80, *, family=4) -> bool:
    def of(end):
        ips = [end.ip] if isinstance(end, Address) else end.addresses
        return next(ip for ip in ips if (":" in ip) == (family == 6))

    return allowed(documents, source, destination, protocol, port, source_ip=of(source), destination_ip=of(destination))


reaches6 = partial(reaches, family=6)
DENY_ALL = policy("podSelector: {}\npolicyTypes: [Ingress, Egress]")
DENY_OUT = policy("podSelector: {}\npolicyTypes: [Egress]")
DENY_IN = policy("podSelector: {}\npolicyTypes: [Ingress]")
TO_ALL = {"to": [{"namespaces": {}}]}
EVERY = [{"networks": ["0.0.0.0/0", "::/0"]}]


def out(rule: str, more: str = "") -> dict:
    """Every pod of red may leave by one rule alone."""
    return policy(f"podSelector: {{}}\npolicyTypes: [Egress]\negress:\n- {rule}\n{more}")


def into(rule: str) -> dict:
    return policy(f"podSelector: {{}}\npolicyTypes: [Ingress]\ningress:\n- {rule}\n")
