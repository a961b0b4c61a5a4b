"""Pods as policies see them: namespace, labels, named ports, addresses. Called by `network` and `prove`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.ports import LAST, PROTOCOLS
from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.shapes import check_shapes
from airlock.cluster.workloads import PodTemplate, pod_templates
from airlock.errors import ConfigError

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
    check_shapes(resources)
    for template in pod_templates(resources):
        one = resources.find(template.ref.kind, template.ref.namespace, template.ref.name)
        status = (one.body.get("status") or {}) if one is not None and one.kind == "Pod" else {}
        if one is not None and str(status.get("phase")) not in _OVER:
            with about(one):
                made = _pod(one, template, resources)
            yield made


def _pod(one: Resource, template: PodTemplate, resources: Resources) -> Pod:
    return Pod(
        _shown(one, template, resources),
        one.namespace,
        _labels(one, template),
        _ports(template.spec),
        _addresses(mapping(one.body, "status") if one.kind == "Pod" else {}),
        host_network=bool(template.spec.get("hostNetwork")),
    )


def _shown(one: Resource, template: PodTemplate, resources: Resources) -> Ref:
    if one.kind in _SPARK:
        return Ref(one.kind, one.namespace, f"{one.name}-{_role(template)}")
    return _outermost(one, resources)


def _outermost(one: Resource, resources: Resources) -> Ref:
    """What a pod or workload is part of, as far as the owners are here; an owner that is not here is named all the same."""
    seen, now = {one.ref}, one
    while (ref := _owner(now)) is not None and ref not in seen:
        seen.add(ref)
        found = resources.find(ref.kind, ref.namespace, ref.name)
        if found is None:
            return ref
        now = found
    return now.ref


def _owner(one: Resource) -> Ref | None:
    owners = mappings(one.metadata, "ownerReferences")
    owner = next((owner for owner in owners if owner.get("controller") is not False), None)
    if owner is not None and owner.get("kind") in ("Pod", "Node"):
        return None  # a driver owns its executors, a node its static pods: they are no part of it
    return Ref(str(owner.get("kind")), one.namespace, str(owner.get("name"))) if owner is not None else None


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
    sidecars = [one for one in mappings(spec, "initContainers") if one.get("restartPolicy") == "Always"]
    return frozenset(
        _port(port)
        for container in [*mappings(spec, "containers"), *sidecars]
        for port in mappings(container, "ports")
        if port.get("name")
    )


def _port(port: Mapping[str, Any]) -> tuple[str, str, int]:
    name, protocol, number = port["name"], port.get("protocol") or "TCP", port.get("containerPort")
    if type(name) is not str or type(number) is not int or not 1 <= number <= LAST or protocol not in PROTOCOLS:
        raise ConfigError(
            f"a port with name {name!r}, protocol {protocol!r}, containerPort {number!r}: expected a name, one of "
            f"{', '.join(PROTOCOLS)}, and a number from 1 to {LAST}. Correct the object"
        )
    return name, protocol, number


def _addresses(status: Mapping[str, Any]) -> tuple[str, ...]:
    found = [entry.get("ip") for entry in mappings(status, "podIPs")] or [status.get("podIP")]
    given = tuple(address for address in found if address)
    for address in given:
        try:
            ip_address(address if type(address) is str else "")
        except ValueError:
            raise ConfigError(f"{address!r} is no address of a pod. Correct the object's status") from None
    return given
