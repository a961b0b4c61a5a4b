"""Whether what the claim says of the site is what the objects show. Called by `prove`."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.cluster.addresses import FAMILIES, Addresses, family_of, parse_addresses, range_text
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.model import Site
from airlock.cluster.network import nodes_of
from airlock.cluster.pods import pods_of
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.services import given_addresses

__all__ = ["contradictions"]


def contradictions(resources: Resources, site: Site) -> Iterator[Finding]:
    """Pods, nodes and Services with an address that the claim says they do not have: then nothing follows from what it says."""
    for pod in pods_of(resources):
        if pod.addresses and not pod.host_network:
            yield from _outside(pod.workload, parse_addresses(pod.addresses), site.pods, "pods", site)
    for node, (_, addresses) in zip(resources.of("Node", ""), nodes_of(resources), strict=True):
        yield from _outside(node.ref, addresses, site.nodes, "nodes", site)
    for one in (*resources.of("ServiceCIDR", "networking.k8s.io"), *resources.of("Service", "")):
        rule = "spec.cidrs" if one.kind == "ServiceCIDR" else "spec.clusterIP"
        yield from _outside(one.ref, given_addresses(one), site.services, "services", site, rule=rule)


def _outside(
    where: Ref, own: Addresses, said: Addresses | None, what: str, site: Site, *, rule: str = "status"
) -> Iterator[Finding]:
    odd = Addresses() if said is None else own - said
    families = [FAMILIES[family_of(low)] for low, _ in own.intervals if family_of(low) not in site.families]
    if odd or families:
        text = range_text(*odd.intervals[0]).partition("-")[0] if odd else ", ".join(families)
        yield Finding(
            Verdict.NO_PROOF,
            "site.contradiction",
            f"has {text}, which flows.yaml says {what} do not have",
            where,
            rule,
            f"Correct addresses.{'families' if families and not odd else what}, or the site's value that it names",
        )
