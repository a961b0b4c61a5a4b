"""Rights of a zone's subjects outside of all zones: what they write there, others read. Called by `paths`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from airlock.cluster.findings import Finding, Path, Verdict
from airlock.cluster.joined import Closure
from airlock.cluster.powers import BECOMING
from airlock.cluster.rbac import EVERYWHERE, Held
from airlock.cluster.resources import Ref
from airlock.cluster.subjects import Subject

__all__ = ["rights_elsewhere"]

_Key = tuple[Subject, str, Ref, str, str | None]


def rights_elsewhere(
    held: Sequence[Held],
    zones: Mapping[str, Sequence[str]],
    by_right: Callable[[Held], str | None],
    hints: Callable[[Subject, str, Collection[str]], Sequence[str]],
) -> tuple[list[Finding], list[Path]]:
    """What the zones' subjects may in namespaces of no zone: their own rights, their groups', and those of whom they can become.

    Whatever writes must be declared, with `in` that namespace, or `in: "*"` where a ClusterRoleBinding gives it everywhere. What only reads
    is listed. Nobody who is reached from a zone counts as the platform: who can become one of it does what that one may.

    Args:
        held: Every power that bindings give, in all namespaces.
        zones: Namespaces by the zone's name.
        by_right: Why a right is declared; None where it is not.
        hints: Which entries would declare powers of a subject in a namespace, and do not count.
    """
    inside = frozenset(name for names in zones.values() for name in names)
    closure = Closure(held)
    findings: dict[Finding, None] = {}
    listed = []
    for zone, names in zones.items():
        home = frozenset(names)
        some: dict[_Key, list[str]] = {}
        for one in _reached(closure, [subject for subject in closure.subjects if subject.is_in(home)], inside, by_right):
            if one.namespace and one.namespace not in inside:
                some.setdefault((one.subject, one.namespace, one.binding, one.via, by_right(one)), []).append(one.power)
        for key, powers in some.items():
            listed.append(_path(zone, key, powers))
            if key[-1] is None and (odd := sorted({power for power in powers if _writes(power)})):
                findings[_finding(zone, key, odd, hints(key[0], key[1], odd))] = None
    return list(findings), listed


def _writes(power: str) -> bool:
    """Whether it carries a byte out, or makes its holder another who may."""
    return not power.startswith("read ") or power in BECOMING


def _reached(
    closure: Closure, starts: Sequence[Subject], inside: frozenset[str], by_right: Callable[[Held], str | None]
) -> Iterator[Held]:
    """Rights of these and of whom they become. What is not declared is refuted where it is, and not followed any further."""
    left = list(starts)
    seen = set(starts)
    for now in left:
        more = list(now.groups)
        for one in closure.of.get(now, ()):
            yield one
            if one.power in BECOMING and (one.namespace in inside or by_right(one) is not None):
                more += closure.becomes(one)
        for other in more:
            if other not in seen:
                seen.add(other)
                left.append(other)


def _place(namespace: str) -> str:
    return "every namespace" if namespace == EVERYWHERE else namespace


def _path(zone: str, key: _Key, powers: Sequence[str]) -> Path:
    subject, namespace, binding, via, why = key
    text = f"{subject} may {', '.join(dict.fromkeys(powers))} in {_place(namespace)}, outside its zone"
    return Path(zone, "rights", binding, via, text, why)


def _finding(zone: str, key: _Key, powers: Sequence[str], hints: Sequence[str]) -> Finding:
    subject, namespace, binding, via, _ = key
    may = ", ".join(powers)
    where = f'"{namespace}"' if namespace == EVERYWHERE else namespace
    who = "is or has members in" if subject.kind != "ServiceAccount" else "is of, or can be reached from,"
    what = f"{subject} {who} zone '{zone}' and may {may} in {_place(namespace)}, outside of it, which no entry of 'rights' declares"
    step = f"Take the right away, or declare it under 'rights' in flows.yaml: subject: {subject}, may: [{may}], in: {where}"
    return Finding(Verdict.REFUTED, "rights.undeclared", what, binding, via, "; ".join([step, *hints]))
