"""A whole project on generated data: raw tables, policies, keys, trust, airlock.yaml. Called by `airlock demo`; runs no door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from airlock.demo import generate, write_project
from airlock.doors.keys import NewKeys, create_keys
from airlock.errors import ConfigError

__all__ = ["DemoProject", "create_demo"]

_SETTINGS = """\
# One machine, both doors: each zone has a folder of its own, and each door uses only its own.
zones:
  raw: {uri: raw}               # read by the inner door alone
  private: {uri: private}       # stays on the raw side: accounting, rejected rows
  staging: {uri: staging}       # written by the inner door, read by the outer door
  sanitized: {uri: sanitized}   # releases; written by the outer door alone
"""
_ONE_MACHINE = """\
policies: policies              # the outer door's approved copy; on a cluster it has its own
separation: none                # both doors on one machine: every release says so
"""


@dataclass(frozen=True, slots=True)
class DemoProject:
    """What was laid out."""

    folder: Path
    policies: tuple[Path, ...]
    settings: Path
    keys: NewKeys


def create_demo(folder: Path, *, rows: int, seed: int = 7) -> DemoProject:
    """Generate data and lay out a project, so that `airlock run FOLDER/policies --config FOLDER/airlock.yaml` works.

    Raises:
        ConfigError: Something of it is already there, the folder can't be made, or `rows` is below 100.
        MissingCapabilityError: Faker is not installed.
    """
    settings = folder / "airlock.yaml"
    there = [path for path in (settings, folder / "keys", folder / "trust", folder / "raw") if path.exists()]
    if there:
        raise ConfigError(f"'{there[0]}' is already there; name another folder, or remove it", path=str(there[0]))
    _make(folder)
    generate(folder / "raw", rows=rows, seed=seed)
    policies = tuple(write_project(folder))
    keys = create_keys(folder / "keys")
    settings.write_text(_SETTINGS + keys.settings(folder) + _ONE_MACHINE, encoding="utf-8")
    return DemoProject(folder, policies, settings, keys)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"folder '{folder}' can't be made: {error.strerror}. Name another --folder") from None
