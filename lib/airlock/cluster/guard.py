"""What guards a zone's namespaces: Pod Security's labels, admission policies and webhooks. Called by `paths`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, selects, words
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["ADMISSION", "admission_openings", "binds", "constrains", "copied_openings", "labels_of", "namespace_openings"]

Zones = Mapping[str, Sequence[str]]

ADMISSION = "admissionregistration.k8s.io"
"""Group of the kinds that admission is made of."""

_ENFORCE = "pod-security.kubernetes.io/enforce"
_PINNED = re.compile(r"v1\.(\d+)")
_FIRST = 25
"""The first version in which Pod Security and all its checks are stable; older ones leave some out."""
_NAME = "kubernetes.io/metadata.name"
_RANDOM = 5
"""Letters that the API server puts after a prefix."""
_PREFIX = 63 - _RANDOM
"""Letters of a prefix that it keeps."""
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
    """What admission opens: policies and webhooks that see or change what goes into a zone. What it closes is a question of `pinned`.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    labels = {zone: labels_of(resources, names) for zone, names in zones.items()}
    yield from _audited(resources, labels)
    for kind, mutating in (("MutatingWebhookConfiguration", True), ("ValidatingWebhookConfiguration", False)):
        for one in resources.of(kind, ADMISSION):
            with about(one):
                yield from _webhooks(one, labels, mutating=mutating)
    for one in resources.of("MutatingAdmissionPolicyBinding", ADMISSION):
        with about(one):
            policy = resources.find("MutatingAdmissionPolicy", "", str(one.spec.get("policyName")))
            for zone, some in labels.items():
                if policy is None or (binds(one, some) and constrains(policy, some)):
                    text = "changes objects on their way into the zone: labels, containers, volumes"
                    yield (
                        zone,
                        Opening(
                            one.ref, "admission", "", text, Verdict.NO_PROOF, "admission.mutates", "Leave the zone out of it"
                        ),
                    )


def labels_of(resources: Resources, names: Sequence[str]) -> list[Mapping[str, str]]:
    """Labels of namespaces; of one that is not there its name alone."""
    found = [(name, resources.find("Namespace", "", name)) for name in names]
    return [{_NAME: name, **(one.labels if one else {})} for name, one in found]


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
