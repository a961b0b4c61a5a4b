"""Pods that keep every rule of a zone, and the same with one rule broken each: what admission must let in, and what it must refuse.

Called by `prober`, whose pods are of the first kind, and by `doors.preflight`, which has both tried by dry run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

__all__ = ["BROKEN", "broken_pods", "sealed_pod"]

_ROLE = "airlock.dev/role"
_OTHER = "0" * 64


def sealed_pod(name: str, namespace: str, account: str, labels: Mapping[str, str], image: str) -> dict[str, Any]:
    """A pod with one container that may do nothing, without a token."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 600,
            "terminationGracePeriodSeconds": 2,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 185, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": image,
                    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def _container(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda pod: pod["spec"]["containers"][0].update(fields)


def _spec(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda pod: pod["spec"].update(fields)


BROKEN: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "on the node's network": _spec(hostNetwork=True),
    "with the node's processes": _spec(hostPID=True),
    "with a folder of the node": _spec(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
    "with a volume over the network": _spec(volumes=[{"name": "v", "nfs": {"server": "192.0.2.1", "path": "/"}}]),
    "privileged": _container(securityContext={"privileged": True}),
    "of an image that is not listed": lambda pod: pod["spec"]["containers"][0].update(
        image=pod["spec"]["containers"][0]["image"].partition("@")[0] + f"@sha256:{_OTHER}"
    ),
    "of an image of another registry": lambda pod: pod["spec"]["containers"][0].update(
        image=f"registry.invalid/{pod['spec']['containers'][0]['image'].rpartition('/')[2]}"
    ),
    "of no role": lambda pod: pod["metadata"]["labels"].pop(_ROLE),
    "of one role as the ServiceAccount of another": _spec(serviceAccountName="default"),
    "with a token for the API server": lambda pod: pod["spec"].pop("automountServiceAccountToken"),
}
"""What is wrong with a pod, and how to make it so. Each is to be refused in a zone."""


def broken_pods(good: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Copies of a good pod, each with one rule broken."""
    made = {}
    for what, change in BROKEN.items():
        made[what] = deepcopy(dict(good))
        change(made[what])
    return made
