"""`airlock run`: both doors on one machine, one after the other, in two processes with disjoint configurations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from airlock.doors._zones import require_disjoint
from airlock.errors import AirlockError, DisclosureError
from airlock.keys.open import needed_settings
from airlock.settings import Settings
from airlock.storage.scratch import scratch_folder
from airlock.types import Zone

__all__ = ["run_both"]

_NEEDED = (*(f"zones.{zone}.uri" for zone in Zone), "keys.stage_signing", "keys.release_signing", "trust")
_INNER = ("zones.raw", "zones.private", "zones.staging", "keys.provider", "keys.root", "keys.vault", "keys.kms", "keys.stage_signing", "keys.executor", "trust",
          "s3", "metadata_service",
          "engine", "master", "workers", "split_mib", "staging_codec", "lease_seconds", "staging_ttl", "permit_minutes", "run_seconds", "log_format")  # fmt: skip
_AWS_PLACES = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"}
"""They say where things are. What of the AWS environment is an identity is the inner door's: profiles belong to who names them."""
_OUTER = ("zones.staging", "zones.sanitized", "keys.release_signing", "trust", "policies", "waivers", "reports", "workers",
          "s3", "metadata_service", "staging_ttl",
          "lease_seconds", "grace_minutes", "log_format")  # fmt: skip


def run_both(policies: Sequence[Path], settings: Settings, *, run_id: str | None, debug: bool = False) -> list[dict[str, Any]]:
    """Anonymize, then release what was staged; each door in a process that knows only its own zones and keys.

    Args:
        policies: Policy files.
        settings: Names all four zones and all keys.
        run_id: For a single policy.
        debug: Ask both for traces.

    Returns:
        The results of both, by policy; the outer door's where it got that far.

    Raises:
        ConfigError: A setting that one of the doors needs is not set.
    """
    for name in (*_NEEDED, *needed_settings(settings)):
        settings.require(name)  # a door would name its own derived file as the place to set it
    require_disjoint(settings)
    with scratch_folder() as private:
        inner = _write(private / "inner.yaml", settings.only(*_INNER))
        own = settings.get("policies") or str(policies[0].parent.resolve())
        outer = _write(private / "outer.yaml", {**settings.only(*_OUTER), "policies": own, "separation": "none"})
        talk = ["--debug"] if debug else []
        chosen = ["--run", run_id] if run_id else []
        first = _door([*talk, "anonymize", *map(str, policies), *chosen], inner, holds_keys=True)
        staged = [result for result in first if result["exit_code"] == 0]
        if not staged:
            return first
        names = {result["policy"] for result in staged}
        ready = [str(policy) for policy in policies if policy.name in names]
        runs = [part for result in staged for part in ("--run", f"{result['dataset']}={result['run']}")]
        second = _door([*talk, "release", *ready, *runs], outer, holds_keys=False)
    released = {result["policy"]: result for result in second}
    return [_joined(result, released.get(result["policy"])) for result in first]


def _joined(inner: dict[str, Any], outer: dict[str, Any] | None) -> dict[str, Any]:
    """What became of one policy; it is not just staged where the outer door had the last word."""
    if outer is None:
        return inner
    refused = {"state": "refused"} if outer["exit_code"] == DisclosureError.exit_code else {}
    return inner | refused | outer


def _write(path: Path, values: Mapping[str, str]) -> Path:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(tree, file)
    return path


def _door(arguments: Sequence[str], config: Path, *, holds_keys: bool) -> list[dict[str, Any]]:
    """One door in a process of its own; its talk goes to our stderr, its last line of stdout is the JSON summary."""
    # The door that knows no key provider gets no way in to one either.
    hidden = ("AIRLOCK_",) if holds_keys else ("AIRLOCK_", "VAULT_", "AWS_")
    environment = {name: value for name, value in os.environ.items() if name in _AWS_PLACES or not name.startswith(hidden)}
    command = [sys.executable, "-m", "airlock", "--config", str(config), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=False)  # noqa: S603 - our own program
    lines = done.stdout.decode().strip().splitlines()
    try:
        results: list[dict[str, Any]] = json.loads(lines[-1])["results"]
    except (IndexError, ValueError, KeyError, TypeError):
        raise AirlockError(f"a door ended with exit code {done.returncode} and no summary") from None
    return results
