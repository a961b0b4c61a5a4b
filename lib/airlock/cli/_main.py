"""The command tree and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from airlock import __version__
from airlock.cli._context import Context
from airlock.cli._examples import EXIT_LINE, add_examples
from airlock.cli._report import fail
from airlock.cli._status import write_status
from airlock.errors import AirlockError

__all__ = ["PARTS", "prepare", "tree"]

# ClickException: click's own, or that of the copy which newer typers bring.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

PARTS = ("look", "run", "submit", "release", "runs", "keys", "isolation", "manage")
"""Modules with commands, in the order of the help."""

_INNER = {"look", "run", "submit", "keys", "manage"}
"""Those with operators in them, which the outer door's image has not."""

_ALONE = {"isolation": ("isolation",), "release": ("release",), "verify": ("release",)}
"""Commands that need no other part: they start without the libraries that read data."""


def _version(wanted: bool) -> None:
    if wanted:
        print(f"airlock {__version__}")  # noqa: T201 - stdout is data
        raise typer.Exit


def _globals(
    context: typer.Context,
    *,
    config: Annotated[Path | None, typer.Option(help="airlock.yaml; else AIRLOCK_CONFIG, else the one here or above")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="show traces: they may quote data, so only inside the zone")] = False,
    log_format: Annotated[str | None, typer.Option(help="auto, text or json")] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")] = False,
) -> None:
    del version
    context.obj = Context(config=config, debug=debug, log_format=log_format)


def tree(wanted: Sequence[str]) -> typer.Typer:
    """The command tree, as far as its parts are wanted."""
    made = typer.Typer(
        name="airlock",
        help="Copy datasets full of personal data through two doors that are never open together.",
        epilog=EXIT_LINE,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for part in wanted:
        made.add_typer(import_module(f"airlock.cli.{part}").app)
    add_examples(made)
    made.callback()(_globals)
    return made


def _globals_first(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The global options may stand anywhere: spark-submit users can't put them before the command."""
    front, rest = [], []
    waiting = iter(arguments)
    for argument in waiting:
        name, given, _ = argument.partition("=")
        if name in ("--config", "--log-format"):
            front += [argument] if given else [argument, *([value] if (value := next(waiting, None)) else [])]
        elif name == "--debug":
            front.append(argument)
        else:
            rest.append(argument)
    return front, rest


def prepare(arguments: list[str] | None = None) -> Callable[[], None]:
    """Load what a command needs; what is returned runs it and exits with its code.

    Raises:
        ModuleNotFoundError: A library is missing without which the command can't start.
    """
    front, rest = _globals_first(sys.argv[1:] if arguments is None else arguments)
    return partial(_run, tree(_ALONE.get(rest[0]) or _present() if rest else _present()), front, rest)


def _present() -> tuple[str, ...]:
    inner = find_spec("airlock.operators") is not None
    return tuple(part for part in PARTS if inner or part not in _INNER)


def _run(commands: typer.Typer, front: list[str], rest: list[str]) -> None:
    try:
        code = commands([*front, *rest], standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        # A validator's own words, which newer typers pass on, begin with what they are.
        error.message = error.message.replace("Value error, ", "")  # type: ignore[attr-defined]
        error.show()  # type: ignore[attr-defined]
        code = 2
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        # What is still buffered would fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:  # noqa: BLE001 - the last place before a trace would show
        code = fail(error, debug="--debug" in front)
        if rest:
            with suppress(AirlockError):  # it may be what was just said
                write_status(rest[0], code, code=error.code if isinstance(error, AirlockError) else "unexpected")
    sys.exit(code if isinstance(code, int) else 0)
