"""A cluster's resources as data: each object with where it was read, and all of them by kind. Called by everything in `cluster`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airlock.errors import ConfigError

__all__ = ["Ref", "Resource", "Resources", "resource_from", "resources_from"]

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

_API_VERSION = re.compile(r"(?:[^/\s]+/)?[^/\s]+")
_LIST_FIELDS = {"apiVersion", "kind", "metadata", "items"}


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
    def is_named(self) -> bool:
        """Whether its name is known; of one with `generateName` the API server makes it up, and `name` is `PREFIX*`."""
        return bool(self.metadata.get("name"))

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec; empty where it has none. Raises ConfigError where it is no mapping."""
        found = self.body.get("spec")
        if found is None:
            return {}
        if not isinstance(found, Mapping):
            raise ConfigError(f"{self.source}: {self.ref}: 'spec' is no mapping. Correct the object")
        return found

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.body.get("metadata") or {}

    @property
    def labels(self) -> Mapping[str, str]:
        """Its own labels."""
        return self.metadata.get("labels") or {}


@dataclass(frozen=True, eq=False)
class Resources:
    """All objects of one look at a cluster, in the order in which they were read.

    Attributes:
        unread: Kinds that exist and could not be listed, and why. Nothing is proved while there are any.

    Example:
        >>> made = resources_from([("a.yaml:1", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "raw"}})])
        >>> [str(one.ref) for one in made.of("Namespace")]
        ['Namespace raw']
    """

    all: tuple[Resource, ...]
    unread: Mapping[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.all)

    def of(self, kind: str, group: str | None = None) -> tuple[Resource, ...]:
        """The objects of a kind; of one API group where it is given."""
        found = self._by_kind.get(kind, ())
        return found if group is None else tuple(one for one in found if one.group == group)

    def with_one(self, changed: Resource) -> Resources:
        """These, with one object in the place of the one that has its name, or beside the others."""
        others = [changed if one.group == changed.group and one.ref == changed.ref else one for one in self.all]
        return Resources(tuple(others if changed in others else [*others, changed]), self.unread)

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
        return {one.ref: one for one in self.all if one.is_named}


def resources_from(documents: Iterable[tuple[str, Any]], *, unread: Mapping[str, str] | None = None) -> Resources:
    """Objects of documents; lists (`kind: List`, `PodList`) are taken apart.

    Args:
        documents: (source, document) each.
        unread: Kinds that could not be listed, and why.

    Raises:
        ConfigError: A document is no object, or an object stands twice with two contents.
    """
    found: dict[tuple[str, Ref, str], Resource] = {}
    for source, document in documents:
        for body in _unlisted(document, source):
            one = resource_from(body, source)
            # Each object with a generated name is one of its own.
            before = found.setdefault((one.group, one.ref, "" if one.is_named else f"{source}:{len(found)}"), one)
            if before is not one and before.body != one.body:
                raise ConfigError(f"{one.ref} stands twice with two contents: {before.source} and {source}. Keep one of them")
    return Resources(tuple(found.values()), unread or {})


def _unlisted(document: Any, source: str) -> Iterator[Any]:
    if not _is_list(document):
        yield document
        return
    kind, version = str(document["kind"]).removesuffix("List"), document["apiVersion"]
    for item in document["items"]:
        # Typed lists leave kind and version out of their items.
        yield from _unlisted(
            {"apiVersion": version, "kind": kind, **item} if kind and isinstance(item, Mapping) else item, source
        )


def _is_list(document: Any) -> bool:
    """`v1 List`, or a typed list. What has a name or other fields is an object whose kind happens to end so, and must not vanish."""
    if not isinstance(document, Mapping) or not isinstance(document.get("items"), list):
        return False
    kind, version, metadata = document.get("kind"), document.get("apiVersion"), document.get("metadata") or {}
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(version, str):
        return False
    if kind == "List":
        return version == "v1"
    own = (version, kind.removesuffix("List"))
    return (
        document.keys() <= _LIST_FIELDS
        and isinstance(metadata, Mapping)
        and not metadata.keys() & {"name", "generateName"}
        and all(
            isinstance(item, Mapping) and (item.get("apiVersion", version), item.get("kind", own[1])) == own
            for item in document["items"]
        )
    )


def resource_from(body: Any, source: str) -> Resource:
    """One object, which is no list. Raises ConfigError where it is no object."""
    kind, version = (body.get("kind"), body.get("apiVersion")) if isinstance(body, Mapping) else (None, None)
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(kind, str) or not isinstance(version, str) or not isinstance(metadata, Mapping):
        raise ConfigError(
            f"{source}: not a Kubernetes object: expected apiVersion, kind and metadata. Leave the file out, or name a "
            "folder with a kustomization, such as an overlay"
        )
    given, prefix = metadata.get("name"), metadata.get("generateName")
    name = given or (f"{prefix}*" if prefix and isinstance(prefix, str) else prefix)
    if not name or not isinstance(name, str):
        raise ConfigError(f"{source}: {kind} without a name. Give it metadata.name")
    if not _API_VERSION.fullmatch(version):
        raise ConfigError(f"{source}: {kind} {name}: '{version}' is no apiVersion. Write 'v1' or 'group/v1'")
    _require_text(metadata, f"{source}: {kind} {name}")
    group, _, version = version.rpartition("/")
    namespace = "" if (group, kind) in _CLUSTER_SCOPED else str(metadata.get("namespace") or "default")
    return Resource(group, version, Ref(kind, namespace, name), body, source)


def _require_text(metadata: Mapping[str, Any], what: str) -> None:
    """Labels and annotations are text, as is a namespace: selectors and lookups go by them."""
    for part in ("labels", "annotations"):
        found = metadata.get(part)
        if found is None:
            continue
        if not isinstance(found, Mapping):
            raise ConfigError(f"{what}: 'metadata.{part}' is no mapping. Correct the object")
        odd = next((key for key, value in found.items() if not isinstance(key, str) or not isinstance(value, str)), None)
        if odd is not None:
            raise ConfigError(f"{what}: '{odd}' in 'metadata.{part}', or its value, is not text. Write it in quotes")
    if not isinstance(metadata.get("namespace") or "", str):
        raise ConfigError(f"{what}: 'metadata.namespace' is not text. Correct the object")
