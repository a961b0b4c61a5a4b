"""What a zone's namespaces say of themselves: Pod Security's labels, meshes, networks, what is copied elsewhere. Called by `paths`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from airlock.cluster._shape import about, mapping
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["copied_openings", "namespace_openings"]

Zones = Mapping[str, Sequence[str]]

_ENFORCE = "pod-security.kubernetes.io/enforce"
_PINNED = re.compile(r"v1\.(\d+)")
_FIRST = 25
"""The first version in which Pod Security and all its checks are stable; older ones leave some out."""
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
            if found.metadata.get("deletionTimestamp"):
                text = "is being deleted: policies and guards may go before the pods"
                yield zone, Opening(found.ref, "", "", text, Verdict.NO_PROOF, "namespace.leaving", "Make it anew")
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
