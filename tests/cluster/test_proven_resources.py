"""The resources of `k8s/` are proven: exactly the declared flows and rights, with each component, and no policy too many."""

from __future__ import annotations

import pytest
import yaml
from tests.cluster.conftest import K8S

from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.prove import prove as prove_claim
from airlock.cluster.resources import resources_from

COMPONENTS = sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))


@pytest.fixture
def prove():
    text = (K8S / "flows.yaml").read_text()

    def make(objects):
        resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
        return prove_claim(resources, read_flows(text, "flows.yaml", resources))

    return make


@pytest.mark.parametrize("overlay", ["local", "aws"])
def test_overlays_are_proven(overlay, build, prove):
    found = prove(build(f"overlays/{overlay}"))
    assert [str(one) for one in found.findings] == []
    assert found.verdict is Verdict.PROVEN


@pytest.mark.parametrize("name", [name for name in COMPONENTS if name != "cilium"])
def test_every_component_is_proven_beside_the_base(name, with_components, prove):
    assert [str(one) for one in prove(with_components(name)).findings] == []


def test_all_that_go_together_are_proven(with_components, prove):
    names = [name for name in COMPONENTS if name not in ("cilium", "eks-s3-endpoint", "site")]
    assert [str(one) for one in prove(with_components(*names)).findings] == []


def test_ciliums_own_kinds_are_no_proof(with_components, prove):
    found = prove(with_components("cilium"))
    assert found.verdict is Verdict.NO_PROOF
    assert any("CiliumNetworkPolicy" in str(one) for one in found.findings)


def policies(objects):
    return [one for one in objects if one["kind"] == "NetworkPolicy"]


def test_no_policy_is_too_many(build, prove):
    """Without any one of them a declared flow does not exist, or what must be closed is open."""
    objects = build("overlays/local")
    assert len(policies(objects)) > 20
    for policy in policies(objects):
        found = prove([one for one in objects if one is not policy])
        assert found.verdict is Verdict.REFUTED, policy["metadata"]


def admission(objects, kind):
    return [
        one
        for one in objects
        if one["kind"] == f"ValidatingAdmissionPolicy{kind}" and one["metadata"]["name"] != "airlock-keep-lists"
    ]


def test_every_admission_policy_is_counted_on(build, prove):
    """All but the one that refuses nothing: without it, gutted, or with its binding gone or auditing alone, nothing is proven."""
    objects = build("overlays/local")
    assert len(admission(objects, "")) >= 11
    for policy in admission(objects, ""):
        gutted = {**policy, "spec": {**policy["spec"], "validations": [{"expression": "true"}]}}
        assert verdict_with(prove, objects, policy) is Verdict.REFUTED, policy["metadata"]
        assert verdict_with(prove, objects, policy, gutted) is not Verdict.PROVEN, policy["metadata"]
    for binding in admission(objects, "Binding"):
        auditing = {**binding, "spec": {**binding["spec"], "validationActions": ["Audit"]}}
        assert verdict_with(prove, objects, binding) is Verdict.REFUTED, binding["metadata"]
        assert verdict_with(prove, objects, binding, auditing) is Verdict.REFUTED, binding["metadata"]


def test_every_list_is_counted_on(build, prove):
    """As it was read: without it, or saying something else, nothing is proven."""
    objects = build("overlays/local")
    lists = [
        one
        for one in objects
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].startswith(("airlock-pods", "airlock-subjects"))
    ]
    assert len(lists) == 7
    for one in lists:
        other = {**one, "data": {**one["data"], "more": ""}}
        assert verdict_with(prove, objects, one) is Verdict.NO_PROOF, one["metadata"]
        assert verdict_with(prove, objects, one, other) is Verdict.NO_PROOF, one["metadata"]


def verdict_with(prove, objects, one, *instead):
    return prove([*(each for each in objects if each is not one), *instead]).verdict


def test_a_port_as_text_is_refuted(build, prove):
    """What a site's value becomes when it is put where no number stands."""
    objects = [*build("overlays/local")]
    place = next(n for n, one in enumerate(objects) if one["metadata"]["name"] == "driver-to-api-server")
    text = yaml.safe_dump(objects[place]).replace("port: 6443", "port: '6443'")
    objects[place] = yaml.safe_load(text)
    assert prove(objects).verdict is not Verdict.PROVEN


def test_a_policy_more_is_refuted(build, prove):
    more = {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "more", "namespace": "pii-raw"},
        "spec": {"podSelector": {"matchLabels": {"airlock.dev/role": "executor"}}, "policyTypes": ["Egress"],
                 "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}], "ports": [{"protocol": "TCP", "port": 443}]}]},
    }  # fmt: skip
    found = prove([*build("overlays/local"), more])
    assert found.verdict is Verdict.REFUTED
    assert any("more" in str(one) for one in found.findings)


def test_a_right_more_is_refuted(build, prove):
    objects = [*build("overlays/local")]
    place = next(n for n, one in enumerate(objects) if one["kind"] == "Role" and one["metadata"]["name"] == "driver")
    rules = [*objects[place]["rules"], {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]
    objects[place] = {**objects[place], "rules": rules}
    found = prove(objects)
    assert found.verdict is Verdict.REFUTED
    assert any("driver" in str(one) and "exec" in str(one) for one in found.findings)
