"""What a proof and a graph of connections look like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.markup import escape

from airlock.cli._tables import counted, out
from airlock.cluster.connections import Change, Changed, Connection
from airlock.cluster.findings import Path as LeavingPath
from airlock.cluster.findings import Verdict
from airlock.doors.isolation import Claimed

if TYPE_CHECKING:
    from airlock.doors.preflight import Check
    from airlock.evidence.probed import Probed

__all__ = ["dot_changes", "dot_connections", "print_checks", "print_probed", "print_proven"]

_STYLES = {Verdict.PROVEN: "bold green", Verdict.NO_PROOF: "bold yellow", Verdict.REFUTED: "bold red"}
_COLOURS = {Changed.ADDED: "#008000", Changed.REMOVED: "red2", Changed.CHANGED: "magenta"}


def _name(verdict: Verdict) -> str:
    return verdict.name.replace("_", " ")


def print_proven(proven: Claimed) -> None:
    """The verdict first, then what stands against it, then the paths that are there whatever is proved."""
    to = out()
    claim = f"flows of {proven.flows}" if proven.flows else "nothing goes in or out"
    to.print(
        f"[{_STYLES[proven.verdict]}]{_name(proven.verdict)}[/]  {escape(', '.join(proven.namespaces))}: {escape(claim)}; "
        f"{counted(proven.objects, 'object')}, sha256:{proven.digest}",
        soft_wrap=True,
    )
    for one in sorted(proven.findings, key=lambda one: -one.verdict.rank):
        where = f"{one.where}{f' ({one.rule})' if one.rule else ''}: " if one.where else ""
        to.print(f"[{_STYLES[one.verdict]}]{_name(one.verdict)}[/]  {escape(where + one.what)}", soft_wrap=True)
        if one.next_step:
            to.print(f"    [dim]{escape(one.next_step)}[/]", soft_wrap=True)
    if proven.paths:
        to.print(f"\n{counted(len(proven.paths), 'path')} by which a byte can leave:")
        for line in _told(proven.paths):
            to.print(f"  {escape(line)}", soft_wrap=True)


def _told(paths: Sequence[LeavingPath]) -> Iterator[str]:
    """What is the same in several zones once; what the platform may do as a number of rights, for the reason that was declared."""
    zones: dict[LeavingPath, list[str]] = {}
    platform: dict[str | None, list[LeavingPath]] = {}
    for path in paths:
        if path.kind == "platform":
            platform.setdefault(path.accepted, []).append(path)
        else:
            zones.setdefault(replace(path, zone=""), []).append(path.zone)
    for path, names in zones.items():
        yield str(replace(path, zone=" ".join(names)))
    for why, some in platform.items():
        objects = len({path.opens for path in some})
        yield f"platform: {counted(len(some), 'right')} by {counted(objects, 'object')} - accepted: {why} (--format json lists them)"


def print_probed(record: Probed) -> None:
    """The verdict first, then what did not pass, the worst first; what can't be tried here last."""
    to = out()
    styles = {"passed": "bold green", "no_proof": "bold yellow", "failed": "bold red"}
    to.print(
        f"[{styles[record.verdict]}]{record.verdict.upper().replace('_', ' ')}[/]  {escape(', '.join(record.namespaces))} on {escape(record.node)}: "
        f"{record.open_trials:,} open as declared, {record.shut_trials:,} shut; of sha256:{record.objects_sha256}, until {record.expires_at}",
        soft_wrap=True,
    )
    if record.proof != "proven":
        text = f"{record.proof.upper().replace('_', ' ')} by objects: 'airlock isolation prove --live' says by which"
        to.print(f"[bold red]{text}[/]", soft_wrap=True)
    for one in record.shown:
        line = f" ({one.line})" if one.line else ""
        said = f"{one.tried}{line}: {one.said}"
        to.print(f"[{styles[one.verdict]}]{one.verdict.upper().replace('_', ' ')}[/]  {escape(said)}", soft_wrap=True)


def print_checks(checks: Sequence[Check]) -> None:
    """Every look of a preflight, and what it found."""
    to = out()
    for one in checks:
        mark = "[bold green]yes[/]" if one.passed else "[bold red]NO [/]"
        to.print(f"{mark}  {one.name}: {escape(one.said)}", soft_wrap=True)


def dot_connections(found: Sequence[Connection]) -> str:
    """A graph for Graphviz, workloads grouped by their namespace."""
    edges = [(one.source, one.destination, one.ports, "gold2") for one in found]
    return _graph(edges)


def dot_changes(found: Sequence[Change]) -> str:
    """The same of what changed: added green, removed red, changed with what it was before."""
    edges = []
    for one in found:
        ports = (
            f"{one.after} (before: {one.before})"
            if one.what is Changed.CHANGED
            else one.before
            if one.what is Changed.REMOVED
            else one.after
        )
        edges.append((one.source, one.destination, ports, _COLOURS[one.what]))
    return _graph(edges)


def _graph(edges: Iterable[tuple[str, str, str, str]]) -> str:
    edges = list(edges)
    names = sorted({name for source, destination, _, _ in edges for name in (source, destination)})
    lines = ["digraph {"]
    by_namespace: dict[str, list[str]] = {}
    for name in names:
        namespace, slash, _ = name.partition("/")
        by_namespace.setdefault(namespace if slash else "", []).append(name)
    for namespace, own in sorted(by_namespace.items()):
        if namespace:
            lines.append(f"\tsubgraph {_quoted(f'cluster_{namespace}')} {{")
            lines += [f'\t\t{_quoted(name)} [label={_quoted(name.partition("/")[2])} color="blue"]' for name in own]
            lines += [f"\t\tlabel={_quoted(namespace)}", "\t}"]
        else:
            lines += [f'\t{_quoted(name)} [color="red2"]' for name in own]
    lines += [
        f"\t{_quoted(source)} -> {_quoted(destination)} [label={_quoted(ports)} color={_quoted(colour)}]"
        for source, destination, ports, colour in edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
