"""Whether this process runs on a cluster, where less is taken on trust. Called by the doors."""

from __future__ import annotations

import os
from pathlib import Path

from airlock.cluster.live import Cluster
from airlock.errors import ConfigError

__all__ = ["in_pod", "own_image"]

_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_IN_POD = "KUBERNETES_SERVICE_HOST"
"""Variable that the kubelet sets in every container (kubernetes.io, "Accessing the Kubernetes API from a Pod")."""


def in_pod() -> bool:
    """Whether it does."""
    return bool(os.environ.get(_IN_POD))


def own_image() -> str:
    """The image of this pod's first container, as its spec names it.

    Raises:
        ConfigError: This is no pod, or it can't read itself.
    """
    if not in_pod():
        raise ConfigError(
            "which image to try is not said, and this is no pod with one of its own. Give --image NAME@sha256:..."
        )
    namespace, name = _NAMESPACE.read_text().strip(), os.environ.get("HOSTNAME", "")
    for one in Cluster().list("v1", "Pod", namespace):
        if one["metadata"]["name"] == name:
            return str(one["spec"]["containers"][0]["image"])
    raise ConfigError(f"there is no pod {namespace}/{name}, which this one says it is. Give --image NAME@sha256:...")
