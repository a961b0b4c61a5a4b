"""The model: pods that no policy tells apart are one class, addresses and ports are cut where rules cut them, sets are bits. For `reach`.

A universe of ends is numbered: the IPv4 faces of all classes, their IPv6 faces, then the stretches of the line of addresses. A set of ends
is one integer with a bit for each, so that a rule's ends are found and joined at the speed of machine words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from airlock.cluster.addresses import EVERYWHERE, NOWHERE, Addresses, family_of, parse_addresses
from airlock.cluster.pods import Pod
from airlock.cluster.ports import NamedPort, PortRange, PortSpace
from airlock.cluster.resources import Ref
from airlock.cluster.rules import Direction, Doubt, Peer, Pods, Policy, Rule
from airlock.cluster.selectors import Selector

__all__ = ["METADATA_NAME", "Beside", "Model", "PodClass", "Site", "bits", "build_model"]

METADATA_NAME = "kubernetes.io/metadata.name"
"""The API server sets it on every namespace, and nobody can change it."""

_FAMILY = tuple(Addresses((interval,)) for interval in EVERYWHERE.intervals)


def bits(number: int) -> Iterator[int]:
    """Places of the bits that are set."""
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


@dataclass(frozen=True, slots=True)
class Site:
    """What no resource says.

    Attributes:
        pods: Addresses that pods get; None where it is not known.
        services: Addresses of services.
        nodes: Addresses of nodes, which host-network pods have.
        families: 0 for IPv4, 1 for IPv6: which of them the cluster has.
    """

    pods: Addresses | None = None
    services: Addresses | None = None
    nodes: Addresses | None = None
    families: frozenset[int] = frozenset({0, 1})

    def lacks(self, family: int) -> bool:
        """Whether the cluster does not speak it."""
        return family not in self.families


@dataclass(frozen=True, slots=True)
class Beside:
    """What is asked for beside what the resources name, so that the model tells it apart.

    Attributes:
        future: Pods that may come to be.
        selectors: Of pods.
        nodes: Labels and addresses of those that are there.
    """

    future: Sequence[Pod] = ()
    selectors: Sequence[Selector] = ()
    ports: Sequence[PortRange] = ()
    addresses: Sequence[Addresses] = ()
    nodes: Sequence[tuple[Mapping[str, str], Addresses]] = ()


@dataclass(frozen=True, slots=True)
class PodClass:
    """Pods that no policy tells apart.

    Attributes:
        labels: Those of their labels that any selector looks at.
        ports: Their named ports; None for pods that do not exist yet, whose ports nobody knows.
        addresses: Stretches of the line that their known addresses are in.
        workloads: What they are part of; empty for pods that do not exist yet.
    """

    namespace: str
    labels: Mapping[str, str]
    ports: frozenset[tuple[str, str, int]] | None
    addresses: tuple[int, ...]
    host_network: bool
    workloads: tuple[Ref, ...]

    def __str__(self) -> str:
        labels = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return str(self.workloads[0]) if self.workloads else f"a pod in '{self.namespace}' with labels {{{labels}}}"


@dataclass(frozen=True)
class Model:
    """Classes, policies and the universe of ends.

    Attributes:
        namespaces: Labels of each.
        cuts: First place of each stretch of the line of addresses.
    """

    classes: tuple[PodClass, ...]
    namespaces: Mapping[str, Mapping[str, str]]
    policies: tuple[Policy, ...]
    doubts: tuple[Doubt, ...]
    ports: PortSpace
    cuts: tuple[int, ...]
    site: Site
    nodes: Sequence[tuple[Mapping[str, str], Addresses]] = ()
    _selected: dict[object, int] = field(default_factory=dict, repr=False, compare=False)

    # --- ends ---------------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @cached_property
    def faces(self) -> int:
        """All faces of all classes."""
        return sum(self.face(index, family) for index in range(self.count) for family in (0, 1))

    def face(self, index: int, family: int) -> int:
        """The bit of a class in a family; 0 where it has none."""
        one = self.classes[index]
        has = {family_of(self.cuts[cut]) for cut in one.addresses} if one.addresses else self.site.families
        return 1 << (index + family * self.count) if family in has else 0

    @cached_property
    def outside(self) -> int:
        """All stretches of addresses of the cluster's families."""
        places = (place for place, low in enumerate(self.cuts) if family_of(low) in self.site.families)
        return sum(1 << place for place in places) << (2 * self.count)

    @cached_property
    def everyone(self) -> int:
        """The universe."""
        return self.faces | self.outside

    def interval(self, place: int) -> tuple[int, int]:
        """First and last address of the stretch whose bit is at `place`."""
        index = place - 2 * self.count
        end = self.cuts[index + 1] if index + 1 < len(self.cuts) else EVERYWHERE.intervals[-1][1] + 1
        return self.cuts[index], end - 1

    def faces_of(self, classes: int) -> int:
        """A set of classes as the set of all their faces."""
        return (classes | classes << self.count) & self.faces

    # --- selection ----------------------------------------------------------------------------------------------------

    def select(self, pods: Pods, *, hosts: bool = False) -> int:
        """Classes that selectors take; those on the host's network only where `hosts`."""
        key = (pods, hosts)
        found = self._selected.get(key)
        if found is None:
            found = self._in_namespaces(pods) & self._labelled(pods.pods)
            found = self._selected[key] = found if hosts else found & ~self._hosts
        return found

    def ends(self, peers: tuple[Peer, ...] | None) -> tuple[int, int]:
        """The ends that a rule's peers surely are, and those that they may be."""
        if peers is None:
            return self.everyone, self.everyone
        certain = possible = 0
        for one in peers:
            sure, maybe = self._peer(one)
            certain, possible = certain | sure, possible | maybe
        return certain, possible

    def _peer(self, peer: Peer) -> tuple[int, int]:
        if peer.pods is not None:
            found = self.faces_of(self.select(peer.pods))
            return found, found
        if peer.addresses is not None:
            return self.addressed(peer.addresses)
        # Beside the nodes that are there, others may come to be, with any labels.
        taken, others = NOWHERE, EVERYWHERE if self.site.nodes is None else self.site.nodes
        for labels, addresses in self.nodes:
            others -= addresses
            if peer.nodes is not None and peer.nodes.matches(labels):
                taken |= addresses
        certain = self.addressed(taken)[0]
        return certain, certain | self.addressed(others)[1]

    def addressed(self, addresses: Addresses) -> tuple[int, int]:
        """Ends that have one of these addresses: surely, and maybe. A block covers pods as well (API reference of IPBlock does not exempt them)."""
        key = ("addresses", addresses)
        if key not in self._selected:
            certain = possible = 0
            for low, high in addresses.intervals:
                first, last = bisect_right(self.cuts, low) - 1, bisect_right(self.cuts, high)
                certain |= ((1 << (last - first)) - 1) << (first + 2 * self.count)
                for index in range(first, last):
                    certain |= self._known.get(index, 0)
            for ranges, faces in self._unknown:
                if ranges <= addresses:
                    certain |= faces
                elif ranges & addresses:
                    possible |= faces
            certain &= self.everyone
            self._selected[key] = certain
            self._selected[("maybe", addresses)] = certain | possible
        return self._selected[key], self._selected[("maybe", addresses)]

    def named(self, port: NamedPort) -> tuple[dict[int, int], int]:
        """Classes by the mask that a port's name means with them; and those of which nobody knows."""
        masks: dict[int, int] = {}
        unknown = 0
        for index, one in enumerate(self.classes):
            if one.ports is None:
                unknown |= 1 << index
                continue
            for name, protocol, number in one.ports:
                if name == port.name and port.protocol in ("", protocol):
                    mask = self.ports.mask(PortRange(protocol, number, number))
                    masks[mask] = masks.get(mask, 0) | 1 << index
        return masks, unknown

    # --- indices ------------------------------------------------------------------------------------------------------

    def _in_namespaces(self, pods: Pods) -> int:
        if pods.namespace:
            return self._by_name.get(pods.namespace, 0)
        key = ("namespaces", pods.namespaces)
        if key not in self._selected:
            found = 0
            for name, own in self._by_namespace.items():
                if pods.namespaces.matches(self.namespaces[name]):
                    found |= own
            self._selected[key] = found
        return self._selected[key]

    def _labelled(self, selector: Selector) -> int:
        found = (1 << self.count) - 1
        for one in selector.requirements:
            values = self._by_label.get(one.key, {})
            taken = 0
            for value in values if one.operator in ("Exists", "DoesNotExist") else one.values:
                taken |= values.get(value, 0)
            found &= taken if one.operator in ("In", "Exists") else ~taken
        return found

    @cached_property
    def _by_namespace(self) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for index, one in enumerate(self.classes):
            found[one.namespace] = found.get(one.namespace, 0) | 1 << index
        return found

    @cached_property
    def _by_name(self) -> Mapping[str, int]:
        """By the name itself: a namespace that may come to be stands here once for each way in which it may be labelled."""
        found: dict[str, int] = {}
        for key, own in self._by_namespace.items():
            name = self.namespaces[key].get(METADATA_NAME, key)
            found[name] = found.get(name, 0) | own
        return found

    @cached_property
    def _by_label(self) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for index, one in enumerate(self.classes):
            for name, value in one.labels.items():
                own = found.setdefault(name, {})
                own[value] = own.get(value, 0) | 1 << index
        return found

    @cached_property
    def _hosts(self) -> int:
        return sum(1 << index for index, one in enumerate(self.classes) if one.host_network)

    @cached_property
    def _known(self) -> Mapping[int, int]:
        """Faces with a known address, by stretch."""
        found: dict[int, int] = {}
        for index, one in enumerate(self.classes):
            for cut in one.addresses:
                found[cut] = found.get(cut, 0) | self.face(index, family_of(self.cuts[cut]))
        return found

    @cached_property
    def _unknown(self) -> Sequence[tuple[Addresses, int]]:
        """Faces whose address is not known, by the range that it is in."""
        found = []
        for family in sorted(self.site.families):
            for ranges, host in ((self.site.pods, False), (self.site.nodes, True)):
                classes = (index for index, one in enumerate(self.classes) if not one.addresses and one.host_network == host)
                faces = sum(self.face(index, family) for index in classes)
                within = (EVERYWHERE if ranges is None else ranges) & _FAMILY[family]
                found.append((within, faces))
        return [(within, faces) for within, faces in found if faces and within]

    # --- policies -----------------------------------------------------------------------------------------------------

    @cached_property
    def selecting(self) -> Mapping[Direction, Sequence[tuple[Policy, ...]]]:
        """The policies that select each class, in the order in which they are asked."""
        found: dict[Direction, list[list[Policy]]] = {one: [[] for _ in self.classes] for one in Direction}
        for policy in sorted(self.policies, key=lambda one: (one.tier, one.priority)):
            for index in bits(self.select(policy.subject)):
                for direction in policy.directions:
                    found[direction][index].append(policy)
        return {direction: [tuple(some) for some in lists] for direction, lists in found.items()}


def build_model(
    pods: Sequence[Pod],
    policies: Sequence[Policy],
    namespaces: Mapping[str, Mapping[str, str]],
    *,
    site: Site = Site(),
    doubts: Sequence[Doubt] = (),
    beside: Beside = Beside(),
) -> Model:
    """Collapse pods to classes and cut addresses and ports.

    Args:
        pods: Those that are there or that templates make.
        policies: Of every kind.
        namespaces: Labels of each namespace.
        site: What no resource says.
        doubts: What was read and is not modelled.
        beside: What else is asked for.
    """
    rules = [rule for policy in policies for rule in policy.rules]
    ranges = [one for one in (site.pods, site.services, site.nodes) if one is not None]
    cuts = _cuts([*_blocks(rules), *beside.addresses, *(own for _, own in beside.nodes), *ranges])
    selectors = [*beside.selectors, *(selector for policy in policies for selector in _pod_selectors(policy))]
    keys = {key for selector in selectors for key in selector.keys}
    names = {port.name for rule in rules for port in rule.ports or () if isinstance(port, NamedPort)}
    classes = _collapsed(pods, beside.future, keys, names, cuts)
    ports = [port for rule in rules for port in rule.ports or () if isinstance(port, PortRange)]
    numbers = {(protocol, number) for one in classes for _, protocol, number in one.ports or ()}
    space = PortSpace.of([*ports, *beside.ports, *(PortRange(protocol, number, number) for protocol, number in numbers)])
    known = {one.namespace: {METADATA_NAME: one.namespace} for one in classes} | dict(namespaces)
    return Model(classes, known, tuple(policies), tuple(doubts), space, cuts, site, beside.nodes)


def _blocks(rules: Iterable[Rule]) -> Iterator[Addresses]:
    return (peer.addresses for rule in rules for peer in rule.peers or () if peer.addresses is not None)


def _pod_selectors(policy: Policy) -> Iterator[Selector]:
    yield policy.subject.pods
    for rule in policy.rules:
        for peer in rule.peers or ():
            if peer.pods is not None:
                yield peer.pods.pods


def _cuts(sets: Iterable[Addresses]) -> tuple[int, ...]:
    found = {low for low, _ in EVERYWHERE.intervals}
    end = EVERYWHERE.intervals[-1][1] + 1
    for one in sets:
        for low, high in one.intervals:
            found |= {low, high + 1}
    return tuple(sorted(found - {end}))


_Ports = frozenset[tuple[str, str, int]]


def _collapsed(
    pods: Iterable[Pod], future: Iterable[Pod], keys: set[str], names: set[str], cuts: tuple[int, ...]
) -> tuple[PodClass, ...]:
    found: dict[tuple[str, frozenset[tuple[str, str]], _Ports | None, tuple[int, ...], bool], list[Ref]] = {}
    for some, known in ((pods, True), (future, False)):
        for one in some:
            labels = frozenset((name, value) for name, value in one.labels.items() if name in keys)
            ports = frozenset(port for port in one.ports if port[0] in names) if known else None
            places = parse_addresses(one.addresses).intervals if one.addresses else ()
            addresses = tuple(sorted({bisect_right(cuts, low) - 1 for low, _ in places}))
            workloads = found.setdefault((one.namespace, labels, ports, addresses, one.host_network), [])
            if known:
                workloads.append(one.workload)
    return tuple(
        PodClass(namespace, dict(sorted(labels)), ports, addresses, host_network, tuple(dict.fromkeys(workloads)))
        for (namespace, labels, ports, addresses, host_network), workloads in found.items()
    )
