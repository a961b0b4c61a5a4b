"""Services, endpoints and ports of elsewhere that lead into a zone, or stand in the way of what leaves one. Called by `prove`.

Whoever writes endpoints can name any pod (CVE-2021-25740, kubernetes/kubernetes#103675: what kube-proxy forwards may come from the node, and a
pod's own node is always let in). Whoever opens a port of a node can take what goes to that node's address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.addresses import NOWHERE, parse_addresses
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.flows import Flow, Flows
from airlock.cluster.network import nodes_of
from airlock.cluster.pods import pods_of
from airlock.cluster.ports import LAST, PortRange
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.selectors import UnmodelledError
from airlock.cluster.services import SERVICE_NAME, endpoints_of
from airlock.cluster.workloads import templates_of

__all__ = ["foreign_findings"]

_GLOBAL = ("service.cilium.io/global", "io.cilium/global-service")
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:.]*:[0-9a-f:.]*")
_OUTER = frozenset({"LoadBalancer", "NodePort"})


def foreign_findings(resources: Resources, flows: Flows) -> Iterator[Finding]:
    """What is outside the zones, and leads into one or takes what a flow sends.

    Args:
        resources: All objects.
        flows: Say which namespaces are a zone's, which addresses pods have, and what goes to addresses of nodes.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    inside = frozenset(flows.namespaces)
    yield from _endpoints(resources, flows, inside)
    yield from _names(resources, flows, inside)
    yield from _global(resources, inside | {pods.namespace for flow in flows.flows for pods in flow.target.pods})
    yield from _node_ports(resources, flows, inside)


def _endpoints(resources: Resources, flows: Flows, inside: frozenset[str]) -> Iterator[Finding]:
    known = _known(resources)
    outer = _outer_services(resources)
    for one in (*resources.of("EndpointSlice", "discovery.k8s.io"), *resources.of("Endpoints", "")):
        if one.namespace in inside:
            continue
        service = one.labels.get(SERVICE_NAME, "") if one.kind == "EndpointSlice" else one.name
        with about(one):
            for _, text in endpoints_of(one):
                owner = known.get(text, "")
                # An address that no known pod has may be a zone's, or one that is gone; where nothing leads in from outside it is let be.
                unknown = not owner and (one.namespace, service) in outer and _may_be_pod(text, flows)
                if owner in inside or unknown:
                    what = f"leads to {text}, {f'a pod of {owner}' if owner else 'which may be a pod of a zone'}: what comes by a node is let in"
                    step = "Take that address out of it"
                    yield Finding(Verdict.NO_PROOF, "service.foreign", what, one.ref, "", step)
                    break


def _known(resources: Resources) -> Mapping[str, str]:
    """Namespaces by the address of a pod; those that have ended among them, of which slices may still tell."""
    ended = {
        str(mapping(one.body, "status").get("podIP")): one.namespace
        for one in resources.of("Pod", "")
        if mapping(one.body, "status").get("phase") in ("Succeeded", "Failed")
    }
    return {
        **ended,
        **{address: pod.namespace for pod in pods_of(resources) if not pod.host_network for address in pod.addresses},
    }


def _is_unknown_pod(host: str, known: Mapping[str, str], flows: Flows) -> bool:
    """Whether it is an address of pods that no known one has."""
    return bool(_ADDRESS.fullmatch(host)) and host not in known and _may_be_pod(host, flows)


def _may_be_pod(text: str, flows: Flows) -> bool:
    try:
        address = parse_addresses([text])
    except UnmodelledError:
        return True
    return flows.site.pods is None or bool(address & flows.site.pods)


def _outer_services(resources: Resources) -> frozenset[tuple[str, str]]:
    """Services that something outside the cluster reaches: by a port of nodes, an address of their own, or an Ingress."""
    found = set()
    for one in resources.of("Service", ""):
        with about(one):
            if one.spec.get("type") in _OUTER or one.spec.get("externalIPs"):
                found.add((one.namespace, one.name))
    for one in resources.of("Ingress", "networking.k8s.io"):
        with about(one):
            found |= {(one.namespace, name) for name in _backends(one.spec)}
    return frozenset(found)


def _backends(spec: Mapping[str, Any]) -> Iterator[str]:
    paths = [path for rule in mappings(spec, "rules") for path in mappings(mapping(rule, "http"), "paths")]
    for backend in (mapping(spec, "defaultBackend"), *(mapping(path, "backend") for path in paths)):
        yield str(mapping(backend, "service").get("name") or "")


def _names(resources: Resources, flows: Flows, inside: frozenset[str]) -> Iterator[Finding]:
    """ExternalName Services of elsewhere that are a Service or a pod of a zone by another name: an ingress controller follows them."""
    zone_addresses = {str(one.spec.get("clusterIP")) for one in resources.of("Service", "") if one.namespace in inside}
    known = _known(resources)
    zone_addresses |= {address for address, namespace in known.items() if namespace in inside}
    for one in resources.of("Service", ""):
        with about(one):
            host = str(one.spec.get("externalName") or "").rstrip(".").lower()
        # NAME.NS[.svc[...]], POD.NAME.NS.svc, IP.NS.pod: the search path of whoever follows it may add the rest.
        named = set(host.split(".")[1:3])
        if one.namespace not in inside and (named & inside or host in zone_addresses or _is_unknown_pod(host, known, flows)):
            what = f"is '{host}' by another name: what follows it, such as an ingress, comes into the zone"
            yield Finding(Verdict.NO_PROOF, "service.foreign", what, one.ref, "spec.externalName", "Take it out")


def _global(resources: Resources, namespaces: frozenset[str]) -> Iterator[Finding]:
    """Services with pods of other clusters behind them, where a flow may go: labels are all that tells these from the cluster's own."""
    for one in resources.of("Service", ""):
        with about(one):
            notes = mapping(one.metadata, "annotations")
        name = next((key for key in _GLOBAL if str(notes.get(key)).lower() == "true"), "")
        if name and one.namespace in namespaces:
            what = "has pods of other clusters behind it, which are not modelled"
            yield Finding(Verdict.NO_PROOF, "service.global", what, one.ref, f"metadata.annotations[{name}]", "Take it out")


def _node_ports(resources: Resources, flows: Flows, inside: frozenset[str]) -> Iterator[Finding]:
    nodes = flows.site.nodes or NOWHERE
    for _, addresses in nodes_of(resources):
        nodes |= addresses
    taken = [flow for flow in flows.flows if flow.target.addresses & nodes]
    for where, rule, port in (*_host_ports(resources), *_service_ports(resources)):
        flow = next((flow for flow in taken if where.namespace not in inside and _covers(flow, port)), None)
        if flow is not None:
            what = f"opens {port} of nodes, and may take what {flow} sends to one"
            yield Finding(Verdict.NO_PROOF, "network.node-port", what, where, rule, "Take another port")


def _covers(flow: Flow, port: PortRange) -> bool:
    return any(one.protocol == port.protocol and one.low <= port.low <= one.high for one in flow.ports or ())


def _host_ports(resources: Resources) -> Iterator[tuple[Ref, str, PortRange]]:
    """Of pods that are not on the node's network: there a port is the program's own, and can't be had twice."""
    for template in templates_of(resources):
        if not template.spec.get("hostNetwork"):
            for container in (*mappings(template.spec, "containers"), *mappings(template.spec, "initContainers")):
                for port in _ports(mappings(container, "ports"), "hostPort"):
                    yield template.ref, f"{template.place}.containers", port


def _service_ports(resources: Resources) -> Iterator[tuple[Ref, str, PortRange]]:
    for one in resources.of("Service", ""):
        with about(one):
            for port in _ports(mappings(one.spec, "ports"), "nodePort"):
                yield one.ref, "spec.ports", port
            for port in _ports([one.spec], "healthCheckNodePort"):
                yield one.ref, "spec.healthCheckNodePort", port


def _ports(given: Sequence[Mapping[str, Any]], key: str) -> Iterator[PortRange]:
    for port in given:
        number = port.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= LAST:
            yield PortRange(str(port.get("protocol") or "TCP"), number, number)
