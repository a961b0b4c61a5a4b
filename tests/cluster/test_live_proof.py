"""`airlock isolation prove --live` of a real cluster on which `k8s/overlays/local` was applied: proven as it is, refuted after each change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from tests.cluster.conftest import K8S
from tests.cluster.live import EVERYTHING, done, kubectl

TRIAL = "airlock-trial"
OPENING = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": TRIAL, "namespace": "pii-raw"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}]}]},
}  # fmt: skip
EXEC = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": TRIAL, "namespace": "pii-raw"},
    "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}],
}  # fmt: skip
EXEC_BY = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": TRIAL, "namespace": "pii-raw"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": TRIAL},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}],
}  # fmt: skip
READS_LOGS = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": TRIAL},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
}  # fmt: skip


def prove() -> dict[str, Any]:
    command = [sys.executable, "-m", "airlock", "isolation", "prove", "--live", "--flows", str(K8S / "flows.yaml")]
    made = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, timeout=120)
    assert made.returncode in (0, 3), made.stderr
    found = json.loads(made.stdout)
    assert (made.returncode == 0) == (found["verdict"] == "proven")
    return found


@contextmanager
def there(*objects: Mapping[str, Any]) -> Iterator[None]:
    given = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    done(kubectl("create", "-f", "-", given=given))
    try:
        yield
    finally:
        done(kubectl("delete", "--wait=true", "-f", "-", given=given))


def standing(found: Mapping[str, Any]) -> list[str]:
    def named(where: Mapping[str, str]) -> str:
        return f"{where['kind']} {'/'.join(filter(None, (where.get('namespace'), where['name'])))}"

    return [f"{one['verdict']} {named(one['where'])}: {one['what']}" for one in found["findings"]]


def test_a_group_that_may_everything_is_refuted(cluster):
    """What these tests give themselves, before it is taken away for the others."""
    found = prove()
    assert found["verdict"] == "refuted"
    assert any(EVERYTHING in one for one in standing(found)), standing(found)


def test_what_was_applied_is_what_the_files_say(applied, trial, tmp_path):
    """One digest, of the files before an API server has seen them and of what it made of them."""
    file = tmp_path / "trial.yaml"
    file.write_text(yaml.safe_dump_all(trial))
    command = [
        sys.executable,
        "-m",
        "airlock",
        "isolation",
        "prove",
        str(file),
        "--flows",
        str(K8S / "flows.yaml"),
        "--format",
        "json",
    ]
    of_files = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120).stdout)
    assert prove()["digest"] == of_files["digest"]
    with there(OPENING):
        assert prove()["digest"] != of_files["digest"]


def test_what_was_applied_is_proven_as_it_stands_on_the_cluster(applied):
    found = prove()
    assert (found["verdict"], standing(found)) == ("proven", [])
    assert {"flow", "enforcement", "node", "api-server", "logs", "rights"} <= {one["kind"] for one in found["paths"]}


@pytest.mark.parametrize(
    ("objects", "where", "what"),
    [
        ((OPENING,), f"NetworkPolicy pii-raw/{TRIAL}", "192.0.2.7"),
        ((EXEC, EXEC_BY), f"RoleBinding pii-raw/{TRIAL}", "mallory"),
        ((READS_LOGS,), f"ClusterRoleBinding {TRIAL}", "default"),
    ],
    ids=["a rule more", "exec for a user", "logs for an account"],
)
def test_a_change_on_the_cluster_is_refuted_and_the_object_named(applied, objects: Sequence[Mapping[str, Any]], where, what):
    with there(*objects):
        found = prove()
        assert found["verdict"] == "refuted"
        assert any(one.startswith(f"refuted {where}: ") and what in one for one in standing(found)), standing(found)
    assert prove()["verdict"] == "proven"


def test_a_lock_taken_away_is_refuted(applied):
    done(kubectl("delete", "networkpolicy", "default-deny", "-n", "pii-raw"))
    try:
        found = prove()
        assert found["verdict"] == "refuted"
        assert any("no policy isolates" in one and "pii-raw" in one for one in standing(found)), standing(found)
    finally:
        done(kubectl("apply", "-f", str(K8S / "base" / "pii-raw" / "default-deny.yaml")))
    assert prove()["verdict"] == "proven"


def test_a_guard_that_is_gutted_leaves_no_proof(applied):
    """The policy is there, bound, and lets everything in; what it said is in the digest."""
    policy = K8S / "base" / "admission" / "pods.yaml"
    gutted = json.dumps({"spec": {"validations": [{"expression": "true", "message": "let in"}]}})
    done(kubectl("patch", "validatingadmissionpolicy", "airlock-pods", "--type=merge", "-p", gutted))
    try:
        found = prove()
        assert found["verdict"] == "no_proof"
        assert [one["code"] for one in found["findings"]] == ["guard.changed"], standing(found)
    finally:
        done(kubectl("apply", "-f", str(policy)))
    assert prove()["verdict"] == "proven"


def test_a_guard_that_is_not_bound_is_refuted(applied):
    binding = K8S / "base" / "admission" / "pods-binding.yaml"
    done(kubectl("delete", "-f", str(binding)))
    try:
        found = prove()
        assert found["verdict"] == "refuted"
        assert {one["code"] for one in found["findings"]} == {"guard.unbound"}, standing(found)
    finally:
        done(kubectl("apply", "-f", str(binding)))
    assert prove()["verdict"] == "proven"
