"""What a pod's own spec opens past NetworkPolicies: the node's namespaces, privileges, volumes, tokens, second networks. Called by `paths`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, words
from airlock.cluster.findings import Opening, Verdict, merged
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.subjects import Subject
from airlock.cluster.tokens import token_openings
from airlock.cluster.unknown import field_openings
from airlock.cluster.volumes import volume_openings
from airlock.cluster.workloads import PodTemplate
from airlock.errors import ConfigError

__all__ = ["pod_openings"]

_HOST = {
    "hostNetwork": ("host-network", "shares the node's network: no NetworkPolicy selects it"),
    "hostPID": ("host-pid", "sees the processes of the node"),
    "hostIPC": ("host-ipc", "shares the node's memory segments"),
}
_HARMLESS_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
_NETWORKS = (
    "k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "k8s.ovn.org/", "multi-networkpolicy.", "cni.projectcalico.org/", "io.cilium/", "ovn.kubernetes.io/",
    "networking.gke.io/interfaces",
)  # fmt: skip
_NETWORK_STATUS = ("k8s.v1.cni.cncf.io/network-status", "cni.projectcalico.org/podIP", "cni.projectcalico.org/containerID")
_MESHES = (
    "sidecar.istio.io/",
    "istio.io/",
    "linkerd.io/inject",
    "consul.hashicorp.com/connect-inject",
    "kuma.io/",
    "vault.hashicorp.com/agent-inject",
    "dapr.io/",
    "openservicemesh.io/",
)
_PLAIN_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage", "nvidia.com/gpu", "amd.com/gpu"})


def pod_openings(
    templates: Iterable[PodTemplate], resources: Resources, namespaces: frozenset[str], declared: frozenset[Subject]
) -> list[Opening]:
    """What the pods of these namespaces open, of every kind of workload; equal pods are looked at once.

    Args:
        templates: All pods, of `pod_templates`.
        resources: All objects.
        namespaces: The zones'.
        declared: Subjects with declared rights, whose pods carry a token.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    found: list[Opening] = []
    seen: dict[tuple[str, str, str], list[Opening]] = {}
    for one in templates:
        if one.ref.namespace not in namespaces:
            continue
        key = (one.ref.kind, one.ref.namespace, _content(one))
        if key not in seen:
            with about(resources.find(one.ref.kind, one.ref.namespace, one.ref.name)):
                seen[key] = list(_openings(one, resources, declared))
        found += [_of(opening, one.ref) for opening in seen[key]]
    return merged(found)


def _content(one: PodTemplate) -> str:
    try:
        return json.dumps((one.place, one.spec, one.annotations, one.labels, one.unjudged, one.served), default=str)
    except (ValueError, RecursionError):
        raise ConfigError(f"{one.ref}: {one.place} is a part of itself, or too deep. Correct the object") from None


def _of(opening: Opening, ref: Ref) -> Opening:
    if opening.where is ref:
        return opening
    return Opening(ref, opening.kind, opening.rule, opening.text, opening.verdict, opening.code, opening.next_step)


def _openings(one: PodTemplate, resources: Resources, declared: frozenset[Subject]) -> Iterator[Opening]:
    ref, place, spec = one.ref, one.place, one.spec
    yield from _unknown(one)
    yield from _host(ref, place, spec)
    yield from _pod_context(ref, place, spec)
    yield from _annotations(one)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for number, container in enumerate(mappings(spec, kind)):
            rule = f"{place}.{kind}[{number}]"
            for look in _CONTAINER_LOOKS:
                yield from look(ref, rule, container)
    yield from volume_openings(ref, place, spec, resources)
    yield from token_openings(ref, place, spec, resources, declared)


def _unknown(one: PodTemplate) -> Iterator[Opening]:
    yield from field_openings(one.ref, one.place, one.spec, "PodSpec")
    for name in one.unjudged:
        text = f"'{name}' may change the pod, and is not modelled"
        yield Opening(
            one.ref, "", name, text, Verdict.NO_PROOF, "pod.unknown-field", "Take it out, or say it in the fields of the pod"
        )
    for name in one.served:
        text = f"'{name}' lets the operator make a Service or an Ingress of its own"
        yield Opening(
            one.ref, "service", name, text, Verdict.NO_PROOF, "service.made", "Take it out; set spark.ui.enabled to false"
        )


def _host(ref: Ref, place: str, spec: Mapping[str, Any]) -> Iterator[Opening]:
    for name, (code, text) in _HOST.items():
        if spec.get(name):
            yield Opening(ref, "pod", f"{place}.{name}", text, Verdict.REFUTED, f"pod.{code}", f"Take {name} out")
    if spec.get("ephemeralContainers"):
        text = "has ephemeral containers: tools that were put into it while it ran"
        yield Opening(
            ref,
            "pod",
            f"{place}.ephemeralContainers",
            text,
            Verdict.REFUTED,
            "pod.ephemeral",
            "Delete the pod, and keep that right from all",
        )
    if spec.get("resourceClaims"):
        text = "claims devices, which may be network cards that no policy sees"
        yield Opening(ref, "pod", f"{place}.resourceClaims", text, Verdict.NO_PROOF, "pod.device", "Take them out")
    if (mapping(spec, "os").get("name") or "linux") != "linux":
        yield Opening(
            ref, "", f"{place}.os", "is no Linux pod, which is not modelled", Verdict.NO_PROOF, "pod.os", "Run it on Linux"
        )
    if mapping(spec, "dnsConfig").get("nameservers"):
        yield Opening(ref, "dns", f"{place}.dnsConfig", "asks name servers of its own, where policies let it")


def _pod_context(ref: Ref, place: str, spec: Mapping[str, Any]) -> Iterator[Opening]:
    context, rule = mapping(spec, "securityContext"), f"{place}.securityContext"
    if context.get("sysctls"):
        text = "sets kernel parameters, those of the network among them"
        yield Opening(ref, "pod", f"{rule}.sysctls", text, Verdict.NO_PROOF, "pod.sysctls", "Take them out")
    yield from _confined(ref, rule, context)


def _confined(ref: Ref, rule: str, context: Mapping[str, Any]) -> Iterator[Opening]:
    for name in ("seccompProfile", "appArmorProfile"):
        if mapping(context, name).get("type") == "Unconfined":
            text = "is not confined: the kernel's whole surface is open to it"
            yield Opening(ref, "pod", f"{rule}.{name}", text, Verdict.NO_PROOF, "pod.unconfined", "Set RuntimeDefault")
    if mapping(context, "windowsOptions").get("hostProcess"):
        text = "runs as a process of the node"
        yield Opening(ref, "pod", f"{rule}.windowsOptions", text, Verdict.REFUTED, "pod.host-process", "Take it out")


def _annotations(one: PodTemplate) -> Iterator[Opening]:
    for where, names in (("annotations", one.annotations), ("labels", one.labels)):
        for name in names:
            rule = f"metadata.{where}[{name}]"
            if str(name).startswith(_NETWORKS) and not str(name).startswith(_NETWORK_STATUS):
                text = "asks for another network, or says how it is joined to one; NetworkPolicy covers the first alone"
                yield Opening(one.ref, "pod", rule, text, Verdict.REFUTED, "pod.second-network", "Take it out")
            elif str(name).startswith(_MESHES) and str(names[name]).lower() not in ("false", "disabled"):
                text = "lets a mesh or an agent put containers into it, whose connections are its own"
                yield Opening(
                    one.ref, "pod", rule, text, Verdict.NO_PROOF, "pod.sidecar", "Take it out, or switch injection off"
                )


def _security(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    context, at = mapping(container, "securityContext"), f"{rule}.securityContext"
    if context.get("privileged"):
        yield Opening(
            ref,
            "pod",
            f"{at}.privileged",
            "is privileged: the node is its own",
            Verdict.REFUTED,
            "pod.privileged",
            "Take it out",
        )
    if (context.get("procMount") or "Default") != "Default":
        text = "sees /proc unmasked"
        yield Opening(ref, "pod", f"{at}.procMount", text, Verdict.NO_PROOF, "pod.unconfined", "Set Default")
    capabilities = mapping(context, "capabilities")
    added = sorted({one.removeprefix("CAP_") for one in words(capabilities, "add")} - _HARMLESS_CAPABILITIES)
    if added:
        text = f"has the capabilities {', '.join(added)}: it can forge packets or reach into the node"
        yield Opening(ref, "pod", f"{at}.capabilities", text, Verdict.REFUTED, "pod.capability", "Take them out, and drop ALL")
    yield from _confined(ref, at, context)


def _ports(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    for number, port in enumerate(mappings(container, "ports")):
        if port.get("hostPort"):
            text = f"opens port {port['hostPort']} of the node, from where policies let traffic in"
            yield Opening(ref, "pod", f"{rule}.ports[{number}].hostPort", text, Verdict.REFUTED, "pod.host-port", "Take it out")


def _handlers(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    """Probes and hooks: the kubelet does them, from the node."""
    lifecycle = mapping(container, "lifecycle")
    places = [(f"{rule}.lifecycle.{name}", mapping(lifecycle, name)) for name in ("postStart", "preStop") if name in lifecycle]
    places += [
        (f"{rule}.{name}", mapping(container, name))
        for name in ("livenessProbe", "readinessProbe", "startupProbe")
        if name in container
    ]
    for at, handler in places:
        for call in ("httpGet", "tcpSocket"):
            if mapping(handler, call).get("host"):
                text = "lets the node call a host other than the pod: whoever writes the pod sends there what they like, past every policy"
                yield Opening(ref, "pod", f"{at}.{call}.host", text, Verdict.REFUTED, "pod.probe-host", "Take host out")


def _environment(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    for number, one in enumerate(mappings(container, "env")):
        source = mapping(one, "valueFrom")
        if "secretKeyRef" in source:
            yield Opening(
                ref,
                "secret",
                f"{rule}.env[{number}]",
                "has a Secret in its environment, which dumps and child processes carry on",
            )
    for number, one in enumerate(mappings(container, "envFrom")):
        if "secretRef" in one:
            yield Opening(
                ref,
                "secret",
                f"{rule}.envFrom[{number}]",
                "has a Secret in its environment, which dumps and child processes carry on",
            )


def _image(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    if "@sha256:" not in str(container.get("image") or ""):
        text = "is run by a tag, not a digest: what runs can change, and the node fetches it past every policy"
        yield Opening(ref, "image", f"{rule}.image", text)
    elif container.get("imagePullPolicy") == "Always":
        yield Opening(ref, "image", f"{rule}.imagePullPolicy", "the node asks the registry at every start, past every policy")
    if container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        text = "puts the end of its log into the pod's status when it fails"
        yield Opening(ref, "logs", f"{rule}.terminationMessagePolicy", text)


def _devices(ref: Ref, rule: str, container: Mapping[str, Any]) -> Iterator[Opening]:
    asked = mapping(container, "resources")
    for kind in ("limits", "requests"):
        odd = sorted(
            str(name)
            for name in mapping(asked, kind)
            if name not in _PLAIN_RESOURCES and not str(name).startswith("hugepages-")
        )
        if odd:
            text = f"asks for {', '.join(odd)}, which may be network cards that no policy sees"
            yield Opening(ref, "pod", f"{rule}.resources.{kind}", text, Verdict.NO_PROOF, "pod.device", "Take it out")
            return


_CONTAINER_LOOKS: tuple[Callable[[Ref, str, Mapping[str, Any]], Iterator[Opening]], ...] = (
    _security, _ports, _handlers, _environment, _image, _devices,
)  # fmt: skip
