"""Pods that stay, each of which listens on several ports and tries what it is told, and what they see of one set of policies after another.

Commands and answers go by `kubectl exec` into each pod, one session for all sets: no policy under trial is on that path. For
`test_live_packets`, in namespaces of its own, and for `test_live_traps`, in those of its fixtures.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, NamedTuple, Self

from tests.cluster import outside as beyond
from tests.cluster.live import IMAGE, done, kubectl, settles
from tests.cluster.packet_programs import ASK, LISTEN

Port = tuple[str, int]
Named = tuple[str, str, int]
Manifest = Mapping[str, Any]

PREFIX = "airlock-packets"
COLOURS: Mapping[str, Mapping[str, str]] = {"red": {"team": "a"}, "green": {"team": "b"}, "blue": {}}
"""Namespaces that policies are about, with their labels."""
NAMESPACES = tuple(f"{PREFIX}-{colour}" for colour in COLOURS)
CONTROL = f"{PREFIX}-control"
"""No policy of a set is in it, so that what happens there says which set is in force."""
PORTS = (*(("TCP", port) for port in (1443, 8080, 8081, 9000)), *(("UDP", port) for port in (5353, 8080, 8081)))
"""Every pod listens on each; none is where a client's own ports are taken from."""
PODS: Mapping[str, tuple[Mapping[str, str], Sequence[Named]]] = {
    "red/one": ({"app": "a", "tier": "x"}, [("web", "TCP", 8080), ("dns", "UDP", 5353)]),
    "red/two": ({"app": "b", "tier": "y"}, [("web", "TCP", 8081), ("db", "TCP", 9000)]),
    "red/three": ({"app": "c"}, []),
    "green/one": ({"app": "a"}, [("web", "TCP", 8080), ("dns", "TCP", 1443)]),
    "green/two": ({"app": "b", "tier": "x"}, [("db", "UDP", 8080)]),
    "green/three": ({"tier": "y"}, [("web", "TCP", 9000), ("dns", "UDP", 5353)]),
    "blue/one": ({"app": "c", "tier": "x"}, [("dns", "UDP", 5353), ("web", "TCP", 8080)]),
    "blue/two": ({}, [("db", "TCP", 8081)]),
    "blue/three": ({"app": "a", "tier": "y"}, [("web", "UDP", 8081)]),
}
"""Labels and named ports of each."""
OUTSIDE = "outside"
SENTINELS = (8080, 8081)
"""Of each two sets that follow each other, one lets the sentinel be reached on this port, the other on that."""
OURS, TURN = "airlock.test/packets", "airlock.test/turn"
WAIT, PATIENCE = 1.3, 6.0
"""Seconds in which an answer counts: a SYN that was lost is sent again after one; and of those that are asked a second time."""
DEADLINE = 90.0


@dataclass(frozen=True)
class Party:
    """A pod that listens.

    Attributes:
        labels: What it begins with.
        named: Ports that have a name.
        on_node: Where it has its node's network: the ports that it listens on there. Others listen on all of the plan's.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    named: Sequence[Named] = ()
    on_node: Sequence[Port] | None = None


@dataclass(frozen=True)
class Plan:
    """What is started.

    Attributes:
        control: A namespace in which no policy under trial is.
        namespaces: With their labels.
        pods: By 'NAMESPACE/POD'.
        ports: That everyone listens on.
        outside: Addresses of a host beyond the cluster, by the names that it answers with.
        objects: What must be there before the pods.
    """

    control: str
    namespaces: Mapping[str, Mapping[str, str]]
    pods: Mapping[str, Party]
    ports: Sequence[Port]
    outside: Mapping[str, str]
    objects: Sequence[Manifest] = ()

    @property
    def watcher(self) -> str:
        """Who tries the sentinel."""
        return f"{self.control}/watcher"

    @property
    def sentinel(self) -> str:
        """Who is reached where a set is in force."""
        return f"{self.control}/sentinel"


PLAN = Plan(
    CONTROL,
    {f"{PREFIX}-{colour}": labels for colour, labels in COLOURS.items()},
    {f"{PREFIX}-{place}": Party(*one) for place, one in PODS.items()},
    PORTS,
    {OUTSIDE: beyond.ADDRESS},
)


class Target(NamedTuple):
    """What one party tries: who answers there, and where.

    Attributes:
        name: '' where whoever takes the connection is right.
    """

    name: str
    address: str
    protocol: str
    port: int


class Speaker:
    """A session with the program that tries connections, in a pod or elsewhere."""

    def __init__(self, name: str, command: Sequence[str], token: str, source: str = "") -> None:
        self.name, self._token = name, token
        self._process = subprocess.Popen(
            [*command, "python3", "-u", "-c", ASK, source],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def ask(self, targets: Sequence[Target], seconds: float) -> list[str]:
        """What came of each: 'open', or what else was seen."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = [[one.address, one.protocol, one.port, not one.name] for one in targets]
        self._process.stdin.write(json.dumps([seconds, asked]) + "\n")
        ready, _, _ = select.select([self._process.stdout], [], [], seconds + 60)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            raise RuntimeError(f"{self.name} says nothing any more: {self._process.communicate()[1]}")
        said = json.loads(line)
        return [self._judged(one, each) for one, each in zip(targets, said, strict=True)]

    def _judged(self, target: Target, said: str) -> str:
        expected = f"{self._token} {target.name} {target.protocol} {target.port}" if target.name else "connected"
        return "open" if said == expected else said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


class Network:
    """The pods, and what is known of them.

    Attributes:
        plan: What was started.
        addresses: Of each party by its name: 'NAMESPACE/POD', and those of a host outside where there is one.
        api_server: Address and port.
    """

    def __init__(
        self, plan: Plan, manifests: Mapping[str, Manifest], addresses: Mapping[str, str], speakers: Sequence[Speaker]
    ) -> None:
        self.plan, self.addresses, self.api_server = plan, addresses, _api_server()
        self._manifests = manifests
        self._speakers = {one.name: one for one in speakers}
        self._turn: int | None = None
        self._told: dict[str, Mapping[str, str]] = {}

    @property
    def parties(self) -> list[str]:
        """All but those that show which set is in force."""
        return [name for name in self.addresses if not name.startswith(self.plan.control)]

    def targets(self, ports: Sequence[tuple[str, int]] = PORTS) -> list[Target]:
        """Everything that can be tried by anybody."""
        made = [Target(name, self.addresses[name], *port) for name in self.parties for port in ports]
        return [*made, Target("", self.api_server[0], "TCP", self.api_server[1])]

    def measured(self, targets: Mapping[str, Sequence[Target]], seconds: float = WAIT) -> dict[tuple[str, Target], str]:
        """What each party gets from its targets, all at the same time."""
        with ThreadPoolExecutor(len(targets)) as pool:
            answers = pool.map(lambda name: self._speakers[name].ask(targets[name], seconds), targets)
            return {
                (name, target): said
                for (name, asked), some in zip(targets.items(), answers, strict=True)
                for target, said in zip(asked, some, strict=True)
            }

    def enforce(self, policies: Sequence[Manifest], labels: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Put these policies in place of the last ones, and wait until packets meet them.

        The sentinel's policy is changed after all others. Who follows the API server's changes sees it last; and that it is seen is an answer
        where there was none, never mere silence. New `labels`, of namespaces and of pods, come before; each kind is followed by itself, so that
        the last namespace and the last pod to get theirs are those that the sentinel's policy lets in by them.
        """
        turn = 1 - (self._begun() if self._turn is None else self._turn)
        self._turn = None  # until it is seen: whatever goes wrong in between, the next set begins anew
        done(kubectl("delete", "networkpolicy", "-A", "-l", OURS))
        mark = token_hex(4) if labels else ""
        last = {self.plan.control: {TURN: mark}, self.plan.watcher: {TURN: mark}} if labels else {}
        told, before = {**(labels or {}), **last}, self._told
        self._told = {}
        changed = [name for name, own in told.items() if before.get(name) != own]
        labelled = [self._labelled(name, told[name]) for name in sorted(changed, key=lambda name: ("/" in name, name in last))]
        given = [{**one, "metadata": {**one["metadata"], "labels": {OURS: "yes"}}} for one in policies]
        _apply([*labelled, *given, sentinel(self.plan, SENTINELS[turn], mark)])
        self._until(SENTINELS[turn], "open", 0.2)
        self._turn, self._told = turn, {**before, **told}

    def _labelled(self, name: str, labels: Mapping[str, str]) -> Manifest:
        one = self._manifests[name]
        return {**one, "metadata": {**one["metadata"], "labels": {**labels, OURS: "yes"}}}

    def _begun(self) -> int:
        """Shut the second of the sentinel's ports; says which is open."""
        _apply([sentinel(self.plan, SENTINELS[0])])
        self._until(SENTINELS[0], "open", WAIT)
        self._until(SENTINELS[1], "silent EHOSTUNREACH EACCES ECONNREFUSED", PATIENCE)
        return 0

    def _until(self, port: int, wanted: str, seconds: float) -> None:
        target = Target(self.plan.sentinel, self.addresses[self.plan.sentinel], "TCP", port)
        until = time.monotonic() + DEADLINE
        while (said := self._speakers[self.plan.watcher].ask([target], seconds)[0]) not in wanted.split():
            assert time.monotonic() < until, f"the sentinel's policy is not in force: port {port} is {said}, not {wanted}"


def sentinel(plan: Plan, port: int, mark: str = "") -> Manifest:
    """The policy that says which set is in force, to who has this mark where there is one."""
    marked = {"matchLabels": {TURN: mark}}
    rule = {"ports": [{"port": port}], **({"from": [{"podSelector": marked, "namespaceSelector": marked}]} if mark else {})}
    namespace, _, name = plan.sentinel.partition("/")
    spec = {"podSelector": {"matchLabels": {"app": "sentinel"}}, "ingress": [rule]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@contextmanager
def network(plan: Plan = PLAN) -> Iterator[Network]:
    """Start everything, and take it away. A host beyond the cluster is one of the parties where there can be one."""
    present = done(kubectl("get", "namespaces", "-o", "name")).split()
    ours = [*plan.namespaces, plan.control]
    assert not {f"namespace/{name}" for name in ours} & set(present), f"the cluster has these already; delete them: {ours}"
    token = token_hex(8)
    with ExitStack() as stack:
        stack.callback(
            lambda: done(kubectl("delete", "namespace", *ours, "--ignore-not-found", "--wait=true", "--timeout=110s"))
        )
        manifests = _manifests(plan, token)
        addresses = _started(plan, manifests)
        sessions = {name: ["kubectl", "exec", "-i", "-n", *name.split("/"), "--"] for name in addresses}
        speakers = [stack.enter_context(Speaker(name, command, token)) for name, command in sessions.items()]
        if beyond.missing(_api_server()[0]) is None:
            programs = [["python3", "-c", *_listens(f"{token} {name}", plan.ports, ip)] for name, ip in plan.outside.items()]
            stack.enter_context(beyond.host(programs, [*plan.outside.values()]))
            speakers += [stack.enter_context(Speaker(name, beyond.COMMAND, token, ip)) for name, ip in plan.outside.items()]
            addresses = {**addresses, **plan.outside}
        yield Network(plan, manifests, addresses, speakers)


def _manifests(plan: Plan, token: str) -> dict[str, Manifest]:
    """Of each namespace and pod, as it begins."""
    node = _api_server()[0]
    control = {
        plan.watcher: Party({"app": "watcher"}),
        plan.sentinel: Party({"app": "sentinel"}),
    }
    spaces = {name: _namespace(name, labels) for name, labels in {**plan.namespaces, plan.control: {}}.items()}
    pods = {place: _pod(place, one, plan.ports, token, node) for place, one in {**plan.pods, **control}.items()}
    return {**spaces, **pods}


def _started(plan: Plan, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """The address of each pod, when all run."""
    spaces = [one for one in manifests.values() if one["kind"] == "Namespace"]
    pods = [one for one in manifests.values() if one["kind"] == "Pod"]
    _apply([*spaces, *plan.objects])
    # A new namespace gets its ServiceAccount a moment later, and without it takes no pod.
    done(settles(lambda: kubectl("apply", "-f", "-", given=_listed(pods)), refused=False))
    for one in spaces:
        done(kubectl("wait", "-n", one["metadata"]["name"], "pod", "--all", "--for=condition=Ready", "--timeout=110s"))
    items = json.loads(done(kubectl("get", "pods", "-A", "-l", OURS, "-o", "json")))["items"]
    found = {_name(one): one["status"]["podIP"] for one in items}
    return {_name(one): found[_name(one)] for one in pods}


def _apply(items: Sequence[Manifest]) -> None:
    done(kubectl("apply", "-f", "-", given=_listed(items)))


def _listed(items: Sequence[Manifest]) -> Manifest:
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def _namespace(name: str, labels: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _listens(says: str, ports: Sequence[Port], address: str = "0.0.0.0") -> list[str]:
    return [LISTEN, says, json.dumps(ports), address]


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def _pod(place: str, party: Party, ports: Sequence[Port], token: str, node: str) -> Manifest:
    namespace, _, name = place.partition("/")
    says = f"{token} {place}"
    listens = _listens(says, ports) if party.on_node is None else _listens(says, party.on_node, node)
    container = {
        "name": "main", "image": os.environ[IMAGE], "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "-c", *listens],
        "ports": [{"name": name, "protocol": protocol, "containerPort": number} for name, protocol, number in party.named],
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}},
    }  # fmt: skip
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "enableServiceLinks": False,
        "containers": [container],
    }  # fmt: skip
    if party.on_node is None:
        container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        spec["securityContext"] = {
            "runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"},
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        }  # fmt: skip
    else:  # a port of the node's below 1024 is root's
        spec |= {"hostNetwork": True, "securityContext": {"runAsUser": 0}}
    metadata = {"name": name, "namespace": namespace, "labels": {**party.labels, OURS: "yes"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _api_server() -> tuple[str, int]:
    (found,) = json.loads(
        done(kubectl("get", "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes", "-o", "json"))
    )["items"]
    return found["endpoints"][0]["addresses"][0], found["ports"][0]["port"]
