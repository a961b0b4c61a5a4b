"""Preflight without a cluster: every look is told, one that fails or can't be taken leaves no verdict. On a real one: tests/cluster."""

from __future__ import annotations

import pytest
from tests.unit.doors._zone import IMAGE, Cluster, Zone

from airlock.cluster.sealed import BROKEN, broken_pods, sealed_pod
from airlock.doors.preflight import Given, Wanted, preflight
from airlock.errors import AdmissionError, ConfigError, StorageUnavailableError
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.probed import Probed
from airlock.evidence.trust import Trust


@pytest.fixture
def zone(tmp_path, monkeypatch):
    """One node, probed just now."""
    return Zone(tmp_path, monkeypatch)


def failed(checks):
    return {one.name: one.said for one in checks if not one.passed}


def test_where_all_is_in_order_the_verdict_is_signed_and_runs_out_with_the_probes(zone):
    checks, envelope = preflight(zone.given())
    assert failed(checks) == {}
    record = Preflighted.parse(envelope, Trust.load(zone.folder / "trust"))
    assert (record.run, record.nodes, set(record.probes_sha256)) == ("run-1", ("a",), {"a"})
    late = Probed.parse((zone.folder / "round").read_bytes(), Trust.load(zone.folder / "trust")).expires_at
    assert record.expires_at == late
    assert not record.watched


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
    checks, envelope = preflight(zone.given(**changed))
    assert envelope is None
    assert said in failed(checks)["probes"]


def test_each_other_look_can_fail_alone(zone):
    take = lambda: preflight(zone.given())  # noqa: E731 - one call as a word
    zone.cluster.allowed = {"pods/exec"}
    assert failed(take()[0]) == {"rights": "this identity may create pods/exec in pii-raw"}
    zone.cluster.allowed = set()
    zone.cluster.let_in = {"privileged"}
    assert failed(take()[0]) == {"admission": "a pod privileged is let in"}
    zone.cluster.let_in = set()
    zone.cluster.good_is_refused = True
    assert "refusals show nothing" in failed(take()[0])["admission"]
    zone.cluster.good_is_refused = False
    zone.unread = {"Role (v1)": "403 Forbidden"}
    assert failed(take()[0]) == {"objects": "Role (v1) could not be listed: 403 Forbidden"}
    zone.unread = {}
    zone.objects.append(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x", "namespace": "pii-raw"},
            "spec": {"automountServiceAccountToken": False},
        }
    )
    checks, envelope = take()
    assert (failed(checks), envelope) == ({"pods": "pod pii-raw/x is of no party of flows.yaml"}, None)


def test_a_pod_with_a_token_that_nobody_declared_is_found(zone):
    spec = {"serviceAccountName": "executor", "containers": [{"name": "main", "image": IMAGE}]}
    sealed = {**sealed_pod("f", "pii-raw", "executor", {"airlock.dev/role": "executor"}, IMAGE), "status": {"phase": "Running"}}
    zone.objects.append(sealed)
    assert failed(preflight(zone.given())[0]) == {}
    sealed["spec"] = {**sealed["spec"], "automountServiceAccountToken": True}
    assert (
        "carries a token of ServiceAccount pii-raw/executor for the API server" in failed(preflight(zone.given())[0])["tokens"]
    )
    sealed["spec"] = {**sealed["spec"], **spec, "automountServiceAccountToken": False, "hostNetwork": True}
    assert failed(preflight(zone.given())[0]).keys() == {"pods"}


@pytest.mark.parametrize("status", [401, 404, 409])
def test_an_answer_that_is_no_refusal_of_admission_shows_nothing(zone, monkeypatch, status):
    take = lambda: preflight(zone.given())  # noqa: E731 - one call as a word
    usual = Cluster.create

    def odd(self, one, *, dry):
        try:
            return usual(self, one, dry=dry)
        except AdmissionError:
            raise AdmissionError("something else", status=status) from None

    monkeypatch.setattr(zone.cluster, "create", odd)
    checks, envelope = take()
    assert envelope is None
    assert failed(checks) == {"admission": "could not be taken: something else"}


def test_a_look_that_can_not_be_taken_is_a_failure(zone, monkeypatch):
    take = lambda: preflight(zone.given())  # noqa: E731 - one call as a word

    def down(*_):
        raise StorageUnavailableError("the cluster does not answer")

    monkeypatch.setattr(zone.cluster, "may", down)
    checks, envelope = take()
    assert envelope is None
    assert failed(checks) == {"rights": "could not be taken: the cluster does not answer"}


def test_a_claim_that_is_none(zone, tmp_path):
    flows = tmp_path / "odd.yaml"
    flows.write_text("kind: Other")
    with pytest.raises(ConfigError, match="not a file of flows"):
        preflight(Given(flows, [], tmp_path / "trust", tmp_path / "keys" / "preflight-signing.pem", Wanted("r", IMAGE)))


def test_each_broken_pod_breaks_one_rule(zone):
    good = sealed_pod("a", "pii-raw", "executor", {"airlock.dev/role": "executor"}, IMAGE)
    made = broken_pods(good)
    assert made.keys() == BROKEN.keys()
    assert all(one != good for one in made.values())
    assert len({repr(one) for one in made.values()}) == len(BROKEN)
