"""What `config`, `doctor`, `explain` and `operators` print on stdout. Called by `look`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from airlock.cli import _tables
from airlock.doors.doctor import Check
from airlock.errors import AirlockError
from airlock.plan.catalogue import KINDS, Entry
from airlock.settings import SETTINGS, Settings

__all__ = ["config", "doctor", "error", "errors", "operator", "operators"]

_MARK = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}
_TERM = re.compile(r"[\w`]+:( |$)")


# --- settings and this machine ----------------------------------------------------------------------------------------


def config(settings: Settings) -> None:
    """Every setting."""
    out = _tables.out()
    out.print(Text(f"file: {settings.file or 'none found'}", style="dim"))
    out.print()
    table = _tables.table("setting", "value", "origin", "meaning")
    for one in SETTINGS:
        value, origin = settings.get(one.name), settings.origins[one.name]
        style = "" if origin != "default" else "dim"
        shown = Text(value or "not set", style=style if value is not None else "dim italic")
        table.add_row(Text(one.name), shown, Text(origin, style=style), Text(one.meaning, style="dim"))
    out.print(table)


def doctor(checks: Sequence[Check]) -> None:
    """A line a check; what to do stands below it."""
    out = _tables.out()
    table = _tables.grid()
    for column in ("group", "mark", "name"):
        table.add_column(no_wrap=True, style="dim" if column == "group" else "")
    table.add_column(overflow="fold")
    for group, found in groupby(checks, key=lambda check: check.group):
        for at, check in enumerate(found):
            mark, style = _MARK[check.status]
            said = Text.assemble(check.said, (f"\n{check.hint}" if check.hint else "", "dim"))
            table.add_row(group if at == 0 else "", Text(mark, style=style), check.name, said)
    out.print(table)
    counts = {status: sum(check.status == status for check in checks) for status in _MARK}
    out.print()
    out.print(
        Text(f"{counts['ok']} ok, {_tables.counted(counts['warning'], 'warning')}, {counts['failed']} failed", style="dim")
    )


# --- errors and operators ---------------------------------------------------------------------------------------------


def errors(found: Mapping[str, type[AirlockError]]) -> None:
    """All error codes."""
    table = _tables.table("code", "exit", "who acts", "meaning", right=("exit",))
    for code, kind in sorted(found.items(), key=lambda item: (item[1].exit_code, item[0])):
        table.add_row(code, str(kind.exit_code), kind.actor, Text(_meaning(kind)))
    _tables.out().print(table)


def error(kind: type[AirlockError]) -> None:
    """One error code."""
    out = _tables.out()
    out.print(Text.assemble((kind.code, "bold"), (f"  {kind.__name__}, exit code {kind.exit_code}", "dim")))
    out.print(Text(_meaning(kind)))
    out.print()
    facts = _tables.grid()
    facts.add_row(Text("who acts", style="dim"), Text(kind.actor))
    facts.add_row(Text("what to do", style="dim"), Text(kind.remedy))
    out.print(facts)


def _meaning(kind: type[object]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def operators(entries: Sequence[Entry]) -> None:
    """The operators by kind and technique: a sentence each."""
    out = _tables.out()
    first = {kind: at for at, kind in enumerate(KINDS)}
    ordered = sorted(entries, key=lambda entry: (first[entry.kind], entry.technique, entry.name))
    for kind, alike in groupby(ordered, key=lambda entry: entry.kind):
        out.print(Text.assemble((kind, "bold"), (f"  {KINDS[kind]}", "dim")))
        for _, same in groupby(alike, key=lambda entry: entry.technique):
            _operators_alike(out, [*same], max(len(entry.name) for entry in entries))
        out.print()
    out.print(
        Text(
            "techniques by ISO/IEC 20889:2018; in brackets the risk that remains of singling out, linkability, inference: y yes, "
            "? may not be, - no (WP216, table 6). airlock operators show NAME: promises, arguments, an example",
            style="dim",
        )
    )


def _operators_alike(out: Console, entries: Sequence[Entry], width: int) -> None:
    out.print(Text.assemble((f"  {entries[0].technique}", "cyan"), (_marks(entries[0].risk), "dim")))
    table = _tables.grid()
    table.add_column(no_wrap=True, min_width=width + 4)
    for entry in entries:
        table.add_row(Text(f"    {entry.name}"), Text(entry.summary))
    out.print(table)


def _marks(risk: Mapping[str, str]) -> str:
    marks = {"yes": "y", "may not": "?", "no": "-"}
    return f"  [{' '.join(marks[answer] for answer in risk.values())}]" if risk else ""


def operator(entry: Entry, takes: Sequence[str]) -> None:
    """One operator: its class and docstring are its contract."""
    out = _tables.out()
    out.print(Text.assemble((entry.name, "bold"), (f"  {entry.kind}", "dim")))
    out.print(Text(entry.summary))
    out.print()
    facts = _tables.grid()
    facts.add_column(style="dim", no_wrap=True)
    for name, text in _facts(entry, takes):
        facts.add_row(name, Text(text))
    out.print(facts)
    if entry.example is not None:
        out.print()
        out.print(Text("in a policy, under `columns`", style="dim"))
        out.print(Padding(Syntax(entry.example, "yaml", background_color="default", word_wrap=True), (0, 0, 0, 2)))
    if entry.arguments:
        out.print()
        arguments = _tables.table("argument", "default", "meaning")
        for one in entry.arguments:
            default = Text("needed", style="yellow") if one.default is None else Text(one.default)
            arguments.add_row(one.name, default, Text(one.meaning))
        out.print(arguments)
    out.print()
    for indent, paragraph in _paragraphs(entry.text):
        out.print(Padding(Text(paragraph), (0, 0, 0, indent)))


def _facts(entry: Entry, takes: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "technique", f"{entry.technique} (ISO/IEC 20889:2018)" if entry.risk else entry.technique
    risk = ", ".join(f"{question.replace('_', ' ')}: {answer}" for question, answer in entry.risk.items())
    yield "remaining risk", f"{risk} (WP216)" if risk else "that of its operators, the worst"
    yield "promises", ", ".join(entry.promises)
    yield "may stand on", ", ".join(entry.classes)
    yield "takes", f"{', '.join(takes)} (under these arguments; others may take more)" if entry.arguments else ", ".join(takes)
    if entry.writes is not None:
        yield "writes", f"{entry.writes} (in the example)" if entry.arguments else entry.writes
    if entry.shorthand is not None:
        yield "shorthand", f"`{entry.name}: VALUE` sets `{entry.shorthand}`"


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """A docstring's paragraphs and how far each is indented: lines that only the source's width broke are joined."""
    held: list[str] = []
    start = 0
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        indent = len(line) - len(line.lstrip())
        begins = not stripped or indent < start or _TERM.match(stripped) or (held and held[-1].endswith(":"))
        if held and begins:
            yield start, " ".join(held)
            held = []
        if not stripped:
            yield 0, ""
        else:
            start = start if held else indent
            held.append(stripped)
