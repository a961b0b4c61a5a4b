"""Fields that are not known, at any depth: what they open is not known either. Called by `paths` and `podspec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airlock.cluster._fields import FIELDS
from airlock.cluster._shape import about, mapping, mappings, single, singles
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resources

__all__ = ["field_openings", "spec_openings"]

_SPECS: Mapping[tuple[str, str], str] = {
    ("", "Namespace"): "NamespaceSpec",
    ("", "Service"): "ServiceSpec",
    ("", "PersistentVolumeClaim"): "PersistentVolumeClaimSpec",
    ("", "ReplicationController"): "ReplicationControllerSpec",
    ("apps", "Deployment"): "DeploymentSpec",
    ("apps", "ReplicaSet"): "ReplicaSetSpec",
    ("apps", "StatefulSet"): "StatefulSetSpec",
    ("apps", "DaemonSet"): "DaemonSetSpec",
    ("batch", "Job"): "JobSpec",
    ("batch", "CronJob"): "CronJobSpec",
}
_WHOLE = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def spec_openings(resources: Resources, namespaces: frozenset[str]) -> Iterator[tuple[str, Opening]]:
    """Fields that are not known, of these namespaces and of what is in them; pods themselves are `podspec`'s business.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    for one in resources:
        kind = _SPECS.get((one.group, one.kind))
        namespace = one.name if one.kind == "Namespace" else one.namespace
        if kind is None or namespace not in namespaces:
            continue
        with about(one):
            odd = sorted(str(name) for name in one.body if name not in _WHOLE)
            found = [_opening(one.ref, name) for name in odd]
            found += field_openings(one.ref, "spec", mapping(one.body, "spec"), kind)
        yield from ((namespace, opening) for opening in found)


def field_openings(ref: Ref, place: str, body: Mapping[str, Any], kind: str) -> Iterator[Opening]:
    """One opening for each field of a part of an object that is not known, at any depth.

    Args:
        ref: The object.
        place: Where the part stands in it.
        body: The part.
        kind: The type of the part, of `FIELDS`.

    Raises:
        ConfigError: A value has not the shape of its field.
    """
    fields = FIELDS[kind]
    for name, value in body.items():
        if name not in fields:
            yield _opening(ref, f"{place}.{name}")
        elif value is not None:
            yield from _deeper(ref, f"{place}.{name}", body, name, fields[name])


def _deeper(ref: Ref, place: str, body: Mapping[str, Any], name: str, form: str) -> Iterator[Opening]:
    match form:
        case "":
            single(body, name)
        case "[]":
            singles(body, name)
        case "{}":
            mapping(body, name)
        case "[{}]":
            mappings(body, name)
        case _ if form.startswith("["):
            for number, one in enumerate(mappings(body, name)):
                yield from field_openings(ref, f"{place}[{number}]", one, form[1:-1])
        case _:
            yield from field_openings(ref, place, mapping(body, name), form)


def _opening(ref: Ref, place: str) -> Opening:
    text = f"field '{place.rpartition('.')[2]}' is not known here, so what it opens is not known either"
    return Opening(ref, "", place, text, Verdict.NO_PROOF, f"{_code(ref)}.unknown-field", "Take it out, or correct its name")


def _code(ref: Ref) -> str:
    """Claims, Services and namespaces by their own name, all else by the pods that it makes."""
    return {"Namespace": "namespace", "Service": "service", "PersistentVolumeClaim": "volume"}.get(ref.kind, "pod")
