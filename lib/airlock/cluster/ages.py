"""Pods that were there before what guards them: they may have started unguarded, and keep connections from then. Called by `paths`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.model import METADATA_NAME
from airlock.cluster.network import namespace_labels, policies_of
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.rules import Policy

__all__ = ["older_pods"]

_Dated = tuple[str, Policy]


def older_pods(resources: Resources, namespaces: frozenset[str]) -> Iterator[Opening]:
    """Running pods of these namespaces that are not younger than each policy that selects them, and than its last change.

    NetworkPolicies count as do policies of the whole cluster; those that are not modelled the network's proof names. Objects from files
    have no times: of them nothing is said. Times are to the second, so that a pod of the same second may be older.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    made = {
        pod: str(pod.metadata.get("creationTimestamp") or "")
        for pod in resources.of("Pod", "")
        if pod.namespace in namespaces and mapping(pod.body, "status").get("phase") not in ("Succeeded", "Failed")
    }
    policies = _by_namespace(resources, namespaces) if any(made.values()) else {}
    for pod, at in made.items():
        if at and (newer := _newer(pod, at, policies.get(pod.namespace, ()))):
            text = f"was made before {newer.ref} was as it is now: it may have started unguarded, and connections from then may live on"
            step = "Delete the pod, so that it starts under the policy"
            yield Opening(pod.ref, "", "metadata.creationTimestamp", text, Verdict.NO_PROOF, "pod.older-than-policy", step)


def _by_namespace(resources: Resources, namespaces: frozenset[str]) -> Mapping[str, Sequence[_Dated]]:
    """Policies with a known time that may select pods of each namespace, the newest first."""
    known = namespace_labels(resources)
    found: dict[str, list[_Dated]] = {name: [] for name in namespaces}
    for policy in policies_of(resources)[0]:
        one = resources.find(policy.ref.kind, policy.ref.namespace, policy.ref.name)
        if one is not None and (changed := _changed(one)):
            for name, some in found.items():
                if _is_for(policy, name, known.get(name, {METADATA_NAME: name})):
                    some.append((changed, policy))
    for some in found.values():
        some.sort(key=lambda pair: pair[0], reverse=True)
    return found


def _is_for(policy: Policy, name: str, labels: Mapping[str, str]) -> bool:
    subject = policy.subject
    return subject.namespace == name if subject.namespace else subject.namespaces.matches(labels)


def _newer(pod: Resource, made: str, policies: Sequence[_Dated]) -> Policy | None:
    """The policy changed last among those that select it and are not older than it; `policies` come newest first."""
    for changed, policy in policies:
        if changed < made:
            return None
        if policy.subject.pods.matches(pod.labels):
            return policy
    return None


def _changed(one: Resource) -> str:
    """When it was last written, in RFC 3339 in UTC, which sorts as text."""
    with about(one):
        times = [
            str(entry.get("time", "")) for entry in mappings(one.metadata, "managedFields") if not entry.get("subresource")
        ]
    return max((str(one.metadata.get("creationTimestamp") or ""), *times))
