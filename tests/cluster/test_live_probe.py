"""`airlock isolation probe` on a real cluster on which `k8s/overlays/local` was applied: passed as it is, failed where a policy is gone or too wide."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.cluster.conftest import K8S
from tests.cluster.live import IMAGE, done, kubectl

from airlock.evidence.probed import Probed
from airlock.evidence.trust import Trust
from airlock.keys.signing import create_signing_key


def probe(*more, code=0):
    command = [
        sys.executable,
        "-m",
        "airlock",
        "isolation",
        "probe",
        "--flows",
        str(K8S / "flows.yaml"),
        "--image",
        os.environ[IMAGE],
    ]
    made = subprocess.run([*command, "--format", "json", "--seconds", "6", *more], capture_output=True, text=True, timeout=500)
    assert made.returncode == code, made.stdout + made.stderr
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def consumers():
    done(kubectl("create", "namespace", "team-analytics"))
    yield
    kubectl("delete", "namespace", "team-analytics", "--wait=true", "--timeout=100s")


def left():
    found = kubectl("get", "pods,services,namespaces", "-A", "-o", "name")
    return [one for one in done(found).split() if "airlock-probe-" in one or "airlock-control-" in one]


def test_what_was_applied_passes_and_the_result_is_signed(cluster, consumers, require, tmp_path):
    require("cluster_image")
    private, public, out = tmp_path / "probe.pem", tmp_path / "probe.pub", tmp_path / "round"
    create_signing_key(private, public, "probe")
    found = probe("--key", str(private), "--out", str(out), "--outside", "198.18.255.1:10250")
    assert found["verdict"] == "passed", [one for one in found["shown"] if one["verdict"] != "no_proof"]
    assert found["open_trials"] >= 20
    assert found["shut_trials"] > 1_000
    assert {"IPv6", "from node to node"} <= {one["tried"] for one in found["shown"]}
    assert Probed.parse(out.read_bytes(), Trust.load(tmp_path)).to_dict() == found
    assert left() == []
