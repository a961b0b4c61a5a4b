"""`airlock isolation preflight` on a real cluster, as the ServiceAccount that it has there: in order as applied and probed, and not after any change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
import yaml
from tests.cluster.conftest import K8S
from tests.cluster.line import Line, free_port
from tests.cluster.live import FLOWS, IMAGE, create, done, isolation, kubectl, pod, settles
from tests.conftest import quickest

from airlock.doors.keys import create_one_key
from airlock.errors import IsolationDriftError, PermitError
from airlock.evidence.canonical import parse_time
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.standing import Standing
from airlock.evidence.trust import Trust


@pytest.fixture
def preflight(probed, folder):
    """As ServiceAccount pii-raw/preflight, by a token of its own."""
    config = yaml.safe_load(done(kubectl("config", "view", "--raw", "--minify", "-o", "json")))
    token = done(kubectl("create", "token", "preflight", "-n", "pii-raw")).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))

    def make(code, **changed):
        out = folder / "verdict"
        out.unlink(missing_ok=True)
        given = {
            "probes": folder / "probes",
            "run": "run-1",
            "trust": folder / "trust",
            "key": folder / "keys" / "preflight-signing.pem",
            **changed,
        }
        options = [text for name, value in given.items() for text in (f"--{name}", value)]

        def run():
            return isolation("preflight", *options, "--out", out, KUBECONFIG=str(kubeconfig))

        made = run()
        if "could not be taken: the cluster does not answer" in made.stdout:  # for as long as a look has patience
            made = run()
        assert made.returncode == code, made.stdout + made.stderr
        assert out.exists() == (code == 0)
        return {one["name"]: (one["passed"], one["said"]) for one in json.loads(made.stdout)["checks"]}

    return make


def stranger():
    """A pod of nobody, which only airlock-pods refuses to the platform."""
    made = pod("executor")
    made["metadata"] = {"name": "stranger", "namespace": "pii-raw", "labels": {}}
    return made


@contextmanager
def unguarded(*, wait=True):
    """Without the binding of airlock-pods. An API server takes a moment to follow, both ways."""
    binding = str(K8S / "base" / "admission" / "pods-binding.yaml")
    done(kubectl("delete", "-f", binding))
    try:
        if wait:
            done(settles(lambda: create(stranger()), refused=False))
        yield
    finally:
        done(kubectl("apply", "-f", binding))
        assert settles(lambda: create(stranger()), refused=True).returncode == 1


def test_as_applied_and_probed_it_is_in_order_and_signed_for_run_and_nodes(preflight, folder):
    found = preflight(0)
    assert {name for name, (passed, _) in found.items() if passed} == {
        "objects",
        "probes",
        "rights",
        "admission",
        "pods",
        "tokens",
    }
    record = Preflighted.parse((folder / "verdict").read_bytes(), Trust.load(folder / "trust"))
    assert (record.run, len(record.nodes)) == ("run-1", 1)
    assert record.probes_sha256.keys() == set(record.nodes)
    assert record.signed_at < record.expires_at


ONE_MORE = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "airlock-trial", "namespace": "pii-raw"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}]},
}


class Beside:
    """`preflight --watch` beside a run, by way of a line that can be cut."""

    def __init__(self, folder, minutes):
        self.folder, self.out, self.minutes = folder, folder / "standing", minutes
        config = yaml.safe_load((folder / "kubeconfig").read_text())
        cluster = config["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        self.line = Line((server.hostname, server.port or 443))
        cluster |= {"server": f"https://127.0.0.1:{self.line.port}", "tls-server-name": server.hostname}
        (folder / "kubeconfig-line").write_text(yaml.safe_dump(config))

    def __enter__(self):
        self.out.unlink(missing_ok=True)
        given = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
        options = {
            "probes": self.folder / "probes", "run": "run-1", "trust": self.folder / "trust", "image": os.environ[IMAGE],
            "key": self.folder / "keys" / "preflight-signing.pem", "out": self.out, "minutes": self.minutes, "serve": f"127.0.0.1:{free_port()}",
        }  # fmt: skip
        words = [str(text) for name, value in options.items() for text in (f"--{name}", value)]
        command = [sys.executable, "-m", "airlock", "isolation", "preflight", "--watch", *FLOWS, *words]
        environment = given | {"KUBECONFIG": str(self.folder / "kubeconfig-line")}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        keys = Trust.load(self.folder / "trust").of_role("preflight")
        node = json.loads(done(kubectl("get", "nodes", "-o", "json")))["items"][0]["metadata"]["name"]
        self.standing = Standing(f"http://{options['serve']}/", keys, "run-1", node)
        self.until(self.out.exists, 60)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.said = self.process.communicate()[0]
        self.line.close()

    def ended(self):
        """Its code. It goes on to tell the run's pods for a while, until it is told to end."""
        self.process.terminate()
        return self.process.wait(60)

    def until(self, holds, seconds):
        """Wait; returns how long that took."""
        began = time.monotonic()
        while not holds():
            assert time.monotonic() - began < seconds, self.process.poll()
            time.sleep(0.05)
        return time.monotonic() - began

    def read(self):
        return Preflighted.parse(self.out.read_bytes(), Trust.load(self.folder / "trust"))


def test_beside_a_run_it_is_renewed_long_before_it_runs_out(preflight, folder):
    preflight(0)
    with Beside(folder, minutes=1) as beside:
        first = beside.read()
        assert beside.standing.demand()[0] == first
        beside.until(lambda: beside.read().signed_at > first.signed_at, 40)
        assert first.expires_at > beside.read().signed_at


def test_beside_a_run_it_is_taken_back_within_seconds_of_a_change(preflight, folder):
    """Long before the next renewal, which would find it, too."""
    preflight(0)

    def taken_back():
        with Beside(folder, minutes=10) as beside:
            done(kubectl("create", "-f", "-", given=ONE_MORE))
            try:
                took = beside.until(lambda: beside.read().withdrawn, 60)
                assert "is of other objects" in beside.read().withdrawn[0]
                with pytest.raises(IsolationDriftError):
                    beside.standing.await_fresh()
            finally:
                done(kubectl("delete", "networkpolicy", "airlock-trial", "-n", "pii-raw"))
            assert beside.ended() == 3
        return took

    quickest(5, taken_back)


def test_a_policy_that_came_and_went_while_nobody_could_see_it_takes_it_back(preflight, folder):
    preflight(0)
    with Beside(folder, minutes=1) as beside:
        beside.line.cut()
        done(kubectl("create", "-f", "-", given=ONE_MORE))
        done(kubectl("delete", "networkpolicy", "airlock-trial", "-n", "pii-raw"))
        beside.line.mend()
        beside.until(lambda: beside.read().withdrawn, 60)
        assert "is of other objects" in beside.read().withdrawn[0]


def test_a_guard_that_goes_during_the_run_takes_it_back(preflight, folder):
    preflight(0)

    def taken_back():
        with Beside(folder, minutes=10) as beside, unguarded(wait=False):
            took = beside.until(lambda: beside.read().withdrawn, 60)
            assert beside.ended() == 3
        return took

    quickest(5, taken_back)


def test_who_can_not_see_the_cluster_renews_nothing_until_it_can_again_and_has_missed_nothing(preflight, folder):
    preflight(0)
    with Beside(folder, minutes=0.3) as beside:
        first = beside.read()
        beside.line.cut()
        time.sleep(22)
        with pytest.raises(PermitError, match="ran out at"):
            beside.standing.demand()
        beside.line.mend()
        beside.until(lambda: parse_time(beside.read().expires_at) > datetime.now(UTC), 60)
        assert beside.standing.demand()[0].since == first.since
        beside.process.terminate()
        assert beside.process.wait(30) == 0


def test_a_policy_more_makes_another_digest(preflight):
    done(kubectl("create", "-f", "-", given=ONE_MORE))
    try:
        passed, said = preflight(3)["probes"]
    finally:
        done(kubectl("delete", "networkpolicy", "airlock-trial", "-n", "pii-raw"))
    assert not passed
    assert "is of other objects" in said


def test_admission_that_lets_a_bad_pod_in_is_found_by_trying(preflight):
    with unguarded():
        found = preflight(3)
    passed, said = found["admission"]
    assert not passed
    assert "of an image of another registry is let in" in said
    assert not found["probes"][0]


def test_a_stranger_in_a_zone_is_found(preflight):
    with unguarded():
        done(create(stranger(), dry=False))
    try:
        passed, said = preflight(3)["pods"]
    finally:
        done(kubectl("delete", "pod", "stranger", "-n", "pii-raw", "--grace-period=0", "--force"))
    assert (passed, said) == (False, "pod pii-raw/stranger is of no party of flows.yaml")


def test_without_probes_that_count_there_is_no_verdict(preflight, folder, tmp_path):
    empty = tmp_path / "none"
    empty.mkdir()
    assert "has no result of probes that counts" in preflight(3, probes=empty)["probes"][1]
    others = tmp_path / "others"
    create_one_key(others / "keys", "probe", trust=others / "trust")
    assert "by a trusted key" in preflight(3, trust=others / "trust")["probes"][1]


def test_a_node_that_was_not_probed_is_none_for_a_run(preflight):
    found = preflight(3, node="another-node")
    assert "node 'another-node' has no result of probes that counts" in found["probes"][1]
