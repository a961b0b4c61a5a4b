"""The model of a cluster's resources. Called by `connections` and `prove`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.addresses import FAMILIES, Addresses, family_of, parse_addresses
from airlock.cluster.admin import ADMIN_GROUP, ADMIN_KINDS, parse_admin_policy
from airlock.cluster.model import METADATA_NAME, Beside, Model, Site, build_model
from airlock.cluster.netpol import parse_network_policy
from airlock.cluster.pods import pods_of
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.rules import Doubt, Policy, Tier
from airlock.cluster.selectors import UnmodelledError
from airlock.cluster.services import service_doubts
from airlock.errors import ConfigError

__all__ = ["families_of", "namespace_labels", "network", "nodes_of", "policies_of"]


def network(
    resources: Resources,
    site: Site = Site(),  # noqa: B008 - frozen
    beside: Beside = Beside(),  # noqa: B008 - frozen
) -> Model:
    """Pods, namespaces and policies of resources as one model.

    Args:
        resources: Objects of any kind; others than these are passed over here.
        site: What no resource says.
        beside: What else is asked for.
    """
    policies, doubts = policies_of(resources)
    beside = replace(beside, nodes=nodes_of(resources))
    return build_model(pods_of(resources), policies, namespace_labels(resources), site=site, doubts=doubts, beside=beside)


def policies_of(resources: Resources) -> tuple[list[Policy], list[Doubt]]:
    """Policies of all modelled kinds; and what about them, or about addresses of Services, has no meaning in the model."""
    policies: list[Policy] = []
    doubts: list[Doubt] = []
    readers: list[tuple[Sequence[Resource], Callable[[Resource], Policy]]] = [
        (resources.of("NetworkPolicy", "networking.k8s.io"), parse_network_policy),
        *((resources.of(kind, ADMIN_GROUP), parse_admin_policy) for kind in ADMIN_KINDS),
    ]
    for some, parse in readers:
        for one in some:
            read = _read(parse, one)
            (policies if isinstance(read, Policy) else doubts).append(read)  # type: ignore[arg-type]
    return policies, [*doubts, *_undecided(policies), *service_doubts(resources)]


@lru_cache(maxsize=1 << 15)
def _read(parse: Callable[[Resource], Policy], one: Resource) -> Policy | Doubt:
    """Kept by the object itself: of a cluster that is watched, one policy changes at a time."""
    try:
        return parse(one)
    except UnmodelledError as error:
        return Doubt(one.ref, str(error))


def _undecided(policies: Sequence[Policy]) -> Iterator[Doubt]:
    """Policies of the whole cluster of which nobody knows which one goes first (v1alpha2, `priority`)."""
    by_place: dict[tuple[Tier, int], list[Policy]] = {}
    for one in policies:
        if one.tier is not Tier.NETWORK and one.rules:
            by_place.setdefault((one.tier, one.priority), []).append(one)
    for (_, priority), some in by_place.items():
        actions = {rule.action for one in some for rule in one.rules}
        if len(some) > 1 and len(actions) > 1:
            yield Doubt(some[1].ref, f"priority {priority} is {some[0].ref}'s as well: which of them goes first is not defined")
    kinds = {(one.tier, one.ref.kind): one.ref for one in policies if one.tier is not Tier.NETWORK}
    for tier in (Tier.ADMIN, Tier.BASELINE):
        both = [ref for (own, _), ref in kinds.items() if own is tier]
        if len(both) > 1:
            yield Doubt(both[1], f"{both[0]} is in the same tier by another API: which of them goes first is not defined")


def namespace_labels(resources: Resources) -> Mapping[str, Mapping[str, str]]:
    """Labels of each namespace, with the one that the API server sets.

    Those whose name is to be generated are among them, under one that no namespace can have: their labels count, and a selector of names
    takes them where it takes whatever it does not name.
    """
    found = {}
    for number, one in enumerate(resources.of("Namespace", "")):
        name = one.name if one.is_named else f"{one.name}{number}"
        found[name] = {**one.labels, METADATA_NAME: name}
    return found


def nodes_of(resources: Resources) -> Sequence[tuple[Mapping[str, str], Addresses]]:
    """Labels and addresses of each node."""
    found = []
    for one in resources.of("Node", ""):
        with about(one):
            entries = mappings(mapping(one.body, "status"), "addresses")
            texts = [entry.get("address") for entry in entries if str(entry.get("type", "")).endswith("IP")]
            try:
                found.append((one.labels, parse_addresses(text for text in texts if text)))
            except UnmodelledError as error:
                raise ConfigError(f"the node's address {error}. Correct 'status'") from None
    return found


def families_of(model: Model) -> frozenset[int]:
    """Families that pods have addresses of; where none is known, IPv4 and what any policy names an address of."""
    pods = {family_of(model.cuts[cut]) for one in model.classes for cut in one.addresses}
    named = {
        family_of(low)
        for policy in model.policies
        for rule in policy.rules
        for peer in rule.peers or ()
        for low, _ in _intervals(peer)
    }
    return frozenset(pods or named | {FAMILIES.index("IPv4")})


def _intervals(peer: object) -> Sequence[tuple[int, int]]:
    addresses = getattr(peer, "addresses", None)
    return addresses.intervals if addresses is not None else ()
