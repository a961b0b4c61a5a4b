"""Commands about keys: keys init, show, rotate, destroy, verify-destroyed; and reidentify, which uses them backwards."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast

import pyarrow as pa
import pyarrow.csv as pc_csv
import typer

from airlock.cli._context import Context
from airlock.cli._formats import AsFormat, Format
from airlock.cli._report import print_json, summary, talk
from airlock.cli._tables import out, table
from airlock.doors.destroy import destroy_epoch, verify_destroyed
from airlock.doors.epochs import KeysShown, rotate_epoch, show_keys
from airlock.doors.keys import create_keys, create_one_key
from airlock.doors.reidentify import Ask, reidentify
from airlock.errors import ConfigError
from airlock.keys.private import create_private_file
from airlock.keys.signing import SigningRole
from airlock.policy.arrow import is_binary
from airlock.settings import Settings

__all__ = ["app"]

app = typer.Typer()
keys_app = typer.Typer(help="Root and signing keys.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

Policies = Annotated[
    list[Path] | None, typer.Option("--policy", help="policy file or folder; else the setting policies", show_default=False)
]
Epoch = Annotated[int, typer.Option(help="the epoch's number", show_default=False)]
Reason = Annotated[str, typer.Option(help="kept in the signed record: name no data subject", show_default=False)]


def _csv(made: pa.Table) -> bytes:
    """Values as they are, whatever a spreadsheet makes of them: who reverses tokens looks the values up elsewhere."""
    sink = pa.BufferOutputStream()
    pc_csv.write_csv(pa.table([_written(column) for column in made.columns], made.column_names), sink)
    return sink.getvalue().to_pybytes()


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """What Arrow's CSV can hold: views as text, bytes in hexadecimal."""
    if pa.types.is_string_view(column.type):
        return column.cast(pa.large_string())
    if is_binary(column.type):
        return pa.chunked_array([[None if one is None else one.hex() for one in column.to_pylist()]], pa.large_string())
    return column


def _policies(given: list[Path] | None, settings: Settings) -> list[Path]:
    own = settings.path("policies")
    return given or ([own] if own is not None and own.is_dir() else [])


@keys_app.command("init")
def keys_init(
    context: typer.Context,
    *,
    folder: Annotated[Path, typer.Option(help="for the private keys; made if it is not there")] = Path("keys"),
    trust: Annotated[Path | None, typer.Option(help="for the public keys; else 'trust' beside the folder")] = None,
    provider: Annotated[
        str | None, typer.Option(help="file, vault-kv, vault-transit or aws-kms; else the setting keys.provider")
    ] = None,
    only_reidentify: Annotated[
        bool, typer.Option("--reidentify", help="make only the key that signs for 'airlock reidentify'")
    ] = False,
    only_probe: Annotated[
        bool, typer.Option("--probe", help="make only the key that signs for 'airlock isolation probe'")
    ] = False,
    only_preflight: Annotated[
        bool, typer.Option("--preflight", help="make only the key that signs for 'airlock isolation preflight'")
    ] = False,
) -> None:
    """Make a root key, and a signing key for each door. Prints the lines for airlock.yaml."""
    shared: Context = context.obj
    given = {"reidentify": only_reidentify, "probe": only_probe, "preflight": only_preflight}
    alone = next((cast("SigningRole", name) for name, wanted in given.items() if wanted), None)
    if alone is not None:
        path, public = create_one_key(folder, alone, trust=trust)
        talk.print(f"{path}  0600\n{public}", markup=False)
        if only_reidentify:
            print(f"reidentify:\n  signing: {json.dumps(str(path))}   # neither door's")  # noqa: T201 - stdout is data
        return
    made = create_keys(folder, trust=trust, settings=shared.settings({"keys.provider": provider}))
    for path in made.private:
        talk.print(f"{path}  0600", markup=False)
    for role, keyid in sorted(made.key_ids.items()):
        talk.print(f"{made.trust / role}.pub  key {keyid[:16]}", markup=False)
    talk.print(f"{made.place}: epoch 1", markup=False)
    talk.print("Back the root up: without it no later release joins with earlier ones. Then, in airlock.yaml:", style="dim")
    print(made.settings(Path.cwd()), end="")  # noqa: T201 - stdout is data


@keys_app.command("show")
def keys_show(context: typer.Context, *, policy: Policies = None, output: AsFormat = Format.TEXT) -> None:
    """Show epochs with their roots' fingerprints, and the ids of the keys that policies use. Never a byte of a key."""
    shared: Context = context.obj
    settings = shared.settings()
    found = show_keys(settings, _policies(policy, settings))
    if output is Format.JSON:
        print_json(asdict(found))
    else:
        _shown(found)


def _shown(found: KeysShown) -> None:
    console = out()
    console.print(f"{found.provider}: {found.place}", markup=False)
    epochs = table("epoch", "state", "fingerprint", "created", "destroyed", right=["epoch"])
    for one in found.epochs:
        epochs.add_row(str(one.epoch), one.state, one.fingerprint, one.created, one.destroyed)
    console.print(epochs)
    if found.key_ids:
        ids = table("dataset", "key id")
        for dataset, used in sorted(found.key_ids.items()):
            for place, key_id in enumerate(used or ["no operator has a key"]):
                ids.add_row("" if place else dataset, key_id)
        console.print()
        console.print(ids)
    else:
        console.print("Key ids go by policy: name some with --policy, or the setting policies", style="dim")


@keys_app.command("rotate")
def keys_rotate(context: typer.Context, *, policy: Policies = None) -> int:
    """Add an epoch with an independent random root. Nothing changes until a policy's keys.epoch names it."""
    shared: Context = context.obj
    settings = shared.settings()
    made = rotate_epoch(settings, _policies(policy, settings))
    talk.print(f"{made.place}: epoch {made.epoch} added, fingerprint {made.fingerprint}. Back it up", markup=False)
    for file in made.older:
        talk.print(f"{file}: set keys.epoch to {made.epoch} when its releases are to follow", markup=False)
    if made.joins:
        talk.print(
            f"From then on nothing joins with releases of older epochs, on: {', '.join(made.joins)}. Change all policies that share "
            "a domain together",
            markup=False,
        )
    return summary("rotate", [asdict(made) | {"exit_code": 0}])


@keys_app.command("destroy")
def keys_destroy(
    context: typer.Context,
    *,
    epoch: Epoch,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="it can't be undone")] = False,
) -> int:
    """Destroy an epoch's root for good and write a signed record. Copies and backups are yours to find."""
    shared: Context = context.obj
    made = destroy_epoch(shared.settings(), epoch, reason=reason, yes=yes)
    talk.print(f"epoch {epoch} destroyed in {made.record.place}; record: {made.file}", markup=False)
    talk.print("Backups and copies of it hold the root still: destroy them too", style="dim")
    return summary("destroy", [made.record.to_dict() | {"file": str(made.file), "exit_code": 0}])


@keys_app.command("verify-destroyed")
def keys_verify_destroyed(
    context: typer.Context,
    record: Annotated[Path, typer.Argument(help="what 'airlock keys destroy' wrote", show_default=False)],
    *,
    trust: Annotated[Path | None, typer.Option(help="public key, or a folder of them; else the setting")] = None,
) -> int:
    """Verify the record of a destroyed epoch: no secret is needed."""
    shared: Context = context.obj
    found = verify_destroyed(record, shared.settings(trust=None if trust is None else str(trust)))
    talk.print(
        f"epoch {found.epoch} (fingerprint {found.root_fingerprint}) was destroyed at {found.signed_at} by {found.user}: {found.reason}",
        markup=False,
    )
    return summary("verify-destroyed", [found.to_dict() | {"exit_code": 0}])


@app.command("reidentify")
def reidentify_command(  # noqa: PLR0913 - one a command-line option
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Parquet or CSV file, or a release's folder", show_default=False)],
    *,
    column: Annotated[str, typer.Option(help="its path, as the policy writes it", show_default=False)],
    policy: Annotated[Path, typer.Option(help="the policy of the release", show_default=False)],
    reason: Reason,
    limit: Annotated[int, typer.Option(help="the most different tokens; more are refused")] = 1000,
    values: Annotated[Path | None, typer.Option(help="the tokens that are wanted, one a line; else all")] = None,
    run: Annotated[str | None, typer.Option(help="which run wrote a file, where every run has its own key")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="a new CSV file, 0600; bytes in hexadecimal")] = None,
    to_stdout: Annotated[bool, typer.Option("--to-stdout", help="print instead: personal data on a terminal")] = False,
) -> None:
    """Reverse tokens of a reversible operator: under a key of its own, for a reason, on record before anything is reversed.

    The policy is the release's own, or for a file one that is approved here (setting policies). 'fpe' does not authenticate: what its
    key did not make comes back as a wrong value, and the record says so. What a tweak or condition looks at must be in the data.
    """
    shared: Context = context.obj
    if (output is None) != to_stdout:
        raise ConfigError("reidentify needs either -o FILE or --to-stdout: what comes out is personal data")
    if output is not None and (output.exists() or not output.absolute().parent.is_dir()):
        raise ConfigError(f"'{output}' is there already, or its folder is not. Choose another name; nothing was reversed")
    made = reidentify(
        Ask(data=data, column=column, policy=policy, reason=reason, limit=limit, values=values, run=run), shared.settings()
    )
    if output is None:
        sys.stdout.buffer.write(_csv(made.table))
    else:
        create_private_file(output, _csv(made.table))
    talk.print(f"{made.table.num_rows:,} tokens reversed, on record in zone private: {made.record}", markup=False)
    if not made.authenticated:
        talk.print(
            "The operator does not authenticate: a token that this key did not make would come back as a wrong value",
            markup=False,
        )
    if made.absent:
        talk.print(f"{made.absent:,} of the wanted tokens are not in the data", markup=False)
