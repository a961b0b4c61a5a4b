"""Pods that were there before what guards them: they may have started unguarded, and keep connections from then. Called by `paths`."""

from __future__ import annotations

from collections.abc import Iterator

from airlock.cluster._shape import about, mapping, mappings, selects
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Resource, Resources

__all__ = ["older_pods"]


def older_pods(resources: Resources, namespaces: frozenset[str]) -> Iterator[Opening]:
    """Running pods of these namespaces that are not younger than each NetworkPolicy that selects them, and than its last change.

    Objects from files have no times: of them nothing is said. Times are to the second, so that a pod of the same second may be older.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    policies: dict[str, list[tuple[str, Resource]]] = {}
    for one in resources.of("NetworkPolicy", "networking.k8s.io"):
        if one.namespace in namespaces and (changed := _changed(one)):
            policies.setdefault(one.namespace, []).append((changed, one))
    for some in policies.values():
        some.sort(key=lambda pair: pair[0], reverse=True)
    for pod in resources.of("Pod", ""):
        made = str(pod.metadata.get("creationTimestamp") or "")
        if made and (newer := _newer(pod, made, policies.get(pod.namespace, []))):
            text = f"was made before {newer.ref} was as it is now: it may have started unguarded, and connections from then may live on"
            step = "Delete the pod, so that it starts under the policy"
            yield Opening(pod.ref, "", "metadata.creationTimestamp", text, Verdict.NO_PROOF, "pod.older-than-policy", step)


def _newer(pod: Resource, made: str, policies: list[tuple[str, Resource]]) -> Resource | None:
    """The policy changed last among those that select it and are not older than it; `policies` come newest first."""
    for changed, one in policies:
        if changed < made:
            return None
        with about(one):
            if selects(mapping(one.spec, "podSelector"), pod.labels):
                return one
    return None


def _changed(one: Resource) -> str:
    """When it was last written, in RFC 3339 in UTC, which sorts as text."""
    with about(one):
        times = [
            str(entry.get("time", "")) for entry in mappings(one.metadata, "managedFields") if not entry.get("subresource")
        ]
    return max((str(one.metadata.get("creationTimestamp") or ""), *times))
