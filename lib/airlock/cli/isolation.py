"""Commands about a cluster's resources: isolation prove, connections, diff."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from airlock.cli._context import Context
from airlock.cli._formats import AsFormat, Format
from airlock.cli._isolation_looks import dot_changes, dot_connections, print_probed, print_proven
from airlock.cli._report import print_json, talk
from airlock.cluster.findings import Verdict
from airlock.doors.isolation import Claimed, compare_places, list_connections, prove_isolation
from airlock.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()
isolation_app = typer.Typer(help="What a cluster's resources let pods do.", no_args_is_help=True)
app.add_typer(isolation_app, name="isolation")

Places = Annotated[
    list[Path], typer.Argument(help="folders or files with resources; '-': stdin; Kustomize's are built", show_default=False)
]


class Listing(StrEnum):
    """How connections are printed."""

    CSV = "csv"
    JSON = "json"
    DOT = "dot"


AsListing = Annotated[Listing, typer.Option("--format", help="csv, json, or dot for Graphviz")]


@isolation_app.command("prove")
def prove_command(
    places: Annotated[
        list[Path] | None,
        typer.Argument(help="folders or files with resources; '-': stdin; Kustomize's are built", show_default=False),
    ] = None,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="instead: the cluster that KUBECONFIG names; with --flows or --namespace")
    ] = False,
    flows: Annotated[Path | None, typer.Option(help="the claim; else the nearest flows.yaml in or above the folders")] = None,
    namespace: Annotated[list[str] | None, typer.Option(help="instead: nothing may go into or out of this namespace")] = None,
    output: AsFormat = Format.TEXT,
) -> int:
    """Prove that exactly the declared flows exist, or name the object and rule that stand against it.

    Exit code 0: PROVEN; 3: REFUTED, or NO PROOF where something that could matter is not modelled.
    """
    given = places or []
    proven = prove_isolation(given, flows=flows, namespaces=namespace or (), stdin=_stdin(given), live=live)
    if output is Format.JSON:
        print_json(_plain(proven))
    else:
        print_proven(proven)
    return 0 if proven.verdict is Verdict.PROVEN else 3


@isolation_app.command("connections")
def connections_command(places: Places, *, output: AsListing = Listing.CSV) -> int:
    """Print every connection that the policies permit: source, destination, ports.

    Of workloads that are in the resources, with each other, with addresses and with any pod (`entire-cluster`). What is not modelled and may
    change the list is told on stderr.
    """
    found, doubts = list_connections(places, stdin=_stdin(places))
    _warn(doubts)
    if output is Listing.DOT:
        sys.stdout.write(dot_connections(found))
    else:
        _rows(("src", "dst", "conn"), found, output)
    return 0


@isolation_app.command("diff")
def diff_command(
    before: Annotated[Path, typer.Argument(help="folder or file with resources; '-': stdin", show_default=False)],
    after: Annotated[Path, typer.Argument(help="the same, later", show_default=False)],
    *,
    output: AsListing = Listing.CSV,
) -> int:
    """Print connections that were added, removed or changed between two sets of resources."""
    found, doubts = compare_places(before, after, stdin=_stdin([before, after]))
    _warn(doubts)
    if output is Listing.DOT:
        sys.stdout.write(dot_changes(found))
    else:
        names = ("diff-type", "source", "destination", "before", "after")
        _rows(names, [(one.what.value, one.source, one.destination, one.before, one.after) for one in found], output)
    return 0


@isolation_app.command("probe")
def probe_command(  # noqa: PLR0913 - one a command-line option
    *,
    flows: Annotated[Path, typer.Option(help="the claim", show_default=False)],
    image: Annotated[
        list[str],
        typer.Option(
            help="NAME@sha256:..., of admission's list, that runs airlock; given again as NAMESPACE=NAME@sha256:... for one zone",
            show_default=False,
        ),
    ],
    node: Annotated[str, typer.Option(help="on which node; each is probed by itself")] = "",
    outside: Annotated[str, typer.Option(help="ADDRESS:PORT outside of the cluster that answers by TCP")] = "",
    name_server: Annotated[
        str, typer.Option(help="address of a name server outside of the cluster, to be asked directly")
    ] = "",
    zone: Annotated[str, typer.Option(help="a DNS zone outside, for a random name below it")] = "example.org",
    seconds: Annotated[int, typer.Option(min=1, help="how long each source tries, from its first moment")] = 10,
    sink_seconds: Annotated[
        int, typer.Option(min=10, help="how long sinks wait for sources: where pods start slowly, longer")
    ] = 60,
    hours: Annotated[float, typer.Option(min=0.1, help="how long the result counts")] = 24,
    key: Annotated[Path | None, typer.Option(help="private key of role 'probe', to sign with")] = None,
    out: Annotated[Path | None, typer.Option(help="where the signed result goes")] = None,
    output: AsFormat = Format.TEXT,
) -> int:
    """Try every flow by real connections: what is declared must be open, and everything else shut.

    Makes short-lived pods with the labels and ServiceAccounts of every party, and a control in a namespace of its own. Exit code 0: all
    that can be tried here holds, and the same objects are PROVEN; 3: it does not, or something that should be shut could not be shown so.
    """
    from airlock.doors.probe import Asked, probe_isolation  # noqa: PLC0415 - signing loads what a proof starts without

    if (key is None) != (out is None):
        raise ConfigError("--key and --out go together: the result is signed and kept, or only told. Give both, or none")
    _require_folder(out)
    asked = Asked(tuple(image), node, outside, name_server, zone, seconds, sink_seconds + seconds, hours)
    record, envelope = probe_isolation(flows, asked, key, lambda text: talk.print(text, markup=False))
    if out is not None and envelope is not None:
        out.write_bytes(envelope)
    if output is Format.JSON:
        print_json(record.to_dict())
    else:
        print_probed(record)
    return 0 if record.holds else 3


@isolation_app.command("probed")
def probed_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="a signed result of 'isolation probe'", show_default=False)],
    *,
    trust: Annotated[
        Path | None, typer.Option(help="public key of role 'probe', or folder of them; else AIRLOCK_TRUST")
    ] = None,
    output: AsFormat = Format.TEXT,
) -> int:
    """Verify a signed result of probes and show it. Exit code 0: everything held, and it counts still; 3: not so."""
    from airlock.doors.probe import read_probed  # noqa: PLC0415 - signatures load what a proof starts without

    shared: Context = context.obj
    settings = shared.trusting(trust)
    record, counts = read_probed(file, settings.path("trust"))
    if output is Format.JSON:
        print_json({**record.to_dict(), "counts": counts})
    else:
        print_probed(record)
        if not counts:
            talk.print(f"it ran out at {record.expires_at}: probe again", style="bold red")
    return 0 if record.holds and counts else 3


@isolation_app.command("preflight")
def preflight_command(  # noqa: PLR0913 - one a command-line option
    context: typer.Context,
    *,
    flows: Annotated[Path, typer.Option(help="the claim", show_default=False)],
    probes: Annotated[Path, typer.Option(help="a signed result of 'isolation probe', or a folder of them", show_default=False)],
    key: Annotated[Path, typer.Option(help="private key of role 'preflight'", show_default=False)],
    run: Annotated[
        str | None, typer.Option(help="id of the run that it is for; with --watch --serve else each that asks")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="NAME@sha256:..., of admission's list: of it pods are tried; else that of this pod")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="where the signed verdict goes")] = None,
    node: Annotated[list[str] | None, typer.Option(help="on which its pods may be; else every node")] = None,
    trust: Annotated[Path | None, typer.Option(help="public keys, whose probes count; else AIRLOCK_TRUST")] = None,
    never: Annotated[
        list[str] | None, typer.Option(help="s3:// uri that the inner door must have no access to: sanitized, foreign ones")
    ] = None,
    never_endpoint: Annotated[str | None, typer.Option(help="where those are, if not at the raw zone's endpoint")] = None,
    foreign_identity: Annotated[
        Path | None, typer.Option(help="credentials of somebody else: with them, too, no --never bucket may be reached")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, max=60, help="how long a verdict counts: 15, and 2 with --watch", show_default=False),
    ] = None,
    stay: Annotated[
        bool, typer.Option("--watch", help="go on until SIGTERM: renew the verdict, and take it back on drift")
    ] = False,
    serve: Annotated[str, typer.Option(help="ADDRESS:PORT at which the run's pods ask for the verdict; with --watch")] = "",
    output: AsFormat = Format.TEXT,
) -> int:
    """Check, before a run touches raw data, that the zone is as it was proved and probed. Signs the verdict only where all is in order.

    Runs as a pod and identity of its own (component preflight). Exit code 0: all in order, or with --watch until the end; 3: not so, or it
    could not be told, and there is no verdict, or it is taken back; 75: while watching, the cluster could not be seen for long.
    """
    from airlock.cli._preflight import Publishing, run_preflight  # noqa: PLC0415 - signing loads what a proof starts without
    from airlock.doors.preflight import Given, Wanted, own_image, stores_of  # noqa: PLC0415

    _require_told(out, serve, run, stay=stay)
    shared: Context = context.obj
    settings = shared.trusting(trust)
    files = sorted(one for one in probes.iterdir() if one.is_file()) if probes.is_dir() else [probes]
    wanted = Wanted(run, image or own_image(), tuple(node or ()), minutes=minutes or (2 if stay else 15))
    given = Given(
        flows, files, settings.path("trust"), key, wanted, stores_of(settings, never or (), foreign_identity, never_endpoint)
    )
    return run_preflight(given, Publishing(out, serve), stay=stay, as_json=output is Format.JSON)


def _require_told(out: Path | None, serve: str, run: str | None, *, stay: bool) -> None:
    """Where the verdict goes, and for which run it is; one that lies there says nothing of now, whatever becomes of this one."""
    if (out is None and not serve) or (serve and not stay):
        raise ConfigError("where does the verdict go? Give --out FILE, or --watch --serve ADDRESS:PORT")
    if run is None and (out is not None or not stay):
        raise ConfigError(
            "for which run is the verdict? Give --run ID; only with --watch --serve, and no --out, it is for each that asks"
        )
    _require_folder(out)
    if out is not None:
        out.unlink(missing_ok=True)


def _require_folder(out: Path | None) -> None:
    """Before anything is asked of a cluster: what is found is not to be lost."""
    if out is not None and not out.absolute().parent.is_dir():
        raise ConfigError(f"--out {out}: its folder is not there. Make it first")


def _rows(names: tuple[str, ...], rows: Sequence[tuple[str, ...]], output: Listing) -> None:
    if output is Listing.JSON:
        sys.stdout.write(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2) + "\n")
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def _warn(doubts: Sequence[str]) -> None:
    for doubt in doubts:
        talk.print(f"not modelled, so the list may be wrong: {doubt}", markup=False)


def _stdin(places: list[Path]) -> str:
    if not any(str(one) == "-" for one in places):
        return ""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise ConfigError("stdin: not text in UTF-8. Give what 'kustomize build' or 'kubectl get -o yaml' prints") from None


def _plain(proven: Claimed) -> dict[str, Any]:
    claim = asdict(proven)
    made = {**claim.pop("proven"), **claim}
    for one in (*made["findings"], *made["paths"]):
        for name in ("where", "opens"):
            if one.get(name) is not None:
                one[name] = {key: value for key, value in one[name].items() if value}
    return made
