"""Subjects outside the zones who can come to act as somebody that has a right in one. Called by `paths`.

A declared launcher of another namespace, or a controller of the platform, is as safe as the namespace that it is in: who may create pods or
tokens there acts as it. Such a right is one to declare too. What is given in every namespace, or over the cluster, counts in the zones
themselves, and is found there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.joined import Closure
from airlock.cluster.powers import BECOMING
from airlock.cluster.rbac import EVERYWHERE, Held
from airlock.cluster.subjects import Subject

__all__ = ["acting_as_others"]

_SYSTEM = "kube-system"
_STEERING = frozenset({"write configmaps", "write objects", "write serviceaccounts", "proxy pods", "port-forward pods"})
"""What else steers who runs in a namespace: by the objects and the configuration that it reads, and by the ports that it opens to itself."""
_DEPLOYING = "steer deployers"


def acting_as_others(
    held: Sequence[Held],
    zones: Mapping[str, Sequence[str]],
    is_platform: Callable[[Subject], bool],
    by_right: Callable[[Held], str | None],
) -> Iterator[Finding]:
    """One finding for each subject and namespace of no zone in which it can become somebody that has a right in a zone.

    Args:
        held: Every power that bindings give, in all namespaces.
        zones: Namespaces by the zone's name.
        is_platform: Whom to leave out.
        by_right: Why a right is declared; None where it is not.
    """
    inside = frozenset(name for names in zones.values() for name in names)
    passed_over = {"", EVERYWHERE, *inside}
    closure = Closure(held)
    for subject in closure.subjects:
        if is_platform(subject) or subject.is_in(inside):
            continue
        odd: dict[str, list[Held]] = {}
        for one in closure.of[subject]:
            if one.namespace not in passed_over and one.power in BECOMING | _STEERING | {_DEPLOYING} and by_right(one) is None:
                odd.setdefault(one.namespace, []).append(one)
        for namespace, some in odd.items():
            found = _in_zone(closure, subject, namespace, passed_over)
            if namespace == _SYSTEM or found is not None:
                yield _finding(some, found)
            elif deploying := [one for one in some if one.power == _DEPLOYING]:
                yield _finding(deploying, None, "a controller that deploys wherever it may itself")


def _in_zone(closure: Closure, subject: Subject, namespace: str, where: set[str]) -> tuple[Subject, Held] | None:
    """Somebody of a namespace, or whom they become, who has a right in a zone or over the cluster that the subject has not; and that right."""
    own = {subject, *subject.groups}
    for other in closure.accounts(namespace):
        for right in closure.reached(other):
            if right.held.namespace in where and right.held.subject not in own:
                return right.through or other, right.held
    return None


def _finding(some: Sequence[Held], found: tuple[Subject, Held] | None, who: str = "Kubernetes' own controllers") -> Finding:
    one, may = some[0], ", ".join(sorted({one.power for one in some}))
    if found is not None:
        as_whom, right = found
        place = right.namespace if right.namespace not in ("", EVERYWHERE) else "the whole cluster"
        who = f"{as_whom}, which may {right.power} in {place}"
    sure = any((each.power in BECOMING or each.namespace == _SYSTEM) and not each.limited for each in some)
    act = "so act as" if sure else "so may steer"
    what = f"{one.subject} may {may} in {one.namespace} and {act} {who}; no entry of 'rights' or 'platform' declares that"
    step = f"Take the right away, or declare it: subject: {one.subject}, may: [{may}], in: {one.namespace}"
    return Finding(Verdict.REFUTED if sure else Verdict.NO_PROOF, "rights.acts-as", what, one.binding, one.via, step)
