"""By which path can a byte leave a zone, but for the network: rights, pods, volumes, tokens, admission, the API server. Called by `prove`.

The words of `may:` are `powers.POWERS`. A right is declared for a namespace (`in`; `*`
for all outside the zones), or without `in` for the cluster's own objects. Who is a
member of a group of an identity provider, and what other authorizers than RBAC allow, no object says: two people's groups that share a
member are two subjects here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from airlock.cluster.acting import acting_as_others
from airlock.cluster.admission import admission_openings
from airlock.cluster.ages import older_pods
from airlock.cluster.elsewhere import rights_elsewhere
from airlock.cluster.exposed import exposed_openings
from airlock.cluster.findings import Finding, Opening, Path, Verdict, merged
from airlock.cluster.joined import joined_zones
from airlock.cluster.kinds import unjudged_kinds
from airlock.cluster.namespaces import copied_openings, namespace_openings
from airlock.cluster.neighbours import node_makers, node_readers
from airlock.cluster.pinned import Guard, guard_openings
from airlock.cluster.podspec import pod_openings
from airlock.cluster.powers import POWERS
from airlock.cluster.rbac import EVERYWHERE, Held, all_held, within
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.subjects import Subject
from airlock.cluster.tokens import legacy_tokens
from airlock.cluster.unknown import spec_openings
from airlock.cluster.volumes import waiting_volumes
from airlock.cluster.workloads import templates_of
from airlock.errors import ConfigError

__all__ = ["Platform", "Right", "paths"]

_API_SERVER = Ref("Service", "default", "kubernetes")


@dataclass(frozen=True, slots=True)
class Right:
    """One entry of `rights:` in flows.yaml: exactly these may exist.

    Attributes:
        subject: Who.
        may: Words of `POWERS`.
        namespace: In which namespace, of a zone or not; `*` for all that are in no zone; empty for the cluster's own objects.
        why: The reason.
        place: File and line of it.
        waits: Why it does not count, where it does not.

    Raises:
        ConfigError: A word that is none of `POWERS`, or no reason.

    Example:
        >>> Right.parse("ServiceAccount pii-raw/driver", ["create pods"], "pii-raw", "starts executors").subject.name
        'driver'
    """

    subject: Subject
    may: frozenset[str]
    namespace: str
    why: str
    place: str = "flows.yaml"
    waits: str = ""

    def __post_init__(self) -> None:
        if not self.may or not self.why.strip():
            raise ConfigError(f"right of {self.subject}: expected what it may and why. Say both")
        for word in sorted(self.may - POWERS.keys()):
            near = get_close_matches(word, POWERS, n=1)
            hint = f"Nearest is '{near[0]}'" if near else f"Take of: {', '.join(POWERS)}"
            raise ConfigError(f"right of {self.subject}: '{word}' is no power that is known. {hint}")

    @classmethod
    def parse(cls, subject: str, may: Iterable[str], namespace: str, why: str) -> Right:
        """From the texts of flows.yaml.

        Raises:
            ConfigError: One of them can't be read.
        """
        return cls(Subject.parse(subject), frozenset(may), namespace, why)


@dataclass(frozen=True, slots=True)
class Platform:
    """One entry of `platform:` in flows.yaml: who runs the cluster. Their rights are listed, not refuted.

    Nobody in a zone is of the platform, and no group that has such members: that entry covers them not.

    Attributes:
        subject: As flows.yaml writes subjects; `*` in the name stands for any letters (`ServiceAccount kube-system/*`).
        why: The reason.

    Raises:
        ConfigError: No subject, a `*` elsewhere than in its name, a user or a group whose name is `*` alone, or no reason.

    Example:
        >>> Platform("ServiceAccount kube-system/*", "controllers").covers(Subject("ServiceAccount", "kube-system", "a"), frozenset())
        True
    """

    subject: str
    why: str

    def __post_init__(self) -> None:
        one = Subject.parse(self.subject)
        if "*" in one.namespace or (one.kind != "ServiceAccount" and not one.name.strip("*")):
            raise ConfigError(
                f"platform {self.subject!r}: '*' stands for a part of a name, or for all ServiceAccounts of one namespace. Name them"
            )
        if not self.why.strip():
            raise ConfigError(f"platform {self.subject!r}: expected a reason. Say why")

    def covers(self, subject: Subject, zone_namespaces: frozenset[str]) -> bool:
        """Whether a subject is of the platform by this entry: by its name, or that of a group which it is in for certain."""
        pattern = str(Subject.parse(self.subject)).replace("[", "[[]").replace("?", "[?]")
        named = any(fnmatchcase(str(one), pattern) and not one.is_in(zone_namespaces) for one in (subject, *subject.groups))
        return named and not subject.is_in(zone_namespaces)


def paths(
    resources: Resources,
    zones: Mapping[str, Sequence[str]],
    rights_allowed: Sequence[Right],
    platform: Sequence[Platform],
    *,
    guards: Sequence[Guard] = (),
    waiting: Sequence[Right] = (),
) -> tuple[list[Finding], list[Path]]:
    """Every path out of every zone but for the network, and what stands against a proof.

    Args:
        resources: All objects.
        zones: Namespaces by the zone's name.
        rights_allowed: Who may do what is dangerous, exactly these.
        platform: Who runs the cluster.
        guards: Admission policies that are counted on.
        waiting: Rights that are not allowed, since their component is not there.

    Returns:
        Findings: undeclared rights, declared ones that are not there, subjects that join two zones, pods, volumes, tokens, Services and
        admission that open something, kinds and fields that are not known. Paths: all of these, and what is accepted.

    Raises:
        ConfigError: An object has not the shape of its kind, or a namespace is in two zones.
    """
    zone_of = _zone_of(zones)
    namespaces = frozenset(zone_of)
    held, findings = all_held(resources)
    findings = [one for one in findings if one.where is None or one.where.namespace in {"", *namespaces}]
    declared = frozenset(one.subject for one in rights_allowed)
    accepted = _Accepted(rights_allowed, platform, namespaces, waiting)
    inside = list(within(held, sorted(namespaces)))
    findings += _undeclared(inside, accepted)
    findings += _not_there([*held, *inside], rights_allowed)
    outside, listed = rights_elsewhere(held, zones, accepted.by_right, accepted.hints)
    findings += outside
    findings += joined_zones(held, zones, accepted.is_platform)
    findings += acting_as_others(held, zones, accepted.is_platform, accepted.by_right)
    found = list(_always(zones, platform))
    found += [*_of_rights(inside, zone_of, accepted), *listed]
    found += node_makers(held, resources, zones, accepted.by_platform)
    making = {one.namespace for one in inside if _lets_make_pods(one, accepted)}
    openings = [(zone_of[name], one) for name, one in guard_openings(resources, guards, sorted(making))]
    openings += _openings(resources, zones, zone_of, declared)
    found += [path for zone, one in openings if (path := one.path(zone)) is not None]
    findings += dict.fromkeys(finding for _, one in openings if (finding := one.finding()) is not None)
    return [*findings, *unjudged_kinds(resources)], found


def _openings(
    resources: Resources,
    zones: Mapping[str, Sequence[str]],
    zone_of: Mapping[str, str],
    declared: frozenset[Subject],
) -> list[tuple[str, Opening]]:
    """What objects open beside rights, each with its zone."""
    namespaces = frozenset(zone_of)
    templates = templates_of(resources)
    inner = [*pod_openings(templates, resources, namespaces, declared), *legacy_tokens(resources, namespaces)]
    inner += copied_openings(resources, namespaces)
    inner += merged(older_pods(resources, namespaces))
    openings = [*((zone_of[one.where.namespace], one) for one in inner), *namespace_openings(resources, zones)]
    named = (*waiting_volumes(resources, namespaces), *spec_openings(resources, namespaces))
    openings += [(zone_of[name], one) for name, one in named]
    openings += [*admission_openings(resources, zones), *exposed_openings(resources, zones)]
    openings += [(zone, one) for one in node_readers(templates, namespaces) for zone in zones]
    return openings


def _zone_of(zones: Mapping[str, Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for zone, names in zones.items():
        for name in names:
            if found.setdefault(name, zone) != zone:
                raise ConfigError(
                    f"namespace '{name}' is in the zones '{found[name]}' and '{zone}'; each may be in one. Correct 'zones'"
                )
    return found


class _Accepted:
    """Why a right is accepted: declared, or the platform's."""

    def __init__(
        self, allowed: Sequence[Right], platform: Sequence[Platform], namespaces: frozenset[str], waiting: Sequence[Right]
    ) -> None:
        self._why = {(one.subject, word, one.namespace): one.why for one in allowed for word in one.may}
        self._platform, self._namespaces, self._waiting = platform, namespaces, waiting
        self._of: dict[Subject, str | None] = {}

    def by_platform(self, subject: Subject) -> str | None:
        if subject not in self._of:
            self._of[subject] = next((one.why for one in self._platform if one.covers(subject, self._namespaces)), None)
        return self._of[subject]

    def is_platform(self, subject: Subject) -> bool:
        return self.by_platform(subject) is not None

    def by_right(self, one: Held) -> str | None:
        return self._why.get((one.subject, one.power, one.namespace))

    def hints(self, subject: Subject, namespace: str, powers: Collection[str]) -> list[str]:
        """Which entries would declare some of these powers, and do not count."""
        return [
            one.waits
            for one in self._waiting
            if (one.subject, one.namespace) == (subject, namespace) and not one.may.isdisjoint(powers)
        ]

    def why(self, one: Held) -> str | None:
        return self.by_right(one) or self.by_platform(one.subject)


def _lets_make_pods(one: Held, accepted: _Accepted) -> bool:
    """Whether it is a declared right to create pods in a zone; who is not declared is refuted anyway."""
    return one.power == "create pods" and bool(one.namespace) and accepted.by_right(one) is not None


def _undeclared(inside: Sequence[Held], accepted: _Accepted) -> Iterator[Finding]:
    odd: dict[tuple[Subject, str, Ref, str], list[Held]] = {}
    for one in inside:
        if accepted.why(one) is None:
            odd.setdefault((one.subject, one.namespace, one.binding, one.via), []).append(one)
    for (subject, namespace, binding, via), some in odd.items():
        place = f"in {namespace}" if namespace else "in the whole cluster"
        powers = {one.power for one in some}
        may = ", ".join(sorted(powers))
        step = f"Take the right away, or declare it under 'rights' in flows.yaml: subject: {subject}, may: [{may}]"
        what = f"{subject} may {may} {place}, which no entry of 'rights' declares"
        hints = accepted.hints(subject, namespace, powers)
        yield Finding(Verdict.REFUTED, "rights.undeclared", what, binding, via, "; ".join([step, *hints]))


def _not_there(held: Sequence[Held], allowed: Sequence[Right]) -> Iterator[Finding]:
    there = {(one.subject, one.power, one.namespace) for one in held}
    for right in allowed:
        places = {right.namespace, EVERYWHERE} if right.namespace else {""}
        missing = sorted(word for word in right.may if not any((right.subject, word, one) in there for one in places))
        if missing:
            place = f"in {right.namespace}" if right.namespace else "in the whole cluster"
            what = f"'rights' declares that {right.subject} may {', '.join(missing)} {place}, and no binding gives it that"
            yield Finding(
                Verdict.REFUTED,
                "rights.missing",
                what,
                right.subject.ref,
                "",
                f"Take it out of {right.place}, or bind the role",
            )


def _of_rights(inside: Sequence[Held], zone_of: Mapping[str, str], accepted: _Accepted) -> Iterator[Path]:
    """One path for each zone, subject and rule; what is over the cluster's own objects leads out of every zone."""
    joined: dict[tuple[str, Subject, Ref, str, str | None], list[str]] = {}
    for one in inside:
        for zone in [zone_of[one.namespace]] if one.namespace else dict.fromkeys(zone_of.values()):
            joined.setdefault((zone, one.subject, one.binding, one.via, accepted.why(one)), []).append(one.power)
    for (zone, subject, binding, via, why), powers in joined.items():
        kind = "platform" if accepted.by_platform(subject) is not None else "rights"
        may = "; ".join(f"{power} ({POWERS[power]})" for power in dict.fromkeys(powers))
        yield Path(zone, kind, binding, via, f"{subject} may {may}", why)


def _always(zones: Mapping[str, Sequence[str]], platform: Sequence[Platform]) -> Iterator[Path]:
    """What no object can close: the API server, what containers print, and the group that no rule binds."""
    masters = Subject("Group", "", "system:masters")
    why = next((one.why for one in platform if one.covers(masters, frozenset())), None)
    for zone, names in zones.items():
        objects = "objects, their annotations and statuses, Events and termination messages pass through the API server; who may read them sees them"
        yield Path(zone, "api-server", _API_SERVER, "", objects)
        for name in names:
            printed = "what containers print is kept by the node, where its agents and whoever may read logs take it"
            yield Path(zone, "logs", Ref("Namespace", "", name), "", printed)
        yield Path(zone, "platform", masters.ref, "", f"{masters} may everything: no rule binds its members", why)
