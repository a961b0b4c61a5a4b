"""Results on stdout, talk on stderr: progress, errors, the table of a folder's results and the closing JSON line."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from airlock.cli._status import write_status
from airlock.doors.progress import Progress, Watcher
from airlock.errors import AirlockError

__all__ = ["EXIT_CODES", "each", "fail", "print_json", "summary", "talk", "watch", "worst"]

EXIT_CODES = {
    0: "done, or nothing new",
    1: "unexpected",
    2: "usage or policy invalid",
    3: "refused (drift, gate, privacy, signature)",
    75: "temporary: run again",
}
_ORDER = (3, 2, 1, 75, 0)
_EVERY = 30.0

Result = dict[str, Any]

# emoji=False: "policy.yaml:100:5" is a place, not a sign.
talk = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True, width=None if sys.stderr.isatty() else 160)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several: 3, 2, 1, 75, 0 in this order; one that is none of ours is 1.

    Example:
        >>> worst([0, 75, 2]), worst([75, 137])
        (2, 1)
    """
    found = {code if code in EXIT_CODES else 1 for code in codes}
    return next((code for code in _ORDER if code in found), 0)


def fail(error: BaseException, *, debug: bool) -> int:
    """Say what went wrong on stderr and return the exit code. Unexpected errors show class and place, never their text."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, AirlockError):
        talk.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        talk.print(str(error), markup=False)
        talk.print(f"[dim]{type(error).remedy} ('airlock explain {error.code}')[/]")
        return error.exit_code
    trace = traceback.extract_tb(error.__traceback__)
    place = f"{Path(trace[-1].filename).name}:{trace[-1].lineno}" if trace else "unknown place"
    talk.print(f"[bold red]unexpected[/]: {type(error).__name__} at {place}; --debug shows the trace (which may quote data)")
    return 1


Named = TypeVar("Named", str, Path)


def each(verb: str, policies: Sequence[Named], act: Callable[[Named], Result], *, debug: bool) -> list[Result]:
    """Act on each policy; a failure of one is reported and the others go on.

    Returns:
        One result a policy, with `policy` and `exit_code`.
    """
    results = []
    several = len(policies) > 1
    for policy in policies:
        try:
            result = {"policy": Path(policy).name, "exit_code": 0} | act(policy)
        except Exception as error:  # noqa: BLE001 - the next dataset is not to suffer; fail() reports
            code = error.code if isinstance(error, AirlockError) else "unexpected"
            if several:
                talk.print(f"{policy}:", style="bold", markup=False)
            result = {"policy": Path(policy).name, "exit_code": fail(error, debug=debug), "code": code}
        results.append(result)
    if several or sys.stderr.isatty():
        _table(verb, results)
    return results


_COLUMNS = {"dataset": 100, "run": 0, "state": 0, "rows": 86, "splits": 112, "reused": 112, "code": 0, "exit_code": 0}
"""From which width on the table has a column."""
_NUMBERS = ("rows", "splits", "reused", "exit_code")


def _table(verb: str, results: list[Result]) -> None:
    """Say what became of each on stderr."""
    table = Table(title=f"airlock {verb}", title_justify="left", box=None, pad_edge=False, header_style="bold")
    names = [name for name, width in _COLUMNS.items() if talk.width >= width and any(name in result for result in results)]
    for name in ("policy", *names):
        longest = max(len(_shown(result, name)) for result in results)
        # Who copies a run's id wants it whole; file names may be cut.
        width = longest if name == "run" else None
        table.add_column(name.replace("_code", ""), justify="right" if name in _NUMBERS else "left", min_width=width)
    for result in results:
        table.add_row(*(escape(_shown(result, name)) for name in ("policy", *names)))
    talk.print(table)


def _shown(result: Result, name: str) -> str:
    value = result.get(name, "")
    return f"{value:,}" if isinstance(value, int) else str(value)


def summary(verb: str, results: list[Result]) -> int:
    """Print the closing JSON line on stdout, write the closed status; returns the exit code. Raises as `write_status` does."""
    code = worst(result["exit_code"] for result in results)
    write_status(verb, code, results)
    print(json.dumps({"verb": verb, "exit_code": code, "results": results}, sort_keys=True))  # noqa: T201 - stdout is data
    return code


def print_json(value: Any) -> None:
    """The answer of a command that looks, for machines."""
    print(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))  # noqa: T201 - stdout is data


@contextmanager
def watch(log_format: str) -> Iterator[Watcher]:
    """Show progress: a bar on a terminal, one JSON line every 30 s elsewhere."""
    if log_format == "text" or (log_format == "auto" and sys.stderr.isatty()):
        yield from _bars()
    else:
        yield _lines()


def _bars() -> Iterator[Watcher]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=talk, transient=True) as bar:
        tasks: dict[tuple[str, str], Any] = {}

        def show(progress: Progress) -> None:
            key = (progress.dataset, progress.phase)
            if key not in tasks:
                tasks[key] = bar.add_task(f"{progress.phase} {progress.dataset}", total=progress.total)
            bar.update(tasks[key], completed=progress.done)

        yield show


def _lines() -> Watcher:
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer(sort_keys=True)],
    )
    said = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal said
        if progress.done == progress.total or time.monotonic() - said >= _EVERY:
            said = time.monotonic()
            log.msg(
                "progress",
                dataset=progress.dataset,
                phase=progress.phase,
                done=progress.done,
                total=progress.total,
                reused=progress.reused,
            )

    return show
