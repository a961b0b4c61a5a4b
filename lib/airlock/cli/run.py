"""Commands with the inner door in them: anonymize, run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from airlock.cli._context import Context
from airlock.cli._launches import Launch, OneRun, require_one
from airlock.cli._policies import Policies, files_of
from airlock.cli._report import each, summary, talk, watch
from airlock.doors.anonymize import anonymize
from airlock.doors.run import run_both

__all__ = ["app"]

app = typer.Typer()

Engine = Annotated[str | None, typer.Option(help="auto, local or spark")]
Master = Annotated[str | None, typer.Option(help="Spark master, such as local[2,4]")]


@app.command("anonymize")
def anonymize_command(
    context: typer.Context,
    policies: Policies,
    *,
    run: OneRun = None,
    launch: Launch = None,
    engine: Engine = None,
    master: Master = None,
) -> int:
    """Inner door alone: stage what the policies say."""
    shared: Context = context.obj
    settings = shared.settings(engine=engine, master=master)
    require_one(run, launch)
    with watch(settings.require("log_format")) as watcher:

        def act(policy: Path) -> dict[str, Any]:
            staged = anonymize(policy, settings, run_id=run, launch=launch, watcher=watcher)
            if staged.excluded_ids:
                found, listed = staged.excluded_found, staged.excluded_ids
                talk.print(f"{staged.dataset}: {found:,} of {listed:,} ids of source.exclude matched rows")
            return asdict(staged) | {"state": "staged", "rows": staged.rows_out}

        results = each("anonymize", files_of(policies, run), act, debug=shared.debug)
    return summary("anonymize", results)


@app.command("run")
def run_command(
    context: typer.Context, policies: Policies, *, run: OneRun = None, engine: Engine = None, master: Master = None
) -> int:
    """Both doors on this machine, one after the other: anonymize, then release."""
    shared: Context = context.obj
    settings = shared.settings(engine=engine, master=master)
    results = run_both(files_of(policies, run), settings, run_id=run, debug=shared.debug)
    return summary("run", results)
