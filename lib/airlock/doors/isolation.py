"""What a cluster's resources let happen: proved, listed, compared. Called by the command line.

Reads files (and, with `--live`, a cluster); changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock.cluster.connections import Change, Connection, compare, connections
from airlock.cluster.findings import Finding, Verdict, worst
from airlock.cluster.findings import Path as LeavingPath
from airlock.cluster.flows import Flows, bare_flows, find_flows, read_flows
from airlock.cluster.paths import paths
from airlock.cluster.prove import prove_network
from airlock.cluster.read import read_resources
from airlock.cluster.resources import Resources
from airlock.errors import ConfigError

__all__ = ["Change", "Connection", "Proven", "compare_places", "list_connections", "prove_isolation"]

Place = Path | str


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known of the claim.

    Attributes:
        verdict: The worst of the findings'.
        flows: The file that the claim is from; None where namespaces were named.
        paths: Ways by which a byte can leave a zone, whether they are accepted or not.
    """

    verdict: Verdict
    namespaces: tuple[str, ...]
    objects: int
    flows: str | None
    findings: tuple[Finding, ...]
    paths: tuple[LeavingPath, ...]


def prove_isolation(
    places: Sequence[Place], *, flows: Path | None = None, namespaces: Sequence[str] = (), stdin: str = ""
) -> Proven:
    """Prove or refute that in the zones exactly the declared flows exist.

    Args:
        places: Files, folders (built where they have a kustomization), '-' for stdin.
        flows: The claim; else the nearest `flows.yaml` in or above a place.
        namespaces: Instead of a file: nothing may go into or out of these.
        stdin: What stands for '-'.

    Raises:
        ConfigError: Resources or the file can't be read, or nothing is claimed.
    """
    resources = read_resources(places, stdin)
    claim, name = _claim(resources, places, flows, namespaces)
    beside, leaving = paths(resources, claim.zones, claim.rights, claim.platform)
    findings = (*prove_network(resources, claim), *beside)
    return Proven(worst(findings), claim.namespaces, len(resources.all), name, findings, tuple(leaving))


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
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}. Correct --flows") from None
    return read_flows(text, str(file), resources), str(file)


def list_connections(places: Sequence[Place], *, stdin: str = "", families: frozenset[int] | None = None) -> list[Connection]:
    """Every connection that resources permit. Raises ConfigError where they can't be read."""
    return connections(read_resources(places, stdin), families)


def compare_places(before: Place, after: Place) -> list[Change]:
    """Connections that are not the same in two places. Raises ConfigError where one can't be read."""
    return compare(read_resources([before]), read_resources([after]))
