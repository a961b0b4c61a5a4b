"""The model that a claim about zones is held against: what is there, and all pods that may come to be where they matter. Called by `netproof`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airlock.cluster.flows import Flows, Party
from airlock.cluster.future import future_namespaces, future_pods
from airlock.cluster.model import METADATA_NAME, Beside, Model, build_model
from airlock.cluster.network import namespace_labels, policies_of
from airlock.cluster.pods import Pod, pods_of
from airlock.cluster.ports import PortRange
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.rules import Pods, Policy
from airlock.cluster.services import Behind

__all__ = ["concerned_policies", "zone_model"]


def zone_model(resources: Resources, flows: Flows, services: Sequence[Behind]) -> Model:
    """The model of resources, and beside them what the claim names.

    Raises:
        TooManyKindsError: Selectors look at too many labels.
    """
    policies, doubts = policies_of(resources)
    known = _known(resources, flows)
    concerned = [one for one in policies if _concerns(one, flows.namespaces, known)]
    parties = [pods for party in _parties(flows) for pods in party.pods]
    coming = future_namespaces(concerned, parties, known)
    # Of what selects pods elsewhere the proof is not: there the other ends of the zones' rules matter.
    ends = [Policy(one.ref, one.tier, one.priority, Pods("-"), one.directions, one.rules) for one in concerned]
    zones = {name: known[name] for name in flows.namespaces}
    others = {name: labels for name, labels in {**known, **coming}.items() if name not in zones}
    beside = Beside(
        [*future_pods(zones, concerned, parties), *future_pods(others, ends, parties), *_behind(services)],
        [one.pods for one in (*parties, *(one.pods for one in services if one.pods is not None))],
        [
            *(port for flow in (*flows.flows, *flows.forbidden) for port in flow.ports or ()),
            *(port for one in services for pair in one.ports for port in pair if isinstance(port, PortRange)),
            *(port for one in services for _, ports in one.endpoints for port in ports or ()),
        ],
        [
            *(party.addresses for party in _parties(flows)),
            *(part for one in services for part in (one.addresses, *(found for found, _ in one.endpoints))),
        ],
    )
    return build_model(pods_of(resources), policies, {**known, **coming}, site=flows.site, doubts=doubts, beside=beside)


def _behind(services: Sequence[Behind]) -> Iterator[Pod]:
    """A pod with exactly the labels that a Service selects by, where something else than its pods may be behind it: some plugins open a Service
    by its selector's labels (aws/amazon-network-policy-controller-k8s, pkg/resolvers/endpoints.go).
    """
    for one in services:
        if one.pods is not None and (one.endpoints or any(own != target for own, target in one.ports)):
            labels = {requirement.key: value for requirement in one.pods.pods.requirements for value in requirement.values}
            yield Pod(Ref("Pod", one.pods.namespace, "future"), one.pods.namespace, labels, frozenset())


def concerned_policies(resources: Resources, flows: Flows) -> list[Policy]:
    """Policies that may select pods of a zone."""
    known = _known(resources, flows)
    return [one for one in policies_of(resources)[0] if _concerns(one, flows.namespaces, known)]


def _known(resources: Resources, flows: Flows) -> Mapping[str, Mapping[str, str]]:
    return {**{name: {METADATA_NAME: name} for name in flows.namespaces}, **namespace_labels(resources)}


def _parties(flows: Flows) -> Iterator[Party]:
    for flow in (*flows.flows, *flows.forbidden):
        yield flow.source
        yield flow.target


def _concerns(policy: Policy, namespaces: Sequence[str], known: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a policy could select pods of a zone."""
    subject = policy.subject
    if subject.namespace:
        return subject.namespace in namespaces
    return any(subject.namespaces.matches(known[name]) for name in namespaces)
