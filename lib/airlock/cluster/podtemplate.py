"""Pod templates of driver and executors, as a run needs them: bound to nodes, named after it, with its policy. Values in, values out.

Called by the doors; who reads templates and writes them is they.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from airlock.cluster._yaml import read_documents
from airlock.errors import ConfigError
from airlock.types import label_of

__all__ = ["POLICY_FOLDER", "bound", "labels_of", "read_template", "to_text", "with_policy"]

Pod = dict[str, Any]

POLICY_FOLDER = "/etc/airlock/policy"
"""Where a driver finds its policy."""


def labels_of(dataset: str, run: str, digest: str) -> dict[str, str]:
    """What a run's pods are found by; `digest` is the policy's (64 hex digits), of which a label holds a part.

    Example:
        >>> labels_of("patients", "90db3774-fa75-5632-975d-ac34ded371d9", "36b3" * 16)["airlock.dev/policy"]
        '36b336b336b336b3'
    """
    return {
        "app.kubernetes.io/instance": label_of(run), "airlock.dev/run": label_of(run), "airlock.dev/dataset": label_of(dataset),
        "airlock.dev/policy": digest[:16],
    }  # fmt: skip


def read_template(file: Path) -> Pod:
    """The pod of a template file.

    Raises:
        ConfigError: It can't be read, or holds no pod with one container.
    """
    try:
        documents = [one for _, one in read_documents(file.read_text(encoding="utf-8"), str(file))]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the pod template '{file}' can't be read: {type(error).__name__}. Correct its path") from None
    pod = documents[0] if len(documents) == 1 and isinstance(documents[0], dict) else {}
    spec = pod.get("spec") if pod.get("kind") == "Pod" else None
    if not isinstance(spec, dict) or len(spec.get("containers") or ()) != 1:
        raise ConfigError(
            f"the pod template '{file}' holds no Pod with one container. Name one, such as k8s/launch/driver.yaml"
        )
    return pod


def bound(pod: Mapping[str, Any], nodes: Sequence[str]) -> Pod:
    """The same on these nodes alone; on whichever where there are none."""
    made = deepcopy(dict(pod))
    if nodes:
        # A term names one node (kubernetes.io, NodeSelectorTerm.matchFields); any one of the terms is enough.
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]} for node in nodes]
        affinity = made["spec"].setdefault("affinity", {}).setdefault("nodeAffinity", {})
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    return made


def with_policy(pod: Mapping[str, Any], config_map: str) -> Pod:
    """The same with a policy's ConfigMap mounted."""
    made = deepcopy(dict(pod))
    made["spec"].setdefault("volumes", []).append({"name": "policy", "configMap": {"name": config_map}})
    mount = {"name": "policy", "mountPath": POLICY_FOLDER, "readOnly": True}
    made["spec"]["containers"][0].setdefault("volumeMounts", []).append(mount)
    return made


def to_text(pod: Mapping[str, Any]) -> str:
    """As a file that Spark reads: JSON is YAML."""
    return json.dumps(pod, indent=1) + "\n"
