"""`airlock isolation probe` on a real cluster on which `k8s/overlays/local` was applied: passed as it is, failed where a policy is gone or too wide."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.cluster.conftest import K8S
from tests.cluster.live import create_namespace, done, images, kubectl

from airlock.evidence.probed import Probed
from airlock.evidence.trust import Trust
from airlock.keys.signing import create_signing_key


def run(*more):
    command = [
        sys.executable,
        "-m",
        "airlock",
        "isolation",
        "probe",
        "--flows",
        str(K8S / "flows.yaml"),
        *more,
    ]
    return subprocess.run(
        [*command, "--format", "json", "--seconds", "8", "--sink-seconds", "70"], capture_output=True, text=True, timeout=500
    )


def probe(*more, code=0):
    made = run(*images(), *more)
    assert made.returncode == code, made.stdout + made.stderr
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def consumers():
    create_namespace("team-analytics")
    yield
    kubectl("delete", "namespace", "team-analytics", "--wait=true", "--timeout=100s")


def left():
    """What a round made and is there still; a namespace that is on its way out goes by itself."""
    columns = "custom-columns=K:.kind,N:.metadata.name,L:.metadata.deletionTimestamp"
    found = done(kubectl("get", "pods,services,namespaces", "-A", "--no-headers", "-o", columns))
    return [
        one for one in found.splitlines() if ("airlock-probe-" in one or "airlock-control-" in one) and one.endswith("<none>")
    ]


def test_what_was_applied_passes_and_the_result_is_signed(applied, consumers, require, tmp_path):
    require("cluster_image")
    private, public, out = tmp_path / "probe.pem", tmp_path / "probe.pub", tmp_path / "round"
    create_signing_key(private, public, "probe")
    found = probe("--key", str(private), "--out", str(out), "--outside", "198.18.255.1:10250")
    assert found["verdict"] == "passed", [one for one in found["shown"] if one["verdict"] != "no_proof"]
    assert found["proof"] == "proven"
    assert found["open_trials"] >= 20
    assert found["shut_trials"] > 1_000
    assert {"IPv6", "from node to node"} <= {one["tried"] for one in found["shown"]}
    assert Probed.parse(out.read_bytes(), Trust.load(tmp_path)).to_dict() == found
    assert left() == []


def failures(found):
    return {
        (one["tried"].partition(" (")[0], one["said"].partition(",")[0]) for one in found["shown"] if one["verdict"] == "failed"
    }


def test_what_is_open_and_should_be_shut_is_found_and_the_other_way_round(cluster, consumers, require):
    """pii-raw without its default-deny, and without one declared flow's policy: what roles of their own policies hold stays shut."""
    require("cluster_image")
    gone = ("default-deny", "executors-to-driver")
    done(kubectl("delete", "networkpolicy", *gone, "-n", "pii-raw"))
    try:
        found = probe(code=3)
    finally:
        for name in gone:
            done(kubectl("apply", "-f", str(K8S / "base" / "pii-raw" / f"{name}.yaml")))
    assert (found["verdict"], found["proof"]) == ("failed", "refuted")
    failed = failures(found)
    assert ("executor -> driver", "it does not get through") in failed
    assert {"raw-store -> control", "control -> submit", "consumers -> submit"} <= {pair for pair, _ in failed}
    assert ("control -> raw-store", "it does not get through") not in failed
    assert left() == []


def test_an_image_that_admission_does_not_list_is_refused_and_nothing_stays(cluster, require):
    require("cluster_image")
    made = run("--image", f"x@sha256:{'0' * 64}")
    assert made.returncode == 3
    assert "an image is none of the namespace's list" in made.stderr
    assert left() == []
