"""Whether this process runs on a cluster, where less is taken on trust. Called by the doors."""

from __future__ import annotations

import os
from pathlib import Path

from airlock.cluster.live import Cluster
from airlock.errors import ConfigError

__all__ = ["image_digest", "in_pod", "own_image"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
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
    namespace, name = (_ACCOUNT / "namespace").read_text().strip(), os.environ.get("HOSTNAME", "")
    for one in Cluster().list("v1", "Pod", namespace):
        if one["metadata"]["name"] == name:
            return str(one["spec"]["containers"][0]["image"])
    raise ConfigError(f"there is no pod {namespace}/{name}, which this one says it is. Give --image NAME@sha256:...")


def image_digest() -> str | None:
    """Of the image that this runs in: `IMAGE_DIGEST`, else in a pod with a token what its spec says; None where neither is.

    Raises:
        ConfigError, AdmissionError, StorageUnavailableError: The pod can't read itself.
    """
    named = os.environ.get("IMAGE_DIGEST")
    if named or not in_pod() or not (_ACCOUNT / "token").exists():
        return named
    return own_image().partition("@")[2] or None
