"""Lay out the demo's policies in a folder of one's own. Called by `airlock demo`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from airlock.errors import ConfigError

__all__ = ["POLICIES", "write_project"]

POLICIES = ("customers", "orders", "tickets")


def write_project(folder: Path) -> list[Path]:
    """Write `folder/policies/{customers,orders,tickets}.yaml` and return their paths; equal files are left alone.

    Raises:
        ConfigError: A file of that name with other content is already there; nothing was written.
    """
    texts = {folder / "policies" / f"{name}.yaml": _packaged(name) for name in POLICIES}
    for path, text in texts.items():
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise ConfigError(f"'{path}' is already there and differs; remove it or name another folder", path=str(path))
    (folder / "policies").mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _packaged(name: str) -> str:
    return (files("airlock.demo") / "policies" / f"{name}.yaml").read_text(encoding="utf-8")
