"""A policy with all that it reads, as files of one folder without subfolders: what a ConfigMap holds. Called by `submit`."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from airlock.errors import ConfigError
from airlock.policy.files import extend, read_text
from airlock.policy.inline import files_named
from airlock.policy.load import load_policy
from airlock.policy.yaml import read_yaml

__all__ = ["contents_of"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(csv|json|txt|yaml|yml)")
"""What admission lets a launcher's ConfigMap hold (k8s/base/admission/launchers.yaml): nothing that a driver could be made to run."""
_MOST = 1_000_000
"""Bytes of a ConfigMap (kubernetes.io: 1 MiB with all else)."""


def contents_of(policy: Path, dataset: str) -> dict[str, str]:
    """Files by name: DATASET.yaml, which is the policy with what it extends, and the files that its operators name.

    Raises:
        ConfigError: They do not fit into a ConfigMap, or do not say the same there.
    """
    text = read_text(policy)
    document = read_yaml(text, str(policy))
    whole = extend(document, policy)
    if "extends" in document.data:
        text = json.dumps(whole, indent=1) + "\n"  # JSON is YAML
    made = {f"{dataset}.yaml": text}
    for name in files_named(whole):
        if "/" in name:
            raise ConfigError(f"{policy}: it names '{name}', and a ConfigMap has no folders. Put the file beside the policy")
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{policy}: it names '{name}', and what is shipped with a policy ends in .csv, .json, .txt, .yaml or .yml. Name it so"
            )
        made[name] = (policy.parent / name).read_text(encoding="utf-8")
    size = sum(len(one.encode()) for one in made.values())
    if size > _MOST:
        raise ConfigError(
            f"{policy}: with the files that it names it has {size:,} bytes, and a ConfigMap takes {_MOST:,}. Run it as a CronJob"
        )
    _require_same(policy, dataset, made)
    return made


def _require_same(policy: Path, dataset: str, made: dict[str, str]) -> None:
    """A driver that read another policy than was meant would be refused by the outer door, at last."""
    with tempfile.TemporaryDirectory(prefix="airlock-") as folder:
        for name, text in made.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        shipped = load_policy(Path(folder, f"{dataset}.yaml"))
    if shipped.digest != load_policy(policy).digest:
        raise ConfigError(f"{policy}: with the file that it extends it does not say the same in one file. Write both as one")
