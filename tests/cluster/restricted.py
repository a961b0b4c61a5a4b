"""Pod Security `restricted` of 1.34 as far as a pod's spec shows it (kubernetes.io, "Pod Security Standards"), for pods that no API server sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_PROFILES = ("RuntimeDefault", "Localhost")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def violations(spec: Mapping[str, Any]) -> list[str]:
    """The fields that the standard refuses, or misses."""
    pod = spec.get("securityContext", {})
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    found += ["sysctls"] if pod.get("sysctls") else []
    found += [f"volumes {one['name']}" for one in spec.get("volumes", []) if not set(one) - {"name"} <= _VOLUMES]
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for one in spec.get(kind, []):
            found += [f"{one['name']} {what}" for what in _of_container(one, pod)]
    return found


def _of_container(one: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    own = one.get("securityContext", {})
    both = {**pod, **own}
    capabilities = own.get("capabilities", {})
    kept = {
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "capabilities": "ALL" in capabilities.get("drop", []) and set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser") != 0,
        "seccompProfile": both.get("seccompProfile", {}).get("type") in _PROFILES,
        "procMount": own.get("procMount", "Default") == "Default",
        "hostPort": not any(port.get("hostPort") for port in one.get("ports", [])),
        "probe": not any(one.get(name, {}).get("httpGet", {}).get("host") for name in _PROBES),
    }
    return (name for name, holds in kept.items() if not holds)
