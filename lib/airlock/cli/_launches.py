"""How a run is named on the command line. Called by commands that begin one."""

from __future__ import annotations

from typing import Annotated

import typer

from airlock.errors import ConfigError

__all__ = ["Launch", "OneRun", "require_one"]

OneRun = Annotated[str | None, typer.Option("--run", help="continue or bind this run id; else a new UUIDv7")]
Launch = Annotated[
    str | None,
    typer.Option(
        help="what launched the run and is the same for its retries (a Job's name, a data interval): the run id follows from it"
    ),
]


def require_one(run: str | None, launch: str | None) -> None:
    """Make sure that not both are given.

    Raises:
        ConfigError: They are.
    """
    if run is not None and launch is not None:
        raise ConfigError("--run names the run, and --launch says what its name follows from. Give one of them")
