"""Under every command's help: lines to try, and the exit codes. Hung onto the command tree by `_main`."""

from __future__ import annotations

from collections.abc import Iterator

import typer
from rich.markup import escape

from airlock.cli._report import EXIT_CODES

__all__ = ["EXAMPLES", "EXIT_LINE", "add_examples"]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "anonymize": (
        "airlock anonymize customers.yaml",
        "airlock anonymize policies/ --engine spark --master local[4,4]",
        "airlock anonymize customers.yaml --run nightly-2026-11-22",
    ),
    "config": ("airlock config", "airlock config --format json"),
    "demo": ("airlock demo", "airlock demo --folder big --rows 1000000"),
    "doctor": ("airlock doctor", "airlock doctor --format json"),
    "draft": (
        "airlock draft raw/crm/customers -o customers.yaml",
        "airlock draft export.csv --dataset contacts",
        "airlock draft --update customers.yaml",
    ),
    "explain": ("airlock explain", "airlock explain small-group"),
    "isolation connections": (
        "airlock isolation connections k8s/overlays/local",
        "airlock isolation connections manifests/ --format dot > connections.dot",
    ),
    "isolation diff": (
        "airlock isolation diff k8s/overlays/local changed/",
        "airlock isolation diff before/ after/ --format json",
    ),
    "isolation preflight": (
        "airlock isolation preflight --flows flows.yaml --probes probed/ --run RUN --image registry/airlock@sha256:... --key preflight.pem --out verdict",
    ),
    "isolation probe": (
        "airlock isolation probe --flows k8s/flows.yaml --image registry/airlock@sha256:...",
        "airlock isolation probe --flows k8s/flows.yaml --image registry/airlock@sha256:... --node a --key probe.pem --out a.probed",
    ),
    "isolation probed": ("airlock isolation probed a.probed --trust trust/probe.pub",),
    "isolation prove": (
        "airlock isolation prove k8s/overlays/local",
        "kustomize build k8s/overlays/aws | airlock isolation prove - --flows k8s/flows.yaml",
        "airlock isolation prove manifests/ --namespace pii-raw",
        "airlock isolation prove --live --flows k8s/flows.yaml",
    ),
    "keys destroy": ("airlock keys destroy --epoch 1 --reason 'contract with the recipient ended' --yes",),
    "keys init": (
        "airlock keys init",
        "airlock keys init --folder /etc/airlock/keys --trust /etc/airlock/trust",
        "airlock keys init --provider vault-transit",
        "airlock keys init --reidentify --folder reidentify-keys --trust trust",
        "airlock keys init --probe --folder probe-keys --trust trust",
        "airlock keys init --preflight --folder preflight-keys --trust trust",
    ),
    "keys rotate": ("airlock keys rotate", "airlock keys rotate --policy policies/"),
    "keys show": ("airlock keys show", "airlock keys show --policy customers.yaml --format json"),
    "keys verify-destroyed": (
        "airlock keys verify-destroyed keys/destroyed/destroyed-epoch-1-5f0c6a2e91d47b38.json --trust trust/stage.pub",
    ),
    "operators list": ("airlock operators list", "airlock operators list --format json"),
    "operators show": ("airlock operators show pseudonymize", "airlock operators show age --format json"),
    "path": (
        "airlock path sanitized/customers --trust release.pub",
        "duckdb -c \"from '$(airlock path sanitized/customers)/**/*.parquet'\"",
    ),
    "plan": ("airlock plan customers.yaml", "airlock plan policies/ --format json"),
    "policy schema": ("airlock policy schema > policy.schema.json",),
    "preview": ("airlock preview customers.yaml --rows 5",),
    "reidentify": (
        "airlock reidentify sanitized/customers --column email --policy customers.yaml --reason 'recall 2026-11' -o found.csv",
        "airlock reidentify part.parquet --column email --policy customers.yaml --reason 'recall' --values tokens.txt --to-stdout",
    ),
    "release": (
        "airlock release customers.yaml",
        "airlock release policies/ --policies approved/",
        "airlock release policies/ --run customers=nightly-2026-11-22",
    ),
    "run": ("airlock run customers.yaml", "airlock run policies/ --engine local"),
    "runs diff": ("airlock runs diff 01a221db 01a221dc", "airlock runs diff 01a221db 01a221dc --format csv"),
    "runs list": ("airlock runs list", "airlock runs list customers --format csv"),
    "runs outcome": (
        "airlock runs outcome customers.yaml --launch nightly-29384720",
        "airlock runs outcome customers.yaml --run 01a221db-7c1e-7a55-9f0e-3d1c8a1b2c3d",
    ),
    "runs prune": (
        "airlock runs prune --dry-run",
        "airlock runs prune customers --superseded",
        "airlock runs prune customers --superseded --now",
    ),
    "runs revoke": ("airlock runs revoke customers --reason 'a free text column was kept'",),
    "runs show": ("airlock runs show 01a221db", "airlock runs show nightly --dataset customers --format json"),
    "submit": (
        "airlock submit customers.yaml",
        "airlock submit policies/ --launch nightly-2026-11-22",
    ),
    "verify": (
        "airlock verify sanitized/customers --trust release.pub",
        "airlock verify sanitized/ --trust trust/ --require-separation",
    ),
}
"""By command: what a user would type first, and what else is often wanted."""

EXIT_LINE = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())


def add_examples(app: typer.Typer) -> None:
    """Give every command below `app` its examples and the exit codes."""
    for name, command in _commands(app):
        lines = [escape(f"  {line}") for line in EXAMPLES.get(name, ())]
        command.epilog = "\n".join([*(f"[dim]${line[1:]}[/]" for line in lines), "", EXIT_LINE])


def _commands(app: typer.Typer, above: str = "") -> Iterator[tuple[str, typer.models.CommandInfo]]:
    for command in app.registered_commands:
        yield f"{above} {command.name}".strip(), command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            name = group.name if isinstance(group.name, str) else ""
            yield from _commands(group.typer_instance, f"{above} {name}".strip())
