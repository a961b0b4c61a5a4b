"""What admission sees, changes and sends on its way into a zone: webhooks, policies that mutate or write to the audit log. Called by `paths`.

What admission refuses is a question of `pinned`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, selects, words
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.powers import is_of_cluster
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["ADMISSION", "admission_openings", "binds", "constrains", "labels_of"]

ADMISSION = "admissionregistration.k8s.io"
"""Group of the kinds that admission is made of."""

_NAME = "kubernetes.io/metadata.name"
_LEAVE_OUT = "Leave the zone out of it; or accept it in flows.yaml (accepted: kind, name, why), having read what it does"
_INERT = frozenset(
    {"leases", "events", "poddisruptionbudgets", "horizontalpodautoscalers", "controllerrevisions", "namespaces"}
)
"""Resources by which nothing opens; Namespaces are objects of the cluster, and `_guarding`'s."""
_GUARDING: Mapping[str, frozenset[str]] = {
    "": frozenset({"namespaces", "persistentvolumes"}),
    "rbac.authorization.k8s.io": frozenset({"clusterroles", "clusterrolebindings"}),
    "apiextensions.k8s.io": frozenset({"customresourcedefinitions"}),
    "apiregistration.k8s.io": frozenset({"apiservices"}),
    "certificates.k8s.io": frozenset({"certificatesigningrequests"}),
    "policy.networking.k8s.io": frozenset({"clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies"}),
}
"""Objects of the cluster by group on which a zone depends. Webhooks are not asked about admission's own (IsExemptAdmissionConfigurationResource)."""


def admission_openings(resources: Resources, zones: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Opening]]:
    """Policies and webhooks that see or change what goes into a zone, or what guards it.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    labels = {zone: labels_of(resources, names) for zone, names in zones.items()}
    yield from _audited(resources, labels)
    for kind, mutating in (("MutatingWebhookConfiguration", True), ("ValidatingWebhookConfiguration", False)):
        for one in resources.of(kind, ADMISSION):
            with about(one):
                yield from _webhooks(one, labels, resources, mutating=mutating)
    for one in resources.of("MutatingAdmissionPolicyBinding", ADMISSION):
        with about(one):
            policy = resources.find("MutatingAdmissionPolicy", "", str(one.spec.get("policyName")))
            for zone, some in labels.items():
                if policy is None or (binds(one, some) and constrains(policy, some)):
                    text = "changes objects on their way into the zone: labels, containers, volumes"
                    yield zone, Opening(one.ref, "admission", "", text, Verdict.NO_PROOF, "admission.mutates", _LEAVE_OUT)
                elif what := _guarding(mappings(mapping(policy.spec, "matchConstraints"), "resourceRules")):
                    yield zone, _mutates_guarding(one.ref, "", what)


def labels_of(resources: Resources, names: Sequence[str]) -> list[Mapping[str, str]]:
    """Labels of namespaces; of one that is not there its name alone."""
    found = [(name, resources.find("Namespace", "", name)) for name in names]
    return [{**(one.labels if one else {}), _NAME: name} for name, one in found]


def _audited(resources: Resources, labels: Mapping[str, list[Mapping[str, str]]]) -> Iterator[tuple[str, Opening]]:
    writing: dict[str, Resource] = {}
    for policy in resources.of("ValidatingAdmissionPolicy", ADMISSION):
        with about(policy):
            if mappings(policy.spec, "auditAnnotations"):
                writing[policy.name] = policy
    for binding in resources.of("ValidatingAdmissionPolicyBinding", ADMISSION):
        with about(binding):
            one = writing.get(str(binding.spec.get("policyName")))
            zones = [zone for zone, some in labels.items() if one and binds(binding, some) and constrains(one, some)]
        if one is not None:
            text = "writes what its auditAnnotations say into the API server's audit log"
            yield from ((zone, Opening(one.ref, "admission", "spec.auditAnnotations", text)) for zone in zones)


def binds(binding: Resource, labels: list[Mapping[str, str]]) -> bool:
    """Whether a binding reaches any of some namespaces, by their labels."""
    return _reaches(mapping(binding.spec, "matchResources"), labels)


def constrains(policy: Resource, labels: list[Mapping[str, str]]) -> bool:
    """Whether an admission policy itself reaches any of some namespaces, by their labels."""
    return _reaches(mapping(policy.spec, "matchConstraints"), labels)


def _reaches(match: Mapping[str, Any], labels: list[Mapping[str, str]]) -> bool:
    selector = mapping(match, "namespaceSelector")
    return any(selects(selector, one) for one in labels)


def _webhooks(
    one: Resource, labels: Mapping[str, list[Mapping[str, str]]], resources: Resources, *, mutating: bool
) -> Iterator[tuple[str, Opening]]:
    for number, hook in enumerate(mappings(one.body, "webhooks")):
        rule = f"webhooks[{number}]"
        for zone, some in labels.items():
            if _reaches(hook, some) and _is_of_namespaces(hook):
                yield zone, _webhook(one.ref, rule, hook, resources, mutating=mutating)
            elif mutating and (what := _guarding(mappings(hook, "rules"), namespaces=_reaches(hook, some))):
                yield zone, _mutates_guarding(one.ref, rule, what)


def _webhook(ref: Ref, rule: str, hook: Mapping[str, Any], resources: Resources, *, mutating: bool) -> Opening:
    if mutating and (what := _changed(hook)):
        text = f"changes {what} on their way into the zone"
        return Opening(ref, "admission", rule, text, Verdict.NO_PROOF, "admission.mutates", _LEAVE_OUT)
    config = mapping(hook, "clientConfig")
    named = mapping(config, "service")
    service = resources.find("Service", str(named.get("namespace") or ""), str(named.get("name") or ""))
    if config.get("url") or (service is not None and service.spec.get("type") == "ExternalName"):
        text = "objects that go into the zone are sent to a URL by the API server, past every policy"
        return Opening(ref, "admission", rule, text, Verdict.NO_PROOF, "admission.sends", _LEAVE_OUT)
    return Opening(ref, "admission", rule, "objects that go into the zone are sent to its Service by the API server")


def _mutates_guarding(ref: Ref, rule: str, what: str) -> Opening:
    text = f"changes {what} on their way into the cluster, by which the zone is guarded"
    return Opening(ref, "admission", rule, text, Verdict.NO_PROOF, "admission.mutates", "Leave them out of its rules")


def _guarding(rules: Sequence[Mapping[str, Any]], *, namespaces: bool = False) -> str:
    """Objects of the cluster itself that rules ask about and that a zone depends on; empty where there are none.

    A namespaceSelector leaves none of them out but Namespaces, which it selects by labels of their own: `namespaces` says whether it does.
    """
    for rule in rules:
        groups, resources = {*words(rule, "apiGroups")}, {one.partition("/")[0] for one in words(rule, "resources")}
        if (rule.get("scope") or "*") in ("*", "Cluster"):
            for group, names in _GUARDING.items():
                found = (names if "*" in resources else names & resources) - (set() if namespaces else {"namespaces"})
                if {"*", group} & groups and found:
                    return ", ".join(sorted(found))
    return ""


def _changed(hook: Mapping[str, Any]) -> str:
    """What it may change in a zone: kinds of Kubernetes itself, or of what makes pods; groups with another domain are their controllers' own."""
    for rule in mappings(hook, "rules"):
        groups, resources = words(rule, "apiGroups"), [one for one in words(rule, "resources") if one not in _INERT]
        own = [one for one in groups if one == "*" or "." not in one or one.endswith((".k8s.io", "spark.apache.org"))]
        found = [one for one in resources if any(not is_of_cluster(group, one) for group in own)]
        if found and (rule.get("scope") or "*") != "Cluster":
            return "objects of any kind" if "*" in found or "*/*" in found else ", ".join(found)
    return ""


def _is_of_namespaces(hook: Mapping[str, Any]) -> bool:
    """Whether it is asked about objects of namespaces at all."""
    return any(
        (rule.get("scope") or "*") in ("*", "Namespaced")
        and any(not is_of_cluster(group, one) for group in words(rule, "apiGroups") for one in words(rule, "resources"))
        for rule in mappings(hook, "rules")
    )
