"""What the looking commands print on stdout: tables and short paragraphs, calm and without boxes. Called by `look` and `manage`."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from airlock.doors.doctor import Check
from airlock.doors.plan import PlanReport
from airlock.doors.preview import PreviewedRows
from airlock.errors import AirlockError
from airlock.operators import Operator
from airlock.plan.explain import ColumnPlan
from airlock.plan.schema import smallest
from airlock.settings import SETTINGS, Settings
from airlock.text.redact_entities import ROWS_PER_SECOND

__all__ = ["config", "doctor", "error", "errors", "operator", "operators", "plan", "plans", "preview", "say"]

_CLASS = {"direct_identifier": "red", "quasi_identifier": "yellow", "sensitive": "cyan", "insensitive": "dim"}
_MARK = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}
_FEW = 12
_TERM = re.compile(r"[\w`]+:( |$)")


def _out() -> Console:
    """Stdout at the terminal's width; in a pipe at COLUMNS, else 120."""
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS") or 120)
    return Console(highlight=False, width=width)


def _table(*names: str, right: Iterable[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def say(text: str) -> None:
    """One paragraph."""
    _out().print(Text(text))


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:  # noqa: PLR2004 - what the units mean
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"  # noqa: PLR2004 - two digits are enough


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _span(seconds: int) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes and two hours: one unit each reads best
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - as above


# --- plan -------------------------------------------------------------------------------------------------------------


def plan(report: PlanReport) -> None:
    """One policy's plan."""
    out = _out()
    out.print(
        Text.assemble((report.dataset, "bold"), f"  {report.source.path} ({report.source.format})  ", (_rows(report), "dim"))
    )
    out.print()
    table = _table("column", "class", "type", "operator", "what is written")
    for column in report.columns:
        table.add_row(*_column(column))
    out.print(table)
    out.print()
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(report):
        facts.add_row(name, Text(text))
    out.print(facts)
    _warnings(out, report)


def _rows(report: PlanReport) -> str:
    source = report.source
    rows = "rows not known" if source.about_rows is None else f"about {source.about_rows:,} rows"
    rows = rows if source.rows is None else _count(source.rows, "row")
    return f"{_count(source.files, 'file')}, {_count(source.splits, 'split')}, {rows}, {_size(source.bytes)} to read"


def _column(column: ColumnPlan) -> tuple[Text, ...]:
    kind = column.type if column.output in (None, column.type) else f"{column.type} → {column.output}"
    written = Text(column.shape, style="dim" if column.output is None else "")
    operator = Text.assemble(column.operator, ("  " + column.arguments if column.arguments else "", "dim"))
    label = column.classification.removesuffix("_identifier")
    return Text(column.path), Text(label, style=_CLASS[column.classification]), Text(kind), operator, written


def _facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    yield from _reading_facts(report)
    yield from _writing_facts(report)
    for entity, reason in report.not_proven.items():
        yield "not proven", f"{entity}: {reason}"
    yield "policy", report.policy_sha256


def _reading_facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    source, got = report.source, report.fetched
    yield "fetched", _count(len(got.written), "leaf").replace("leafs", "leaves")
    if got.looked_at:
        yield "looked at", f"{_names(got.looked_at)}: read to find them in what is written, never written themselves"
    if got.skipped:
        yield "not fetched", _names(got.skipped)
    if source.whole_files:
        yield (
            "by file",
            f"{_count(source.whole_files, 'file')} can't be cut (gzip, JSON lines): one task reads each, however large",
        )


def _writing_facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    known = report.output_bytes is not None
    yield (
        "output",
        f"about {_size(report.output_bytes or 0)}, within a factor of two" if known else "not known before it is read",
    )
    if report.search_seconds is not None:
        yield "entities", f"about {_span(report.search_seconds)} of one core at {ROWS_PER_SECOND} different texts a second"
    yield from (("key", f"{column.key} for {column.path}") for column in report.columns if column.key is not None)
    if report.collisions:
        bounds = ", ".join(f"{path} {bound}" for path, bound in report.collisions.items())
        yield "collisions", f"{bounds}  (two values, one token: n²/2¹²⁹ for 128 bits)"
    if report.open_text:
        yield "open text", f"{_names(report.open_text)}: scanned value by value by the gate"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more


def _warnings(out: Console, report: PlanReport) -> None:
    lines = [(warned.path or "row", warned.message) for warned in report.warnings]
    if report.unanswered:
        entities = ", ".join(report.unanswered)
        lines.append(
            ("gate", f"no check finds {entities} in free text: the gate refuses until gate.not_proven gives a reason for each")
        )
    if not lines:
        return
    out.print()
    out.print(Text(f"look at these, from a sample of {_count(report.source.sampled, 'row')}", style="dim"))
    table = Table.grid(padding=(0, 2, 0, 0))
    for path, message in lines:
        table.add_row(Text("!", style="yellow"), Text(path), Text(message))
    out.print(table)


def plans(reports: Sequence[tuple[Path, PlanReport | None, int]]) -> None:
    """A folder's plans, a line each."""
    right = ("files", "splits", "rows", "read", "written", "warnings", "exit")
    table = _table("policy", "dataset", "files", "splits", "rows", "read", "written", "warnings", "exit", right=right)
    for file, report, code in reports:
        mark = Text(str(code), style="green" if code == 0 else "bold red")
        if report is None:
            table.add_row(Text(file.name), *[""] * 7, mark)
            continue
        source = report.source
        rows = source.rows if source.rows is not None else source.about_rows
        shown = "?" if rows is None else f"{'' if source.rows is not None else '~'}{rows:,}"
        written = "?" if report.output_bytes is None else f"~{_size(report.output_bytes)}"
        warned = str(len(report.warnings) + bool(report.unanswered))
        table.add_row(
            Text(file.name),
            report.dataset,
            f"{source.files:,}",
            f"{source.splits:,}",
            shown,
            _size(source.bytes),
            written,
            warned,
            mark,
        )
    _out().print(table)


# --- preview ----------------------------------------------------------------------------------------------------------


def preview(rows: PreviewedRows) -> None:
    """Some rows before and after, a block a column."""
    out = _out()
    before = "raw" if rows.raw else "raw, as a shape"
    out.print(Text.assemble((rows.dataset, "bold"), (f"  {_count(rows.rows, 'row')}", "dim")))
    out.print()
    table = _table("column", "operator", before, "as staged")
    for column in rows.columns:
        if not rows.rows:
            break
        head = Text(column.path), Text(column.operator, style="dim")
        if not column.written and not any(column.before):
            table.add_row(*head, "", Text("not written", style="dim"))
            continue
        for at, pair in enumerate(zip(column.before, column.after, strict=True)):
            last = _cell(pair[1]) if column.written else Text("not written" if at == 0 else "", style="dim")
            table.add_row(*(head if at == 0 else ("", "")), _cell(pair[0]), last)
    out.print(table)
    out.print()
    if rows.suppressed:
        out.print(Text(f"{_count(rows.suppressed, 'row')} left out: excluded subjects"))
    for (name, code), count in sorted(rows.rejected.items()):
        out.print(Text(f"{_count(count, 'row')} rejected: {name or 'row'}, {code}", style="yellow"))
    out.print(Text("As the inner door would stage them. The outer door has not looked at these rows.", style="dim"))


def _cell(text: str | None) -> Text:
    return Text("null", style="dim italic") if text is None else Text(text)


# --- settings and this machine ----------------------------------------------------------------------------------------


def config(settings: Settings) -> None:
    """Every setting."""
    out = _out()
    out.print(Text(f"file: {settings.file or 'none found'}", style="dim"))
    out.print()
    table = _table("setting", "value", "origin", "meaning")
    for one in SETTINGS:
        value, origin = settings.get(one.name), settings.origins[one.name]
        style = "" if origin != "default" else "dim"
        shown = Text(value or "not set", style=style if value is not None else "dim italic")
        table.add_row(Text(one.name), shown, Text(origin, style=style), Text(one.meaning, style="dim"))
    out.print(table)


def doctor(checks: Sequence[Check]) -> None:
    """A line a check; what to do stands below it."""
    out = _out()
    table = Table.grid(padding=(0, 2, 0, 0))
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
    out.print(Text(f"{counts['ok']} ok, {_count(counts['warning'], 'warning')}, {counts['failed']} failed", style="dim"))


# --- errors and operators ---------------------------------------------------------------------------------------------


def errors(found: Mapping[str, type[AirlockError]]) -> None:
    """All error codes."""
    table = _table("code", "exit", "who acts", "meaning", right=("exit",))
    for code, kind in sorted(found.items(), key=lambda item: (item[1].exit_code, item[0])):
        table.add_row(code, str(kind.exit_code), kind.actor, Text(_meaning(kind)))
    _out().print(table)


def error(kind: type[AirlockError]) -> None:
    """One error code."""
    out = _out()
    out.print(Text.assemble((kind.code, "bold"), (f"  {kind.__name__}, exit code {kind.exit_code}", "dim")))
    out.print(Text(_meaning(kind)))
    out.print()
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_row(Text("who acts", style="dim"), Text(kind.actor))
    facts.add_row(Text("what to do", style="dim"), Text(kind.remedy))
    out.print(facts)


def _meaning(kind: type[object]) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def operators(kinds: Sequence[type[Operator]]) -> None:
    """The operators, a line each."""
    table = _table("operator", "technique (ISO/IEC 20889)", "promises", "what it does")
    for kind in kinds:
        contract = smallest(kind).contract
        table.add_row(kind.name, Text(contract.technique), Text(", ".join(_promises(kind)), style="dim"), Text(_meaning(kind)))
    _out().print(table)


def _promises(kind: type[Operator]) -> list[str]:
    contract = smallest(kind).contract
    names = ("deterministic", "injective", "reversible", "keyed", "subtree")
    return [name for name in names if getattr(contract, name)]


def operator(kind: type[Operator]) -> None:
    """One operator: its docstring is its contract."""
    out = _out()
    contract = smallest(kind).contract
    out.print(Text.assemble((kind.name, "bold"), (f"  {contract.technique}", "dim")))
    out.print(Text(f"{', '.join(_promises(kind))}; may stand on {', '.join(sorted(contract.classes))}", style="dim"))
    shorthand = f"{kind.name}: VALUE sets `{kind.shorthand}`" if kind.shorthand else f"{kind.name}: {{}} takes named arguments"
    out.print(Text(shorthand, style="dim"))
    out.print()
    text, _, example = re.sub(r"\b(\w+)_:", r"\1:", inspect.cleandoc(kind.__doc__ or "")).partition("Example:\n")
    for indent, paragraph in _paragraphs(text.rstrip()):
        out.print(Padding(Text(paragraph), (0, 0, 0, indent)))
    if example:
        out.print()
        out.print(Text("Example:"))
        out.print(Padding(Syntax(inspect.cleandoc(example), "pycon", background_color="default", word_wrap=True), (0, 4)))


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
