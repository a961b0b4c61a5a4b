"""What `plan` and `preview` print on stdout: tables and short lines, calm and without boxes. Called by `look`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from airlock.cli import _tables
from airlock.doors.plan import PlanReport
from airlock.doors.preview import PreviewedRows
from airlock.plan.explain import ColumnPlan
from airlock.text.redact_entities import ROWS_PER_SECOND

__all__ = ["plan", "plans", "preview"]

_CLASS = {"direct_identifier": "red", "quasi_identifier": "yellow", "sensitive": "cyan", "insensitive": "dim"}
_FEW = 12
_LONGEST = 60
"""Characters of an operator's arguments that are shown to people."""


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:  # noqa: PLR2004 - what the units mean
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"  # noqa: PLR2004 - two digits are enough


def _span(seconds: int) -> str:
    if seconds < 120:  # noqa: PLR2004 - two minutes and two hours: one unit each reads best
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"  # noqa: PLR2004 - as above


# --- plan -------------------------------------------------------------------------------------------------------------


def plan(report: PlanReport) -> None:
    """One policy's plan."""
    out = _tables.out()
    out.print(
        Text.assemble((report.dataset, "bold"), f"  {report.source.path} ({report.source.format})  ", (_rows(report), "dim"))
    )
    out.print()
    table = _tables.table("column", "class", "type", "operator", "what is written")
    for column in report.columns:
        table.add_row(*_column(column))
    out.print(table)
    out.print()
    facts = _tables.grid()
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(report):
        facts.add_row(name, Text(text))
    out.print(facts)
    _warnings(out, report)


def _rows(report: PlanReport) -> str:
    source = report.source
    rows = "rows not known" if source.about_rows is None else f"about {source.about_rows:,} rows"
    rows = rows if source.rows is None else _tables.counted(source.rows, "row")
    return f"{_tables.counted(source.files, 'file')}, {_tables.counted(source.splits, 'split')}, {rows}, {_size(source.bytes)} to read"


def _column(column: ColumnPlan) -> tuple[Text, ...]:
    kind = column.type if column.output in (None, column.type) else f"{column.type} → {column.output}"
    written = Text(column.shape, style="dim" if column.output is None else "")
    operator = Text.assemble(column.operator, ("  " + _cut(column.arguments) if column.arguments else "", "dim"))
    label = column.classification.removesuffix("_identifier")
    return Text(column.path), Text(label, style=_CLASS[column.classification]), Text(kind), operator, written


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    yield from _reading_facts(report)
    yield from _writing_facts(report)
    for entity, reason in report.not_proven.items():
        yield "not proven", f"{entity}: {reason}"
    yield "policy", report.policy_sha256


def _reading_facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    source, got = report.source, report.fetched
    yield "fetched", _tables.counted(len(got.written), "leaf").replace("leafs", "leaves")
    if got.looked_at:
        yield "looked at", f"{_names(got.looked_at)}: read to find them in what is written, never written themselves"
    if got.skipped:
        yield "not fetched", _names(got.skipped)
    if source.whole_files:
        yield (
            "by file",
            f"{_tables.counted(source.whole_files, 'file')} can't be cut (gzip, JSON lines): one task reads each, however large",
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
    out.print(Text(f"look at these, from a sample of {_tables.counted(report.source.sampled, 'row')}", style="dim"))
    table = _tables.grid()
    for path, message in lines:
        table.add_row(Text("!", style="yellow"), Text(path), Text(message))
    out.print(table)


def plans(reports: Sequence[tuple[Path, PlanReport | None, int]]) -> None:
    """A folder's plans, a line each."""
    right = ("files", "splits", "rows", "read", "written", "warnings", "exit")
    table = _tables.table("policy", "dataset", "files", "splits", "rows", "read", "written", "warnings", "exit", right=right)
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
    _tables.out().print(table)


# --- preview ----------------------------------------------------------------------------------------------------------


def preview(rows: PreviewedRows) -> None:
    """Some rows before and after, a block a column."""
    out = _tables.out()
    before = "raw" if rows.raw else "raw, as a shape"
    out.print(Text.assemble((rows.dataset, "bold"), (f"  {_tables.counted(rows.rows, 'row')}", "dim")))
    out.print()
    table = _tables.table("column", "operator", before, "as staged")
    for column in rows.columns:
        if not rows.rows:
            break
        head = Text(column.path), Text(column.operator, style="dim")
        if not column.written and not any(column.before):
            table.add_row(*head, "", Text("not written", style="dim"))
            continue
        for at, pair in enumerate(zip(column.before, column.after, strict=True)):
            last = _cell(pair[1]) if column.written else Text("not written" if at == 0 else "", style="dim")
            if column.kept and at == 0:
                last = Text.assemble(last, ("  kept as it is", "dim"))
            table.add_row(*(head if at == 0 else ("", "")), _cell(pair[0]), last)
    out.print(table)
    out.print()
    if rows.suppressed:
        out.print(Text(f"{_tables.counted(rows.suppressed, 'row')} left out: excluded subjects"))
    for (name, code), count in sorted(rows.rejected.items()):
        out.print(Text(f"{_tables.counted(count, 'row')} rejected: {name or 'row'}, {code}", style="yellow"))
    shapes = "" if rows.raw else "Where original text may stay, a shape stands for it: letters are a, digits 9.\n"
    out.print(Text(f"{shapes}As the inner door would stage them. The outer door has not looked at these rows.", style="dim"))


def _cell(text: str | None) -> Text:
    return Text("null", style="dim italic") if text is None else Text(text)
