"""A cluster's resources as data: each object with where it was read, and all of them by kind. Called by everything in `cluster`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airlock.errors import ConfigError

__all__ = ["Ref", "Resource", "Resources", "resources_from"]

_CLUSTER_SCOPED = {
    ("", "Namespace"), ("", "Node"), ("", "PersistentVolume"), ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"), ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"), ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"), ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"), ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"), ("storage.k8s.io", "StorageClass"), ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"), ("storage.k8s.io", "VolumeAttachment"), ("scheduling.k8s.io", "PriorityClass"),
    ("node.k8s.io", "RuntimeClass"), ("networking.k8s.io", "IngressClass"), ("certificates.k8s.io", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"), ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("cilium.io", "CiliumClusterwideNetworkPolicy"), ("crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("projectcalico.org", "GlobalNetworkPolicy"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which object: kind, namespace (empty where it has none) and name.

    Example:
        >>> str(Ref("NetworkPolicy", "pii-raw", "default-deny")), str(Ref("ClusterRole", "", "view"))
        ('NetworkPolicy pii-raw/default-deny', 'ClusterRole view')
    """

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One object.

    Attributes:
        group: API group; empty for the core's.
        body: The object whole, as it was read.
        source: `file:line`, or `live`.
    """

    group: str
    version: str
    ref: Ref
    body: Mapping[str, Any]
    source: str

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.ref.kind

    @property
    def namespace(self) -> str:
        """Its namespace; empty for an object of the whole cluster."""
        return self.ref.namespace

    @property
    def name(self) -> str:
        """Its name."""
        return self.ref.name

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec; empty where it has none."""
        return self.body.get("spec") or {}

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.body.get("metadata") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """Its own labels."""
        return self.metadata.get("labels") or {}


@dataclass(frozen=True)
class Resources:
    """All objects of one look at a cluster, in the order in which they were read.

    Attributes:
        complete: Whether these are all objects of the cluster (a live one), so that what is not here does not exist.
        unread: Kinds that exist and could not be listed, and why. Nothing is proved while there are any.

    Example:
        >>> made = resources_from([("a.yaml:1", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "raw"}})])
        >>> [str(one.ref) for one in made.of("Namespace")]
        ['Namespace raw']
    """

    all: tuple[Resource, ...]
    complete: bool = False
    unread: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.all)

    def of(self, kind: str, group: str | None = None) -> tuple[Resource, ...]:
        """The objects of a kind; of one API group where it is given."""
        found = self._by_kind.get(kind, ())
        return found if group is None else tuple(one for one in found if one.group == group)

    def find(self, kind: str, namespace: str, name: str) -> Resource | None:
        """One object, or None."""
        return self._by_ref.get(Ref(kind, namespace, name))

    @cached_property
    def kinds(self) -> frozenset[tuple[str, str]]:
        """(group, kind) of everything here."""
        return frozenset((one.group, one.kind) for one in self.all)

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for one in self.all:
            found.setdefault(one.kind, []).append(one)
        return {kind: tuple(some) for kind, some in found.items()}

    @cached_property
    def _by_ref(self) -> Mapping[Ref, Resource]:
        return {one.ref: one for one in self.all}


def resources_from(
    documents: Iterable[tuple[str, Any]], *, complete: bool = False, unread: Mapping[str, str] | None = None
) -> Resources:
    """Objects of documents; lists (`kind: List`, `PodList`) are taken apart.

    Args:
        documents: (source, document) each.
        complete: Whether they are all objects of the cluster.
        unread: Kinds that could not be listed, and why.

    Raises:
        ConfigError: A document is no object, or an object stands twice with two contents.
    """
    found: dict[tuple[str, Ref], Resource] = {}
    for source, document in documents:
        for body in _unlisted(document, source):
            one = _resource(body, source)
            before = found.setdefault((one.group, one.ref), one)
            if before is not one and before.body != one.body:
                raise ConfigError(f"{one.ref} stands twice with two contents: {before.source} and {source}. Keep one of them")
    return Resources(tuple(found.values()), complete=complete, unread=unread or {})


def _unlisted(document: Any, source: str) -> Iterator[Any]:
    if (
        isinstance(document, Mapping)
        and str(document.get("kind", "")).endswith("List")
        and isinstance(document.get("items"), list)
    ):
        kind, version = str(document["kind"]).removesuffix("List"), document.get("apiVersion")
        for item in document["items"]:
            # Typed lists leave kind and version out of their items.
            yield from _unlisted(
                {"apiVersion": version, "kind": kind, **item} if kind and isinstance(item, Mapping) else item, source
            )
    else:
        yield document


def _resource(body: Any, source: str) -> Resource:
    kind, version = (body.get("kind"), body.get("apiVersion")) if isinstance(body, Mapping) else (None, None)
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(kind, str) or not isinstance(version, str) or not isinstance(metadata, Mapping):
        raise ConfigError(
            f"{source}: not a Kubernetes object: expected apiVersion, kind and metadata. Correct it, or take the file out"
        )
    name = metadata.get("name") or metadata.get("generateName")
    if not isinstance(name, str):
        raise ConfigError(f"{source}: {kind} without a name. Give it metadata.name")
    group, _, version = version.rpartition("/")
    namespace = "" if (group, kind) in _CLUSTER_SCOPED else str(metadata.get("namespace") or "default")
    return Resource(group, version, Ref(kind, namespace, name), body, source)
