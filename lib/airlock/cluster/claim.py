"""A claim over a model: its flows as sets of classes, ends and ports. Asked by `netproof` and `needed`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from airlock.cluster.addresses import Addresses
from airlock.cluster.findings import Verdict
from airlock.cluster.flows import Flow, Flows, Party
from airlock.cluster.model import Model, bits
from airlock.cluster.ports import PortRange
from airlock.cluster.reach import Reach
from airlock.cluster.rules import Direction

__all__ = ["Claim", "Shut"]

Shut = tuple[int, Direction, int]
"""Of a declared flow: a class, the side of it that is not open, an end that it lacks."""


@dataclass(frozen=True)
class Claim:
    """One claim about one model."""

    model: Model
    flows: Flows

    @property
    def surely_refuted(self) -> Verdict:
        """Where a policy is not modelled, nothing that it may bear on is certain."""
        return Verdict.NO_PROOF if self.model.doubts else Verdict.REFUTED

    @cached_property
    def upper(self) -> Reach:
        """What may be permitted."""
        return Reach(self.model, upper=True)

    @cached_property
    def lower(self) -> Reach:
        """What surely is."""
        return Reach(self.model, upper=False)

    @cached_property
    def zone_classes(self) -> int:
        """Classes in any zone."""
        zones = set(self.flows.namespaces)
        return sum(1 << index for index, one in enumerate(self.model.classes) if one.namespace in zones)

    @cached_property
    def host_classes(self) -> int:
        """Classes on their node's network."""
        return sum(1 << index for index, one in enumerate(self.model.classes) if one.host_network)

    @cached_property
    def nothing(self) -> Sequence[int]:
        """The row of a class that no flow names."""
        return [0] * len(self.model.ports.atoms)

    @cached_property
    def declared(self) -> Mapping[Direction, Mapping[int, list[int]]]:
        """The row of each class that a flow names, at each side."""
        found: dict[Direction, dict[int, list[int]]] = {one: {} for one in Direction}
        for flow in self.flows.flows:
            mask = self.mask(flow.ports)
            for own, direction, other in sides(flow):
                ends = self.ends(other)
                for index in bits(self.classes(own)):
                    row = found[direction].setdefault(index, [0] * len(self.model.ports.atoms))
                    for atom in bits(mask):
                        row[atom] |= ends
        return found

    def shut(self, flow: Flow, lower: Reach) -> Iterator[Shut]:
        """What a flow lacks to be surely open."""
        mask = self.mask(flow.ports)
        for own, direction, other in sides(flow):
            ends = self.plain_ends(other)
            for index in self.plain(own):
                row = lower.row(index, direction)
                for atom in bits(mask):
                    lacking = ends & ~row[atom]
                    if lacking and not self._by_one_family(row[atom], ends):
                        yield index, direction, next(bits(lacking))

    def _by_one_family(self, row: int, ends: int) -> bool:
        """Pods are reached where one of their faces is."""
        size = self.model.count
        classes = (ends | ends >> size) & ((1 << size) - 1)
        reached = (row | row >> size) & ((1 << size) - 1)
        return not ends >> (2 * size) and not classes & ~reached

    def surely(self, addresses: Addresses) -> int:
        """Stretches of addresses outside that these cover."""
        return self.model.addressed(addresses)[0] & self.model.outside

    def mask(self, ports: Iterable[PortRange] | None) -> int:
        """Bits of the space of ports; None: all of them."""
        space = self.model.ports
        if ports is None:
            return space.every
        mask = 0
        for one in ports:
            mask |= space.mask(one)
        return mask

    def classes(self, party: Party) -> int:
        """All classes that a party's name covers, those that may come to be too."""
        found = 0
        for pods in party.pods:
            found |= self.model.select(pods)
        return found

    def ends(self, party: Party) -> int:
        """All ends that a party's name covers."""
        return self.model.faces_of(self.classes(party)) | self.surely(party.addresses)

    def plain(self, party: Party) -> list[int]:
        """Classes of a party that are there, and those that have its labels and no others."""
        classes = self.model.classes
        return [
            index for index in bits(self.classes(party)) if classes[index].workloads or classes[index].labels == party.plain
        ]

    def plain_ends(self, party: Party) -> int:
        """Ends of `plain`, and addresses."""
        return self.model.faces_of(sum(1 << index for index in self.plain(party))) | self.surely(party.addresses)


def sides(flow: Flow) -> tuple[tuple[Party, Direction, Party], ...]:
    """(whose side, its direction, the other end)."""
    return (flow.source, Direction.EGRESS, flow.target), (flow.target, Direction.INGRESS, flow.source)
