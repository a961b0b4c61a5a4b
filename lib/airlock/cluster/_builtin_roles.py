"""The user-facing roles that every cluster has, for bindings in files that name them. Called by `rbac`.

From kubernetes.io, "Default roles and role bindings", and plugin/pkg/auth/authorizer/rbac/bootstrappolicy. A live cluster's own are
preferred: what is here counts only where no such object was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["BUILT_IN_ROLES"]

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]


def _on(verbs: Sequence[str], group: str, resources: str) -> Mapping[str, Any]:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": resources.split()}


_VIEW = [
    _on(
        _READ,
        "",
        "configmaps endpoints persistentvolumeclaims pods replicationcontrollers serviceaccounts services events limitranges namespaces "
        "bindings resourcequotas pods/log pods/status",
    ),
    _on(_READ, "discovery.k8s.io", "endpointslices"),
    _on(_READ, "apps", "controllerrevisions daemonsets deployments replicasets statefulsets"),
    _on(_READ, "batch", "cronjobs jobs"),
    _on(_READ, "autoscaling", "horizontalpodautoscalers"),
    _on(_READ, "policy", "poddisruptionbudgets"),
    _on(_READ, "networking.k8s.io", "ingresses networkpolicies"),
]
_EDIT = [
    *_VIEW,
    _on(_READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    _on(["impersonate"], "", "serviceaccounts"),
    _on(_WRITE, "", "pods pods/attach pods/exec pods/portforward pods/proxy services/proxy"),
    _on(["create"], "", "pods/eviction serviceaccounts/token"),
    _on(_WRITE, "", "configmaps events persistentvolumeclaims replicationcontrollers secrets serviceaccounts services"),
    _on(_WRITE, "apps", "daemonsets deployments deployments/rollback deployments/scale replicasets statefulsets"),
    _on(_WRITE, "batch", "cronjobs jobs"),
    _on(_WRITE, "autoscaling", "horizontalpodautoscalers"),
    _on(_WRITE, "policy", "poddisruptionbudgets"),
    _on(_WRITE, "networking.k8s.io", "ingresses networkpolicies"),
    _on([*_READ, *_WRITE], "coordination.k8s.io", "leases"),
]
_ADMIN = [*_EDIT, _on([*_READ, *_WRITE], "rbac.authorization.k8s.io", "roles rolebindings")]

BUILT_IN_ROLES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "cluster-admin": [_on(["*"], "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "admin": _ADMIN,
    "edit": _EDIT,
    "view": _VIEW,
}
