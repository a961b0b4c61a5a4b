"""`k8s/overlays/local` on a real cluster, by real connections: every declared flow connects, and no other pair does.

A pod of each role listens, another of each role tries everybody. Who listens says its name, so that nothing dead passes as denied; and it
has connected to itself, port by port, before it counts.
"""

from __future__ import annotations

import json
import time

import pytest
import yaml
from tests.cluster.conftest import K8S, ZONES
from tests.cluster.live import apply, create_namespace, done, image_of, kubectl, pod

PORTS = (7070, 7078, 7079, 7080, 8200, 9091)
CONSUMER, STRANGER = "team-analytics", "airlock-trial-stranger"
STORES = ("raw-store", "staging-store", "sanitized-store")
PEERS = {
    **{name: ("pii-raw", name) for name in ("driver", "executor", "submit", "preflight", "raw-store")},
    **{name: ("pii-airlock", name) for name in ("release", "staging-store")},
    "sanitized-store": ("pii-sanitized", "sanitized-store"),
    "raw-probe": ("pii-raw", "probe"),
    "airlock-probe": ("pii-airlock", "probe"),
    "sanitized-probe": ("pii-sanitized", "probe"),
    "consumers": (CONSUMER, "default"),
    "stranger": (STRANGER, "default"),
}
"""Parties of flows.yaml and one that is in none: namespace and role of each."""

SERVE = """
import socket, sys, threading
me, ports = sys.argv[1].encode(), [int(port) for port in sys.argv[2].split(",")]
def serve(port):
    listening = socket.create_server(("0.0.0.0", port))
    def loop():
        while True:
            taken = listening.accept()[0]
            taken.sendall(me)
            taken.close()
    threading.Thread(target=loop).start()
address = sys.argv[3]
for port in ports:
    serve(port)
    with socket.create_connection((address, port), 60) as back:
        assert back.recv(100) == me
serve(8080)
"""
CONNECT = """
import json, socket, sys, threading, time
found, targets, until = [], json.loads(sys.argv[1]), time.monotonic() + 15
def attempt(name, address, port, silent):
    while time.monotonic() < until:
        try:
            with socket.create_connection((address, port), 4) as made:
                said = name if silent else made.recv(100).decode()
            found.append([name if said == name else f"{name} answers as {said}", port])
            return
        except OSError:
            time.sleep(0.3)
threads = [threading.Thread(target=attempt, args=one) for one in targets]
[one.start() for one in threads]
[one.join() for one in threads]
open("/dev/termination-log", "w").write(json.dumps(sorted(found)))
"""


def speaker(name, script, kind, *arguments):
    """A pod of a party that runs a Python program."""
    namespace, role = PEERS[name]
    made = pod(role, namespace)
    made["metadata"]["name"] = f"trial-{name}-{kind}"
    if name in STORES and kind == "listens":
        made["metadata"]["labels"]["app.kubernetes.io/name"] = name
    made["spec"].pop("nodeSelector")
    made["spec"]["terminationGracePeriodSeconds"] = 1
    container = made["spec"]["containers"][0]
    container |= {
        "image": image_of(namespace),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", script],
        "args": list(arguments),
    }
    container["env"] = [{"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    container["resources"] = {"requests": {"cpu": "5m", "memory": "24Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}
    if kind == "listens":
        container["readinessProbe"] = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    return made


def pods(words):
    items = json.loads(done(kubectl("get", "pods", "-A", "-l", "app.kubernetes.io/part-of=airlock", "-o", "json")))["items"]
    return {
        (one["metadata"]["name"].removeprefix("trial-").removesuffix(f"-{words}")): one
        for one in items
        if one["metadata"]["name"].endswith(f"-{words}")
    }


def wait(words, ready):
    until = time.monotonic() + 240
    while not all(map(ready, (found := pods(words)).values())) or len(found) < len(PEERS):
        assert time.monotonic() < until, {name: one["status"] for name, one in found.items() if not ready(one)}
        time.sleep(1)
    return found


def listening(one):
    return any(part["type"] == "Ready" and part["status"] == "True" for part in one["status"].get("conditions", []))


def said(one):
    """What a pod left in its status."""
    return [
        part["state"]["terminated"]["message"]
        for part in one["status"].get("containerStatuses", [])
        if "terminated" in part["state"]
    ]


@pytest.fixture(scope="module")
def site():
    return yaml.safe_load((K8S / "overlays" / "local" / "site.yaml").read_text())["data"]


@pytest.fixture(scope="module")
def reached(cluster, require, site):
    """party -> set of (party or other target, port) that answered."""
    require("cluster_image")
    for name in (CONSUMER, STRANGER):
        create_namespace(name)
    ports = ",".join(map(str, PORTS))
    try:
        apply(*(speaker(name, SERVE, "listens", name, ports, "$(ADDRESS)") for name in PEERS))
        found = wait("listens", listening)
        targets = [[name, found[name]["status"]["podIP"], port, False] for name in PEERS for port in PORTS]
        services = json.loads(done(kubectl("get", "services", "-A", "-l", "app.kubernetes.io/part-of=airlock", "-o", "json")))[
            "items"
        ]
        targets += [[one["metadata"]["name"], one["spec"]["clusterIP"], 7070, False] for one in services]
        targets.append(["api-server", site["api-server"].split("/")[0], int(site["api-server-port"]), True])
        apply(*(speaker(name, CONNECT, "connects", json.dumps(targets)) for name in PEERS))
        ended = wait("connects", said)
        yield {name: [tuple(one) for one in json.loads(said(ended[name])[0])] for name in PEERS}
    finally:
        for namespace in ZONES:
            kubectl("delete", "pods", "-n", namespace, "--all", "--grace-period=0", "--force")
        kubectl("delete", "namespace", CONSUMER, STRANGER, "--wait=true", "--timeout=100s")


@pytest.fixture(scope="module")
def declared(site):
    """The same, as flows.yaml says it."""
    here = {None, "submit", "preflight", "probe", *STORES}
    found = {name: set() for name in PEERS}
    for flow in yaml.safe_load((K8S / "flows.yaml").read_text())["flows"]:
        if flow.get("with") in here:
            for port in flow["ports"]:
                number = port.removeprefix("TCP ").replace("site:api-server-port", site["api-server-port"])
                found[flow["from"]].add((flow["to"], int(number)))
    return found


def test_the_stranger_is_free_and_the_api_server_is_there(reached):
    """No policy binds it: what it can't reach, policies of the zones close; what it can is alive."""
    assert {("stranger", port) for port in PORTS} | {("api-server", 6443)} <= set(reached["stranger"])


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("consumers", "stranger")])
def test_a_role_reaches_what_is_declared_and_nothing_else(name, reached, declared):
    assert set(reached[name]) == declared[name]


@pytest.mark.parametrize("name", ["consumers", "stranger"])
def test_from_elsewhere_only_what_is_declared_is_open(name, reached, declared):
    zones = {one for one in PEERS if one not in ("consumers", "stranger")}
    assert {one for one in reached[name] if one[0] in zones} == declared[name]


def test_stores_answer_at_their_services_address_too(reached, declared):
    """Each store twice: as a pod and by its Service."""
    for name, expected in declared.items():
        for target, port in expected:
            if target in STORES:
                assert reached[name].count((target, port)) == 2, (name, target)
