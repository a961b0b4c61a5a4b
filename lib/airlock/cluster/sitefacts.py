"""Whether what the claim says of the site is what the objects show. Called by `prove`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airlock.cluster._shape import about, mapping, mappings, words
from airlock.cluster.addresses import FAMILIES, NOWHERE, Addresses, family_of, parse_addresses, short_text
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.flows import Flows
from airlock.cluster.model import Site
from airlock.cluster.pods import pods_of
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.rules import Action
from airlock.cluster.services import given_addresses
from airlock.cluster.zonemodel import concerned_policies

__all__ = ["contradictions"]


def contradictions(resources: Resources, flows: Flows) -> Iterator[Finding]:
    """Pods, nodes and Services with an address that the claim says they do not have, and rules that open what it says is not there: then
    nothing follows from what it says.
    """
    site = flows.site
    for pod in pods_of(resources):
        if pod.addresses and not pod.host_network:
            yield from _outside(pod.workload, parse_addresses(pod.addresses), site.pods, "pods", site)
    for node in resources.of("Node", ""):
        with about(node):
            # What a node has outside the cluster differs from node to node, and no policy of a zone names it for the node's sake.
            inner = (one for one in mappings(mapping(node.body, "status"), "addresses") if one.get("type") == "InternalIP")
            addresses = parse_addresses(str(one["address"]) for one in inner if one.get("address"))
        yield from _outside(node.ref, addresses, site.nodes, "nodes", site)
        with about(node):
            # Which of them a network plugin uses is its own business; that there is one of a family tells what the cluster speaks.
            families = ["IPv6" if ":" in text else "IPv4" for text in words(node.spec, "podCIDRs")]
        yield from _spoken(node.ref, "spec.podCIDRs", families, site)
    for one in (*resources.of("ServiceCIDR", "networking.k8s.io"), *resources.of("Service", "")):
        rule = "spec.cidrs" if one.kind == "ServiceCIDR" else "spec.clusterIP"
        yield from _outside(one.ref, given_addresses(one), site.services, "services", site, rule=rule)
        with about(one):
            yield from _spoken(one.ref, "spec.ipFamilies", words(one.spec, "ipFamilies"), site)
    yield from _opened(resources, flows)


def _spoken(where: Ref, rule: str, families: Iterable[str], site: Site) -> Iterator[Finding]:
    odd = [name for name in families if name in FAMILIES and site.lacks(FAMILIES.index(name))]
    if odd:
        text = f"has {', '.join(odd)}, and flows.yaml says that the cluster does not speak it"
        step = "Correct addresses.families, or the site's value that it names"
        yield Finding(Verdict.NO_PROOF, "site.contradiction", text, where, rule, step)


def _opened(resources: Resources, flows: Flows) -> Iterator[Finding]:
    for policy in concerned_policies(resources, flows):
        for rule in policy.rules if any(map(flows.site.lacks, range(len(FAMILIES)))) else ():
            named = [one for peer in rule.peers or () for one in (peer.addresses or NOWHERE).intervals]
            odd = next((one for one in named if flows.site.lacks(family_of(one[0]))), None)
            if odd is not None and rule.action is not Action.DENY:
                text = f"opens {short_text(*odd)}, and flows.yaml says that the cluster speaks no {FAMILIES[family_of(odd[0])]}"
                step = "Correct addresses.families, or the site's value that it names; or take the addresses out"
                place = f"{rule.direction.lower()} rule {rule.index}"
                yield Finding(Verdict.NO_PROOF, "site.contradiction", text, policy.ref, place, step)


def _outside(
    where: Ref, own: Addresses, said: Addresses | None, what: str, site: Site, *, rule: str = "status"
) -> Iterator[Finding]:
    odd = Addresses() if said is None else own - said
    families = [FAMILIES[family_of(low)] for low, _ in own.intervals if site.lacks(family_of(low))]
    if odd or families:
        text = short_text(odd.intervals[0][0], odd.intervals[0][0]) if odd else ", ".join(families)
        yield Finding(
            Verdict.NO_PROOF,
            "site.contradiction",
            f"has {text}, which flows.yaml says {what} do not have",
            where,
            rule,
            f"Correct addresses.{'families' if families and not odd else what}, or the site's value that it names",
        )
