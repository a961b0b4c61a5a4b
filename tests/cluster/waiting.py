"""Wait for pods of a cluster, and say where they stand."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.cluster.live import kubectl


def until(holds, seconds: float, tell=lambda: ""):
    """What `holds` gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, tell()
        time.sleep(0.5)
    return found


def terminated(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """How its container ended; None while it has not."""
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    return next((one["terminated"] for one in states if "terminated" in one), None)


def ready(pod: str, namespace: str) -> bool:
    """Whether it answers its readiness probe."""
    said = kubectl("get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
    return said.stdout.strip() == "True"


def answers(url: str) -> bool:
    """Whether somebody takes a connection there."""
    at = urlsplit(url)
    try:
        socket.create_connection((at.hostname, at.port), 5).close()
    except OSError:
        return False
    return True


def describe(pod: str, namespace: str) -> str:
    """Where a pod stands and what it said."""
    status = kubectl("get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status}").stdout
    events = kubectl(
        "get", "events", "-n", namespace, "--field-selector", f"involvedObject.name={pod}", "-o", "jsonpath={.items[*].message}"
    ).stdout
    return f"{pod}: {status}\n{events}\n{kubectl('logs', pod, '-n', namespace, '--tail=60').stdout}"
