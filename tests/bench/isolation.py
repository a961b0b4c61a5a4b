"""Proof and list of connections on clusters of the shape that other analysers were measured on, as whole processes; one change in process.

A namespace of 20 pods has seven policies: default-deny, DNS, an address block of a store, four of applications. np-guard's netpol-analyzer
takes 89 s to list 1,000 such pods and does not end in 240 s with 2,000 (two cores).

What was learned: of a process that proves 2,000 pods, libyaml and the objects it makes are half, Python's imports a quarter. So the command
loads no library that reads data, and classes of pods keep the rest below reading.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from airlock.cluster.flowreader import read_flows
from airlock.cluster.prove import prove
from airlock.cluster.read import read_resources
from airlock.cluster.resources import resource_from

PER_NAMESPACE, APPS = 20, 4
FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [raw], out: [out]}
addresses: {pods: 10.244.0.0/16, services: 10.96.0.0/16, nodes: 192.0.2.0/28, families: IPv4}
parties:
  door: {namespace: raw, pods: {role: door}}
  store: {namespace: out, pods: {role: store}}
  api: {addresses: 192.0.2.1}
flows:
- {from: door, to: store, ports: [TCP 7070], why: writes}
- {from: door, to: api, ports: [TCP 6443], why: starts pods}
"""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.34"}


def policy(namespace: str, name: str, spec: dict) -> dict:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def namespace(name: str) -> dict:
    labels = {"kubernetes.io/metadata.name": name, **RESTRICTED}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pods(labels: dict) -> dict:
    return {"podSelector": {"matchLabels": labels}}


def elsewhere(name: str, labels: dict) -> dict:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}, **pods(labels)}


def surroundings(count: int, namespaces: int) -> Iterator[dict]:
    """Pods and policies of other teams."""
    for number in range(namespaces):
        name = f"team-{number}"
        yield namespace(name)
        for each in range(count // namespaces):
            metadata = {"name": f"pod-{each}", "namespace": name, "labels": {"app": f"app-{each % APPS}"}}
            container = {"name": "main", "image": "app", "ports": [{"name": "http", "containerPort": 8080}]}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
        yield policy(name, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        dns = {"to": [elsewhere("kube-system", {"k8s-app": "kube-dns"})], "ports": [{"port": 53, "protocol": "UDP"}]}
        yield policy(name, "dns", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns]})
        store = {"to": [{"ipBlock": {"cidr": f"10.{number}.0.0/16"}}], "ports": [{"port": 443}]}
        yield policy(name, "store", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [store]})
        for app in range(APPS):
            ingress = {"from": [pods({"app": f"app-{(app + 1) % APPS}"})], "ports": [{"port": "http"}]}
            egress = {"to": [pods({"app": f"app-{(app + 3) % APPS}"})], "ports": [{"port": 8080}]}
            both = {"policyTypes": ["Ingress", "Egress"], "ingress": [ingress], "egress": [egress]}
            yield policy(name, f"app-{app}", {**pods({"app": f"app-{app}"}), **both})


def zones() -> Iterator[dict]:
    """Two zones, closed but for their declared flows."""
    for name in ("raw", "out"):
        yield namespace(name)
        yield policy(name, "default-deny", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    to_store = {"to": [elsewhere("out", {"role": "store"})], "ports": [{"port": 7070}]}
    to_api = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 6443}]}
    yield policy("raw", "door", {**pods({"role": "door"}), "policyTypes": ["Egress"], "egress": [to_store, to_api]})
    from_door = {"from": [elsewhere("raw", {"role": "door"})], "ports": [{"port": 7070}]}
    yield policy("out", "store", {**pods({"role": "store"}), "policyTypes": ["Ingress"], "ingress": [from_door]})


def cluster(folder: Path, count: int) -> Path:
    folder.mkdir()
    with (folder / "objects.yaml").open("w", encoding="utf-8") as file:
        yaml.dump_all([*zones(), *surroundings(count, 100)], file, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    (folder.parent / "flows.yaml").write_text(FLOWS, encoding="utf-8")
    return folder


def seconds(*arguments: str, expected: str) -> float:
    """Of a whole process; the least of three."""
    found = []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "airlock", "isolation", *arguments], capture_output=True, text=True, check=True
        )
        found.append(time.perf_counter() - begun)
        if not done.stdout.startswith(expected):
            raise AssertionError(done.stdout[:500])
    return min(found)


def one_change(folder: Path) -> float:
    """Seconds until a policy that changed in a cluster that is known is proved again."""
    resources = read_resources([folder])
    flows = read_flows(FLOWS, "flows.yaml", resources)
    before = prove(resources, flows)
    found = []
    for port in range(8000, 8005):
        body = copy.deepcopy(resources.find("NetworkPolicy", "team-7", "app-1").body)
        body["spec"]["egress"][0]["ports"][0]["port"] = port
        begun = time.perf_counter()
        resources = resources.with_one(resource_from(body, "changed"))
        after = prove(resources, flows)
        found.append(time.perf_counter() - begun)
        if before.verdict is not after.verdict or after.verdict.name != "PROVEN":
            raise AssertionError(after.findings[:3])
    return min(found)


def measure(folder: Path) -> dict[str, float]:
    """Seconds of each."""
    folder.mkdir()
    small, large = cluster(folder / "small", 2_000), cluster(folder / "large", 10_000)
    return {
        "prove 2,000": seconds("prove", str(small), expected="PROVEN"),
        "connections 2,000": seconds("connections", str(small), expected="src,dst,conn\n"),
        "prove 10,000": seconds("prove", str(large), expected="PROVEN"),
        "one change": one_change(small),
    }
