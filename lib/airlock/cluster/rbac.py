"""Who may what: roles, aggregated roles and bindings of rbac.authorization.k8s.io/v1, down to powers. Called by `paths` and `prove`.

Rights only add up. What other authorizers (webhooks, ABAC, nodes) allow, and whom an identity provider puts into which group, no object
says: neither is known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airlock.cluster._builtin_roles import BUILT_IN_ROLES
from airlock.cluster._shape import about, mapping, mappings, selects, words
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.powers import Power, url_powers, verb_powers
from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.subjects import Subject

__all__ = ["EVERYWHERE", "Held", "Rule", "all_held", "rights"]

GROUP = "rbac.authorization.k8s.io"
EVERYWHERE = "*"
"""The namespace of what a ClusterRoleBinding gives in every one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role, its number from 1 there, and the role that it was joined from, if another."""

    number: int
    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    origin: str = ""

    def allows(self, verb: str, group: str, resource: str, *, subresource: str = "", name: str = "") -> bool:
        """Whether it allows a request, as RBAC's authorizer says it.

        Example:
            >>> rule = Rule(1, ("get",), ("",), ("*/log",), ("driver",))
            >>> rule.allows("get", "", "pods", subresource="log", name="driver"), rule.allows("get", "", "pods", name="driver")
            (True, False)
        """
        whole = f"{resource}/{subresource}" if subresource else resource
        accepted = {"*", whole, f"*/{subresource}"} if subresource else {"*", whole}
        return (
            bool({"*", verb} & set(self.verbs))
            and bool({"*", group} & set(self.groups))
            and bool(accepted & set(self.resources))
            and (not self.names or name in self.names)
        )

    def allows_url(self, verb: str, url: str) -> bool:
        """Whether it allows a request to a URL that is no resource: `*`, the URL itself, or a beginning with `*` after it."""
        return bool({"*", verb} & set(self.verbs)) and any(
            url == one or (one.endswith("*") and url.startswith(one.rstrip("*"))) for one in self.urls
        )

    @property
    def powers(self) -> frozenset[Power]:
        """What it lets a byte do, to some object.

        A rule with resourceNames counts for create too: POST carries no name and is refused by it, but a server-side apply that creates
        is authorized with the name.
        """
        return verb_powers(self.verbs, self.groups, self.resources) | url_powers(self.verbs, self.urls)

    def __str__(self) -> str:
        what = ",".join(self.resources or self.urls)
        groups = {one for one in self.groups if one}
        within = f" of {','.join(sorted(groups))}" if groups else ""
        named = f" named {','.join(self.names)}" if self.names else ""
        joined = f" of {self.origin}" if self.origin else ""
        return f"rule {self.number}{joined}: {','.join(self.verbs)} on {what}{within}{named}"


@dataclass(frozen=True, slots=True)
class Held:
    """One power that a subject holds.

    Attributes:
        namespace: Where; `EVERYWHERE`, or empty for objects of the cluster.
        binding: What gives it.
        role: The role that the binding names.
        rule: The rule of that role.
        limited: Whether that rule names the objects which it is about.
    """

    subject: Subject
    power: str
    namespace: str
    binding: Ref
    role: Ref
    rule: str
    limited: bool = False

    @property
    def via(self) -> str:
        """By which role and rule."""
        return f"{self.role}, {self.rule}"


def rights(resources: Resources, namespaces: Iterable[str]) -> list[Held]:
    """Who holds which power in each of these namespaces, and over the cluster's own objects (namespace empty).

    Example:
        >>> from airlock.cluster.resources import resources_from
        >>> role = {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]}
        >>> binding = {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "ann"}]}
        >>> objects = [{"kind": "Role", **role}, {"kind": "RoleBinding", **binding}]
        >>> made = [("x", {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "r", "namespace": "raw"}, **one}) for one in objects]
        >>> [(str(one.subject), one.power, one.via) for one in rights(resources_from(made), ["raw"])]
        [('User ann', 'read secrets', 'Role raw/r, rule 1: get on secrets')]
    """
    return list(within(all_held(resources)[0], namespaces))


def within(held: Iterable[Held], namespaces: Iterable[str]) -> Iterator[Held]:
    """What holds in these namespaces or over the cluster, once for each namespace."""
    wanted = list(dict.fromkeys(namespaces))
    known = {"", *wanted}
    for one in held:
        if one.namespace == EVERYWHERE:
            yield from (replace(one, namespace=namespace) for namespace in wanted)
        elif one.namespace in known:
            yield one


def all_held(resources: Resources) -> tuple[list[Held], list[Finding]]:
    """Every power that bindings give, in any namespace, and what can't be judged.

    Raises:
        ConfigError: A role or binding has not the shape of one.
    """
    roles, held, found = _Roles(resources), list[Held](), list[Finding]()
    for binding in (*resources.of("RoleBinding", GROUP), *resources.of("ClusterRoleBinding", GROUP)):
        with about(binding):
            subjects, role = list(_subjects(binding, found)), _role_ref(binding)
        rules = roles.rules(role) if subjects else ()
        if rules is None:
            found.append(_dangling(binding, role))
            continue
        for word, namespace, rule in _given(binding, rules, roles):
            limited = bool(rule.names)
            held += [Held(subject, word, namespace, binding.ref, role, str(rule), limited) for subject in subjects]
    found += [roles.odd[key] for key in sorted(roles.odd)]
    return held, found


def _given(binding: Resource, rules: Sequence[Rule], roles: _Roles) -> Iterator[tuple[str, str, Rule]]:
    """Power, namespace and the first rule that gives it; one that names no objects goes first."""
    everywhere = binding.kind == "ClusterRoleBinding"
    seen = set()
    for rule in sorted(rules, key=lambda one: bool(one.names)):
        for power in roles.powers(rule):
            if power.of_cluster and not everywhere:
                continue
            namespace = "" if power.of_cluster else EVERYWHERE if everywhere else binding.namespace
            if (power.word, namespace) not in seen:
                seen.add((power.word, namespace))
                yield power.word, namespace, rule


def _subjects(binding: Resource, found: list[Finding]) -> Iterator[Subject]:
    for number, one in enumerate(mappings(binding.body, "subjects")):
        kind, name = one.get("kind"), str(one.get("name") or "")
        if kind == "ServiceAccount":
            namespace = str(one.get("namespace") or binding.namespace)
            if namespace:
                yield Subject("ServiceAccount", namespace, name)
            else:
                said = f"ServiceAccount '{name}' without a namespace: which one is meant is not known"
                found.append(
                    Finding(Verdict.NO_PROOF, "rbac.subject", said, binding.ref, f"subjects[{number}]", "Name its namespace")
                )
        elif kind == "User":
            yield Subject.user(name)
        elif kind == "Group":
            yield Subject("Group", "", name)
        else:
            said = f"a subject of kind {kind!r}, expected User, Group or ServiceAccount"
            found.append(
                Finding(Verdict.NO_PROOF, "rbac.subject", said, binding.ref, f"subjects[{number}]", "Correct the binding")
            )


def _role_ref(binding: Resource) -> Ref:
    named = mapping(binding.body, "roleRef")
    kind, name = str(named.get("kind") or ""), str(named.get("name") or "")
    return Ref(kind, binding.namespace if kind == "Role" else "", name)


def _dangling(binding: Resource, role: Ref) -> Finding:
    what = f"binds {role}, which is not among these objects: it gives nothing now, and whatever a role of that name will say"
    return Finding(
        Verdict.NO_PROOF, "rbac.dangling", what, binding.ref, "roleRef", "Give the role too, or take the binding out"
    )


class _Roles:
    """Rules of roles by what a binding names, aggregated ones joined; powers of equal rules are worked out once."""

    def __init__(self, resources: Resources) -> None:
        self._found = {one.ref: one for one in (*resources.of("Role", GROUP), *resources.of("ClusterRole", GROUP))}
        self._cluster = [one for ref, one in self._found.items() if ref.kind == "ClusterRole"]
        self._rules: dict[Ref, tuple[Rule, ...] | None] = {}
        self._powers: dict[tuple[tuple[str, ...], ...], tuple[Power, ...]] = {}
        self.odd: dict[Ref, Finding] = {}

    def powers(self, rule: Rule) -> tuple[Power, ...]:
        key = (rule.verbs, rule.groups, rule.resources, rule.urls)
        if key not in self._powers:
            self._powers[key] = tuple(sorted(rule.powers, key=lambda one: (one.word, one.of_cluster)))
        return self._powers[key]

    def rules(self, ref: Ref) -> tuple[Rule, ...] | None:
        """Rules of a role; None where there is no such role."""
        if ref not in self._rules:
            self._rules[ref] = self._joined(ref)
        return self._rules[ref]

    def _joined(self, ref: Ref) -> tuple[Rule, ...] | None:
        known = ref in self._found
        made: list[Rule] = []
        if ref.kind == "ClusterRole" and not known and ref.name in BUILT_IN_ROLES:
            made, known = [_rule(number, body) for number, body in enumerate(BUILT_IN_ROLES[ref.name], 1)], True
        for one in self._with_aggregated(ref):
            with about(one):
                origin = "" if one.ref == ref else str(one.ref)
                own = [_rule(number, body, origin) for number, body in enumerate(mappings(one.body, "rules"), 1)]
            self._note_wildcards(one, own)
            made += own
        return tuple(made) if known else None

    def _with_aggregated(self, ref: Ref) -> Iterator[Resource]:
        """A role and all that are joined to it by labels, theirs too."""
        seen, left = {ref}, [ref]
        while left:
            now = left.pop(0)
            one = self._found.get(now)
            if one is not None:
                yield one
            selectors = _selectors(one, now)
            for other in self._cluster if selectors else ():
                if other.ref not in seen and any(selects(selector, other.labels) for selector in selectors):
                    seen.add(other.ref)
                    left.append(other.ref)

    def _note_wildcards(self, role: Resource, rules: Sequence[Rule]) -> None:
        for rule in rules:
            odd = [one for one in rule.resources if one.endswith("/*")]
            if odd:
                what = f"'{odd[0]}' is no wildcard of RBAC and matches nothing; other authorizers may read it as one"
                step = "Name the subresources, or write '*/SUBRESOURCE'"
                self.odd[role.ref] = Finding(Verdict.NO_PROOF, "rbac.wildcard", what, role.ref, f"rule {rule.number}", step)


def _selectors(role: Resource | None, ref: Ref) -> list[Mapping[str, Any]]:
    if role is not None and ref.kind == "ClusterRole":
        return mappings(mapping(role.body, "aggregationRule"), "clusterRoleSelectors")
    if role is None and ref.name in ("admin", "edit", "view"):
        return [{"matchLabels": {f"{GROUP}/aggregate-to-{ref.name}": "true"}}]
    return []


def _rule(number: int, body: Mapping[str, Any], origin: str = "") -> Rule:
    verbs, groups, resources = words(body, "verbs"), words(body, "apiGroups"), words(body, "resources")
    return Rule(number, verbs, groups, resources, words(body, "resourceNames"), words(body, "nonResourceURLs"), origin)
