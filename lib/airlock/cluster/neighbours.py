"""Who shares a zone's nodes: pods that read what others leave there, and subjects that can make such pods. Called by `paths`.

They are listed: on shared nodes they can't be taken away, and whoever runs the cluster answers for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from airlock.cluster._shape import mapping, mappings
from airlock.cluster.findings import Opening, Path, merged
from airlock.cluster.rbac import EVERYWHERE, Held
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.subjects import Subject
from airlock.cluster.workloads import PodTemplate

__all__ = ["is_of_node", "node_makers", "node_readers"]

_FOLDERS = (
    "/var/log", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/containers", "/var/lib/docker", "/var/lib/rancher", "/run", "/var/run", "/proc",
    "/dev", "/etc/kubernetes",
)  # fmt: skip
_ENFORCE = "pod-security.kubernetes.io/enforce"
_SAFE_LEVELS = frozenset({"baseline", "restricted"})


def node_readers(templates: Iterable[PodTemplate], namespaces: frozenset[str]) -> list[Opening]:
    """Pods outside these namespaces that read from their node what pods in them leave there: log agents, monitors, drivers of storage."""
    found = ((one, _reads(one.spec)) for one in templates if one.ref.namespace not in namespaces)
    text = "what pods print and keep there can be read"
    return merged(Opening(one.ref, "node", one.place, f"{how}: {text}") for one, how in found if how)


def _reads(spec: Mapping[str, Any]) -> str:
    """How a pod reads what others leave on its node; empty where it does not.

    Example:
        >>> _reads({"volumes": [{"name": "logs", "hostPath": {"path": "/var/log/"}}]})
        "mounts the node's /var/log"
    """
    if spec.get("hostPID") is True:
        return "sees the processes of its node"
    for volume in mappings(spec, "volumes"):
        if "hostPath" in volume and is_of_node(folder := str(mapping(volume, "hostPath").get("path", "")).rstrip("/")):
            return f"mounts the node's {folder or '/'}"
    for one in (*mappings(spec, "containers"), *mappings(spec, "initContainers")):
        if mapping(one, "securityContext").get("privileged") is True:
            return "is privileged on its node"
    return ""


def is_of_node(folder: str) -> bool:
    """Whether a folder of a node has, or is a part of, what the node keeps of its pods."""
    return any(f"{one}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{one}/") for one in _FOLDERS)


def node_makers(
    held: Sequence[Held], resources: Resources, zones: Mapping[str, Sequence[str]], by_platform: Callable[[Subject], str | None]
) -> Iterator[Path]:
    """Subjects that may create pods outside the zones, where Pod Security lets these take the node: one path for each zone and subject.

    Args:
        held: Every power that bindings give.
        resources: For the namespaces' labels.
        zones: Namespaces by the zone's name.
        by_platform: Why a subject is of the platform; None where it is not.
    """
    inside = {name for names in zones.values() for name in names}
    known = {one.name: one.labels.get(_ENFORCE) for one in resources.of("Namespace", "")}
    # Of a namespace that is not among the objects nobody knows what it enforces.
    named = {one.namespace for one in held if one.namespace not in ("", EVERYWHERE)}
    open_ones = {name for name in {*known, *named} if known.get(name) not in _SAFE_LEVELS} - inside
    places: dict[tuple[Subject, Ref, str], set[str]] = {}
    for one in held:
        if one.power == "create pods" and one.namespace and one.namespace not in inside:
            where = open_ones if one.namespace == EVERYWHERE else {one.namespace} & open_ones
            if where:
                places.setdefault((one.subject, one.binding, one.via), set()).update(where)
    for (subject, binding, via), names in places.items():
        many = f"{min(names)}{f' and {len(names) - 1:,} more namespaces' if len(names) > 1 else ''}"
        text = f"{subject} may create pods in {many}, where Pod Security lets them take the node they share with the zone's"
        for zone in zones:
            yield Path(zone, "node", binding, via, text, by_platform(subject))
