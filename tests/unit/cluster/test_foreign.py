"""What stands outside the zones and leads into one, or takes what goes to a node."""

from __future__ import annotations

import pytest

from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.foreign import foreign_findings
from airlock.cluster.resources import resources_from

FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [raw]}
addresses: {pods: 10.0.0.0/16, services: 10.1.0.0/16, nodes: 192.0.2.0/28, families: IPv4}
parties:
  driver: {namespace: raw, pods: {role: driver}}
  api: {addresses: 192.0.2.1/32}
  store: {addresses: 198.51.100.1/32}
flows:
- {from: driver, to: api, ports: [TCP 6443], why: starts}
- {from: driver, to: store, ports: [TCP 443], why: reads}
"""


def made(kind, name="x", version="v1", namespace="team", labels=None, **body):
    metadata = {"name": name, "namespace": namespace, "labels": labels or {}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def pod(address, namespace="raw", **spec):
    return made("Pod", f"p-{address}", namespace=namespace, spec=spec, status={"podIP": address})


def piece(*addresses, namespace="team"):
    labels = {"kubernetes.io/service-name": "s"}
    entries = [{"addresses": [one]} for one in addresses]
    return made("EndpointSlice", "s-1", "discovery.k8s.io/v1", namespace, labels, endpoints=entries)


def endpoints(*addresses):
    return made("Endpoints", "s", subsets=[{"addresses": [{"ip": one} for one in addresses]}])


def service(namespace="team", **spec):
    return made("Service", "s", namespace=namespace, spec=spec)


def ingress(**spec):
    return made("Ingress", "i", "networking.k8s.io/v1", spec=spec)


def look(*objects):
    resources = resources_from([(f"x:{number}", one) for number, one in enumerate(objects, 1)])
    found = list(foreign_findings(resources, read_flows(FLOWS, "flows.yaml", resources)))
    assert {one.verdict for one in found} <= {Verdict.NO_PROOF}
    return [(one.code, str(one.where)) for one in found]


SLICE = ("service.foreign", "EndpointSlice team/s-1")
OUTER = service(type="NodePort")
ROUTED = ingress(rules=[{"http": {"paths": [{"backend": {"service": {"name": "s"}}}]}}])


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        # A pod of a zone, whoever the Service is open to.
        ([pod("10.0.0.5"), piece("10.0.0.5")], [SLICE]),
        ([pod("10.0.0.5"), piece("10.0.0.7", "10.0.0.5")], [SLICE]),
        ([pod("10.0.0.5"), endpoints("10.0.0.5")], [("service.foreign", "Endpoints team/s")]),
        ([pod("10.0.0.5", "team"), piece("10.0.0.5"), OUTER], []),
        ([pod("10.0.0.5"), piece("10.0.0.5", namespace="raw")], []),
        # An address that nobody is known to have, where the outside leads to it.
        ([piece("10.0.0.5")], []),
        ([piece("10.0.0.5"), OUTER], [SLICE]),
        ([piece("10.0.0.5"), service(type="LoadBalancer")], [SLICE]),
        ([piece("10.0.0.5"), service(externalIPs=["203.0.113.1"])], [SLICE]),
        ([piece("10.0.0.5"), service(), ROUTED], [SLICE]),
        ([piece("10.0.0.5"), service(), ingress(defaultBackend={"service": {"name": "s"}})], [SLICE]),
        ([piece("10.0.0.5"), service(), ingress(defaultBackend={"service": {"name": "t"}})], []),
        ([piece("203.0.113.9"), OUTER], []),
        ([piece("host.example.org"), OUTER], [SLICE]),
        # Another name for a Service of a zone.
        ([service(type="ExternalName", externalName="store.raw.svc.cluster.local.")], [("service.foreign", "Service team/s")]),
        ([service(type="ExternalName", externalName="STORE.raw.svc")], [("service.foreign", "Service team/s")]),
        ([service(type="ExternalName", externalName="store.raw")], [("service.foreign", "Service team/s")]),
        (
            [service(type="ExternalName", externalName="store-0.store.raw.svc.cluster.local")],
            [("service.foreign", "Service team/s")],
        ),
        (
            [service(type="ExternalName", externalName="10-0-0-5.raw.pod.cluster.local")],
            [("service.foreign", "Service team/s")],
        ),
        ([pod("10.0.0.5"), service(type="ExternalName", externalName="10.0.0.5")], [("service.foreign", "Service team/s")]),
        (
            [
                made("Service", "z", namespace="raw", spec={"clusterIP": "10.1.0.5"}),
                service(type="ExternalName", externalName="10.1.0.5"),
            ],
            [("service.foreign", "Service team/s")],
        ),
        ([service(type="ExternalName", externalName="api.example.org")], []),
        ([service(type="ExternalName", externalName="10.0.0.77")], [("service.foreign", "Service team/s")]),
        ([pod("10.0.0.77", "team"), service(type="ExternalName", externalName="10.0.0.77")], []),
        ([service(type="ExternalName", externalName="203.0.113.9")], []),
        # A pod that has ended may stand in a slice for a while.
        ([{**pod("10.0.0.5", "team"), "status": {"podIP": "10.0.0.5", "phase": "Failed"}}, piece("10.0.0.5"), OUTER], []),
        ([service(type="ExternalName", externalName="store.team.svc.cluster.local")], []),
        ([service("raw", type="ExternalName", externalName="store.raw.svc")], []),
    ],
)
def test_what_leads_into_a_zone_from_elsewhere(objects, found):
    assert look(*objects) == found


def test_a_service_that_other_clusters_share():
    flows = FLOWS.replace("store: {addresses: 198.51.100.1/32}", "store: {namespace: stores, pods: {a: b}}")
    for namespace, value, codes in (
        ("raw", "true", ["service.global"]),
        ("stores", "true", ["service.global"]),
        ("stores", "false", []),
        ("team", "true", []),
    ):
        one = service(namespace, selector={"a": "b"})
        one["metadata"]["annotations"] = {"service.cilium.io/global": value}
        resources = resources_from([("x:1", one)])
        assert [each.code for each in foreign_findings(resources, read_flows(flows, "flows.yaml", resources))] == codes


def sidecar(number):
    ports = [{"containerPort": 80, "hostPort": number}]
    return pod("10.0.0.9", "team", containers=[], initContainers=[{"name": "c", "restartPolicy": "Always", "ports": ports}])


def host_port(number, protocol="TCP", **spec):
    return pod(
        "10.0.0.9",
        "team",
        containers=[{"name": "c", "ports": [{"containerPort": 80, "hostPort": number, "protocol": protocol}]}],
        **spec,
    )


PORT = ("network.node-port", "Pod team/p-10.0.0.9")


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (host_port(6443), [PORT]),
        (host_port(6443, "UDP"), []),
        (sidecar(6443), [PORT]),
        (service(type="LoadBalancer", healthCheckNodePort=6443), [("network.node-port", "Service team/s")]),
        (host_port(443), []),
        (host_port(6443, hostNetwork=True), []),
        (service(type="NodePort", ports=[{"port": 1, "nodePort": 6443}]), [("network.node-port", "Service team/s")]),
        (service(type="NodePort", ports=[{"port": 6443, "nodePort": 30000}]), []),
    ],
)
def test_what_takes_a_port_of_nodes_that_a_flow_goes_to(one, found):
    """Only where the flow goes to a node: 443 goes to a store outside."""
    assert look(one) == found
