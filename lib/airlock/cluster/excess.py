"""Connections that nobody declared, in words: which rule opens them, from where to where. Called by `netproof`."""

from __future__ import annotations

from dataclasses import dataclass

from airlock.cluster.addresses import short_text
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.model import Model, bits
from airlock.cluster.resources import Ref
from airlock.cluster.rules import Direction, Rule

__all__ = ["Excess", "shown"]


@dataclass
class Excess:
    """Connections of pods in a zone that one rule opens, or the lack of any.

    Attributes:
        rule: None: no policy stands against them.
        certain: Whether they surely exist.
        ends: By class, then by bit of the ports, the other ends.
    """

    direction: Direction
    rule: Rule | None
    certain: bool
    ends: dict[int, dict[int, int]]

    def join(self, other: Excess) -> None:
        """Take the ends of another one of the same rule."""
        for index, rows in other.ends.items():
            own = self.ends.setdefault(index, {})
            for atom, ends in rows.items():
                own[atom] = own.get(atom, 0) | ends

    def _first(self) -> tuple[int, int, int, int]:
        """A class, one of its other ends, the mask of ports between them, and how many pairs there are in all."""
        count = 0
        for rows in self.ends.values():
            whole = 0
            for ends in rows.values():
                whole |= ends
            count += whole.bit_count()
        index, rows = next(iter(self.ends.items()))
        place = next(bits(next(iter(rows.values()))))
        return index, place, sum(1 << atom for atom, ends in rows.items() if ends >> place & 1), count

    def finding(self, model: Model, *, doubtful: bool) -> Finding:
        """In words; `doubtful`: where a policy is not modelled, nothing is certain."""
        index, place, mask, count = self._first()
        one, out = model.classes[index], self.direction is Direction.EGRESS
        verb = "reach" if out else "be reached from"
        certain = self.certain and not doubtful
        may = "can" if certain else "may"
        more = f" (and {count - 1:,} more like it)" if count > 1 else ""
        ports = model.ports.text(mask)
        where = Ref("Namespace", "", one.namespace) if self.rule is None else self.rule.policy
        return Finding(
            Verdict.REFUTED if certain else Verdict.NO_PROOF,
            "network.undeclared" if self.rule is not None else "network.not-isolated",
            f"{one} {may} {verb} {shown(model, place)} on {ports}, which no flow declares{more}"
            if self.rule is not None
            else f"no policy isolates {self.direction.lower()} of {one}: it {may} {verb} {shown(model, place)} on {ports}{more}",
            where,
            "" if self.rule is None else f"{self.direction.lower()} rule {self.rule.index}",
            self._next(certain=certain),
        )

    def _next(self, *, certain: bool) -> str:
        if not certain:
            return "Narrow the rule: what only the other end closes is not proven; or say in flows.yaml which addresses pods and nodes have"
        if self.rule is None:
            return f"Add a NetworkPolicy with podSelector {{}} and policyTypes [{self.direction}]"
        return "Remove or narrow that rule, or declare the flow with a reason"


def shown(model: Model, place: int) -> str:
    """An end in words."""
    if place < 2 * model.count:
        one = model.classes[place % model.count]
        return str(one)
    return short_text(*model.interval(place))
