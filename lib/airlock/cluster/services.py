"""Services as ways: what stands behind an address that a flow may go to. Called by `netproof`.

Whether policies see a Service's address or that of the pod behind it is not defined (concept page "Network Policies"). So who may reach the
address of a Service counts as one who may reach whatever is behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airlock.cluster.addresses import Addresses, parse_addresses
from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.rules import Pods
from airlock.cluster.selectors import Requirement, Selector, UnmodelledError

__all__ = ["Behind", "services_of"]

_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Behind:
    """A Service with an address.

    Attributes:
        addresses: Its own.
        pods: Those that it selects; None where it selects none.
        endpoints: Addresses that its endpoints name, where it selects no pods.
    """

    ref: Ref
    addresses: Addresses
    pods: Pods | None
    endpoints: Addresses


def services_of(resources: Resources) -> Iterator[Behind]:
    """Every Service with addresses of its own: of the cluster, of a load balancer, or external ones."""
    for one in resources.of("Service", ""):
        addresses = _parsed(_addresses(one))
        if addresses:
            selector = one.spec.get("selector") or {}
            chosen = Selector(
                frozenset(Requirement(str(key), "In", frozenset([str(value)])) for key, value in selector.items())
            )
            pods = Pods(one.namespace, pods=chosen) if selector else None
            yield Behind(one.ref, addresses, pods, Addresses() if selector else _parsed(_endpoints(one, resources)))


def _addresses(one: Resource) -> Iterator[str]:
    spec = one.spec
    yield from (address for address in (spec.get("clusterIPs") or [spec.get("clusterIP")]) if address not in (None, "", "None"))
    yield from spec.get("externalIPs") or ()
    ingress = ((one.body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    yield from (entry["ip"] for entry in ingress if entry.get("ip"))


def _endpoints(one: Resource, resources: Resources) -> Iterator[str]:
    for some in resources.of("EndpointSlice", "discovery.k8s.io"):
        if some.namespace == one.namespace and some.labels.get(_NAME) == one.name:
            yield from (address for entry in some.body.get("endpoints") or () for address in entry.get("addresses") or ())
    for some in resources.of("Endpoints", ""):
        if (some.namespace, some.name) == (one.namespace, one.name):
            subsets = some.body.get("subsets") or ()
            yield from (entry["ip"] for subset in subsets for entry in subset.get("addresses") or () if entry.get("ip"))


def _parsed(texts: Iterator[str]) -> Addresses:
    found = Addresses()
    for text in texts:
        try:
            found |= parse_addresses([text])
        except UnmodelledError:  # a name: `kinds` and `exposed` speak of it
            continue
    return found
