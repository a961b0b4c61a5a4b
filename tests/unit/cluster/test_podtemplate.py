"""Pod templates: read with care, bound to nodes, given a policy; what is there stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from airlock.cluster.podtemplate import POLICY_FOLDER, bound, read_template, to_text, with_policy
from airlock.errors import ConfigError

LAUNCH = Path(__file__).parents[3] / "k8s" / "launch"


@pytest.mark.parametrize("name", ["driver", "executor"])
def test_a_bound_template_is_the_same_but_for_its_nodes(name):
    pod = read_template(LAUNCH / f"{name}.yaml")
    before = to_text(pod)
    made = bound(pod, ("a", "b"))
    terms = made["spec"].pop("affinity")["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchFields"][0]["values"] for term in terms] == [["a"], ["b"]]
    assert made == pod == bound(pod, ())
    assert to_text(pod) == before
    assert yaml.safe_load(before) == pod


def test_nodes_of_a_verdict_stand_before_those_that_a_template_prefers():
    pod = read_template(LAUNCH / "driver.yaml")
    prefers = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {"matchExpressions": []}}]}
    pod["spec"]["affinity"] = {"nodeAffinity": dict(prefers), "podAffinity": {}}
    made = bound(pod, ("a",))["spec"]["affinity"]
    assert made["nodeAffinity"].items() > prefers.items()
    assert made["podAffinity"] == {}


def test_a_policy_is_mounted_to_be_read():
    made = with_policy(read_template(LAUNCH / "driver.yaml"), "policy-1")
    assert {"name": "policy", "configMap": {"name": "policy-1"}} in made["spec"]["volumes"]
    assert {"name": "policy", "mountPath": POLICY_FOLDER, "readOnly": True} in made["spec"]["containers"][0]["volumeMounts"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no Pod with one container"),
        ("[]", "holds no Pod"),
        ("kind: Job", "holds no Pod"),
        ("kind: Pod\nspec: {}", "holds no Pod"),
        ("kind: Pod\nspec: 7", "holds no Pod"),
        ("kind: Pod\nspec: {containers: [{}, {}]}", "holds no Pod"),
        ("kind: Pod\nspec: {containers: [{}]}\n---\nkind: Pod\nspec: {containers: [{}]}", "holds no Pod"),
        ("a: [", "YAML"),
        ("kind: Pod\nkind: Pod", "stands here a second time"),
    ],
)
def test_what_is_no_template_is_said(tmp_path, text, said):
    file = tmp_path / "driver.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_template(file)


def test_one_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="can't be read: FileNotFoundError"):
        read_template(tmp_path / "none.yaml")
