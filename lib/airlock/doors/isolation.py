"""What a cluster's resources let happen: proved, listed, compared. Called by the command line.

Reads files (and, with `--live`, a cluster); changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock.cluster.connections import Change, Connection, compare, connections, unmodelled
from airlock.cluster.digest import objects_digest
from airlock.cluster.findings import Finding, Verdict
from airlock.cluster.findings import Path as LeavingPath
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import Flows, bare_flows, find_flows
from airlock.cluster.live import read_cluster
from airlock.cluster.prove import Proven, prove
from airlock.cluster.read import read_resources
from airlock.cluster.resources import Resources
from airlock.errors import ConfigError

__all__ = [
    "Change",
    "Claimed",
    "Connection",
    "compare_places",
    "list_connections",
    "prove_isolation",
    "read_claim",
    "require_image",
]

Place = Path | str
_IMAGE = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is known of a claim, and which one it was.

    Attributes:
        objects: How many were looked at.
        digest: SHA-256 of what the proof stands on, the same of files and of a cluster that has what they say (`airlock.cluster.digest`).
        flows: The file that the claim is from; None where namespaces were named.
    """

    proven: Proven
    namespaces: tuple[str, ...]
    objects: int
    digest: str
    flows: str | None

    @property
    def verdict(self) -> Verdict:
        """Of the proof."""
        return self.proven.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of the proof."""
        return self.proven.findings

    @property
    def paths(self) -> tuple[LeavingPath, ...]:
        """Of the proof."""
        return self.proven.paths


def prove_isolation(
    places: Sequence[Place], *, flows: Path | None = None, namespaces: Sequence[str] = (), stdin: str = "", live: bool = False
) -> Claimed:
    """Prove or refute that in the zones exactly the declared flows exist.

    Args:
        places: Files, folders (built where they have a kustomization), '-' for stdin.
        flows: The claim; else the nearest `flows.yaml` in or above a place.
        namespaces: Instead of a file: nothing may go into or out of these.
        stdin: What stands for '-'.
        live: Instead of places: the cluster that KUBECONFIG names, or that this pod is in. Needs `flows` or `namespaces`.

    Raises:
        ConfigError: Resources or the file can't be read, or nothing is claimed.
        StorageUnavailableError: The cluster does not answer.
    """
    if live == bool(places):
        raise ConfigError("expected folders, files or '-', or else --live. Give one of them")
    resources = read_cluster() if live else read_resources(places, stdin)
    claim, name = _claim(resources, places, flows, namespaces)
    return Claimed(prove(resources, claim), claim.namespaces, len(resources.all), objects_digest(resources, claim), name)


def _claim(
    resources: Resources, places: Sequence[Place], flows: Path | None, namespaces: Sequence[str]
) -> tuple[Flows, str | None]:
    if namespaces:
        if flows is not None:
            raise ConfigError(
                "--namespace claims that nothing goes in or out; --flows names a claim of its own. Give one of them"
            )
        return bare_flows(namespaces), None
    file = flows or find_flows(places)
    if file is None:
        raise ConfigError(
            "nothing is claimed: there is no flows.yaml in or above the given folders. Name one by --flows, or name namespaces that nothing "
            "may go into or out of by --namespace"
        )
    text = read_claim(file)
    here = Path.cwd()
    shown = str(file.relative_to(here) if file.is_relative_to(here) else file)
    return read_flows(text, shown, resources), shown


def read_claim(file: Path) -> str:
    """What a file of flows says. Raises ConfigError where it can't be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}. Correct --flows") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: not text in UTF-8. Correct --flows") from None


def require_image(image: str) -> None:
    """Raises ConfigError where an image is not named as admission's lists do."""
    if not _IMAGE.fullmatch(image):
        raise ConfigError(
            f"image '{image}': expected NAME@sha256:... with 64 hexadecimal digits, as admission's list has it. Correct it"
        )


def list_connections(
    places: Sequence[Place], *, stdin: str = "", families: frozenset[int] | None = None
) -> tuple[list[Connection], list[str]]:
    """Every connection that resources permit, and what may change that and is not modelled. Raises ConfigError where they can't be read."""
    resources = read_resources(places, stdin)
    return connections(resources, families), unmodelled(resources)


def compare_places(before: Place, after: Place, *, stdin: str = "") -> tuple[list[Change], list[str]]:
    """Connections that are not the same in two places, one of which may be '-', and what is not modelled.

    Raises:
        ConfigError: One can't be read, or both are stdin.
    """
    if str(before) == str(after) == "-":
        raise ConfigError("both places are stdin. Give one of them as a file or folder")
    old, new = read_resources([before], stdin), read_resources([after], stdin)
    return compare(old, new), list(dict.fromkeys([*unmodelled(old), *unmodelled(new)]))
