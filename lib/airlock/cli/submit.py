"""The command that starts the inner door on a cluster: submit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from airlock.cli._context import Context
from airlock.cli._launches import Launch, OneRun, require_one
from airlock.cli._policies import Policies, files_of
from airlock.cli._report import each, summary, talk
from airlock.doors.submit import submit

__all__ = ["app"]

app = typer.Typer()


@app.command("submit")
def submit_command(context: typer.Context, policies: Policies, *, run: OneRun = None, launch: Launch = None) -> int:
    """Inner door on a cluster: make a driver by spark-submit, and follow it to its end. Needs no key and no data.

    A driver of the same run that is at work is followed; one that failed is replaced. Exit code: that of the driver's container.
    """
    shared: Context = context.obj
    settings = shared.settings()
    require_one(run, launch)

    def act(policy: Path) -> dict[str, Any]:
        done = submit(policy, settings, run_id=run, launch=launch, say=lambda said: talk.print(said, markup=False))
        told: dict[str, Any] = next(iter(done.status.get("results") or ()), {})
        facts: dict[str, Any] = {name: told[name] for name in ("state", "rows", "splits", "code") if name in told}
        return {"dataset": done.dataset, "run": done.run, "driver": done.driver, **facts, "exit_code": done.exit_code}

    return summary("submit", each("submit", files_of(policies, run), act, debug=shared.debug))
