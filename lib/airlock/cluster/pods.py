"""Pods of every kind of workload: those that are there, and those that its template will make. Called by `model`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["TEMPLATES", "Pod", "pods_of"]

TEMPLATES = {
    ("apps", "Deployment"): ("template",),
    ("apps", "StatefulSet"): ("template",),
    ("apps", "DaemonSet"): ("template",),
    ("apps", "ReplicaSet"): ("template",),
    ("", "ReplicationController"): ("template",),
    ("batch", "Job"): ("template",),
    ("batch", "CronJob"): ("jobTemplate", "spec", "template"),
}
"""Where in its spec each kind keeps its pods' template."""

_OVER = {"Succeeded", "Failed"}
_SPARK_GROUP = "sparkoperator.k8s.io"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, or the ones that a template makes.

    Attributes:
        workload: What it is shown as: the outermost owner that is here.
        ports: Named ports of its containers: name, protocol, number.
        addresses: Where they are known.
    """

    workload: Ref
    namespace: str
    labels: Mapping[str, str]
    ports: frozenset[tuple[str, str, int]]
    addresses: tuple[str, ...] = ()
    host_network: bool = False


def pods_of(resources: Resources) -> Iterator[Pod]:
    """Every pod that runs or may run. A pod whose owner is here counts beside the owner's template: labels may have been changed since."""
    for one in resources.of("Pod", ""):
        if (one.body.get("status") or {}).get("phase") not in _OVER:
            yield _pod(one, outermost(one, resources), one.metadata, one.spec, _addresses(one))
    for (group, kind), path in TEMPLATES.items():
        for one in resources.of(kind, group):
            template = _at(one.spec, path)
            if template:
                yield _pod(one, outermost(one, resources), template.get("metadata") or {}, template.get("spec") or {})
    for one in resources.of("SparkApplication", _SPARK_GROUP):
        yield from _spark(one, one.spec)
    for one in resources.of("ScheduledSparkApplication", _SPARK_GROUP):
        yield from _spark(one, _at(one.spec, ("template",)))


def _at(spec: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    for step in path:
        spec = spec.get(step) or {}
    return spec


def outermost(one: Resource, resources: Resources) -> Ref:
    """What a pod or workload is part of, as far as the owners are here; an owner that is not here is named all the same."""
    owner = next((owner for owner in one.metadata.get("ownerReferences") or () if owner.get("controller", True)), None)
    if owner is None:
        return one.ref
    ref = Ref(str(owner.get("kind")), one.namespace, str(owner.get("name")))
    found = resources.find(*(ref.kind, ref.namespace, ref.name))
    return ref if found is None or found is one else outermost(found, resources)


def _pod(
    one: Resource, workload: Ref, metadata: Mapping[str, Any], spec: Mapping[str, Any], addresses: tuple[str, ...] = ()
) -> Pod:
    return Pod(
        workload,
        one.namespace,
        metadata.get("labels") or {},
        _ports(spec),
        addresses,
        host_network=bool(spec.get("hostNetwork")),
    )


def _ports(spec: Mapping[str, Any]) -> frozenset[tuple[str, str, int]]:
    """Of containers and of those init containers that go on beside them (`restartPolicy: Always`)."""
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return frozenset(
        (port["name"], port.get("protocol") or "TCP", port.get("containerPort"))
        for container in [*(spec.get("containers") or ()), *sidecars]
        for port in container.get("ports") or ()
        if port.get("name")
    )


def _addresses(one: Resource) -> tuple[str, ...]:
    status = one.body.get("status") or {}
    found = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    return tuple(address for address in found if address)


def _spark(one: Resource, spec: Mapping[str, Any]) -> Iterator[Pod]:
    """Driver and executors, with the labels that Spark and its operator give them (spark-operator, `pkg/common/spark.go`)."""
    for role in ("driver", "executor"):
        part = spec.get(role) or {}
        labels = {
            **(part.get("labels") or {}),
            "spark-role": role,
            "sparkoperator.k8s.io/app-name": one.name,
            "sparkoperator.k8s.io/launched-by-spark-operator": "true",
        }
        workload = Ref(one.kind, one.namespace, f"{one.name}-{role}")
        yield Pod(workload, one.namespace, labels, frozenset(), host_network=bool(part.get("hostNetwork")))
