"""What `config`, `doctor`, `explain` and `operators` print on stdout. Called by `look`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from airlock.cli import _tables
from airlock.doors.doctor import Check
from airlock.errors import AirlockError
from airlock.operators import Operator, ResidualRisk
from airlock.plan.schema import smallest
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


def operators(kinds: Iterable[tuple[str, type[Operator] | AirlockError]]) -> None:
    """The operators, a line each: what it promises, or why it can't be had."""
    table = _tables.table("operator", "technique (ISO/IEC 20889)", "risk (WP216)", "promises", "what it does")
    for name, kind in kinds:
        if isinstance(kind, AirlockError):
            table.add_row(name, "", "", "", Text(str(kind), style="yellow"))
            continue
        contract = smallest(kind).contract
        promises = Text(", ".join(_promises(kind)), style="dim")
        table.add_row(name, Text(contract.technique), _risk(contract.risk), promises, Text(_meaning(kind)))
    _tables.out().print(table)
    _tables.out().print(
        Text("risk that remains of singling out, linkability, inference: Y yes, ? may not, - no (WP216, table 6)", style="dim")
    )


def _risk(risk: ResidualRisk) -> str:
    marks = {"yes": "Y", "may not": "?", "no": "-"}
    return " ".join(marks[answer] for answer in (risk.singling_out, risk.linkability, risk.inference))


def _promises(kind: type[Operator]) -> list[str]:
    contract = smallest(kind).contract
    names = ("deterministic", "injective", "reversible", "keyed", "subtree")
    return [name for name in names if getattr(contract, name)]


def operator(kind: type[Operator]) -> None:
    """One operator: its docstring is its contract."""
    out = _tables.out()
    contract = smallest(kind).contract
    out.print(Text.assemble((kind.name, "bold"), (f"  {contract.technique}", "dim")))
    out.print(Text(f"{', '.join(_promises(kind))}; may stand on {', '.join(sorted(contract.classes))}", style="dim"))
    out.print(Text(f"residual risk (WP216): {contract.risk}", style="dim"))
    named = f"{kind.name}: {{}} takes {'named' if kind.arguments() else 'no'} arguments"
    shorthand = f"{kind.name}: VALUE sets `{kind.shorthand}`" if kind.shorthand else named
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
