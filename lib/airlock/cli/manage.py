"""Commands that make things to start from: draft, demo. They overwrite nothing."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from airlock.cli._context import Context
from airlock.cli._report import talk
from airlock.doors.demo import create_demo
from airlock.doors.draft import Draft, SourceFormat, draft_policy, draft_update, write_draft
from airlock.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()

_STDOUT = Path("-")


@app.command("draft")
def draft_command(
    context: typer.Context,
    path: Annotated[
        str | None, typer.Argument(help="raw/PATH in zone raw, or a file or folder of this machine", show_default=False)
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="a new file; else stdout (-)")] = None,
    dataset: Annotated[str | None, typer.Option(help="name of the dataset; else made from PATH")] = None,
    source_format: Annotated[SourceFormat | None, typer.Option("--format", help="else told from the files' endings")] = None,
    rows: Annotated[int, typer.Option(help="how many rows to sample")] = 10_000,
    update: Annotated[Path | None, typer.Option(help="append to this policy what it has no rule for; comments stay")] = None,
) -> None:
    """Propose a policy from a sample: what can't be decided is dropped, nothing is kept, no value is quoted."""
    shared: Context = context.obj
    if update is not None:
        if path is not None or dataset is not None or source_format is not None:
            raise ConfigError("--update reads the source that the policy names: leave PATH, --dataset and --format out")
        _updated(draft_update(update, shared.settings(), rows=rows), update, output)
        return
    if path is None:
        raise ConfigError("draft needs a PATH, such as raw/crm/customers, or --update POLICY")
    made = draft_policy(path, shared.settings(), dataset=dataset, source_format=source_format, rows=rows)
    if output in (None, _STDOUT):
        print(made.text, end="")  # noqa: T201 - stdout is data
        return
    assert output is not None
    write_draft(made, output)
    talk.print(f"{output}: a draft for {len(made.rules)} columns, from {made.rows:,} rows", markup=False)
    talk.print(
        f"Read every rule, edit what says EDIT, then: airlock plan {shlex.quote(str(output))}", style="dim", markup=False
    )


def _updated(made: Draft, policy: Path, output: Path | None) -> None:
    if output == _STDOUT:
        print(made.text, end="")  # noqa: T201 - stdout is data
        return
    if not made.rules and output is None:
        talk.print(f"{policy}: every column has a rule", markup=False)
        return
    write_draft(made, output or policy, replace=output is None)
    talk.print(f"{output or policy}: appended {len(made.rules)} rules: {', '.join(made.rules)}", markup=False)
    talk.print("Read each before you run: what could not be decided is dropped", style="dim")


@app.command("demo")
def demo_command(
    *,
    folder: Annotated[Path, typer.Option(help="for data, policies, keys and airlock.yaml")] = Path("airlock-demo"),
    rows: Annotated[int, typer.Option(help="customers; there are three orders for each")] = 20_000,
    seed: Annotated[int, typer.Option(help="equal seeds make equal data")] = 7,
) -> None:
    """Lay out a project on generated data: three related tables, their policies, keys and airlock.yaml."""
    with talk.status(f"making data for {rows:,} customers"):
        made = create_demo(folder, rows=rows, seed=seed)
    for path in (*made.policies, made.settings, *made.keys.private):
        talk.print(str(path), markup=False)
    talk.print("Next:", style="dim")
    where = shlex.quote(str(folder))
    print(f"airlock --config {where}/airlock.yaml run {where}/policies")  # noqa: T201 - stdout is data
