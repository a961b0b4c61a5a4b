"""Services, endpoints and routes of a zone, servers behind the API server: names and doors that lead out past the pods. Called by `paths`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, texts
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.services import endpoints_of

__all__ = ["exposed_openings"]

_OUTER_TYPES = {"LoadBalancer", "NodePort"}
_TYPES = {"ClusterIP", "ExternalName", *_OUTER_TYPES}
_PROVED_GROUPS = frozenset({
    "", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "apps", "authentication.k8s.io",
    "authorization.k8s.io", "batch", "certificates.k8s.io", "discovery.k8s.io", "networking.k8s.io", "policy.networking.k8s.io",
    "rbac.authorization.k8s.io",
})  # fmt: skip
"""Groups whose objects the proof reads: another server of theirs can show other objects to whoever enforces them."""


def exposed_openings(resources: Resources, zones: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Opening]]:
    """What leads into or out of the zones by a name or a door that is no pod.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    zone_of = {name: zone for zone, names in zones.items() for name in names}
    for kind, group, look in (
        ("Service", "", _service),
        ("Endpoints", "", _endpoints),
        ("EndpointSlice", "discovery.k8s.io", _endpoints),
        ("Ingress", "networking.k8s.io", _ingress),
    ):
        for one in resources.of(kind, group):
            if one.namespace in zone_of:
                with about(one):
                    yield from ((zone_of[one.namespace], opening) for opening in look(one, resources))
    for zone in zones:
        yield from ((zone, opening) for opening in _servers(resources))


def _service(one: Resource, _resources: Resources) -> Iterator[Opening]:
    kind, spec = one.spec.get("type") or "ClusterIP", one.spec
    if kind in _OUTER_TYPES or spec.get("externalIPs"):
        rule = "spec.type" if kind in _OUTER_TYPES else "spec.externalIPs"
        text = f"opens {'a port of every node' if rule == 'spec.type' else 'an address outside'}: traffic comes from nodes, which policies let in"
        yield Opening(
            one.ref, "service", rule, text, Verdict.REFUTED, "service.outer", "Make it a ClusterIP without externalIPs"
        )
    elif kind == "ExternalName":
        yield Opening(
            one.ref,
            "service",
            "spec.externalName",
            f"gives '{spec.get('externalName')}' a name inside: traffic to it leaves the cluster",
        )
    elif kind not in _TYPES:
        text = f"is of type '{kind}', which is not known here"
        yield Opening(one.ref, "", "spec.type", text, Verdict.NO_PROOF, "service.unknown", "Make it a ClusterIP")
    elif not texts(spec, "selector"):
        text = "selects no pods: traffic to it goes where its endpoints say, which may be outside"
        yield Opening(one.ref, "service", "spec.selector", text)


def _endpoints(one: Resource, resources: Resources) -> Iterator[Opening]:
    addresses = [text for entry, text in endpoints_of(one) if not _is_pod(entry, text, one, resources)]
    yield from _addressed(one, "endpoints" if one.kind == "EndpointSlice" else "subsets", addresses)


def _is_pod(endpoint: Mapping[str, Any], address: str, one: Resource, resources: Resources) -> bool:
    """Whether it is the address of the pod that it names: whoever writes it can name any."""
    named = mapping(endpoint, "targetRef")
    pod = resources.find("Pod", one.namespace, str(named.get("name"))) if named.get("kind") == "Pod" else None
    if pod is None:
        return False
    with about(pod):
        status = mapping(pod.body, "status")
        return address in {status.get("podIP"), *(entry.get("ip") for entry in mappings(status, "podIPs"))}


def _addressed(one: Resource, rule: str, addresses: list[str]) -> Iterator[Opening]:
    if addresses:
        text = f"sends traffic to {', '.join(addresses[:3])}{' and more' if addresses[3:] else ''}, no pods that the cluster keeps there"
        yield Opening(one.ref, "service", rule, text)


def _ingress(one: Resource, _resources: Resources) -> Iterator[Opening]:
    text = "leads traffic from outside to pods, through a controller that may run on the node's network"
    yield Opening(one.ref, "service", "spec", text, Verdict.NO_PROOF, "service.ingress", "Take it out")


def _servers(resources: Resources) -> Iterator[Opening]:
    for one in resources.of("APIService", "apiregistration.k8s.io"):
        with about(one):
            if mapping(one.spec, "service"):
                group = one.spec.get("group") or ""
                text = f"requests to the API group '{group}' are passed on to a server of its own"
                if group in _PROVED_GROUPS:
                    text += ", and what is proved here is read from it"
                    step = "Take spec.service out: the API server serves this group itself"
                    yield Opening(one.ref, "api-server", "spec.service", text, Verdict.NO_PROOF, "server.proved-group", step)
                else:
                    yield Opening(one.ref, "api-server", "spec.service", text)
    for one in resources.of("CustomResourceDefinition", "apiextensions.k8s.io"):
        with about(one):
            if mapping(one.spec, "conversion").get("strategy") == "Webhook":
                yield Opening(
                    one.ref, "api-server", "spec.conversion", "objects of this kind are sent to a webhook to be converted"
                )
