"""All objects of a live cluster, whatever their kind: what its own discovery lists. Called by `doors`; the only home of kubernetes.

Of Secrets only the metadata is asked for: what they hold stays where it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from airlock.cluster.kinds import MODELLED
from airlock.cluster.resources import Resources, resources_from
from airlock.errors import AdmissionError, ConfigError, MissingCapabilityError, StorageUnavailableError

__all__ = ["Cluster", "Guarding", "Listed", "read_cluster"]

_Get = Callable[..., Mapping[str, Any]]
"""`_got` of one client."""

_PAGE = 500
_PATIENCE = (5, 60)
"""Seconds for connecting, and between bytes."""
_HURRY = (5, 10)
"""The same for who looks again soon."""

_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_SECRET = ("v1", "Secret")
_PASSED_OVER = {"Event", "Lease", "ComponentStatus", "PodMetrics", "NodeMetrics"}
"""What happened, and signs of life: nothing follows from them."""


def read_cluster(kubeconfig: Path | None = None, context: str | None = None) -> Resources:
    """List every kind that can be listed.

    Args:
        kubeconfig: None: KUBECONFIG, then ~/.kube/config, then the pod's own ServiceAccount.
        context: One of its contexts; None: the current one.

    Returns:
        All objects; in `unread` the kinds that this identity may not list.

    Raises:
        ConfigError: No cluster is configured, or its answer is not one.
        StorageUnavailableError: It does not answer.
        MissingCapabilityError: kubernetes is not installed.
    """
    get = partial(_got, _client(kubeconfig, context))
    unread: dict[str, str] = {}
    return _listed(get, _discovered(get, unread), unread)


def _listed(get: _Get, kinds: Iterable[tuple[str, str, str]], unread: dict[str, str]) -> Resources:
    found: list[tuple[str, Any]] = []
    for version, path, kind in kinds:
        accept = _METADATA_ONLY if (version, kind) == _SECRET else "application/json"
        try:
            found += [("live", {**item, "apiVersion": version, "kind": kind}) for item in _items(get, path, accept)[0]]
        except _RefusedError as error:
            unread[f"{kind} ({version})"] = str(error)
    return resources_from(found, unread=unread)


_GUARDING = frozenset({
    "Namespace", "Node", "ServiceAccount", "NetworkPolicy", "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy",
    "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
})  # fmt: skip
"""What `digest` is made of, and who is there."""


_GROUPS = frozenset(
    {"networking.k8s.io", "policy.networking.k8s.io", "rbac.authorization.k8s.io", "admissionregistration.k8s.io"}
)
"""API groups that these kinds are of, beside the core: what else a cluster serves, or can't serve now, is no matter here."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One list, as it was at a moment.

    Attributes:
        path: Where it is listed, and watched.
        at: Its resourceVersion: a watch from there misses nothing.
        refused: Why it may not be listed; empty where it may.
    """

    version: str
    path: str
    kind: str
    items: tuple[Mapping[str, Any], ...] = ()
    at: str = ""
    refused: str = ""


class Guarding:
    """What holds a zone, as an identity may read it that reads nothing else: policies, rights, guards; pods and ConfigMaps of some namespaces.

    Raises:
        ConfigError: No cluster is configured, or its answer is not one.
        StorageUnavailableError: It does not answer, or can't now.
        MissingCapabilityError: kubernetes is not installed.
    """

    def __init__(self, zones: Iterable[str], lists: Iterable[str]) -> None:
        """`zones`: namespaces whose pods are read; `lists`: those whose ConfigMaps are."""
        self._client = _client(None, None, tries=0)
        self._get = partial(_got, self._client, patient=False)
        self._own = [("v1", f"/api/v1/namespaces/{name}/pods", "Pod") for name in zones]
        self._own += [("v1", f"/api/v1/namespaces/{name}/configmaps", "ConfigMap") for name in lists]

    def lists(self) -> list[Listed]:
        """Everything, now."""
        unread: dict[str, str] = {}
        wanted = [one for one in _discovered(self._get, unread, _GROUPS) if one[2] in _GUARDING] + self._own
        refused = [Listed(version, version, "every kind", refused=why) for version, why in unread.items()]
        return [*refused, *(self.list(*one) for one in wanted)]

    def list(self, version: str, path: str, kind: str) -> Listed:
        """One of them, now."""
        try:
            items, at = _items(self._get, path, "application/json")
        except _RefusedError as error:
            return Listed(version, path, kind, refused=str(error))
        return Listed(version, path, kind, tuple(items), at)

    def events(self, path: str, at: str, seconds: int) -> Iterator[Mapping[str, Any]]:
        """What happened below a path since a resourceVersion, for so many seconds: an empty event where the watch begins, then each change.

        (kubernetes.io, "Kubernetes API Concepts", "Efficient detection of changes".)

        Raises:
            AdmissionError: It may not be watched (403), or the API server does not know any more what happened since (410).
        """
        query = {"watch": "true", "timeoutSeconds": seconds, "resourceVersion": at, "allowWatchBookmarks": "true"}
        for event in _streamed(self._client, path, query, seconds):
            if event.get("type") == "ERROR":
                code = int((event.get("object") or {}).get("code") or 0)
                raise AdmissionError(f"the cluster ended the watch of {path} with {code}", status=code)
            yield event


class Cluster:
    """A cluster that objects are made in, looked at and taken out of again: by probes and preflight.

    Raises:
        ConfigError: No cluster is configured.
        MissingCapabilityError: kubernetes is not installed.
    """

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        self._client = _client(kubeconfig, context)

    def create(self, one: Mapping[str, Any], *, dry: bool = False) -> Mapping[str, Any]:
        """Make an object; with `dry` the API server only says whether it would.

        Raises:
            AdmissionError: It is refused.
            StorageUnavailableError: The cluster does not answer.
        """
        path = _path(one["apiVersion"], one["kind"], one["metadata"].get("namespace"))
        return _asked(self._client, "POST", path, {"dryRun": "All"} if dry else {}, one)

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether this identity may do something (SelfSubjectAccessReview). Raises as `create` does."""
        name, _, sub = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": namespace}
        version, kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
        made = self.create({"apiVersion": version, "kind": kind, "metadata": {}, "spec": {"resourceAttributes": asked}})
        return made["status"]["allowed"] is True

    def list(self, version: str, kind: str, namespace: str, selector: str = "") -> list[Mapping[str, Any]]:
        """Objects of a kind in a namespace, or of those that a label selector takes. Raises as `create` does."""
        query = {"labelSelector": selector} if selector else {}
        found = _asked(self._client, "GET", _path(version, kind, namespace), query)
        return list(found.get("items") or ())

    def delete(self, version: str, kind: str, namespace: str | None, name: str, *, uid: str | None = None) -> bool:
        """Take an object out at once; False where it was not there, or another than `uid`. Raises as `create` does."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}} if uid else {"gracePeriodSeconds": 0}
        try:
            _asked(self._client, "DELETE", f"{_path(version, kind, namespace)}/{name}", options)
        except AdmissionError as error:
            if error.facts["status"] == _GONE or (uid and error.facts["status"] == _ANOTHER):
                return False
            raise
        return True


_GONE, _ANOTHER, _COMPACTED = 404, 409, 410
_BUSY = frozenset({429, 500, 502, 503, 504})
"""Answers that refuse nothing: too many requests, and failures of the API server's own."""
_PLURALS = {
    "Pod": "pods",
    "Service": "services",
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "ConfigMap": "configmaps",
    "SelfSubjectAccessReview": "selfsubjectaccessreviews",
}


def _path(version: str, kind: str, namespace: str | None) -> str:
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{within}/{_PLURALS[kind]}"


class _RefusedError(Exception):
    """One request was answered by a refusal; it becomes an entry of `unread`."""


def _discovered(get: _Get, unread: dict[str, str], groups: frozenset[str] | None = None) -> list[tuple[str, str, str]]:
    try:
        return list(_kinds(get, unread, groups))
    except _RefusedError as error:
        raise ConfigError(
            f"the cluster does not tell this identity which kinds it has: {error}. Correct KUBECONFIG, or its credentials"
        ) from None


def _kinds(get: _Get, unread: dict[str, str], groups: frozenset[str] | None) -> Iterator[tuple[str, str, str]]:
    """(apiVersion, path, kind) of everything that can be listed, each kind once, in the version that the model knows; of these groups alone.

    A group's preferred version alone would hide what only another one serves: AdminNetworkPolicy (v1alpha1) beside ClusterNetworkPolicy
    (v1alpha2).
    """
    yield from _once("", ["v1"], get, unread)
    for group in get("/apis").get("groups", ()):
        if groups is not None and group["name"] not in groups:
            continue
        preferred = group["preferredVersion"]["groupVersion"]
        others = (one["groupVersion"] for one in group.get("versions") or ())
        yield from _once(group["name"], list(dict.fromkeys((preferred, *others))), get, unread)


def _once(group: str, versions: list[str], get: _Get, unread: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """One group's kinds; of two versions that serve one and are known, or are not, the one that comes first."""
    found: dict[str, tuple[str, str, str]] = {}
    for version in versions:
        path = f"/apis/{version}" if group else f"/api/{version}"
        try:
            resources = get(path).get("resources", ())
        except _RefusedError as error:  # an aggregated API whose server is down: what it would list, nobody knows
            unread[version] = str(error)
            continue
        for one in resources:
            name, kind = one["name"], one["kind"]
            if "/" in name or "list" not in one.get("verbs", ()) or kind in _PASSED_OVER:
                continue
            known = MODELLED.get((group, kind), frozenset())
            if name not in found or (_short(version) in known and _short(found[name][0]) not in known):
                found[name] = version, f"{path}/{name}", kind
    yield from found.values()


def _short(version: str) -> str:
    return version.rpartition("/")[2]


def _items(get: _Get, path: str, accept: str) -> tuple[list[Mapping[str, Any]], str]:
    """All of a list, and its resourceVersion."""
    found: list[Mapping[str, Any]] = []
    after = ""
    while True:
        page = get(path, {"limit": _PAGE, **({"continue": after} if after else {})}, accept)
        found += page.get("items") or ()
        metadata = page.get("metadata") or {}
        after = metadata.get("continue") or ""
        if not after:
            return found, str(metadata.get("resourceVersion") or "")


def _got(
    client: Any, path: str, query: Mapping[str, Any] | None = None, accept: str = "application/json", *, patient: bool = True
) -> Mapping[str, Any]:
    """An answer. Of an API server that can't answer now, a proof has to say so (`patient`: a refusal like any); who looks often looks again."""
    from kubernetes.client import ApiException  # noqa: PLC0415 - an extra

    try:
        return _answer(client, "GET", path, query or {}, {"Accept": accept}, patience=_PATIENCE if patient else _HURRY)
    except ApiException as error:
        if error.status in (*_BUSY, _COMPACTED) and not patient:  # a list of several pages may outlive its first
            raise _busy("GET", path, error) from None
        raise _RefusedError(f"{error.status} {error.reason}") from None


def _busy(method: str, path: str, error: Any) -> StorageUnavailableError:
    return StorageUnavailableError(f"the cluster answers {method} {path} with {error.status} {error.reason}. Run again")


def _asked(client: Any, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Mapping[str, Any]:
    from kubernetes.client import ApiException  # noqa: PLC0415 - an extra

    try:
        return _answer(
            client, method, path, query, {"Accept": "application/json", "Content-Type": "application/json"}, body=body
        )
    except ApiException as error:
        if error.status in _BUSY:
            raise _busy(method, path, error) from None
        raise AdmissionError(f"the cluster refuses {method} {path}: {_why(error)}", status=int(error.status or 0)) from None


def _answer(
    client: Any,
    method: str,
    path: str,
    query: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    body: Any = None,
    patience: tuple[int, int] = _PATIENCE,
) -> Mapping[str, Any]:
    """What the API server answers; its refusals (ApiException) are the caller's."""
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with kubernetes

    try:
        made: Mapping[str, Any] = json.loads(_begun(client, method, path, query, headers, body=body, patience=patience).data)
    except HTTPError as error:
        raise StorageUnavailableError(
            f"the cluster does not answer: {type(error).__name__}. Check KUBECONFIG, then run again"
        ) from None
    except json.JSONDecodeError:
        raise ConfigError(f"what KUBECONFIG names is no Kubernetes API: {path} did not answer with JSON. Correct it") from None
    return made


def _begun(
    client: Any,
    method: str,
    path: str,
    query: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    body: Any = None,
    patience: tuple[int, int],
) -> Any:
    """An answer that has begun, its content not yet read."""
    return client.call_api(
        path,
        method,
        query_params=list(query.items()),
        header_params=dict(headers),
        body=body,
        auth_settings=["BearerToken"],
        _preload_content=False,
        _return_http_data_only=True,
        _request_timeout=patience,
    )


def _streamed(client: Any, path: str, query: Mapping[str, Any], seconds: int) -> Iterator[Mapping[str, Any]]:
    from kubernetes.client import ApiException  # noqa: PLC0415 - an extra
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with kubernetes

    try:
        patience = (_PATIENCE[0], seconds + _PATIENCE[0])
        answer = _begun(client, "GET", path, query, {"Accept": "application/json"}, patience=patience)
        yield {}
        held = b""
        for part in answer.stream(None):
            *lines, held = (held + part).split(b"\n")
            yield from map(json.loads, lines)
    except (HTTPError, json.JSONDecodeError) as error:
        raise StorageUnavailableError(f"the cluster's watch of {path} broke off: {type(error).__name__}. Run again") from None
    except ApiException as error:
        raise AdmissionError(
            f"the cluster refuses to have {path} watched: {_why(error)}", status=int(error.status or 0)
        ) from None


def _why(error: Any) -> str:
    """What the API server says, which is about objects and never of what Secrets hold."""
    try:
        said = str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        said = f"{error.status} {error.reason}"
    return said.splitlines()[0][:500]


def _client(kubeconfig: Path | None, context: str | None, *, tries: int = 3) -> Any:
    try:
        from kubernetes import client, config  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingCapabilityError("a live cluster is read by package kubernetes. pip install 'airlock[cluster]'") from None
    made = client.Configuration()
    try:
        if kubeconfig is not None or context is not None:
            config.load_kube_config(str(kubeconfig) if kubeconfig else None, context, client_configuration=made)
        elif "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=made)  # load_config does it too, and talks
        else:
            config.load_config(client_configuration=made)
    except config.ConfigException as error:
        raise ConfigError(f"no cluster is configured: {str(error).rstrip('.')}. Set KUBECONFIG") from None
    made.retries = tries
    return client.ApiClient(made)
