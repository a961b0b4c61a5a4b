"""Commands of the outer door and its readers: release, verify. They start without operators, key derivation and Spark."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from airlock.cli._context import Context
from airlock.cli._policies import Policies, files_of
from airlock.cli._report import each, summary, talk, watch
from airlock.doors.release import release
from airlock.doors.shard import Shard, check_shard
from airlock.doors.shelves import shelves
from airlock.doors.verify import verify
from airlock.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()


@app.command("release")
def release_command(
    context: typer.Context,
    policies: Policies,
    *,
    run: Annotated[list[str] | None, typer.Option("--run", help="RUN or DATASET=RUN; else the oldest staged run")] = None,
    own: Annotated[Path | None, typer.Option("--policies", help="the outer door's own approved policies")] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            help="I/N, I from 0 ($JOB_COMPLETION_INDEX): check every N-th file of --run, leave a signed shard verdict"
        ),
    ] = None,
    finish: Annotated[int | None, typer.Option(help="N: publish --run from the verdicts of its N shards", min=1)] = None,
) -> int:
    """Outer door alone: check staged releases with the gate, then publish.

    Without --run: the oldest staged run whose policy is approved here; older ones wait and are named.

    Exit code 3 if staged runs wait and none could be released.

    On N machines: `--run ID --shard 0/N` to `--shard N-1/N` side by side, then `--run ID --finish N`; the result is the same.
    """
    shared: Context = context.obj
    settings = shared.settings(policies=str(own.resolve()) if own else None)
    files = files_of(policies)
    runs = dict(item.split("=", 1) for item in run or [] if "=" in item)
    plain = [item for item in run or [] if "=" not in item]
    if len(plain) > 1 or (plain and len(files) > 1):
        raise ConfigError("--run RUN names one run of one policy; for several write --run DATASET=RUN")
    if shard is not None and finish is not None:
        raise ConfigError("--shard checks and --finish publishes. Finish when all shards are done")
    part = None if shard is None else Shard.parse(shard)
    with watch(settings.require("log_format")) as watcher:

        def act(policy: Path) -> dict[str, Any]:
            one = plain[0] if plain else None
            if part is not None:
                return asdict(check_shard(policy, settings, part, runs=runs, run_id=one, watcher=watcher))
            made = release(policy, settings, runs=runs, run_id=one, shards=finish, watcher=watcher)
            for passed in made.passed_over:
                talk.print(
                    f"[yellow]passed over[/]: {made.dataset}/{passed}: its policy is not approved here ('airlock explain unknown-policy')"
                )
            return asdict(made)

        results = each("release", files, act, debug=shared.debug)
    return summary("release", results)


@app.command("verify")
def verify_command(
    context: typer.Context,
    releases: Annotated[list[str], typer.Argument(help="sanitized dataset folders or s3:// uris, or a folder of them")],
    *,
    trust: Annotated[Path | None, typer.Option(help="public key, or folder of them")] = None,
    require_separation: Annotated[bool, typer.Option(help="refuse releases made by both doors on one machine")] = False,
    require_isolation: Annotated[bool, typer.Option(help="refuse releases whose network isolation is not proven")] = False,
) -> int:
    """Check a published release as anyone can: signatures, digests, counts, schema, sequence. Needs no secret and no Spark.

    A release counts in its own folder alone: a copy elsewhere must end as the sink's path does, as in copies/team/customers.
    """
    shared: Context = context.obj
    settings = shared.trusting(trust)
    with watch(settings.require("log_format")) as watcher:

        def act(folder: str) -> dict[str, Any]:
            found = verify(
                folder, settings, require_separation=require_separation, require_isolation=require_isolation, watcher=watcher
            )
            return asdict(found)

        results = each("verify", [name for given in releases for name in shelves(given, settings)], act, debug=shared.debug)
    return summary("verify", results)
