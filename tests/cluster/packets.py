"""Pods that stay, each of which listens on several ports and tries what it is told, and what they see of one set of policies after another.

Commands and answers go by `kubectl exec` into each pod, one session for all sets: no policy under trial is on that path. For
`test_live_packets`, in namespaces of its own.
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
from secrets import token_hex
from typing import Any, NamedTuple

from tests.cluster import outside as beyond
from tests.cluster.live import IMAGE, done, kubectl, settles
from tests.cluster.packet_programs import ASK, LISTEN

PREFIX = "airlock-packets"
COLOURS: Mapping[str, Mapping[str, str]] = {"red": {"team": "a"}, "green": {"team": "b"}, "blue": {}}
"""Namespaces that policies are about, with their labels."""
NAMESPACES = tuple(f"{PREFIX}-{colour}" for colour in COLOURS)
CONTROL = f"{PREFIX}-control"
"""No policy of a set is in it, so that what happens there says which set is in force."""
PORTS = (*(("TCP", port) for port in (1443, 8080, 8081, 9000)), *(("UDP", port) for port in (5353, 8080, 8081)))
"""Every pod listens on each; none is where a client's own ports are taken from."""
PODS: Mapping[str, tuple[Mapping[str, str], Sequence[tuple[str, str, int]]]] = {
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
WATCHER, SENTINEL = f"{CONTROL}/watcher", f"{CONTROL}/sentinel"
SENTINELS = (8080, 8081)
"""Of each two sets that follow each other, one lets the sentinel be reached on this port, the other on that."""
OURS = "airlock.test/packets"
WAIT, PATIENCE = 1.3, 6.0
"""Seconds in which an answer counts: a SYN that was lost is sent again after one; and of those that are asked a second time."""
DEADLINE = 90.0


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

    def __init__(self, name: str, command: Sequence[str], token: str) -> None:
        self.name, self._token = name, token
        self._process = subprocess.Popen(
            [*command, "python3", "-u", "-c", ASK],
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

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Network:
    """The pods, and what is known of them.

    Attributes:
        addresses: Of each party by its name: 'NAMESPACE/POD', and OUTSIDE where there is one.
        api_server: Address and port.
    """

    def __init__(self, addresses: Mapping[str, str], api_server: tuple[str, int], speakers: Sequence[Speaker]) -> None:
        self.addresses, self.api_server = addresses, api_server
        self._speakers = {one.name: one for one in speakers}
        self._turn: int | None = None

    @property
    def parties(self) -> list[str]:
        """All but those that show which set is in force."""
        return [name for name in self.addresses if not name.startswith(CONTROL)]

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

    def enforce(self, policies: Sequence[Mapping[str, Any]]) -> None:
        """Put these policies in place of the last ones, and wait until packets meet them.

        The sentinel's policy is changed after all others. Who follows the API server's changes sees it last; and that it is seen is an answer
        where there was none, never mere silence.
        """
        turn = 1 - (self._begun() if self._turn is None else self._turn)
        self._turn = None  # until it is seen: whatever goes wrong in between, the next set begins anew
        done(kubectl("delete", "networkpolicy", "-A", "-l", OURS))
        given = [{**one, "metadata": {**one["metadata"], "labels": {OURS: "yes"}}} for one in policies]
        items = [*given, sentinel(SENTINELS[turn])]
        done(kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": items}))
        self._until(SENTINELS[turn], "open", 0.2)
        self._turn = turn

    def _begun(self) -> int:
        """Shut the second of the sentinel's ports; says which is open."""
        done(kubectl("apply", "-f", "-", given=sentinel(SENTINELS[0])))
        self._until(SENTINELS[0], "open", WAIT)
        self._until(SENTINELS[1], "silent EHOSTUNREACH EACCES ECONNREFUSED", PATIENCE)
        return 0

    def _until(self, port: int, wanted: str, seconds: float) -> None:
        target = Target(SENTINEL, self.addresses[SENTINEL], "TCP", port)
        until = time.monotonic() + DEADLINE
        while (said := self._speakers[WATCHER].ask([target], seconds)[0]) not in wanted.split():
            assert time.monotonic() < until, f"the sentinel's policy is not in force: port {port} is {said}, not {wanted}"


def sentinel(port: int) -> dict[str, Any]:
    """The policy that says which set is in force."""
    spec = {"podSelector": {"matchLabels": {"app": "sentinel"}}, "ingress": [{"ports": [{"port": port}]}]}
    metadata = {"name": "sentinel", "namespace": CONTROL}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


@contextmanager
def network() -> Iterator[Network]:
    """Start everything, and take it away. A host beyond the cluster is one of the parties where there can be one."""
    present = done(kubectl("get", "namespaces", "-o", "name")).split()
    ours = [*NAMESPACES, CONTROL]
    assert not {f"namespace/{name}" for name in ours} & set(present), f"the cluster has these already; delete them: {ours}"
    token, api_server = token_hex(8), _api_server()
    with ExitStack() as stack:
        stack.callback(
            lambda: done(kubectl("delete", "namespace", *ours, "--ignore-not-found", "--wait=true", "--timeout=110s"))
        )
        addresses = _started(token)
        sessions = {name: ["kubectl", "exec", "-i", "-n", *name.split("/"), "--"] for name in addresses}
        if beyond.missing(api_server[0]) is None:
            stack.enter_context(beyond.host(["python3", "-c", LISTEN, f"{token} {OUTSIDE}", json.dumps(PORTS)]))
            addresses, sessions = {**addresses, OUTSIDE: beyond.ADDRESS}, {**sessions, OUTSIDE: [*beyond.COMMAND]}
        speakers = []
        for name, command in sessions.items():
            speakers.append(Speaker(name, command, token))
            stack.callback(speakers[-1].close)
        yield Network(addresses, api_server, speakers)


def _started(token: str) -> dict[str, str]:
    """The address of each pod, when all run."""
    labels = {**{f"{PREFIX}-{colour}": labels for colour, labels in COLOURS.items()}, CONTROL: {}}
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}} for name, own in labels.items()
    ]
    done(kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": spaces}))
    pods = [_pod(f"{PREFIX}-{name}", own, ports, token) for name, (own, ports) in PODS.items()]
    pods += [_pod(WATCHER, {"app": "watcher"}, [], token), _pod(SENTINEL, {"app": "sentinel"}, [], token)]
    # A new namespace gets its ServiceAccount a moment later, and without it takes no pod.
    done(settles(lambda: kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": pods}), refused=False))
    for name in labels:
        done(kubectl("wait", "-n", name, "pod", "--all", "--for=condition=Ready", "--timeout=110s"))
    items = json.loads(done(kubectl("get", "pods", "-A", "-l", OURS, "-o", "json")))["items"]
    found = {_name(one): one["status"]["podIP"] for one in items}
    return {_name(one): found[_name(one)] for one in pods}


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


def _pod(place: str, labels: Mapping[str, str], ports: Sequence[tuple[str, str, int]], token: str) -> dict[str, Any]:
    namespace, _, name = place.partition("/")
    container = {
        "name": "main", "image": os.environ[IMAGE], "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "-c", LISTEN, f"{token} {place}", json.dumps(PORTS)],
        "ports": [{"name": name, "protocol": protocol, "containerPort": number} for name, protocol, number in ports],
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    spec = {
        "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }  # fmt: skip
    metadata = {"name": name, "namespace": namespace, "labels": {**labels, OURS: "yes"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _api_server() -> tuple[str, int]:
    (found,) = json.loads(
        done(kubectl("get", "endpointslices", "-n", "default", "-l", "kubernetes.io/service-name=kubernetes", "-o", "json"))
    )["items"]
    return found["endpoints"][0]["addresses"][0], found["ports"][0]["port"]
