"""What a job runs before it touches raw data: is the zone as it was proved and probed, and does it still refuse what it must? Signed where it is.

Every look is taken and told; one that fails, or can't be taken, is a failure. Called by the command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airlock.cluster._shape import mapping
from airlock.cluster.digest import objects_digest
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import Flows
from airlock.cluster.flowshape import FileShape
from airlock.cluster.live import Cluster, read_guarding
from airlock.cluster.sealed import broken_pods, sealed_pod
from airlock.doors.isolation import read_claim, require_image
from airlock.doors.probe import read_probed
from airlock.errors import AdmissionError, AirlockError, ConfigError
from airlock.evidence.canonical import parse_time, sha256_hex, time_text
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.probed import Probed
from airlock.keys.signing import load_signer
from airlock.policy.yaml import read_yaml

__all__ = ["Check", "Wanted", "preflight"]

_ROLE = "airlock.dev/role"
_REFUSALS = frozenset({403, 422})
"""How admission refuses; any other answer says nothing of it."""
_NEVER = (
    ("create", "", "pods/exec"), ("create", "", "pods/attach"), ("create", "", "pods/portforward"), ("get", "", "pods/log"),
    ("update", "", "pods/ephemeralcontainers"), ("get", "", "secrets"), ("list", "", "secrets"), ("create", "", "configmaps"),
    ("create", "", "serviceaccounts/token"), ("create", "networking.k8s.io", "networkpolicies"), ("delete", "networking.k8s.io", "networkpolicies"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"), ("patch", "", "namespaces"), ("impersonate", "", "users"),
    ("delete", "admissionregistration.k8s.io", "validatingadmissionpolicybindings"), ("create", "", "nodes/proxy"),
)  # fmt: skip
"""What the identity of preflight must not have, in any zone: (verb, API group, resource)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One look.

    Attributes:
        said: What was found against what was expected; never what a Secret holds.
    """

    name: str
    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a verdict is asked for.

    Attributes:
        run: For which run.
        nodes: On which its pods may be; empty: on every node that there is.
        image: NAME@sha256:..., of admission's list: what a good pod runs, and what broken ones are made of.
        role: The role that the good pod has; its zone is where it is tried.
        namespace: Where it is tried.
        minutes: How long the verdict counts.
    """

    run: str
    image: str
    nodes: tuple[str, ...] = ()
    role: str = "executor"
    namespace: str = "pii-raw"
    minutes: float = 15


def preflight(
    flows_file: Path, probes: Sequence[Path], trust: Path | None, key: Path, wanted: Wanted
) -> tuple[list[Check], bytes | None]:
    """Take every look.

    Args:
        flows_file: The claim.
        probes: Signed results of probes, one a node.
        trust: Public keys: whose probes count.
        key: A private key of role `preflight`.
        wanted: For what.

    Returns:
        What was found, and the signed verdict; None where anything failed.

    Raises:
        ConfigError, KeyFileError: The claim or the key can't be read, or no cluster is configured.
    """
    signer, text = load_signer(key), read_claim(flows_file)
    require_image(wanted.image)
    looks = _Looks(text, flows_file, wanted, trust)
    checks = [*looks.all(probes)]
    if not all(one.passed for one in checks):
        return checks, None
    now = datetime.now(UTC)
    ends = [now + timedelta(minutes=wanted.minutes), *(parse_time(one.expires_at) for one in looks.probed.values())]
    record = Preflighted(
        run=wanted.run,
        nodes=looks.nodes,
        namespaces=looks.flows.namespaces,
        flows_sha256=looks.flows_sha256,
        objects_sha256=looks.digest,
        probes_sha256={node: looks.envelopes[node] for node in looks.nodes},
        checks=tuple(one.name for one in checks),
        signed_at=time_text(now),
        expires_at=time_text(min(ends)),
    )
    return checks, record.to_envelope(signer)


class _Looks:
    """The looks of one preflight, and what they found."""

    def __init__(self, text: str, flows_file: Path, wanted: Wanted, trust: Path | None) -> None:
        self.wanted, self.trust = wanted, trust
        self.flows_sha256 = hashlib.sha256(text.encode()).hexdigest()
        self.resources = read_guarding(_lists_of(text, flows_file))
        self.flows: Flows = read_flows(text, str(flows_file), self.resources)
        self.digest = objects_digest(self.resources, self.flows)
        self.nodes = wanted.nodes or tuple(one.name for one in self.resources.of("Node", ""))
        self.probed: dict[str, Probed] = {}
        self.envelopes: dict[str, str] = {}

    def all(self, probes: Sequence[Path]) -> Iterator[Check]:
        """Every look, whatever the others found."""
        yield self._look("objects", self._objects)
        yield self._look("probes", lambda: self._probes(probes))
        yield self._look("rights", self._rights)
        yield self._look("admission", self._admission)
        yield self._look("pods", self._pods)

    @staticmethod
    def _look(name: str, take: Callable[[], tuple[list[str], str]]) -> Check:
        try:
            wrong, found = take()
        except AirlockError as error:
            return Check(name, passed=False, said=f"could not be taken: {error}")
        return Check(name, passed=not wrong, said="; ".join(wrong) or found)

    def _objects(self) -> tuple[list[str], str]:
        unread = [f"{kind} could not be listed: {why}" for kind, why in self.resources.unread.items()]
        return unread, f"policies, rights and guards read, sha256:{self.digest}"

    def _probes(self, files: Sequence[Path]) -> tuple[list[str], str]:
        wrong = []
        for file in files:
            record, counts = read_probed(file, self.trust)
            said = self._fault(record, counts=counts)
            if said:
                wrong.append(f"{file.name} (node '{record.node}') {said}")
            else:
                self.probed[record.node] = record
                self.envelopes[record.node] = sha256_hex(file.read_bytes())
        missing = [node for node in self.nodes if node not in self.probed]
        wrong += [f"node '{node}' has no result of probes that counts" for node in missing]
        return wrong, f"{len(self.nodes)} nodes probed, the same objects proven"

    def _fault(self, record: Probed, *, counts: bool) -> str:
        if not counts:
            return f"ran out at {record.expires_at}"
        if not record.holds:
            return f"did not hold: by packets {record.verdict}, by objects {record.proof}"
        if record.objects_sha256 != self.digest:
            return f"is of other objects: sha256:{record.objects_sha256}, and now they are sha256:{self.digest}"
        return "" if record.flows_sha256 == self.flows_sha256 else "is of another flows.yaml"

    def _rights(self) -> tuple[list[str], str]:
        cluster = Cluster()
        wrong = [
            f"this identity may {verb} {resource} in {namespace}"
            for namespace in self.flows.namespaces
            for verb, group, resource in _NEVER
            if cluster.may(verb, group, resource, namespace)
        ]
        return wrong, f"{len(_NEVER) * len(self.flows.namespaces)} rights that it must not have are refused"

    def _admission(self) -> tuple[list[str], str]:
        good = self._good_pod()
        cluster, wrong = Cluster(), []
        try:
            cluster.create(good, dry=True)
        except AdmissionError as error:
            return [f"a pod that keeps every rule is refused, so that refusals show nothing: {error}"], ""
        broken = broken_pods(good)
        for what, pod in broken.items():
            try:
                cluster.create(pod, dry=True)
                wrong.append(f"a pod {what} is let in")
            except AdmissionError as error:
                if error.facts["status"] not in _REFUSALS:
                    raise
        return wrong, f"{len(broken)} pods with one rule broken each are refused, the one that keeps all is not"

    def _good_pod(self) -> Mapping[str, object]:
        wanted = self.wanted
        labels = {"app.kubernetes.io/part-of": "airlock", _ROLE: wanted.role}
        return sealed_pod("airlock-preflight", wanted.namespace, wanted.role, labels, wanted.image)

    def _pods(self) -> tuple[list[str], str]:
        roles = {
            (pods.namespace, str(party.plain.get(_ROLE)))
            for flow in (*self.flows.flows, *self.flows.forbidden)
            for party in (flow.source, flow.target)
            for pods in party.pods
        }
        wrong, known = [], 0
        for one in self.resources.of("Pod", ""):
            over = mapping(one.body, "status").get("phase") in ("Succeeded", "Failed")
            if one.namespace in self.flows.namespaces and not over:
                known += 1
                if (one.namespace, one.labels.get(_ROLE, "")) not in roles:
                    wrong.append(f"pod {one.namespace}/{one.name} is of no party of flows.yaml")
        return wrong, f"{known} pods in the zones, each of a party"


def _lists_of(text: str, flows_file: Path) -> list[str]:
    """Namespaces of the ConfigMaps that the claim reads: the site's values, and what guards take for parameters."""
    try:
        file = FileShape.model_validate(read_yaml(text, str(flows_file)).data)
    except ValueError:
        raise ConfigError(f"{flows_file}: not a file of flows. 'airlock isolation prove' says where") from None
    bound = [one.parameters.rpartition("/")[0] for guard in file.guards.values() for one in guard.bindings]
    return sorted({one for one in (*bound, file.site.namespace if file.site else "") if one})
