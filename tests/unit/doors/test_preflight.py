"""Preflight without a cluster: every look is told, one that fails or can't be taken leaves no verdict. On a real one: tests/cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import yaml

from airlock.cluster.digest import objects_digest
from airlock.cluster.flowreader import read_flows
from airlock.cluster.resources import resources_from
from airlock.cluster.sealed import BROKEN, broken_pods, sealed_pod
from airlock.doors import preflight as door
from airlock.doors.keys import create_one_key
from airlock.doors.preflight import Wanted, preflight
from airlock.errors import AdmissionError, ConfigError, StorageUnavailableError
from airlock.evidence.canonical import sha256_hex, time_text
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.probed import Probed
from airlock.evidence.trust import Trust
from airlock.keys.signing import load_signer

IMAGE = f"registry.example.org/airlock@sha256:{'1' * 64}"
FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [pii-raw]}
parties:
  executor: {namespace: pii-raw, pods: {airlock.dev/role: executor}}
flows:
- {from: executor, to: executor, ports: [TCP 7079], why: w}
"""
OBJECTS = """
- {apiVersion: v1, kind: Node, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: pii-raw}}
- {apiVersion: v1, kind: Pod, metadata: {name: e, namespace: pii-raw, labels: {airlock.dev/role: executor}}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: old, namespace: pii-raw}, status: {phase: Succeeded}}
"""


class Cluster:
    """An API server that refuses what it must, but for what a test takes away."""

    allowed: frozenset[str] = frozenset()
    let_in: frozenset[str] = frozenset()
    good_is_refused = False

    def may(self, verb, group, resource, namespace):
        return resource in self.allowed

    def create(self, one, *, dry):
        assert dry
        good = sealed_pod(
            "airlock-preflight",
            "pii-raw",
            "executor",
            {"app.kubernetes.io/part-of": "airlock", "airlock.dev/role": "executor"},
            IMAGE,
        )
        what = next((name for name, broken in broken_pods(good).items() if broken == one), "")
        if (self.good_is_refused and not what) or (what and what not in self.let_in):
            raise AdmissionError("refused", status=403)
        return one


@pytest.fixture
def zone(tmp_path, monkeypatch):
    """(take, folder, what a cluster has): one node, probed just now."""
    for role in ("probe", "preflight"):
        create_one_key(tmp_path / "keys", role, trust=tmp_path / "trust")
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS)
    there = {"objects": yaml.safe_load(OBJECTS), "unread": {}, "cluster": type("Mine", (Cluster,), {})}
    monkeypatch.setattr(
        door, "read_guarding", lambda _: resources_from([("live", one) for one in there["objects"]], unread=there["unread"])
    )
    monkeypatch.setattr(door, "Cluster", there["cluster"])
    resources = resources_from([("live", one) for one in there["objects"]])
    now = datetime.now(UTC) + timedelta(seconds=1)

    def probed(**changed):
        values = {
            "verdict": "passed", "proof": "proven", "node": "a", "image": IMAGE, "namespaces": ("pii-raw",), "flows_sha256": sha256_hex(FLOWS.encode()),
            "objects_sha256": objects_digest(resources, read_flows(FLOWS, "f", resources)), "open_trials": 1, "shut_trials": 1, "shown": (),
            "began_at": time_text(now), "signed_at": time_text(now), "expires_at": time_text(now + timedelta(minutes=5)),
        }  # fmt: skip
        file = tmp_path / "round"
        file.write_bytes(Probed(**{**values, **changed}).to_envelope(load_signer(tmp_path / "keys" / "probe-signing.pem")))
        return file

    def take(**changed):
        wanted = Wanted("run-1", IMAGE, nodes=changed.pop("nodes", ()))
        return preflight(flows, [probed(**changed)], tmp_path / "trust", tmp_path / "keys" / "preflight-signing.pem", wanted)

    return take, tmp_path, there


def failed(checks):
    return {one.name: one.said for one in checks if not one.passed}


def test_where_all_is_in_order_the_verdict_is_signed_and_runs_out_with_the_probes(zone):
    take, folder, _ = zone
    checks, envelope = take()
    assert failed(checks) == {}
    record = Preflighted.parse(envelope, Trust.load(folder / "trust"))
    assert (record.run, record.nodes, set(record.probes_sha256)) == ("run-1", ("a",), {"a"})
    late = Probed.parse((folder / "round").read_bytes(), Trust.load(folder / "trust")).expires_at
    assert record.expires_at == late


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"verdict": "failed"}, "did not hold: by packets failed, by objects proven"),
        ({"verdict": "no_proof"}, "did not hold: by packets no_proof"),
        ({"proof": "refuted"}, "by objects refuted"),
        ({"objects_sha256": "2" * 64}, "is of other objects"),
        ({"flows_sha256": "2" * 64}, "is of another flows.yaml"),
        ({"expires_at": "2026-01-01T00:00:00Z"}, "ran out at 2026-01-01T00:00:00Z"),
        ({"node": "b"}, "node 'a' has no result of probes that counts"),
        ({"nodes": ("a", "b")}, "node 'b' has no result of probes that counts"),
    ],
)
def test_probes_that_do_not_count_leave_no_verdict(zone, changed, said):
    checks, envelope = zone[0](**changed)
    assert envelope is None
    assert said in failed(checks)["probes"]


def test_each_other_look_can_fail_alone(zone):
    take, _, there = zone
    there["cluster"].allowed = {"pods/exec"}
    assert failed(take()[0]) == {"rights": "this identity may create pods/exec in pii-raw"}
    there["cluster"].allowed = set()
    there["cluster"].let_in = {"privileged"}
    assert failed(take()[0]) == {"admission": "a pod privileged is let in"}
    there["cluster"].let_in = set()
    there["cluster"].good_is_refused = True
    assert "refusals show nothing" in failed(take()[0])["admission"]
    there["cluster"].good_is_refused = False
    there["unread"] = {"Role (v1)": "403 Forbidden"}
    assert failed(take()[0]) == {"objects": "Role (v1) could not be listed: 403 Forbidden"}
    there["unread"] = {}
    there["objects"].append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "pii-raw"}})
    checks, envelope = take()
    assert (failed(checks), envelope) == ({"pods": "pod pii-raw/x is of no party of flows.yaml"}, None)


@pytest.mark.parametrize("status", [401, 404, 409])
def test_an_answer_that_is_no_refusal_of_admission_shows_nothing(zone, monkeypatch, status):
    take, _, there = zone
    usual = Cluster.create

    def odd(self, one, *, dry):
        try:
            return usual(self, one, dry=dry)
        except AdmissionError:
            raise AdmissionError("something else", status=status) from None

    monkeypatch.setattr(there["cluster"], "create", odd)
    checks, envelope = take()
    assert envelope is None
    assert failed(checks) == {"admission": "could not be taken: something else"}


def test_a_look_that_can_not_be_taken_is_a_failure(zone, monkeypatch):
    take, _, there = zone

    def down(*_):
        raise StorageUnavailableError("the cluster does not answer")

    monkeypatch.setattr(there["cluster"], "may", down)
    checks, envelope = take()
    assert envelope is None
    assert failed(checks) == {"rights": "could not be taken: the cluster does not answer"}


def test_a_claim_that_is_none(zone, tmp_path):
    flows = tmp_path / "odd.yaml"
    flows.write_text("kind: Other")
    with pytest.raises(ConfigError, match="not a file of flows"):
        preflight(flows, [], tmp_path / "trust", tmp_path / "keys" / "preflight-signing.pem", Wanted("r", IMAGE))


def test_each_broken_pod_breaks_one_rule(zone):
    good = sealed_pod("a", "pii-raw", "executor", {"airlock.dev/role": "executor"}, IMAGE)
    made = broken_pods(good)
    assert made.keys() == BROKEN.keys()
    assert all(one != good for one in made.values())
    assert len({repr(one) for one in made.values()}) == len(BROKEN)
