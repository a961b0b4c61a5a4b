"""Commands about runs and releases that are there: path, and runs list, show, outcome, diff, prune, revoke."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from airlock.cli import _csv, _run_looks
from airlock.cli._context import Context
from airlock.cli._report import each, fail, print_json, summary, talk
from airlock.doors.diff import diff_runs
from airlock.doors.outcome import outcome
from airlock.doors.prune import Behind, Extent, Job, Removed, prune, prune_jobs, sinks_behind
from airlock.doors.revoke import revoke
from airlock.doors.runs import RunDetail, list_runs, show_run
from airlock.doors.verify import verified_data
from airlock.errors import AirlockError, ConfigError, IntegrityError

__all__ = ["app"]

app = typer.Typer()
runs_app = typer.Typer(help="What was begun, staged, released, refused and revoked.", no_args_is_help=True)
app.add_typer(runs_app, name="runs")

DatasetOption = Annotated[str | None, typer.Option(help="where one id stands in several datasets")]


class Format(StrEnum):
    """How one run, or two, are printed."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class ListFormat(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


AsFormat = Annotated[Format, typer.Option("--format", help="text for people, json for machines, csv for spreadsheets")]


@app.command("path")
def path_command(
    context: typer.Context,
    folder: Annotated[str, typer.Argument(help="sanitized/DATASET, or a dataset's folder or s3:// uri", show_default=False)],
    *,
    trust: Annotated[Path | None, typer.Option(help="public key, or folder of them; else AIRLOCK_TRUST")] = None,
) -> None:
    """Verify the current release and print its data folder: what to read, if anything. A public key is all it needs."""
    shared: Context = context.obj
    settings = shared.trusting(trust)
    print(verified_data(folder, settings))  # noqa: T201 - stdout is data


@runs_app.command("list")
def list_command(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Argument(help="only this one", show_default=False)] = None,
    *,
    output: Annotated[ListFormat, typer.Option("--format", help="csv has every field")] = ListFormat.TABLE,
) -> int:
    """List the runs that this configuration's zones know of. Exit code 3 if evidence of one does not hold."""
    shared: Context = context.obj
    found = list_runs(shared.settings(), dataset)
    if output is ListFormat.JSON:
        print_json([asdict(known) for known in found])
    elif output is ListFormat.CSV:
        _csv.runs(found)
    else:
        _run_looks.runs(found)
    wrong = [known for known in found if known.problem]
    for known in wrong:
        talk.print(f"[bold red]{known.problem}[/]: ", end="")
        talk.print(f"{known.dataset}/{known.run}: {known.said}", markup=False)
    return IntegrityError.exit_code if wrong else 0


@runs_app.command("show")
def show_command(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="its id, or how it begins", show_default=False)],
    *,
    dataset: DatasetOption = None,
    output: AsFormat = Format.TEXT,
) -> int:
    """Show one run in full: manifest, gate, columns, accounting; on the raw side splits and rejected rows too. No value."""
    shared: Context = context.obj
    shown = show_run(run, shared.settings(), dataset)
    if output is Format.JSON:
        print_json(_detail(shown))
    elif output is Format.CSV:
        _csv.detail(shown)
    else:
        _run_looks.detail(shown)
    if shown.known.problem:
        talk.print(f"[bold red]{shown.known.problem}[/]: ", end="")
        talk.print(shown.known.said, markup=False)
        return IntegrityError.exit_code
    return 0


def _detail(shown: RunDetail) -> dict[str, Any]:
    account = shown.account
    return {
        "run": asdict(shown.known),
        "manifest": None if shown.manifest is None else shown.manifest.to_dict(),
        "gate": [asdict(check) for check in shown.gate],
        "not_proven": shown.not_proven,
        "private": None
        if account is None
        else {
            "manifest": account.manifest and account.manifest.to_dict(),
            "failures": [asdict(failure) for failure in account.failures],
        },
    }


@runs_app.command("outcome")
def outcome_command(
    context: typer.Context,
    policy: Annotated[Path, typer.Argument(help="one policy file", show_default=False)],
    *,
    run: Annotated[str | None, typer.Option(help="the run's id; else that of --launch")] = None,
    launch: Annotated[str | None, typer.Option(help="as 'airlock anonymize' was given")] = None,
    staged_by: Annotated[
        datetime | None,
        typer.Option(
            help="when it was staged at the latest, in UTC: where a run begun later is out, this one is not waited for",
            formats=["%Y-%m-%dT%H:%M:%S"],
        ),
    ] = None,
) -> int:
    """Say what became of a run, as zone sanitized tells it; once, without waiting. Reads evidence, no data.

    Exit code 75 while it is not released, 3 if it was revoked, or was refused and the configuration names zone staging or `reports`.
    """
    shared: Context = context.obj
    if (run is None) == (launch is None):
        raise ConfigError("--run names the run, --launch what its name follows from. Give one of them")
    settings = shared.settings()
    latest = None if staged_by is None else staged_by.replace(tzinfo=UTC)

    def act(file: Path) -> dict[str, Any]:
        return asdict(outcome(file, settings, run_id=run, launch=launch, staged_by=latest))

    return summary("outcome", each("outcome", [policy], act, debug=shared.debug))


@runs_app.command("diff")
def diff_command(
    context: typer.Context,
    run1: Annotated[str, typer.Argument(help="a run of a dataset", show_default=False)],
    run2: Annotated[str, typer.Argument(help="another run of it", show_default=False)],
    *,
    dataset: DatasetOption = None,
    output: AsFormat = Format.TEXT,
) -> None:
    """Say what differs between two runs of one dataset, and whether one reproduces the other."""
    shared: Context = context.obj
    made = diff_runs(run1, run2, shared.settings(), dataset)
    if output is Format.JSON:
        print_json(asdict(made))
    elif output is Format.CSV:
        _csv.diff(made)
    else:
        _run_looks.diff(made)


@runs_app.command("prune")
def prune_command(
    context: typer.Context,
    datasets: Annotated[list[str] | None, typer.Argument(help="only these; else all", show_default=False)] = None,
    *,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="all that the latest run replaces, whatever sink.retain says: for a deletion")
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="do not wait for the grace time of readers")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go; write nothing")] = False,
) -> int:
    """Remove superseded and revoked data past its time, unused split records and what killed runs left."""
    shared: Context = context.obj
    settings = shared.settings()
    extent = Extent(superseded=superseded, now=now, dry_run=dry_run)
    results: list[dict[str, Any]] = []
    gone: list[Removed] = []
    jobs = prune_jobs(datasets or (), settings)
    behind: dict[str, Behind] = {}
    for job in jobs:
        try:
            removed = prune(job, settings, extent)
            gone += removed
            if job.sink:
                behind |= {one.sink: one for one in sinks_behind(job.dataset, settings)}
        except AirlockError as error:
            results.append(_job(job) | {"exit_code": fail(error, debug=shared.debug), "code": error.code})
            continue
        what = [{"zone": one.zone.value, "what": one.what, "count": one.count, "bytes": one.bytes} for one in removed]
        results.append(_job(job) | {"exit_code": 0, "dry_run": dry_run, "removed": what} | _behind(behind.get(job.sink)))
    _run_looks.removed(gone, dry_run=dry_run, out=talk)
    for sink in sorted(behind):
        talk.print(f"warning: {behind[sink]}", markup=False, soft_wrap=True)
    return summary("prune", results)


def _behind(found: Behind | None) -> dict[str, Any]:
    """What a sink's result says of it, where its current run is not the dataset's latest."""
    return {} if found is None else {"current_run": found.run, "latest_run": found.latest, "warning": str(found)}


def _job(job: Job) -> dict[str, Any]:
    return {"dataset": job.dataset} | ({"sink": job.sink} if job.sink else {})


@runs_app.command("revoke")
def revoke_command(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Argument(help="whose current release is withdrawn; a sink's path, if several have it", show_default=False)
    ],
    *,
    reason: Annotated[str, typer.Option(help="published in signed evidence: name no person", show_default=False)],
) -> int:
    """Withdraw the current release: verify and path refuse it from now on, its data is deleted after the grace time."""
    shared: Context = context.obj
    made = revoke(dataset, shared.settings(), reason=reason)
    told = "the inner side is told" if made.verdict else "staging has nothing of it any more"
    talk.print(f"revoked {made.dataset}/{made.run}: sequence {made.sequence}, data {made.data}, {told}", markup=False)
    return summary("revoke", [asdict(made) | {"exit_code": 0}])
