"""The inner door in a pod, under the verdict that a pod of preflight serves to it: a run that ends, and one under which the zone changes."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.cluster.conftest import K8S
from tests.cluster.live import IMAGE, done, kubectl, pod
from tests.cluster.test_live_preflight import ONE_MORE

RAW = "pii-raw"
PORT = 7080
STAGE = """
set -e
airlock demo --rows "$ROWS" --folder /scratch/demo >/dev/null
cp /etc/airlock/trust/preflight.pub /scratch/demo/trust/
cd /scratch/demo
stage() { airlock --log-format json anonymize policies/customers.yaml --run "$RUN" || exit $?; }
stage
grep -o '"isolation":"[a-z]*"' staging/customers/"$RUN"/manifest.json
while [ -n "$AGAIN" ]; do rm -rf staging/customers private/customers; stage; done
"""
"""What the driver's pod does: zones in a folder of its own, made anew, for stores come with the jobs. AGAIN: until it may not."""


@pytest.fixture
def zone(probed, folder):
    """The trial's zones, probed, with what preflight's pod mounts."""
    items = [
        mounted("ConfigMap", "preflight-flows", {"flows.yaml": K8S / "flows.yaml"}),
        mounted("ConfigMap", "preflight-probes", {"node": probed}),
        mounted("ConfigMap", "preflight-trust", {file.name: file for file in (folder / "trust").iterdir()}),
        mounted("Secret", "preflight-key", {"key": folder / "keys" / "preflight-signing.pem"}),
    ]
    done(kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": items}))
    yield
    for one in items:
        done(kubectl("delete", one["kind"], one["metadata"]["name"], "-n", RAW))


def mounted(kind: str, name: str, files: dict[str, Path]) -> dict:
    data = "data" if kind == "Secret" else "binaryData"
    content = {key: base64.b64encode(file.read_bytes()).decode() for key, file in files.items()}
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": RAW},
        "immutable": True,
        data: content,
    }


def sealed(role: str, name: str, command: list[str], mounts: dict[str, dict], **environment: str) -> dict:
    """A pod of a role that runs a command of the image."""
    made = pod(role)
    made["metadata"]["name"] = name
    spec, container = made["spec"], made["spec"]["containers"][0]
    del spec["nodeSelector"]
    spec["automountServiceAccountToken"] = role == "preflight"
    spec["terminationGracePeriodSeconds"] = 5
    spec["securityContext"]["fsGroup"] = 185
    spec["volumes"] = [{"name": f"v{number}", **source} for number, source in enumerate(mounts.values())]
    own = {"name": "AIRLOCK_ISOLATION_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    container |= {
        "image": os.environ[IMAGE],
        "args": command,
        "env": [*({"name": key, "value": value} for key, value in environment.items()), own],
        "volumeMounts": [{"name": f"v{number}", "mountPath": path} for number, path in enumerate(mounts)],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
        "securityContext": {**container["securityContext"], "readOnlyRootFilesystem": True},
    }
    return made


@contextmanager
def started(one: dict) -> Iterator[str]:
    name = one["metadata"]["name"]
    done(kubectl("create", "-f", "-", given=one))
    try:
        yield name
    finally:
        kubectl("delete", "pod", name, "-n", RAW, "--wait=true", "--timeout=60s")


def preflight(name: str) -> dict:
    command = [
        "airlock", "isolation", "preflight", "--watch", "--serve", f"0.0.0.0:{PORT}", "--run", name, "--image", os.environ[IMAGE],
        "--flows", "/etc/airlock/flows/flows.yaml", "--probes", "/etc/airlock/probes/node", "--trust", "/etc/airlock/trust",
        "--key", "/etc/airlock/key/key",
    ]  # fmt: skip
    mounts = {f"/etc/airlock/{part}": {"configMap": {"name": f"preflight-{part}"}} for part in ("flows", "probes", "trust")}
    mounts |= {"/etc/airlock/key": {"secret": {"secretName": "preflight-key", "defaultMode": 0o400}}, "/tmp": {"emptyDir": {}}}
    return sealed("preflight", f"preflight-{name}", command, mounts)


def driver(name: str, at: str, *, again: str = "") -> dict:
    mounts = {
        "/etc/airlock/trust": {"configMap": {"name": "preflight-trust"}},
        "/scratch": {"emptyDir": {}},
        "/tmp": {"emptyDir": {}},
    }
    environment = {
        "AIRLOCK_ISOLATION_PREFLIGHT": f"http://{at}:{PORT}", "AIRLOCK_ENGINE": "local", "AIRLOCK_WORKERS": "1", "AIRLOCK_SPLIT_MIB": "1",
        "ROWS": "20000", "RUN": name, "AGAIN": again, "HOME": "/tmp",
    }  # fmt: skip
    return sealed("driver", f"driver-{name}", ["sh", "-c", STAGE], mounts, **environment)


def status(name: str) -> dict:
    return json.loads(done(kubectl("get", "pod", name, "-n", RAW, "-o", "json")))["status"]


def said(name: str) -> str:
    return kubectl("logs", name, "-n", RAW).stdout


def until(holds, seconds: float, *pods: str):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "\n".join(f"{name}: {status(name)}\n{said(name)}" for name in pods)
        time.sleep(0.3)
    return found


def code_of(name: str, seconds: float, *others: str) -> int:
    """The exit code of a pod's container, when it has ended."""

    def ended():
        states = [one["state"] for one in status(name).get("containerStatuses", [])]
        return [one["terminated"]["exitCode"] for one in states if "terminated" in one]

    return until(ended, seconds, name, *others)[0]


def test_a_run_asks_its_preflight_pod_and_is_proven(zone):
    with started(preflight("one")) as beside:
        at = until(lambda: status(beside).get("podIP"), 150, beside)
        until(lambda: "admission" in said(beside), 150, beside)
        with started(driver("one", at)) as inner:
            code = code_of(inner, 120, beside)
            words = said(inner)
        assert code == 0, words
        assert '"isolation":"proven"' in words


def test_a_policy_that_comes_during_the_run_ends_it_with_3(zone):
    with started(preflight("two")) as beside:
        at = until(lambda: status(beside).get("podIP"), 150, beside)
        until(lambda: "admission" in said(beside), 150, beside)
        with started(driver("two", at, again="yes")) as inner:
            until(lambda: said(inner).count('"staged"') > 1, 180, inner, beside)
            done(kubectl("create", "-f", "-", given=ONE_MORE))
            try:
                began = time.monotonic()
                code = code_of(inner, 120, beside)
                took = time.monotonic() - began
                assert code == 3, said(inner)
                assert "isolation-drift" in said(inner)
                assert took < 20
                assert code_of(beside, 150) == 3
            finally:
                done(kubectl("delete", "networkpolicy", ONE_MORE["metadata"]["name"], "-n", RAW))


def test_a_driver_that_may_not_ask_gets_no_keys(zone):
    """Its way to preflight is a flow like any other."""
    policy = yaml.safe_load((K8S / "components" / "preflight" / "driver-to-preflight.yaml").read_text())
    with started(preflight("three")) as beside:
        at = until(lambda: status(beside).get("podIP"), 150, beside)
        until(lambda: "admission" in said(beside), 150, beside)
        done(kubectl("delete", "networkpolicy", policy["metadata"]["name"], "-n", RAW))
        try:
            with started(driver("three", at)) as inner:
                code = code_of(inner, 120, beside)
                assert code == 75, said(inner)
                assert "does not answer" in said(inner)
        finally:
            done(kubectl("apply", "-f", "-", given=policy))
