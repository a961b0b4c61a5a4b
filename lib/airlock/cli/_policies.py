"""The policies that a command is given. Called by commands that take several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airlock.doors.policies import gather
from airlock.errors import ConfigError

__all__ = ["Policies", "files_of"]

Policies = Annotated[list[Path], typer.Argument(help="policy files, or folders of them", show_default=False)]


def files_of(paths: list[Path], run: str | None = None) -> list[Path]:
    """The policy files.

    Raises:
        ConfigError: A run is named, and there are several.
    """
    files = gather(paths)
    if run is not None and len(files) > 1:
        raise ConfigError(f"--run names one run, but there are {len(files)} policies")
    return files
