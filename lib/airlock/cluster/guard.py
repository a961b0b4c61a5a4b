"""What guards a zone's namespaces: Pod Security's labels, admission policies and webhooks. Called by `paths`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, selects, words
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["admission_openings", "copied_openings", "namespace_openings", "unguarded"]

Zones = Mapping[str, Sequence[str]]

_ADMISSION = "admissionregistration.k8s.io"
_ENFORCE = "pod-security.kubernetes.io/enforce"
_PINNED = re.compile(r"v1\.(\d+)")
_FIRST = 25
"""The first version in which Pod Security and all its checks are stable; older ones leave some out."""
_NAME = "kubernetes.io/metadata.name"
_RANDOM = 5
"""Letters that the API server puts after a prefix."""
_PREFIX = 63 - _RANDOM
"""Letters of a prefix that it keeps."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_ASKED = re.compile(r"\b(?:object|oldObject|request|params|variables|namespaceObject|authorizer)\b")
_MESHES = (
    "istio-injection", "istio.io/rev", "istio.io/dataplane-mode", "kuma.io/sidecar-injection", "linkerd.io/inject", "dapr.io/",
    "consul.hashicorp.com/", "openservicemesh.io/",
)  # fmt: skip
_OFF = frozenset({"disabled", "false", "none"})
_NETWORKS = (
    "k8s.ovn.org/",
    "k8s.v1.cni.cncf.io/",
    "v1.multus-cni.io/",
    "ovn.kubernetes.io/",
    "cni.projectcalico.org/",
    "io.cilium/",
)
"""What a namespace says to put its pods into other networks or pools of addresses, or on other gateways."""
_ONLY_LOGS = frozenset({"k8s.ovn.org/acl-logging"})
_COPIERS = (
    "reflector.v1.k8s.emberstack.com/",
    "replicator.v1.mittwald.de/",
    "kubed.appscode.com/",
    "config.syncer/",
    "secretgen.carvel.dev/",
)
_CLOUD = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id")


def namespace_openings(resources: Resources, zones: Zones) -> Iterator[tuple[str, Opening]]:
    """What the zones' namespaces lack: Pod Security `restricted`, its version pinned, and no mesh that joins pods by a label."""
    for zone, names in zones.items():
        for name in names:
            found = resources.find("Namespace", "", name)
            if found is None:
                coming = next((str(one.ref) for one in resources.of("Namespace", "") if _may_become(one, name)), "")
                text = f"namespace '{name}' of zone '{zone}' is not among these objects: what is enforced in it is not known"
                text += f" ({coming}, whose name is generated, may come to be it)" if coming else ""
                step = "Give the namespace too, or correct the zone"
                yield zone, Opening(Ref("Namespace", "", name), "", "", text, Verdict.NO_PROOF, "namespace.missing", step)
                continue
            with about(found):
                labels, notes = mapping(found.metadata, "labels"), mapping(found.metadata, "annotations")
                for opening in (*_pod_security(found.ref, labels), *_mesh(found.ref, labels, notes)):
                    yield zone, opening


def _may_become(one: Resource, name: str) -> bool:
    """Whether a namespace whose name is to be generated can get this name (apiserver, names.SimpleNameGenerator)."""
    prefix = one.name.removesuffix("*")[:_PREFIX]
    return not one.is_named and name.startswith(prefix) and len(name) == len(prefix) + _RANDOM


def _pod_security(ref: Ref, labels: Mapping[str, str]) -> Iterator[Opening]:
    level, version = labels.get(_ENFORCE), labels.get(f"{_ENFORCE}-version")
    if level != "restricted":
        text = f"Pod Security enforces '{level or 'privileged'}', expected 'restricted': pods may ask for the node"
        yield Opening(
            ref,
            "pod",
            f"labels[{_ENFORCE}]",
            text,
            Verdict.REFUTED,
            "namespace.pod-security",
            f"Label it {_ENFORCE}=restricted",
        )
    elif (pinned := _PINNED.fullmatch(str(version))) and int(pinned[1]) < _FIRST:
        text = f"Pod Security's version is '{version}', expected v1.{_FIRST} or later: it leaves out what later ones refuse"
        step = f"Label it {_ENFORCE}-version=v1.NN, the cluster's own"
        yield Opening(ref, "pod", f"labels[{_ENFORCE}-version]", text, Verdict.NO_PROOF, "namespace.pod-security-version", step)
    elif not pinned:
        text = f"Pod Security's version is '{version or 'latest'}', expected a number: what it refuses changes with the cluster"
        step = f"Label it {_ENFORCE}-version=v1.NN"
        yield Opening(ref, "", f"labels[{_ENFORCE}-version]", text, Verdict.NO_PROOF, "namespace.pod-security-version", step)


def _mesh(ref: Ref, labels: Mapping[str, str], notes: Mapping[str, str]) -> Iterator[Opening]:
    for kind, values in (("labels", labels), ("annotations", notes)):
        for name in map(str, values):
            if name.startswith(_MESHES) and str(values[name]).lower() not in _OFF:
                text = "lets a mesh put containers into pods, whose connections are its own"
                yield Opening(ref, "pod", f"{kind}[{name}]", text, Verdict.NO_PROOF, "namespace.mesh", "Take it out")
            elif name.startswith(_NETWORKS) and name not in _ONLY_LOGS:
                text = "joins pods to a network, or to a gateway, of their own, which is not modelled"
                yield Opening(ref, "pod", f"{kind}[{name}]", text, Verdict.NO_PROOF, "namespace.network", "Take it out")


def copied_openings(resources: Resources, namespaces: frozenset[str]) -> Iterator[Opening]:
    """Objects of these namespaces that a controller copies elsewhere, and ServiceAccounts that are somebody in a cloud.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    for kind in ("Secret", "ConfigMap"):
        for one in resources.of(kind, ""):
            with about(one):
                notes = {**mapping(one.metadata, "annotations"), **mapping(one.metadata, "labels")}
            for name in map(str, notes if one.namespace in namespaces else ()):
                if name.startswith(_COPIERS):
                    text = "lets a controller copy it into other namespaces, or from them"
                    rule = f"metadata.annotations[{name}]"
                    yield Opening(one.ref, "copy", rule, text, Verdict.NO_PROOF, "object.copied", "Take it out")
    for one in resources.of("ServiceAccount", ""):
        with about(one):
            own = mapping(one.metadata, "annotations")
        for name in _CLOUD if one.namespace in namespaces else ():
            if own.get(name):
                text = "its tokens are worth an identity of the cloud, and what that may no object says"
                yield Opening(one.ref, "token", f"metadata.annotations[{name}]", text)


def admission_openings(resources: Resources, zones: Zones) -> Iterator[tuple[str, Opening]]:
    """What admission opens: policies that guard less than they seem to, and webhooks that see or change what goes into a zone.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    labels = {zone: _labels_of(resources, names) for zone, names in zones.items()}
    yield from _policies(resources, labels)
    for kind, mutating in (("MutatingWebhookConfiguration", True), ("ValidatingWebhookConfiguration", False)):
        for one in resources.of(kind, _ADMISSION):
            with about(one):
                yield from _webhooks(one, labels, mutating=mutating)
    for one in resources.of("MutatingAdmissionPolicyBinding", _ADMISSION):
        with about(one):
            policy = resources.find("MutatingAdmissionPolicy", "", str(one.spec.get("policyName")))
            for zone, some in labels.items():
                if policy is None or (_binds(one, some) and _constrains(policy, some)):
                    text = "changes objects on their way into the zone: labels, containers, volumes"
                    yield (
                        zone,
                        Opening(
                            one.ref, "admission", "", text, Verdict.NO_PROOF, "admission.mutates", "Leave the zone out of it"
                        ),
                    )


def _labels_of(resources: Resources, names: Sequence[str]) -> list[Mapping[str, str]]:
    found = [(name, resources.find("Namespace", "", name)) for name in names]
    return [{_NAME: name, **(one.labels if one else {})} for name, one in found]


def _policies(resources: Resources, labels: Mapping[str, list[Mapping[str, str]]]) -> Iterator[tuple[str, Opening]]:
    bound: dict[str, list[Resource]] = {}
    for binding in resources.of("ValidatingAdmissionPolicyBinding", _ADMISSION):
        bound.setdefault(str(binding.spec.get("policyName")), []).append(binding)
    every = {one.name: one for one in resources.of("ValidatingAdmissionPolicy", _ADMISSION)}
    for name, bindings in bound.items():
        if name not in every:
            for binding in bindings:
                text = f"names the policy '{name}', which is not among these objects: such a binding is ignored"
                yield from _everywhere(
                    labels,
                    Opening(binding.ref, "", "spec.policyName", text, Verdict.NO_PROOF, "admission.dangling", "Correct it"),
                )
    for name, policy in every.items():
        with about(policy):
            yield from _policy(policy, bound.get(name, []), labels)


def _policy(
    policy: Resource, bindings: list[Resource], labels: Mapping[str, list[Mapping[str, str]]]
) -> Iterator[tuple[str, Opening]]:
    if not bindings:
        yield from _everywhere(
            labels,
            Opening(
                policy.ref, "", "", "has no binding, so it guards nothing", Verdict.NO_PROOF, "admission.unbound", "Bind it"
            ),
        )
        return
    reach = {
        zone for zone, some in labels.items() for binding in bindings if _binds(binding, some) and _constrains(policy, some)
    }
    if not reach:
        if "airlock" in str(policy.labels.get("app.kubernetes.io/part-of") or ""):
            text = "reaches no zone: its selectors, or its bindings', leave their namespaces out"
            yield from _everywhere(
                labels,
                Opening(policy.ref, "", "spec.matchConstraints", text, Verdict.NO_PROOF, "admission.elsewhere", "Correct them"),
            )
        return
    weak = [*_weak_policy(policy), *(opening for binding in bindings for opening in _weak_binding(binding, policy))]
    for zone in sorted(reach):
        yield from ((zone, opening) for opening in weak)


def _everywhere(labels: Iterable[str], opening: Opening) -> Iterator[tuple[str, Opening]]:
    for zone in labels:
        yield zone, opening


def unguarded(resources: Resources, namespaces: Iterable[str]) -> Iterator[Opening]:
    """Namespaces of these in which no admission policy looks at pods that are made: Pod Security alone leaves them names, labels, volumes.

    What a policy's expressions say is not evaluated: one that looks at the request at all counts.

    Args:
        resources: All objects.
        namespaces: Those where a subject of a zone may create pods.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    guards = []
    for policy in resources.of("ValidatingAdmissionPolicy", _ADMISSION):
        with about(policy):
            if _guards_pods(policy):
                guards.append(policy)
    bindings = resources.of("ValidatingAdmissionPolicyBinding", _ADMISSION)
    pairs = [(one, binding) for one in guards for binding in bindings if binding.spec.get("policyName") == one.name]
    for name in namespaces:
        labels = _labels_of(resources, [name])
        if not any(_denies(binding) and _binds(binding, labels) and _constrains(policy, labels) for policy, binding in pairs):
            text = "pods are made by subjects of the zone, and no admission policy that denies looks at them"
            step = (
                "Bind a ValidatingAdmissionPolicy for CREATE of pods with Deny and failurePolicy Fail, or take the right away"
            )
            yield Opening(Ref("Namespace", "", name), "admission", "", text, Verdict.NO_PROOF, "admission.unguarded", step)


def _guards_pods(policy: Resource) -> bool:
    match = mapping(policy.spec, "matchConstraints")
    conditions = [str(one.get("expression")) for one in mappings(policy.spec, "matchConditions")]
    looks = [str(one.get("expression")) for one in mappings(policy.spec, "validations")]
    return (
        (policy.spec.get("failurePolicy") or "Fail") == "Fail"
        and any(map(_of_new_pods, mappings(match, "resourceRules")))
        and not match.get("excludeResourceRules")
        and all(_asks(one) or one.strip() == "true" for one in conditions)
        and any(map(_asks, looks))
    )


def _of_new_pods(rule: Mapping[str, Any]) -> bool:
    return (
        bool({"CREATE", "*"} & set(words(rule, "operations")))
        and bool({"", "*"} & set(words(rule, "apiGroups")))
        and bool({"v1", "*"} & set(words(rule, "apiVersions")))
        and bool({"pods", "*", "*/*"} & set(words(rule, "resources")))
        and not words(rule, "resourceNames")
        and rule.get("scope") != "Cluster"
    )


def _asks(expression: str) -> bool:
    """Whether an expression (CEL) looks at anything, so that it is not the same for every request.

    Example:
        >>> _asks("has(object.spec.volumes)"), _asks("'object' == 'object' || true")
        (True, False)
    """
    return bool(_ASKED.search(_QUOTED.sub("", expression)))


def _denies(binding: Resource) -> bool:
    with about(binding):
        return "Deny" in words(binding.spec, "validationActions")


def _weak_policy(policy: Resource) -> Iterator[Opening]:
    if (policy.spec.get("failurePolicy") or "Fail") != "Fail":
        text = "lets objects in when it can't be evaluated"
        yield Opening(policy.ref, "", "spec.failurePolicy", text, Verdict.NO_PROOF, "admission.fails-open", "Set Fail")
    if policy.spec.get("matchConditions"):
        text = "guards only what meets its matchConditions, which are not read here"
        yield Opening(policy.ref, "admission", "spec.matchConditions", text)
    if policy.spec.get("auditAnnotations"):
        text = "writes what its auditAnnotations say into the API server's audit log"
        yield Opening(policy.ref, "admission", "spec.auditAnnotations", text)
    yield from _weak_match(policy.ref, "spec.matchConstraints", mapping(policy.spec, "matchConstraints"))


def _weak_match(ref: Ref, rule: str, match: Mapping[str, Any]) -> Iterator[Opening]:
    if match.get("objectSelector"):
        text = "guards objects by labels that whoever makes them sets"
        yield Opening(ref, "", f"{rule}.objectSelector", text, Verdict.NO_PROOF, "admission.by-label", "Select by namespace")
    if match.get("excludeResourceRules"):
        yield Opening(ref, "admission", f"{rule}.excludeResourceRules", "leaves kinds of objects out")
    if (match.get("matchPolicy") or "Equivalent") != "Equivalent":
        text = "guards the versions alone that it names; the same object comes in by another"
        yield Opening(ref, "", f"{rule}.matchPolicy", text, Verdict.NO_PROOF, "admission.by-version", "Set Equivalent")


def _weak_binding(binding: Resource, policy: Resource) -> Iterator[Opening]:
    if "Deny" not in words(binding.spec, "validationActions"):
        text = "only warns or writes to the audit log, and denies nothing"
        yield Opening(binding.ref, "", "spec.validationActions", text, Verdict.NO_PROOF, "admission.no-deny", "Add Deny")
    params = mapping(binding.spec, "paramRef")
    if policy.spec.get("paramKind") and not params:
        text = f"gives no parameters to {policy.ref}, which asks for them"
        yield Opening(binding.ref, "", "spec.paramRef", text, Verdict.NO_PROOF, "admission.no-params", "Name them")
    elif params and params.get("parameterNotFoundAction") != "Deny":
        text = "lets objects in when its parameters are gone"
        yield Opening(
            binding.ref,
            "",
            "spec.paramRef.parameterNotFoundAction",
            text,
            Verdict.NO_PROOF,
            "admission.params-open",
            "Set Deny",
        )
    yield from _weak_match(binding.ref, "spec.matchResources", mapping(binding.spec, "matchResources"))


def _binds(binding: Resource, labels: list[Mapping[str, str]]) -> bool:
    return _reaches(mapping(binding.spec, "matchResources"), labels)


def _constrains(policy: Resource, labels: list[Mapping[str, str]]) -> bool:
    return _reaches(mapping(policy.spec, "matchConstraints"), labels)


def _reaches(match: Mapping[str, Any], labels: list[Mapping[str, str]]) -> bool:
    selector = mapping(match, "namespaceSelector")
    return any(selects(selector, one) for one in labels)


def _webhooks(one: Resource, labels: Mapping[str, list[Mapping[str, str]]], *, mutating: bool) -> Iterator[tuple[str, Opening]]:
    for number, hook in enumerate(mappings(one.body, "webhooks")):
        rule = f"webhooks[{number}]"
        for zone, some in labels.items():
            if not _reaches(hook, some) or not _is_of_namespaces(hook):
                continue
            yield zone, _webhook(one.ref, rule, hook, mutating=mutating)


def _webhook(ref: Ref, rule: str, hook: Mapping[str, Any], *, mutating: bool) -> Opening:
    if mutating and _touches_pods(hook):
        text = "changes objects on their way into the zone: labels, containers, volumes"
        return Opening(ref, "admission", rule, text, Verdict.NO_PROOF, "admission.mutates", "Leave the zone out of it")
    if mapping(hook, "clientConfig").get("url"):
        text = "objects that go into the zone are sent to a URL by the API server, past every policy"
        return Opening(ref, "admission", rule, text, Verdict.NO_PROOF, "admission.sends", "Leave the zone out of it")
    return Opening(ref, "admission", rule, "objects that go into the zone are sent to its Service by the API server")


def _touches_pods(hook: Mapping[str, Any]) -> bool:
    """Whether it is asked about kinds of Kubernetes itself, or of what makes pods: groups with another domain are their controllers' own."""
    groups = {group for rule in mappings(hook, "rules") for group in words(rule, "apiGroups")}
    return any(group == "*" or "." not in group or group.endswith((".k8s.io", "spark.apache.org")) for group in groups)


def _is_of_namespaces(hook: Mapping[str, Any]) -> bool:
    """Whether it is asked about objects of namespaces at all."""
    rules = mappings(hook, "rules")
    return any((rule.get("scope") or "*") in ("*", "Namespaced") for rule in rules)
