"""Documents that are no objects, or that only look like lists, and text that other readers take otherwise."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import yaml

from airlock.cli.isolation import connections_command
from airlock.cluster.read import read_resources
from airlock.cluster.resources import resources_from
from airlock.doors.isolation import compare_places
from airlock.errors import ConfigError


def _resources(text):
    return resources_from([("a.yaml:1", yaml.safe_load(text))])


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("{apiVersion: v1, kind: List, metadata: {resourceVersion: ''}, items: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]}", ["Pod"]),
        ("{apiVersion: cilium.io/v2, kind: OddList, metadata: {}, items: [{metadata: {name: a}}]}", ["Odd"]),
        ("{apiVersion: v1, kind: PodList, items: []}", []),
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {name: x}, spec: {open: everything}, items: []}", ["AllowList"]),
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {name: x}, items: []}", ["AllowList"]),
    ],
)  # fmt: skip
def test_lists_are_taken_apart_and_objects_whose_kind_ends_so_are_not(text, kinds):
    assert [one.kind for one in _resources(text)] == kinds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{apiVersion: evil.io/v1, kind: AllowList, metadata: {}, spec: {}, items: []}", "AllowList without a name"),
        ("{apiVersion: v1, kind: PodList, metadata: {}, items: [{kind: Secret, apiVersion: v1, metadata: {name: a}}]}", "PodList without"),
        ("{apiVersion: evil.io/v1, kind: List, metadata: {}, items: []}", "List without a name"),
        ("{apiVersion: /v1, kind: ConfigMap, metadata: {name: x}}", "ConfigMap x: '/v1' is no apiVersion"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, labels: [a]}}", "Pod x: 'metadata.labels' is no mapping"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, labels: {a: [b]}}}", "Pod x: 'a' in 'metadata.labels', or its value, is not text"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, annotations: {a: 1}}}", "Pod x: 'a' in 'metadata.annotations'"),
        ("{apiVersion: v1, kind: Pod, metadata: {name: x, namespace: [a]}}", "Pod x: 'metadata.namespace' is not text"),
    ],
)  # fmt: skip
def test_what_is_no_object_is_named(text, said):
    with pytest.raises(ConfigError, match=rf"a.yaml:1: {said}"):
        _resources(text)


def test_objects_with_generated_names_are_each_one_of_their_own():
    some = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-", "labels": {"n": n}}} for n in "112"]
    found = resources_from(("a.yaml:1", one) for one in some)
    assert [str(one.ref) for one in found] == ["Pod default/a-*"] * 3
    assert found.find("Pod", "default", "a-*") is None
    assert found.find("Pod", "default", "a-") is None
    with pytest.raises(ConfigError, match=r"a.yaml:1: Pod without a name"):
        _resources("{apiVersion: v1, kind: Pod, metadata: {generateName: ''}}")


def test_a_spec_that_is_text():
    (one,) = _resources("{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: text}")
    with pytest.raises(ConfigError, match=r"a.yaml:1: Pod default/x: 'spec' is no mapping"):
        _ = one.spec


MAP = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME}}\n"
FLOWS = "apiVersion: airlock/v1\nkind: Flows\nzones: {}\n"


def _names(*places, stdin=""):
    return [one.name for one in read_resources(places, stdin)]


def test_the_claim_may_lie_among_the_resources(tmp_path):
    (tmp_path / "flows.yaml").write_text(FLOWS)
    (tmp_path / "a.yaml").write_text(MAP.replace("NAME", "a"))
    assert _names(tmp_path) == ["a"]
    with pytest.raises(ConfigError, match=r"flows.yaml: no Kubernetes object in it"):
        _names(tmp_path / "flows.yaml")


def test_a_folder_of_several_kustomizations_is_not_one_cluster(tmp_path):
    for name in ("base", "overlays/local"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(ConfigError, match=r"and 2 deeper down. Name the one to build, such as an overlay: \S+overlays/local$"):
        _names(tmp_path)
    for name in "abcd":
        (tmp_path / "overlays" / name / "deep").mkdir(parents=True)
        (tmp_path / "overlays" / name / "kustomization.yaml").write_text("resources: []\n")
        (tmp_path / "overlays" / name / "deep" / "kustomization.yaml").write_text("resources: []\n")
    said = r"such as an overlay: \S+overlays/a, \S+overlays/b, \S+overlays/c, \.\.\.$"
    with pytest.raises(ConfigError, match=said):
        _names(tmp_path)


def test_a_file_that_is_no_resource_is_named_with_what_to_do(tmp_path):
    (tmp_path / "policy.json").write_text('{"Version": "2012-10-17", "Statement": []}')
    with pytest.raises(ConfigError, match=r"policy.json:1: not a Kubernetes object: .* Leave the file out, or name a folder"):
        _names(tmp_path)


def test_json_objects_one_after_another():
    two = "".join(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}) + "\n" for name in "ab")
    found = read_resources(["-"], two)
    assert [(one.name, one.source) for one in found] == [("a", "stdin:1"), ("b", "stdin:2")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\udcff\udcfe", "stdin: not text in UTF-8"),
        ('{"a": ' + "9" * 5000 + "}", "a number with thousands of digits"),
        ('{"a": ' + "[" * 200_000, "stdin.*nest"),
    ],
)
def test_text_that_can_not_be_read(text, said):
    with pytest.raises(ConfigError, match=said):
        _names("-", stdin=text)


def test_one_of_two_places_may_be_stdin(tmp_path):
    (tmp_path / "a.yaml").write_text(MAP.replace("NAME", "a"))
    assert compare_places(tmp_path, "-", stdin=MAP.replace("NAME", "b")) == ([], [])
    with pytest.raises(ConfigError, match="both places are stdin"):
        compare_places("-", "-", stdin=MAP)


def test_stdin_that_python_itself_refuses(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    with pytest.raises(ConfigError, match="stdin: not text in UTF-8"):
        connections_command([Path("-")])
