"""The pods that objects make: of every kind of workload the pod's spec, labels and annotations. Called by `podspec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, texts
from airlock.cluster._sparkfields import SPARK_APP, SPARK_POD
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["WORKLOADS", "PodTemplate", "pod_templates", "templates_of"]

_TEMPLATE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
_SPARK: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("sparkoperator.k8s.io", "SparkApplication"): ("spec",),
    ("sparkoperator.k8s.io", "ScheduledSparkApplication"): ("spec", "template"),
}
WORKLOADS = frozenset({*_TEMPLATE, *_SPARK})
"""(group, kind) of everything that makes pods and is known here."""

_NAMESPACE = "spark.kubernetes.namespace"
_NOT_PASSED_ON = "kueue.x-k8s.io/"
"""Labels of an application that its pods do not get."""
_ROLES = ("driver", "executor")
_CONF_OF_PODS = (
    ".volumes.",
    ".podTemplateFile",
    ".annotation.",
    ".label.",
    ".secrets.",
    ".secretKeyRef.",
    ".pod.featureSteps",
    ".authenticate.",
    ".podNamePrefix",
)
_COPIED = (
    "hostNetwork", "dnsConfig", "initContainers", "hostAliases", "shareProcessNamespace", "runtimeClassName", "schedulerName", "tolerations",
    "affinity", "nodeSelector",
)  # fmt: skip
_COPIED_TO_CONTAINER = ("env", "envFrom", "volumeMounts", "securityContext", "lifecycle")


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A pod as an object makes it.

    Attributes:
        ref: The object.
        place: Where in it the pod's spec stands; of Spark's the role.
        spec: The pod's spec.
        unjudged: Fields of the object that may change the pod and are not modelled.
        served: Fields of the object that make Services or Ingresses.
    """

    ref: Ref
    place: str
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    unjudged: tuple[str, ...] = ()
    served: tuple[str, ...] = ()


@lru_cache(maxsize=4)
def templates_of(resources: Resources) -> tuple[PodTemplate, ...]:
    """All of `pod_templates`, kept: a proof asks for them several times.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    return tuple(pod_templates(resources))


def pod_templates(resources: Resources) -> Iterator[PodTemplate]:
    """One for each object that makes pods, two for Spark's.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    for one in resources:
        key = (one.group, one.kind)
        if key in _TEMPLATE:
            with about(one):
                yield _of_template(one, _TEMPLATE[key])
        elif key in _SPARK:
            with about(one):
                yield from _of_spark(one, _SPARK[key])


def _of_template(one: Resource, steps: tuple[str, ...]) -> PodTemplate:
    body = one.body
    for step in steps:
        body = mapping(body, step)
    metadata, spec = mapping(body, "metadata"), mapping(body, "spec")
    claims = mappings(mapping(one.body, "spec"), "volumeClaimTemplates") if one.kind == "StatefulSet" else []
    if claims:
        made = [
            {
                "name": str(mapping(claim, "metadata").get("name") or ""),
                "ephemeral": {"volumeClaimTemplate": {"metadata": mapping(claim, "metadata"), "spec": mapping(claim, "spec")}},
            }
            for claim in claims
        ]
        spec = {**spec, "volumes": [*mappings(spec, "volumes"), *made]}
    place = ".".join((*steps, "spec"))
    return PodTemplate(one.ref, place, mapping(metadata, "annotations"), texts(metadata, "labels"), spec)


def _of_spark(one: Resource, steps: tuple[str, ...]) -> Iterator[PodTemplate]:
    app: Mapping[str, Any] = one.body
    for step in steps:
        app = mapping(app, step)
    conf = [
        key
        for key in mapping(app, "sparkConf")
        if str(key).startswith("spark.kubernetes.") and any(part in str(key) for part in _CONF_OF_PODS)
    ]
    elsewhere = mapping(app, "sparkConf").get(_NAMESPACE)
    if elsewhere not in (None, one.namespace):
        conf.append(_NAMESPACE)
    unjudged = (*sorted(map(str, app.keys() - SPARK_APP)), *(f"sparkConf.{key}" for key in sorted(conf)))
    served = tuple(name for name in ("driverIngressOptions", "sparkUIOptions") if app.get(name))
    # The operator gives an application's own labels to its pods, over those of the template and under those of the role.
    own = {
        name: value
        for name, value in texts(mapping(one.body, "metadata"), "labels").items()
        if not name.startswith(_NOT_PASSED_ON)
    }
    for role in _ROLES:
        part = mapping(app, role)
        odd = tuple(f"{role}.{name}" for name in sorted(map(str, part.keys() - SPARK_POD)))
        template = mapping(part, "template")
        metadata = mapping(template, "metadata")
        yield PodTemplate(
            one.ref,
            ".".join((*steps, role)),
            {**mapping(metadata, "annotations"), **mapping(part, "annotations")},
            {**texts(metadata, "labels"), **own, **texts(part, "labels")},
            _spark_spec(app, role, mapping(template, "spec")),
            (*(unjudged if role == "driver" else ()), *odd),
            served if role == "driver" else (),
        )


def _spark_spec(app: Mapping[str, Any], role: str, template: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the operator and Spark make of a role: the template, over it the role's own fields."""
    part = mapping(app, role)
    spec = {**template, **{name: part[name] for name in _COPIED if name in part}}
    # Spark sets the account itself, and an executor without one gets the driver's: a template's alone is overwritten.
    account = part.get("serviceAccount") or mapping(app, "driver").get("serviceAccount")
    if account:
        spec |= {"serviceAccountName": account}
    if "podSecurityContext" in part:
        spec["securityContext"] = part["podSecurityContext"]
    spec["volumes"] = [*mappings(template, "volumes"), *mappings(app, "volumes"), *_named_volumes(part)]
    main = {"name": "spark", "image": _image(app, role)}
    main |= {name: part[name] for name in _COPIED_TO_CONTAINER if name in part}
    refs = [{"name": name, "valueFrom": {"secretKeyRef": ref}} for name, ref in mapping(part, "envSecretKeyRefs").items()]
    if refs:
        main["env"] = [*mappings(main, "env"), *refs]
    spec["containers"] = [main, *mappings(template, "containers"), *mappings(part, "sidecars")]
    return spec


def _image(app: Mapping[str, Any], role: str) -> Any:
    """The role's image; Spark's conf names images too, and the one that says least of what runs counts."""
    conf = mapping(app, "sparkConf")
    named = [mapping(app, role).get("image") or app.get("image")]
    named += [conf.get(f"spark.kubernetes.{part}container.image") for part in ("", f"{role}.")]
    given = [one for one in named if one]
    return next((one for one in given if "@sha256:" not in str(one)), given[0] if given else None)


def _named_volumes(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for one in mappings(part, "secrets"):
        yield {"name": str(one.get("name")), "secret": {"secretName": one.get("name")}}
    for one in mappings(part, "configMaps"):
        yield {"name": str(one.get("name")), "configMap": {"name": one.get("name")}}
