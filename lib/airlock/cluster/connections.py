"""Every permitted connection as (source, destination, ports), and what changes between two sets of resources. Called by `doors`.

The words are those of netpol-analyzer's lists, which people compare with: `namespace/name[Kind]`, a range of addresses with `[External]`,
`entire-cluster` for pods that do not exist yet, wherever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from airlock.cluster.addresses import NOWHERE, range_text
from airlock.cluster.kinds import unjudged_kinds
from airlock.cluster.model import Beside, Model, Site, bits
from airlock.cluster.network import families_of, network, policies_of
from airlock.cluster.pods import Pod
from airlock.cluster.ports import NO_CONNECTIONS, PortSpace
from airlock.cluster.reach import Reach, Row
from airlock.cluster.resources import Ref, Resources

__all__ = ["ENTIRE_CLUSTER", "Change", "Changed", "Connection", "compare", "connections", "unmodelled"]

ENTIRE_CLUSTER = "entire-cluster"
_FUTURE = Pod(Ref("", "", ENTIRE_CLUSTER), "", {}, frozenset())
"""A pod that does not exist yet, with no label, in a namespace that does not either: what it may do, any pod may."""


class Connection(NamedTuple):
    """What one end may send to another. A tuple, for an open cluster of 2,000 pods has four million.

    Attributes:
        ports: `TCP 80,443`, `UDP 53`, `All Connections`.
    """

    source: str
    destination: str
    ports: str


def unmodelled(resources: Resources) -> list[str]:
    """What may permit or deny connections and is not in the list: policies with something that the model has no meaning for, and kinds that it
    does not know.
    """
    _, doubts = policies_of(resources)
    return [*map(str, doubts), *dict.fromkeys(f"{one.where}: {one.what}" for one in unjudged_kinds(resources))]


def connections(resources: Resources, families: frozenset[int] | None = None) -> list[Connection]:
    """All permitted connections of workloads with each other, with addresses outside and with pods that do not exist yet, sorted.

    A workload's pods count as one, and its connections with itself are left out. Address blocks are taken to cover pods only where they
    surely do: where the pods' addresses are known, or all addresses are covered. Nodes are those that are there.

    Args:
        resources: Objects of any kind.
        families: 0 for IPv4, 1 for IPv6; None: those that any policy or pod names an address of.
    """
    beside = Beside(future=[_FUTURE])
    model = network(resources, beside=beside)
    families = families_of(model) if families is None else families
    nodes = NOWHERE
    for _, addresses in model.nodes:
        nodes |= addresses
    model = replace(model, site=Site(nodes=nodes or None, families=families), _selected={})
    found: dict[str, dict[str, int]] = {}
    for source, destination, mask in _permitted(model):
        if source != destination:
            own = found.setdefault(source, {})
            own[destination] = own.get(destination, 0) | mask
    texts = _Texts(model.ports)
    return [
        Connection(source, destination, texts[mask])
        for source, own in sorted(found.items())
        for destination, mask in sorted(own.items())
    ]


class _Texts(dict[int, str]):
    """Masks in words, each once."""

    def __init__(self, ports: PortSpace) -> None:
        super().__init__()
        self._ports = ports

    def __missing__(self, mask: int) -> str:
        text = self[mask] = self._ports.text(mask)
        return text


def _permitted(model: Model) -> Iterator[tuple[str, str, int]]:
    """(source, destination, mask) of every pair; one pair may come several times."""
    shown, whole, reach = _shown(model), (1 << model.count) - 1, Reach(model, upper=False)
    outside: dict[tuple[int, int], list[tuple[str, int]]] = {}
    for index, row in reach.rows():
        own = shown[index]
        for mask, targets in _by_mask(row, whole):
            names = [name for target in bits(targets) for name in shown[target]]
            yield from ((source, name, mask) for source in own for name in names)
        if own != (ENTIRE_CLUSTER,):
            for side, back in ((reach.leaving(index), False), (reach.entering(index), True)):
                families = sum(1 << family for family in (0, 1) if model.face(index, family))
                key = (id(side), families)
                if key not in outside:
                    outside[key] = list(_outside(model, side, families))
                ends = outside[key]
                yield from ((text, name, mask) if back else (name, text, mask) for text, mask in ends for name in own)


def _shown(model: Model) -> list[tuple[str, ...]]:
    return [
        tuple(f"{ref.namespace}/{ref.name}[{ref.kind}]" for ref in one.workloads) if one.workloads else (ENTIRE_CLUSTER,)
        for one in model.classes
    ]


def _by_mask(row: Row, whole: int) -> Iterator[tuple[int, int]]:
    """A row turned round: the ends that one mask goes to, for each mask."""
    groups = {0: whole}
    for atom, ends in enumerate(row):
        if not ends & whole:
            continue
        parted: dict[int, int] = {}
        for mask, own in groups.items():
            for part, more in ((own & ends, 1 << atom), (own & ~ends, 0)):
                if part:
                    parted[mask | more] = parted.get(mask | more, 0) | part
        groups = parted
    return ((mask, own) for mask, own in groups.items() if mask)


def _outside(model: Model, row: Row, families: int) -> Iterator[tuple[str, int]]:
    """Ranges of addresses outside of which a row permits something, in the families of a mask; neighbours with the same ports are one range."""
    offset = 2 * model.count
    whole = sum(1 << place for place, low in enumerate(model.cuts) if families >> int(low > _LAST_V4) & 1)
    for mask, places in _by_mask([ends >> offset for ends in row], whole):
        low = high = -2
        for place in bits(places):
            first, last = model.interval(place + offset)
            if first == high + 1 and first != _LAST_V4 + 1:
                high = last
                continue
            if low >= 0:
                yield f"{range_text(low, high)}[External]", mask
            low, high = first, last
        yield f"{range_text(low, high)}[External]", mask


_LAST_V4 = (1 << 32) - 1


class Changed(StrEnum):
    """What became of a connection."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One connection that is not the same in two sets of resources."""

    what: Changed
    source: str
    destination: str
    before: str
    after: str


def compare(before: Resources, after: Resources) -> list[Change]:
    """Connections that one set permits and the other does not, or with other ports; sorted."""
    old, new = _by_ends(before), _by_ends(after)
    found = []
    for ends in old.keys() | new.keys():
        was, now = old.get(ends, NO_CONNECTIONS), new.get(ends, NO_CONNECTIONS)
        if was != now:
            what = Changed.ADDED if ends not in old else Changed.REMOVED if ends not in new else Changed.CHANGED
            found.append(Change(what, *ends, was, now))
    return sorted(found)


def _by_ends(resources: Resources) -> Mapping[tuple[str, str], str]:
    return {(one.source, one.destination): one.ports for one in connections(resources)}
