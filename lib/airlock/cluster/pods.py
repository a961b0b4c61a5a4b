"""Pods as policies see them: namespace, labels, named ports, addresses. Called by `network` and `prove`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.workloads import PodTemplate, pod_templates

__all__ = ["Pod", "pods_of"]

_OVER = {"Succeeded", "Failed"}
_SPARK = {"SparkApplication", "ScheduledSparkApplication"}


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
    """Every pod that runs or may run. A pod whose owner is here counts beside the owner's template: labels may have been changed since.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    for template in pod_templates(resources):
        one = resources.find(template.ref.kind, template.ref.namespace, template.ref.name)
        status = (one.body.get("status") or {}) if one is not None and one.kind == "Pod" else {}
        if one is not None and status.get("phase") not in _OVER:
            yield Pod(
                _shown(one, template, resources),
                one.namespace,
                _labels(one, template),
                _ports(template.spec),
                _addresses(status),
                host_network=bool(template.spec.get("hostNetwork")),
            )


def _shown(one: Resource, template: PodTemplate, resources: Resources) -> Ref:
    if one.kind in _SPARK:
        return Ref(one.kind, one.namespace, f"{one.name}-{_role(template)}")
    return _outermost(one, resources)


def _outermost(one: Resource, resources: Resources) -> Ref:
    """What a pod or workload is part of, as far as the owners are here; an owner that is not here is named all the same."""
    owner = next((owner for owner in one.metadata.get("ownerReferences") or () if owner.get("controller", True)), None)
    if owner is None:
        return one.ref
    ref = Ref(str(owner.get("kind")), one.namespace, str(owner.get("name")))
    found = resources.find(ref.kind, ref.namespace, ref.name)
    return ref if found is None or found is one else _outermost(found, resources)


def _role(template: PodTemplate) -> str:
    return template.place.rpartition(".")[2]


def _labels(one: Resource, template: PodTemplate) -> Mapping[str, str]:
    """With those that Spark and its operator give (kubeflow's spark-operator, `pkg/common/spark.go`)."""
    if one.kind not in _SPARK:
        return template.labels
    operator = "sparkoperator.k8s.io"
    own = {"spark-role": _role(template), f"{operator}/app-name": one.name, f"{operator}/launched-by-spark-operator": "true"}
    return {**template.labels, **own}


def _ports(spec: Mapping[str, Any]) -> frozenset[tuple[str, str, int]]:
    """Of containers and of those init containers that go on beside them (`restartPolicy: Always`)."""
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    return frozenset(
        (port["name"], port.get("protocol") or "TCP", port.get("containerPort"))
        for container in [*(spec.get("containers") or ()), *sidecars]
        for port in container.get("ports") or ()
        if port.get("name")
    )


def _addresses(status: Mapping[str, Any]) -> tuple[str, ...]:
    found = [entry.get("ip") for entry in status.get("podIPs") or ()] or [status.get("podIP")]
    return tuple(address for address in found if address)
