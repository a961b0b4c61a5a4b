"""Connections that nobody declared, in words: which rule opens them, from where to where. Called by `netproof`."""

from __future__ import annotations

from dataclasses import dataclass

from airlock.cluster.addresses import range_text
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.model import Model
from airlock.cluster.resources import Ref
from airlock.cluster.rules import Direction, Rule

__all__ = ["Opening", "shown"]


@dataclass
class Opening:
    """Connections of a class in a zone that one rule opens, or the lack of any.

    Attributes:
        rule: None: no policy stands against them.
        place: One of the other ends.
        certain: Whether they surely exist.
        count: How many there are like this one.
    """

    direction: Direction
    rule: Rule | None
    index: int
    atom: int
    place: int
    certain: bool
    namespace: str
    count: int

    def finding(self, model: Model, *, doubtful: bool) -> Finding:
        """In words; `doubtful`: where a policy is not modelled, nothing is certain."""
        one, out = model.classes[self.index], self.direction is Direction.EGRESS
        verb = "reach" if out else "be reached from"
        certain = self.certain and not doubtful
        may = "can" if certain else "may"
        more = f" (and {self.count - 1:,} more like it)" if self.count > 1 else ""
        ports = model.ports.text(1 << self.atom)
        where = Ref("Namespace", "", self.namespace) if self.rule is None else self.rule.policy
        return Finding(
            Verdict.REFUTED if certain else Verdict.NO_PROOF,
            "network.undeclared" if self.rule is not None else "network.not-isolated",
            f"{one} {may} {verb} {shown(model, self.place)} on {ports}, which no flow declares{more}"
            if self.rule is not None
            else f"no policy isolates {self.direction.lower()} of {one}: it {may} {verb} {shown(model, self.place)} on {ports}{more}",
            where,
            "" if self.rule is None else f"{self.direction.lower()} rule {self.rule.index}",
            self._next(certain=certain),
        )

    def _next(self, *, certain: bool) -> str:
        if not certain:
            return "Say in flows.yaml which addresses pods, services and nodes have; or narrow the rule"
        if self.rule is None:
            return f"Add a NetworkPolicy with podSelector {{}} and policyTypes [{self.direction}]"
        return "Remove or narrow that rule, or declare the flow with a reason"


def shown(model: Model, place: int) -> str:
    """An end in words."""
    if place < 2 * model.count:
        one = model.classes[place % model.count]
        return str(one)
    return range_text(*model.interval(place))
