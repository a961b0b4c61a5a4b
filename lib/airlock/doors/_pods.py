"""Whether this process runs on a cluster, where less is taken on trust. Called by the doors."""

from __future__ import annotations

import os

__all__ = ["in_pod"]

_IN_POD = "KUBERNETES_SERVICE_HOST"
"""Variable that the kubelet sets in every container (kubernetes.io, "Accessing the Kubernetes API from a Pod")."""


def in_pod() -> bool:
    """Whether it does."""
    return bool(os.environ.get(_IN_POD))
