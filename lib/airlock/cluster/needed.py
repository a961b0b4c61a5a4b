"""Rules that no declared flow needs. Called by `netproof`.

Asked are the rules of the zones' own policies, and those of policies of the whole cluster that select pods of zones alone: what selects
others as well is there for them. A rule that denies opens nothing, so no flow needs it: it is a lock, and passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airlock.cluster.claim import Claim, sides
from airlock.cluster.findings import Finding
from airlock.cluster.flows import Flow
from airlock.cluster.model import bits
from airlock.cluster.reach import Reach
from airlock.cluster.rules import Action, Direction, Policy, Rule, Tier

__all__ = ["needless"]


def needless(claim: Claim) -> Iterator[Finding]:
    """A finding for each rule without which every declared flow would still be open."""
    needed = _needed(claim, claim.flows.flows)
    for policy in claim.model.policies:
        for rule in policy.rules:
            if _is_asked(claim, policy, rule) and rule not in needed and not _closes(claim, rule):
                yield Finding(
                    claim.surely_refuted,
                    "network.rule-needless",
                    "no declared flow needs this rule: without it all of them are open",
                    rule.policy,
                    f"{rule.direction.lower()} rule {rule.index}",
                    "; ".join(["Take the rule out, or declare the flow that it is for", *_hints(claim, rule)]),
                )


def _hints(claim: Claim, rule: Rule) -> Iterator[str]:
    """Flows that would need the rule, and do not count."""
    return (flow.waits for flow in claim.flows.waiting if rule in _needed(claim, [flow]))


def _is_asked(claim: Claim, policy: Policy, rule: Rule) -> bool:
    if policy.tier is Tier.NETWORK:
        return policy.ref.namespace in claim.flows.namespaces
    selected = claim.model.select(policy.subject)
    return rule.action is not Action.DENY and bool(selected) and not selected & ~claim.zone_classes


def _closes(claim: Claim, rule: Rule) -> bool:
    """Whether a flow that is open is not without the rule: beside rules that are asked in order, more are needed than `_needed` knows."""
    without = Reach(claim.model, upper=False, without=frozenset({rule}))
    return any(set(claim.shut(flow, without)) - set(claim.shut(flow, claim.lower)) for flow in claim.flows.flows)


def _needed(claim: Claim, flows: Iterable[Flow]) -> frozenset[Rule]:
    """Rules that alone permit some part of one of these flows, as far as that is told without their order."""
    needed: set[Rule] = set()
    for flow in flows:
        mask = claim.mask(flow.ports)
        for own, direction, other in sides(flow):
            ends = claim.plain_ends(other)
            for index in claim.plain(own):
                for atom in bits(mask):
                    needed.update(_alone(claim, index, atom, ends, direction))
    return frozenset(needed)


def _alone(claim: Claim, index: int, atom: int, ends: int, direction: Direction) -> Iterator[Rule]:
    """Rules that take an end which no other rule takes."""
    # Of pods that are isolated the baseline is not asked.
    asked = claim.lower.takers(index, direction, atom)
    taken = [(rule, ends & own) for tier, rule, own in asked if tier is not Tier.BASELINE and rule.action is Action.ALLOW]
    once = twice = 0
    for _, own in taken:
        twice |= once & own
        once |= own
    return (rule for rule, own in taken if own & ~twice)
