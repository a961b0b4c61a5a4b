"""What `airlock runs` prints on stdout: who is current, one run in full, two side by side. Called by `runs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from airlock.cli import _tables
from airlock.doors.diff import RunDiff
from airlock.doors.prune import Removed
from airlock.doors.runs import Failure, GateCheck, KnownRun, PrivateAccount, RunDetail
from airlock.evidence.manifest import PublicManifest
from airlock.types import RunState

__all__ = ["detail", "diff", "removed", "runs", "size"]

_STATE = {
    "released": "green",
    "staged": "cyan",
    "open": "yellow",
    "refused": "red",
    "revoked": "red",
    "superseded": "dim",
    "leftover": "yellow",
    "unknown": "bold red",
}


def size(count: int | None) -> str:
    """Bytes in words.

    Example:
        >>> size(1_536)
        '1.5 KiB'
    """
    if count is None:
        return ""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:  # noqa: PLR2004 - what the units mean
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"  # noqa: PLR2004 - two digits are enough


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


# --- list -------------------------------------------------------------------------------------------------------------


def runs(found: Sequence[KnownRun]) -> None:
    """A paragraph a dataset, a line a run; the current release is marked."""
    out = _tables.out()
    if not found:
        out.print(Text("no run is known in these zones", style="dim"))
    for place, (dataset, group) in enumerate(groupby(found, key=lambda known: known.dataset)):
        if place:
            out.print()
        _dataset(out, dataset, list(group))


def _dataset(out: Console, dataset: str, group: list[KnownRun]) -> None:
    about = dict.fromkeys(filter(None, (f"for {one.recipient}" if one.recipient else "" for one in group)))
    sinks = dict.fromkeys(f"sanitized/{one.sink}" for one in group if one.sink)
    out.print(Text.assemble((dataset, "bold"), ("  " + ", ".join([*about, *sinks]), "dim")))
    shown = [name for name, width in _COLUMNS.items() if out.width >= width]
    table = _tables.table(*("" if name == "●" else name for name in shown), right=("seq", "rows", "files", "size"))
    for column in table.columns:
        column.no_wrap = column.header in ("run", "signed, UTC")  # who copies an id wants it whole
    for known in group:
        cells = _row(known)
        table.add_row(*(cells[name] for name in shown))
    out.print(table)
    for known in group:
        if known.reason:
            out.print(Text(f"   {known.run}  {known.state}: {known.reason}", style="dim"))


_COLUMNS = {
    "●": 0, "run": 0, "state": 0, "seq": 60, "rows": 69, "files": 103, "size": 96, "signed, UTC": 87, "policy": 114, "doors": 136,
    "network": 136,
}  # fmt: skip
"""From which width on the list has a column."""


def _row(known: KnownRun) -> dict[str, Text]:
    faint = "" if known.current or known.state in ("staged", "open") else "dim"
    state = "✗ " * bool(known.problem) + known.state
    return {
        "●": Text("●" if known.current else "", style=_STATE.get(known.state, "")),
        "run": Text(known.run, style=faint),
        "state": Text(state, style="bold red" if known.problem else _STATE.get(known.state, "")),
        "seq": Text(_number(known.sequence), style=faint),
        "rows": Text(_number(known.rows), style=faint),
        "files": Text(_number(known.files), style=faint),
        "size": Text(size(known.bytes) if known.data in ("", "present") else known.data, style=faint),
        "signed, UTC": Text(_minute(known.signed_at), style=faint),
        "policy": Text(known.policy_sha256[:8], style="dim"),
        "doors": Text(known.separation),
        "network": Text(known.isolation),
    }


# --- show -------------------------------------------------------------------------------------------------------------


def detail(shown: RunDetail) -> None:
    """One run in full."""
    out, known = _tables.out(), shown.known
    state = Text(known.state, style=_STATE.get(known.state, ""))
    out.print(
        Text.assemble((known.dataset, "bold"), "  ", known.run, "  ", state, (", current" if known.current else "", "green"))
    )
    out.print()
    facts = _tables.grid()
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in (*_known(known), *(_manifest(shown.manifest) if shown.manifest is not None else ())):
        if text:
            facts.add_row(name, Text(text))
    out.print(facts)
    if shown.manifest is not None:
        _columns(out, shown.manifest)
    if shown.gate:
        _gate(out, shown.gate, shown.not_proven)
    elif known.state == RunState.REFUSED:
        out.print()
        out.print(
            Text(
                "no report of the gate's checks is here: it refused before it looked at the files, or keeps reports elsewhere (its setting 'reports')",
                style="dim",
            )
        )
    if shown.account is not None:
        _account(out, shown.account)


def _known(known: KnownRun) -> Iterator[tuple[str, str]]:
    yield "why", known.reason
    yield "problem", known.problem
    yield "sequence", _number(known.sequence)
    yield "signed", known.signed_at
    yield "data", f"sanitized/{known.sink}/data/{known.run}, {known.data}" if known.sink and known.data else ""
    yield "doors", {"none": "one machine", "identities": "two identities"}.get(known.separation, known.separation)
    yield "network", known.isolation


def _manifest(manifest: PublicManifest) -> Iterator[tuple[str, str]]:
    totals = manifest.totals
    yield "owner", manifest.owner
    yield "purpose", manifest.purpose
    yield "recipient", manifest.recipient
    yield (
        "rows",
        (
            f"{totals.rows_in:,} in = {totals.rows_out:,} out + {totals.suppressed:,} suppressed + {totals.rejected:,} rejected"
            f"{'' if totals.closed else '  DOES NOT ADD UP'}"
        ),
    )
    if manifest.splits:
        yield "splits", _number(len(manifest.splits))
    yield "files", f"{len(manifest.outputs):,}, {size(sum(file.bytes for file in manifest.outputs))}"
    yield (
        "known values",
        f"{sum(manifest.known_values.found.values()):,} left in text cells" if manifest.known_values.checked else "not checked",
    )
    yield "policy", manifest.policy_sha256
    yield "plan", manifest.plan_digest
    yield "inputs", f"{manifest.inputs_commitment}  (keyed)"
    yield "code", ", ".join(f"{name} {version}" for name, version in sorted(manifest.code.items()))
    yield "image", manifest.image_digest or ""
    yield "fence", _number(manifest.fence)


def _columns(out: Console, manifest: PublicManifest) -> None:
    types = {field.name: field.type + ("" if field.nullable else " not null") for field in manifest.schema}
    table = _tables.table("column", "operator", "key", "written as")
    for path, facts in manifest.columns.items():
        key = Text(facts.key_id or "", style="dim")
        table.add_row(Text(path), Text(facts.operator), key, Text(types.get(path, ""), style="dim"))
    out.print()
    out.print(table)


def _gate(out: Console, checks: Sequence[GateCheck], not_proven: dict[str, str]) -> None:
    table = _tables.table("", "gate", "findings")
    for check in checks:
        mark = Text("✓", style="green") if check.passed else Text("✗", style="bold red")
        findings = [*check.findings, *(f"waived: {one}" for one in check.waived)]
        table.add_row(mark, Text(check.check), Text("\n".join(findings)))
    for entity, reason in not_proven.items():
        table.add_row(Text("!", style="yellow"), "not proven", Text(f"{entity}: {reason}"))
    out.print()
    out.print(table)


def _account(out: Console, account: PrivateAccount) -> None:
    out.print()
    inputs, splits = (account.manifest.inputs, account.manifest.splits) if account.manifest is not None else ((), ())
    out.print(Text(f"raw side only: {_tables.counted(len(inputs), 'input file')}", style="dim"))
    table = _tables.table(
        "split", "in", "out", "suppressed", "rejected", "reads", right=("in", "out", "suppressed", "rejected")
    )
    for split in splits:
        counts = (split.counts.rows_in, split.counts.rows_out, split.counts.suppressed, split.counts.rejected)
        table.add_row(split.name, *map(_number, counts), Text(_files(split.inputs)))
    out.print(table)
    if account.failures:
        out.print()
        _failures(out, account.failures)


def _failures(out: Console, failures: Sequence[Failure]) -> None:
    table = _tables.table("rejected", "column", "code", "split", "files", right=("rejected",))
    for failure in failures:
        column = Text(failure.column) if failure.column else Text("whole row", style="dim")
        table.add_row(_number(failure.rows), column, Text(failure.code), Text(failure.split[:12]), Text(_files(failure.files)))
    out.print(table)


def _files(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "\n".join(names)


# --- diff, prune ------------------------------------------------------------------------------------------------------


def diff(made: RunDiff) -> None:
    """Two runs side by side, then what it comes to."""
    out = _tables.out()
    out.print(Text.assemble((made.dataset, "bold"), f"  {made.left}  →  {made.right}"))
    if made.differences:
        out.print()
        table = _tables.table("", "", made.left, made.right)
        for part, group in groupby(made.differences, key=lambda one: one.part):
            for place, one in enumerate(group):
                name = Text(part if not place else "", style="dim")
                table.add_row(name, Text(one.name), _side(one.left), _side(one.right))
        out.print(table)
    out.print()
    out.print(Text("the files are byte-equal" if made.outputs else "the files differ"))
    if made.stable:
        left_out = ", ".join(made.volatile)
        out.print(Text(f"the manifests are byte-equal but for {left_out}: one run reproduces the other", style="green"))


def _side(text: str) -> Text:
    return Text(text, style="dim" if text == "absent" else "")


def removed(found: Sequence[Removed], *, dry_run: bool, out: Console) -> None:
    """What was removed, or would be."""
    said = "would go" if dry_run else "removed"
    if not found:
        out.print(Text("nothing to remove", style="dim"))
        return
    table = _tables.table("dataset", "zone", said, "count", "size", right=("count", "size"))
    for one in found:
        table.add_row(one.dataset, one.zone.value, one.what, _number(one.count), size(one.bytes) if one.bytes else "")
    out.print(table)
