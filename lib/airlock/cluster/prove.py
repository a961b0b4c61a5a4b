"""The proof whole: the network, and every other path by which a byte can leave a zone. Called by `doors`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airlock.cluster.findings import Finding, Path, Verdict, worst
from airlock.cluster.flows import Flows
from airlock.cluster.foreign import foreign_findings
from airlock.cluster.netproof import prove_network
from airlock.cluster.paths import paths
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.sitefacts import contradictions

__all__ = ["Proven", "prove"]


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known of a claim.

    Attributes:
        verdict: The worst of the findings'.
        findings: What stands against it, the worst first.
        paths: Ways by which a byte can leave a zone, whether they are accepted or not.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    paths: tuple[Path, ...]


def prove(resources: Resources, flows: Flows) -> Proven:
    """Prove or refute that in the zones exactly the declared flows and rights exist, and that nothing else opens them.

    Args:
        resources: All objects.
        flows: The claim.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    network, flowing = prove_network(resources, flows)
    beside, leaving = paths(
        resources, flows.zones, flows.rights, flows.platform, guards=flows.guards, waiting=flows.waiting_rights
    )
    findings = sorted(
        [
            *_unread(resources),
            *_leaving(resources, flows),
            *contradictions(resources, flows),
            *network,
            *foreign_findings(resources, flows),
            *beside,
        ],
        key=lambda one: -one.verdict.rank,
    )
    left, accepted = _without_accepted(findings, flows)
    return Proven(worst(left), tuple(left), (*flowing, *_always(flows), *leaving, *accepted))


def _without_accepted(findings: Sequence[Finding], flows: Flows) -> tuple[list[Finding], list[Path]]:
    """What stands against a proof, and as paths what was accepted with a reason, though nobody knows what it does."""
    left, accepted = [], []
    for one in findings:
        why = next((entry.why for entry in flows.accepted if entry.covers(one.where)), None)
        if why is None or one.verdict is not Verdict.NO_PROOF or one.where is None:
            left.append(one)
        else:
            accepted += [Path(zone, "accepted", one.where, one.rule, one.what, why) for zone in flows.zones]
    return left, accepted


def _unread(resources: Resources) -> Iterator[Finding]:
    for kind, why in resources.unread.items():
        yield Finding(
            Verdict.NO_PROOF,
            "resources.unread",
            f"{kind} could not be listed: {why}",
            next_step="Give this identity the right to list it",
        )


def _leaving(resources: Resources, flows: Flows) -> Iterator[Finding]:
    inside = frozenset(flows.namespaces)
    for one in resources.of("NetworkPolicy", "networking.k8s.io"):
        if one.namespace in inside and one.metadata.get("deletionTimestamp"):
            what = "is being deleted: whether it holds still is not known"
            yield Finding(
                Verdict.NO_PROOF, "network.leaving", what, one.ref, next_step="Apply it anew, or wait until it is gone"
            )


def _always(flows: Flows) -> Iterator[Path]:
    """What no object says: NetworkPolicy has no status (KEP-2943 was taken back), and no policy is between a pod and its node."""
    for zone, namespaces in flows.zones.items():
        for name in namespaces:
            where = Ref("Namespace", "", name)
            yield Path(
                zone, "enforcement", where, "", "whether the cluster's network enforces policies no object says; probes show it"
            )
            yield Path(
                zone,
                "service",
                where,
                "",
                "whoever may write Services in any namespace can give one externalIPs, and with them an address that a flow goes to, unless "
                "the cluster's admission refuses them (DenyServiceExternalIPs); whoever may write endpoints there can name a zone's pods",
            )
            yield Path(
                zone, "node", where, "", "a pod and its own node always reach each other: kubelet, and what else is on the node"
            )
