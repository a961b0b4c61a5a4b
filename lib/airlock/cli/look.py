"""Commands that look and change nothing: plan, preview, config, doctor, explain, policy schema, operators."""

from __future__ import annotations

import inspect
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from airlock.cli import _lists, _looks
from airlock.cli._context import Context
from airlock.cli._formats import AsFormat, Format
from airlock.cli._report import fail, print_json, worst
from airlock.doors.doctor import diagnose
from airlock.doors.plan import PlanReport, plan_policy
from airlock.doors.policies import gather
from airlock.doors.preview import preview
from airlock.errors import AirlockError, ConfigError, MissingCapabilityError, NotFoundError, all_errors
from airlock.operators import operator_class, operator_names
from airlock.plan.catalogue import describe, taken_types
from airlock.plan.schema import policy_schema
from airlock.settings import SETTINGS

__all__ = ["app"]

app = typer.Typer()
policy_app = typer.Typer(help="About policy files.", no_args_is_help=True)
operators_app = typer.Typer(help="What can be done to a column.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
app.add_typer(operators_app, name="operators")


@app.command("plan")
def plan_command(
    context: typer.Context,
    policies: Annotated[list[Path], typer.Argument(help="policy files, or folders of them", show_default=False)],
    *,
    output: AsFormat = Format.TEXT,
) -> int:
    """Check policies against their sources and say what a run would do. Writes nothing, needs no key."""
    shared: Context = context.obj
    settings = shared.settings()
    files = gather(policies)
    reports: list[tuple[Path, PlanReport | None, int]] = []
    for file in files:
        try:
            reports.append((file, plan_policy(file, settings), 0))
        except AirlockError as error:
            reports.append((file, None, fail(error, debug=shared.debug)))
    if output is Format.JSON:
        print_json(
            [{"policy": str(file), "exit_code": code} | (made.to_dict() if made else {}) for file, made, code in reports]
        )
    elif len(reports) > 1:
        _looks.plans(reports)
    elif reports[0][1] is not None:
        _looks.plan(reports[0][1])
    return worst(code for _, _, code in reports)


@app.command("preview")
def preview_command(
    context: typer.Context,
    policy: Annotated[Path, typer.Argument(help="one policy file", show_default=False)],
    *,
    rows: Annotated[int, typer.Option(help="how many rows")] = 5,
    show_raw: Annotated[bool, typer.Option("--show-raw", help="raw values, not their shapes; only on a terminal")] = False,
) -> None:
    """Show a few rows before and after. Originals are shown as shapes: letters as a, digits as 9."""
    shared: Context = context.obj
    if show_raw and not sys.stdout.isatty():
        raise ConfigError("--show-raw shows raw values to a person at a terminal, never to a file or pipe. Leave it out")
    _looks.preview(preview(policy, shared.settings(), rows=rows, show_raw=show_raw))


@app.command("config")
def config_command(context: typer.Context, *, output: AsFormat = Format.TEXT) -> None:
    """Print every setting, its value and where it comes from. A flag beats AIRLOCK_*, which beats airlock.yaml."""
    shared: Context = context.obj
    settings = shared.settings()
    if output is Format.JSON:
        rows = {one.name: {"value": settings.get(one.name), "origin": settings.origins[one.name]} for one in SETTINGS}
        print_json({"file": None if settings.file is None else str(settings.file), "settings": rows})
    else:
        _lists.config(settings)


@app.command("doctor")
def doctor_command(context: typer.Context, *, output: AsFormat = Format.TEXT) -> int:
    """Check programs, zones, keys, trust and clock. Exit code 2 if something that is needed is missing."""
    shared: Context = context.obj
    checks = diagnose(shared.settings())
    if output is Format.JSON:
        print_json([{name: getattr(check, name) for name in ("group", "name", "status", "said", "hint")} for check in checks])
    else:
        _lists.doctor(checks)
    return 2 if any(check.status == "failed" for check in checks) else 0


@app.command("explain")
def explain_command(
    code: Annotated[str | None, typer.Argument(help="a stable error code; without it, all of them")] = None,
    *,
    output: AsFormat = Format.TEXT,
) -> None:
    """Say what an error code means, who acts, and what they do."""
    errors = all_errors()
    if code is not None and code not in errors:
        raise NotFoundError(f"there is no error code '{code}'. 'airlock explain' lists them all")
    chosen = errors if code is None else {code: errors[code]}
    if output is Format.JSON:
        print_json({name: _error(kind) for name, kind in chosen.items()})
    elif code is None:
        _lists.errors(errors)
    else:
        _lists.error(errors[code])


def _error(kind: type[AirlockError]) -> dict[str, Any]:
    meaning = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]
    return {"class": kind.__name__, "meaning": meaning, "acts": kind.actor, "remedy": kind.remedy, "exit_code": kind.exit_code}


@policy_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a policy file, every operator included: for editors and reviews."""
    print_json(policy_schema())


@operators_app.command("list")
def operators_list(*, output: AsFormat = Format.TEXT) -> None:
    """List the operators by kind and technique, with the risk that remains."""
    entries, broken = [], {}
    for name in operator_names():
        try:
            entries.append(describe(operator_class(name)))
        except MissingCapabilityError as error:  # one package that is broken hides no other's
            broken[name] = str(error)
    if output is Format.JSON:
        print_json([entry.to_dict() for entry in entries] + [{"name": name, "problem": broken[name]} for name in broken])
    else:
        _lists.operators(entries, list(broken.values()))


@operators_app.command("show")
def operators_show(
    name: Annotated[str, typer.Argument(help="an operator's name", show_default=False)], *, output: AsFormat = Format.TEXT
) -> None:
    """Show one operator: technique, risk, promises, what it writes, its arguments, a rule to paste."""
    if name not in operator_names():
        near = get_close_matches(name, operator_names(), n=3)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise NotFoundError(f"there is no operator '{name}'{hint}. 'airlock operators list' names them all")
    kind = operator_class(name)
    entry, takes = describe(kind), taken_types(kind)
    if output is Format.JSON:
        print_json(entry.to_dict() | {"takes": takes})
    else:
        _lists.operator(entry, takes)
