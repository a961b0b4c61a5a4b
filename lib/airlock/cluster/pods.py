"""Pods as policies see them: namespace, labels, named ports, addresses. Called by `network` and `prove`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.addresses import parse_addresses
from airlock.cluster.ports import LAST, PROTOCOLS
from airlock.cluster.resources import Ref, Resource, Resources
from airlock.cluster.selectors import UnmodelledError
from airlock.cluster.workloads import PodTemplate, templates_of
from airlock.errors import ConfigError

__all__ = ["Pod", "pods_of"]

_OVER = ("Succeeded", "Failed")
_NO_WORKLOADS = {"Pod", "Node"}
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


@lru_cache(maxsize=4)
def pods_of(resources: Resources) -> tuple[Pod, ...]:
    """Every pod that runs or may run. A pod whose owner is here counts beside the owner's template: labels may have been changed since.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    return tuple(_pods(resources))


def _pods(resources: Resources) -> Iterator[Pod]:
    for template in templates_of(resources):
        one = resources.find(template.ref.kind, template.ref.namespace, template.ref.name)
        if one is None:
            continue
        with about(one):
            status = mapping(one.body, "status") if one.kind == "Pod" else {}
            if status.get("phase") in _OVER:
                continue
            ports, labels, addresses = _ports(template.spec), _labels(one, template), _addresses(status)
        host_network = bool(template.spec.get("hostNetwork"))
        yield Pod(_shown(one, template, resources), one.namespace, labels, ports, addresses, host_network=host_network)


def _shown(one: Resource, template: PodTemplate, resources: Resources) -> Ref:
    if one.kind in _SPARK:
        return Ref(one.kind, one.namespace, f"{one.name}-{_role(template)}")
    return _outermost(one, resources)


def _outermost(one: Resource, resources: Resources) -> Ref:
    """What a pod or workload is part of, as far as the owners are here; an owner that is not here is named all the same."""
    passed = {one.ref}
    while True:
        with about(one):
            owners = mappings(one.metadata, "ownerReferences")
        owner = next((owner for owner in owners if owner.get("controller", True)), None)
        # Spark's executors are their driver's, static pods are their node's, and neither is a part of it.
        if owner is None or owner.get("kind") in _NO_WORKLOADS:
            return one.ref
        ref = Ref(str(owner.get("kind")), one.namespace, str(owner.get("name")))
        found = resources.find(ref.kind, ref.namespace, ref.name)
        if found is None:
            return ref
        if found.ref in passed:
            raise ConfigError(f"{one.source}: {one.ref}: its owners own each other. Correct ownerReferences")
        passed.add(found.ref)
        one = found


def _role(template: PodTemplate) -> str:
    return template.place.rpartition(".")[2]


def _labels(one: Resource, template: PodTemplate) -> Mapping[str, str]:
    """With those that Spark and its operator give (kubeflow's spark-operator, `pkg/common/spark.go`)."""
    odd = next((key for key, value in template.labels.items() if not isinstance(key, str) or not isinstance(value, str)), None)
    if odd is not None:
        raise ConfigError(f"label '{odd}' of its pods, or its value, is not text. Write it in quotes")
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
        for container in (*mappings(spec, "containers"), *sidecars)
        for port in mappings(container, "ports")
        if port.get("name")
    )


def _port(raw: Mapping[str, Any]) -> tuple[str, str, int]:
    name, protocol, number = raw["name"], raw.get("protocol") or "TCP", raw.get("containerPort")
    if not isinstance(name, str):
        raise ConfigError("the name of a container's port is not text. Correct the object")
    if not isinstance(protocol, str) or protocol not in PROTOCOLS:
        raise ConfigError(
            f"port '{name}' has protocol {protocol!r}, expected one of {', '.join(PROTOCOLS)}. Correct the object"
        )
    if type(number) is not int or not 1 <= number <= LAST:
        raise ConfigError(f"port '{name}' has containerPort {number!r}, expected a number from 1 to {LAST}. Correct the object")
    return name, protocol, number


def _addresses(status: Mapping[str, Any]) -> tuple[str, ...]:
    found = [entry.get("ip") for entry in mappings(status, "podIPs")] or [status.get("podIP")]
    known = tuple(address for address in found if address)
    try:
        parse_addresses(known)
    except UnmodelledError as error:
        raise ConfigError(f"the pod's address {error}. Correct 'status'") from None
    return known
