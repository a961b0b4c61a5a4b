"""Subjects that two zones have in common: what they take out of one they can put into the other. Called by `paths`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.powers import BECOMING, STEERING
from airlock.cluster.rbac import EVERYWHERE, Held
from airlock.cluster.subjects import Subject

__all__ = ["Closure", "joined_zones"]


@dataclass(frozen=True, slots=True)
class _Reached:
    """A right that a subject comes to, and as whom."""

    held: Held
    through: Subject | None


def joined_zones(
    held: Sequence[Held], zones: Mapping[str, Sequence[str]], is_platform: Callable[[Subject], bool]
) -> Iterator[Finding]:
    """One finding for each subject that steers two zones, or is in one and steers another.

    Its own rights count, its groups', and those of whom it can become.

    Who can create pods in a namespace, or make tokens there, acts as every ServiceAccount of it, and so on from there.

    Args:
        held: Every power that bindings give, in all namespaces.
        zones: Namespaces by the zone's name.
        is_platform: Whom to leave out. They are passed through all the same: who can become one of them is found.
    """
    zone_of = {name: zone for zone, names in zones.items() for name in names}
    closure = Closure([one for one in held if one.power in STEERING | BECOMING])
    for subject in closure.subjects:
        if is_platform(subject):
            continue
        first = _by_zone(closure.reached(subject), zone_of)
        homes = [zone for zone, names in zones.items() if subject.is_in(frozenset(names))]
        if first and len({*first, *homes}) > 1:
            yield _finding(subject, dict(sorted(first.items())), homes)


def _by_zone(reached: Iterator[_Reached], zone_of: Mapping[str, str]) -> dict[str, _Reached]:
    """The first right that steers each zone."""
    first: dict[str, _Reached] = {}
    every = len(set(zone_of.values()))
    for one in reached:
        for zone in _zones(one.held, zone_of):
            first.setdefault(zone, one)
        if len(first) == every:
            break
    return first


def _zones(held: Held, zone_of: Mapping[str, str]) -> list[str]:
    if held.power not in STEERING:
        return []
    if held.namespace in ("", EVERYWHERE):
        return list(dict.fromkeys(zone_of.values()))
    return [zone_of[held.namespace]] if held.namespace in zone_of else []


def _finding(subject: Subject, first: Mapping[str, _Reached], homes: Sequence[str]) -> Finding:
    said = [f"is or has members in zone '{home}'" for home in homes if home not in first]
    for zone, one in first.items():
        via = f" as {one.through}" if one.through else ""
        said.append(f"may {one.held.power} in zone '{zone}'{via} ({one.held.binding})")
    steps = "Give each zone subjects of its own, and none the power to become another zone's"
    what = f"{subject} joins zones: it {' and '.join(said)}"
    last = list(first.values())[-1].held
    return Finding(Verdict.REFUTED, "rights.two-zones", what, last.binding, last.via, steps)


class Closure:
    """Who can come to act as whom, over the subjects that bindings name.

    Attributes:
        of: Rights by who has them.
        subjects: All that have one.
    """

    def __init__(self, held: Sequence[Held]) -> None:
        self.of: dict[Subject, list[Held]] = {}
        for one in held:
            self.of.setdefault(one.subject, []).append(one)
        self.subjects = sorted(self.of)
        self._accounts: dict[str, list[Subject]] = {}
        for subject in self.subjects:
            if subject.kind == "ServiceAccount":
                self._accounts.setdefault(subject.namespace, []).append(subject)

    def reached(self, subject: Subject) -> Iterator[_Reached]:
        """Its own rights first, then those of whom it can become, nearest first."""
        seen, left = {subject}, [subject]
        while left:
            now = left.pop(0)
            for actor in (now, *now.groups):
                for one in self.of.get(actor, ()):
                    yield _Reached(one, None if actor == subject else actor)
                    for other in self.becomes(one):
                        if other not in seen:
                            seen.add(other)
                            left.append(other)

    def becomes(self, held: Held) -> Sequence[Subject]:
        """Whom a right lets its holder act as."""
        if held.power not in BECOMING:
            return ()
        if held.namespace == "":
            return self.subjects
        if held.namespace == EVERYWHERE:
            return [one for some in self._accounts.values() for one in some] + [
                Subject("Group", "", f"system:serviceaccounts:{name}") for name in self._accounts
            ]
        return self.accounts(held.namespace)

    def accounts(self, namespace: str) -> Sequence[Subject]:
        """ServiceAccounts of a namespace that have a right, and the group of all that are in it."""
        return [*self._accounts.get(namespace, ()), Subject("Group", "", f"system:serviceaccounts:{namespace}")]
