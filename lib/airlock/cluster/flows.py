"""`flows.yaml`: which flows may exist, which must not, and who may do what. Read by `doors`, held against the model by `prove`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airlock.cluster.addresses import NOWHERE, Addresses
from airlock.cluster.findings import Accepted
from airlock.cluster.model import Site
from airlock.cluster.paths import Platform, Right
from airlock.cluster.pinned import Guard
from airlock.cluster.ports import PortRange
from airlock.cluster.rules import Pods

__all__ = ["COMPONENT", "Flow", "Flows", "Party", "bare_flows", "find_flows"]

COMPONENT = "airlock.dev/component"
"""Label of every object that a component brings: its flows count where one of them is there."""

NAME = "flows.yaml"


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a flow: pods, or addresses.

    Attributes:
        pods: One for each namespace that it is in.
        plain: Labels that a pod of it has at least.
    """

    name: str
    pods: tuple[Pods, ...] = ()
    plain: Mapping[str, str] = field(default_factory=dict)
    addresses: Addresses = NOWHERE


@dataclass(frozen=True, slots=True)
class Flow:
    """One line of the file.

    Attributes:
        ports: None in a forbidden one: any.
        channel: Whether bytes can leave the cluster by it, wherever it goes.
        place: File and line of it.
        waits: Why it does not count, where it does not.
    """

    source: Party
    target: Party
    ports: tuple[PortRange, ...] | None
    why: str
    channel: bool = False
    place: str = NAME
    waits: str = ""

    def __str__(self) -> str:
        ports = "any port" if self.ports is None else ", ".join(map(str, self.ports))
        return f"{self.source.name} -> {self.target.name} ({ports})"


@dataclass(frozen=True, slots=True)
class Flows:
    """A file, with the site's values in it.

    Attributes:
        zones: Namespaces of each.
        flows: Those whose component is there, or that need none.
        rights: Those whose component is there, or that need none.
        guards: Admission policies that are counted on, one for each binding whose component is there, or that needs none.
        accepted: What may stand beside a proof though it is not modelled.
        waiting: Flows whose component is not there: they declare nothing, and what they would declare is told with what follows.
        waiting_rights: Rights likewise.
    """

    zones: Mapping[str, tuple[str, ...]]
    site: Site
    flows: tuple[Flow, ...] = ()
    forbidden: tuple[Flow, ...] = ()
    rights: tuple[Right, ...] = ()
    platform: tuple[Platform, ...] = ()
    guards: tuple[Guard, ...] = ()
    accepted: tuple[Accepted, ...] = ()
    waiting: tuple[Flow, ...] = ()
    waiting_rights: tuple[Right, ...] = ()

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All that are in a zone."""
        return tuple(dict.fromkeys(name for some in self.zones.values() for name in some))


def find_flows(places: Sequence[Path | str]) -> Path | None:
    """The nearest `flows.yaml` in a place or above it."""
    for place in places:
        if str(place) != "-":
            path = Path(place).absolute()
            for folder in (path, *path.parents):
                if (folder / NAME).is_file():
                    return folder / NAME
    return None


def bare_flows(namespaces: Sequence[str]) -> Flows:
    """The claim that nothing goes into or out of namespaces."""
    return Flows({name: (name,) for name in namespaces}, Site())
