"""Pods that do not exist yet: one for each way in which labels can matter to a policy. For `prove`.

Whoever may create pods chooses their labels, so what a policy would let such pods do counts as much as what it lets those do that are
there. Two pods that no selector tells apart are the same to every policy: it is enough to have one of each kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product

from airlock.cluster.model import METADATA_NAME
from airlock.cluster.pods import Pod
from airlock.cluster.resources import Ref
from airlock.cluster.rules import Pods, Policy
from airlock.cluster.selectors import Requirement

__all__ = ["ELSEWHERE", "TooManyKindsError", "future_namespaces", "future_pods"]

ELSEWHERE = "a-new-namespace"
"""A namespace that nobody names."""

_OTHER = "another-value"
_MOST = 4096


class TooManyKindsError(Exception):
    """Selectors look at so many labels that not all kinds of pods can be tried."""


def future_namespaces(
    policies: Sequence[Policy], parties: Iterable[Pods], known: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Labels of namespaces that do not exist yet, one for each way in which they can matter.

    Raises:
        TooManyKindsError: There are too many ways.
    """
    peers = [*_peers(policies), *parties]
    named = {pods.namespace for pods in peers if pods.namespace}
    selectors = {requirement for pods in peers for requirement in pods.namespaces.requirements}
    named |= {value for one in selectors if one.key == METADATA_NAME for value in one.values}
    found: dict[str, Mapping[str, str]] = {}
    rest = [one for one in selectors if one.key != METADATA_NAME]
    for name in [*sorted(named - known.keys()), _unnamed(ELSEWHERE, named | known.keys())]:
        for labels in _combinations(rest):
            # One namespace may come to be with these labels or with those: each is tried under a key of its own.
            shown = ",".join([name, *(f"{key}={value}" for key, value in sorted(labels.items()))])
            found[shown] = {**labels, METADATA_NAME: name}
    return found


def _unnamed(text: str, named: Collection[str]) -> str:
    """A text that nobody names."""
    while text in named:
        text += "-too"
    return text


def future_pods(
    namespaces: Mapping[str, Mapping[str, str]], policies: Sequence[Policy], parties: Iterable[Pods]
) -> Iterator[Pod]:
    """One pod of each kind in each namespace.

    Args:
        namespaces: Labels of those in which pods may come to be.
        policies: Whose selectors of pods matter.
        parties: Pods that flows name.

    Raises:
        TooManyKindsError: There are too many kinds in one namespace.
    """
    wanted = [*(policy.subject for policy in policies), *_peers(policies), *parties]
    for name, own in namespaces.items():
        requirements = {
            requirement
            for pods in wanted
            if (pods.namespace == name if pods.namespace else pods.namespaces.matches(own))
            for requirement in pods.pods.requirements
        }
        for labels in _combinations(requirements):
            yield Pod(Ref("Pod", name, "future"), name, labels, frozenset())


def _peers(policies: Sequence[Policy]) -> list[Pods]:
    return [peer.pods for policy in policies for rule in policy.rules for peer in rule.peers or () if peer.pods is not None]


def _combinations(requirements: Iterable[Requirement]) -> Iterator[dict[str, str]]:
    """Every way of having, not having or having another value of each label."""
    values: dict[str, set[str]] = {}
    others: set[str] = set()
    for one in requirements:
        values.setdefault(one.key, set()).update(one.values)
        if one.operator != "In":
            others.add(one.key)
    choices: list[list[tuple[str, str | None]]] = []
    total = 1
    for key, named in sorted(values.items()):
        own: list[tuple[str, str | None]] = [(key, None), *((key, value) for value in sorted(named))]
        if key in others:
            own.append((key, _unnamed(_OTHER, named)))
        choices.append(own)
        total *= len(own)
        if total > _MOST:
            raise TooManyKindsError(f"selectors look at {len(values)} labels, more than {_MOST} kinds of pods")
    for some in product(*choices):
        yield {key: value for key, value in some if value is not None}
