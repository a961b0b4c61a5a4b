"""The looks of preflight: each is taken and told; one that fails, or can't be taken, is a failure. Called by `preflight`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airlock.cluster._shape import mapping
from airlock.cluster.digest import objects_digest
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import Flows
from airlock.cluster.flowshape import FileShape
from airlock.cluster.live import Cluster, Guarding, Listed
from airlock.cluster.podspec import pod_openings
from airlock.cluster.resources import Resource, Resources
from airlock.cluster.sealed import broken_pods, sealed_pod
from airlock.cluster.watching import resources_of
from airlock.cluster.workloads import pod_templates
from airlock.doors.isolation import read_claim
from airlock.doors.probe import read_probed
from airlock.errors import AdmissionError, AirlockError, ConfigError, TransientError
from airlock.evidence.canonical import sha256_hex
from airlock.evidence.probed import Probed
from airlock.policy.yaml import read_yaml

__all__ = ["QUICK", "Check", "Found", "Looks", "Wanted", "taken"]

Found = tuple[list[str], str]
"""What is wrong, and what was found where nothing is."""

QUICK = ("objects", "probes", "pods", "tokens")
"""Looks that only read what is there: taken as soon as something changed."""

EVERY = (*QUICK, "rights", "admission")

_ROLE = "airlock.dev/role"
_INNER = frozenset({"driver", "executor"})
"""Roles of pods with keys."""
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
        unseen: Whether it could not be taken for now, so that it says nothing.
    """

    name: str
    passed: bool
    said: str
    unseen: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a verdict is asked for.

    Attributes:
        run: For which run; None: for whichever asks while it is watched.
        image: NAME@sha256:..., of admission's list: what a good pod runs, and what broken ones are made of.
        nodes: On which its pods may be; empty: on every node that there is.
        role: The role that the good pod has; its zone is where it is tried.
        namespace: Where it is tried.
        minutes: How long a verdict counts.
    """

    run: str | None
    image: str
    nodes: tuple[str, ...] = ()
    role: str = "executor"
    namespace: str = "pii-raw"
    minutes: float = 15


class Looks:
    """The looks of one preflight, and what they found when they were taken last.

    Attributes:
        nodes: On which the run's pods may be: one that joins the cluster later is none of them.
        digest: Of the objects in force.
        probed: Results of probes that count, by node; `envelopes`: digests of the signed ones.
    """

    def __init__(self, flows_file: Path, probes: Sequence[Path], trust: Path | None, wanted: Wanted) -> None:
        """Raises ConfigError where the claim can't be read, or no cluster is configured."""
        self.wanted, self.trust, self.files = wanted, trust, probes
        self._file, self._text = flows_file, read_claim(flows_file)
        self.flows_sha256 = hashlib.sha256(self._text.encode()).hexdigest()
        shape = _shape(self._text, flows_file)
        self.guarding = Guarding(sorted({name for names in shape.zones.values() for name in names}), _lists(shape))
        self.flows: Flows
        self.nodes: tuple[str, ...] = ()
        self.digest = ""
        self._machines: dict[str, str] = {}
        self._accounts: list[Listed] = []
        self.probed: dict[str, Probed] = {}
        self.envelopes: dict[str, str] = {}

    def take(self, resources: Resources, names: Sequence[str] = EVERY) -> list[Check]:
        """Take looks of these names at what is there, whatever the others find; but where it can't be read as the claim wants it."""
        self._resources = resources
        looks = {
            "objects": self._objects,
            "probes": self._probes,
            "pods": self._pods,
            "tokens": self._tokens,
            "rights": self._rights,
            "admission": self._admission,
        }
        found: list[Check] = []
        for name in names:
            found.append(taken(name, looks[name]))
            if name == "objects" and not self.digest:
                break
        return found

    def of_pods(self, listed: Listed) -> list[Check]:
        """The looks at pods, of these alone; what else is there, is as it was when the last looks were taken."""
        before = self._resources
        try:
            self._resources = resources_of([listed, *self._accounts])
            return [taken("pods", self._pods), taken("tokens", self._tokens)]
        finally:
            self._resources = before

    def read(self) -> Resources:
        """What is there now.

        Raises:
            StorageUnavailableError: The cluster does not answer, or can't now.
        """
        lists = self.guarding.lists()
        self._accounts = [one for one in lists if one.kind == "ServiceAccount"]
        return resources_of(lists)

    def _objects(self) -> Found:
        self.digest = ""
        self.flows = read_flows(self._text, str(self._file), self._resources)
        there = {one.name: str(one.metadata.get("uid")) for one in self._resources.of("Node", "")}
        self.nodes = self.nodes or self.wanted.nodes or tuple(there)
        self._machines = self._machines or {name: there[name] for name in self.nodes if name in there}
        anew = sorted(name for name, machine in self._machines.items() if there.get(name, machine) != machine)
        self.digest = objects_digest(self._resources, self.flows)
        unread = [f"{kind} could not be listed: {why}" for kind, why in self._resources.unread.items()]
        unread += [f"node '{name}' is another one than was probed: it was made anew" for name in anew]
        return unread, f"policies, rights and guards read, sha256:{self.digest}"

    def _probes(self) -> Found:
        self.probed, self.envelopes, wrong = {}, {}, []
        for file in self.files:
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

    def _pods(self) -> Found:
        roles = {
            (pods.namespace, str(party.plain.get(_ROLE)))
            for flow in (*self.flows.flows, *self.flows.forbidden)
            for party in (flow.source, flow.target)
            for pods in party.pods
        }
        wrong, known = [], 0
        for one in self._resources.of("Pod", ""):
            if one.namespace in self.flows.namespaces and not _over(one):
                known += 1
                role, node = one.labels.get(_ROLE, ""), mapping(one.body, "spec").get("nodeName")
                if (one.namespace, role) not in roles:
                    wrong.append(f"pod {one.namespace}/{one.name} is of no party of flows.yaml")
                elif role in _INNER and node is not None and node not in self.probed:
                    wrong.append(
                        f"pod {one.namespace}/{one.name} is on node '{node}', which was not probed. Bind the run's pods to others"
                    )
        wrong += [f"{one.where}: {one.text}" for one in self._openings() if one.kind != "token"]
        return wrong, f"{known} pods in the zones, each of a party"

    def _tokens(self) -> Found:
        wrong = [f"{one.where}: {one.text}" for one in self._openings() if one.kind == "token"]
        return wrong, "no pod carries a token of an account without declared rights"

    def _openings(self) -> list[Opening]:
        """What the zones' pods open that no proof lets them."""
        declared, inside = frozenset(one.subject for one in self.flows.rights), frozenset(self.flows.namespaces)
        over = {one.ref for one in self._resources.of("Pod", "") if _over(one)}
        there = [one for one in pod_templates(self._resources) if one.ref not in over]
        found = pod_openings(there, self._resources, inside, declared)
        return [one for one in found if one.verdict is not Verdict.PROVEN]

    def _rights(self) -> Found:
        cluster = Cluster()
        wrong = [
            f"this identity may {verb} {resource} in {namespace}"
            for namespace in self.flows.namespaces
            for verb, group, resource in _NEVER
            if cluster.may(verb, group, resource, namespace)
        ]
        return wrong, f"{len(_NEVER) * len(self.flows.namespaces)} rights that it must not have are refused"

    def _admission(self) -> Found:
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


def _over(pod: Resource) -> bool:
    return mapping(pod.body, "status").get("phase") in ("Succeeded", "Failed")


def taken(name: str, look: Callable[[], Found]) -> Check:
    """Take one look."""
    try:
        wrong, found = look()
    except AirlockError as error:
        return Check(name, passed=False, said=f"could not be taken: {error}", unseen=isinstance(error, TransientError))
    except Exception as error:  # noqa: BLE001 - an object of another shape than its kind's is no reason to pass, nor to end otherwise
        return Check(name, passed=False, said=f"could not be taken: {type(error).__name__}")
    return Check(name, passed=not wrong, said="; ".join(wrong) or found)


def _shape(text: str, flows_file: Path) -> FileShape:
    try:
        return FileShape.model_validate(read_yaml(text, str(flows_file)).data)
    except ValueError:
        raise ConfigError(f"{flows_file}: not a file of flows. 'airlock isolation prove' says where") from None


def _lists(file: FileShape) -> list[str]:
    """Namespaces of the ConfigMaps that the claim reads: the site's values, and what guards take for parameters."""
    bound = [one.parameters.rpartition("/")[0] for guard in file.guards.values() for one in guard.bindings]
    return sorted({one for one in (*bound, file.site.namespace if file.site else "") if one})
