"""Every permitted connection in the words that people compare, and what changes between two sets."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml

from airlock.cli import main
from airlock.cluster.connections import Changed, compare, connections
from airlock.cluster.resources import resources_from

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop}
spec: {template: {metadata: {labels: {app: NAME}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}}}
"""
POLICIES = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: back, namespace: shop}
spec:
  podSelector: {matchLabels: {app: back}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {app: front}}}], ports: [{port: http}, {port: 53, protocol: UDP}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: front, namespace: shop}
spec:
  podSelector: {matchLabels: {app: front}}
  policyTypes: [Ingress, Egress]
  egress:
  - to: [{podSelector: {}}]
  - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
    ports: [{port: 443}, {port: 8000, endPort: 8010}]
"""


def _objects(text=POLICIES, names=("front", "back")):
    return [*(yaml.safe_load(DEPLOYMENT.replace("NAME", name)) for name in names), *yaml.safe_load_all(text)]


def _resources(objects):
    return resources_from((f"set:{number}", one) for number, one in enumerate(objects))


def _lines(objects, **given):
    return [(one.source, one.destination, one.ports) for one in connections(_resources(objects), **given)]


def test_workloads_ranges_and_ports():
    assert _lines(_objects()) == [
        ("shop/front[Deployment]", "10.0.0.0-10.0.255.255[External]", "TCP 443,8000-8010"),
        ("shop/front[Deployment]", "10.2.0.0-10.255.255.255[External]", "TCP 443,8000-8010"),
        ("shop/front[Deployment]", "shop/back[Deployment]", "TCP 8080,UDP 53"),
    ]


def test_without_policies_everything_is_connected_with_everything():
    both = ("shop/back[Deployment]", "shop/front[Deployment]")
    outside = ("0.0.0.0-255.255.255.255[External]", "entire-cluster")
    expected = [(one, other, "All Connections") for one in (*outside, *both) for other in (*outside, *both)]
    assert _lines(_objects("", ("front", "back"))[:2]) == sorted(
        one for one in expected if one[0] != one[1] and not {one[0], one[1]} <= {*outside}
    )


def test_a_block_of_all_addresses_covers_pods():
    """The API's IPBlock exempts no pod: who opens 0.0.0.0/0 opens every pod that accepts."""
    text = POLICIES.replace("cidr: 10.0.0.0/8, except: [10.1.0.0/16]", "cidr: 0.0.0.0/0").replace(
        "- to: [{podSelector: {}}]", "- to: []"
    )
    assert ("shop/front[Deployment]", "shop/back[Deployment]", "TCP 8080,UDP 53") in _lines(_objects(text))


def test_pods_of_one_owner_are_one_workload_even_where_a_label_was_changed():
    owner = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "front-1", "controller": True}]
    metadata = {"namespace": "shop", "ownerReferences": owner}
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**metadata, "name": name, "labels": labels},
            "spec": {"containers": []},
        }
        for name, labels in (("a", {"app": "front"}), ("b", {"app": "front", "old": "yes"}), ("c", {"app": "other"}))
    ]
    rset = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "front-1", "namespace": "shop"}, "spec": {}}
    rset["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "front", "controller": True}]
    found = _lines([*_objects(), *pods, rset])
    assert {source for source, _, _ in found} <= {
        "shop/front[Deployment]",
        "0.0.0.0-255.255.255.255[External]",
        "entire-cluster",
    }
    # The relabelled pod is under no policy: the workload as a whole may send to everyone.
    assert ("shop/front[Deployment]", "0.0.0.0-255.255.255.255[External]", "All Connections") in found


@pytest.mark.parametrize("kind", ["Pod", "Node"])
def test_sparks_executors_are_no_part_of_their_driver_and_static_pods_none_of_their_node(kind):
    owner = [{"apiVersion": "v1", "kind": kind, "name": "driver", "controller": True}]
    metadata = {"name": "executor", "namespace": "shop", "ownerReferences": owner}
    pods = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": one, "spec": {"containers": []}}
        for one in ({"name": "driver", "namespace": "shop"}, metadata)
    ]
    assert ("shop/driver[Pod]", "shop/executor[Pod]", "All Connections") in _lines(pods)


def test_pods_that_are_over_count_no_more():
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"containers": []}}
    for phase, there in (("Running", True), ("Succeeded", False), ("Failed", False)):
        found = _lines([{**pod, "status": {"phase": phase}}])
        assert bool(found) is there, phase


def test_ipv6_is_listed_where_it_is_spoken_of():
    text = POLICIES.replace("10.0.0.0/8, except: [10.1.0.0/16]", "'fd00::/8'")
    found = [one for one in _lines(_objects(text)) if "External" in one[1]]
    assert found == [
        ("shop/front[Deployment]", "fd00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff[External]", "TCP 443,8000-8010")
    ]
    assert [one for one in _lines(_objects(text), families=frozenset({0})) if "External" in one[1]] == []


def test_what_changed_is_told_by_connection():
    after = POLICIES.replace("{port: 53, protocol: UDP}", "{port: 9090}").replace(
        "except: [10.1.0.0/16]", "except: [10.0.0.0/9]"
    )
    changes = compare(_resources(_objects()), _resources(_objects(after)))
    front, back = "shop/front[Deployment]", "shop/back[Deployment]"
    assert [(one.what, one.source, one.destination, one.before, one.after) for one in changes] == [
        (Changed.ADDED, front, "10.128.0.0-10.255.255.255[External]", "No Connections", "TCP 443,8000-8010"),
        (Changed.CHANGED, front, back, "TCP 8080,UDP 53", "TCP 8080,9090"),
        (Changed.REMOVED, front, "10.0.0.0-10.0.255.255[External]", "TCP 443,8000-8010", "No Connections"),
        (Changed.REMOVED, front, "10.2.0.0-10.255.255.255[External]", "TCP 443,8000-8010", "No Connections"),
    ]
    assert compare(_resources(_objects()), _resources(_objects())) == []


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "objects.yaml").write_text(yaml.safe_dump_all(_objects()))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _objects()[:2]}))
    return tmp_path


def _said(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main(["isolation", *map(str, arguments)])
    out = capsys.readouterr()
    assert ended.value.code == code, out.err
    return out.out if code == 0 else out.err


def test_the_three_formats_say_the_same(folder, capsys):
    rows = list(csv.DictReader(io.StringIO(_said(capsys, "connections", folder / "a"))))
    assert rows[2] == {"src": "shop/front[Deployment]", "dst": "shop/back[Deployment]", "conn": "TCP 8080,UDP 53"}
    assert json.loads(_said(capsys, "connections", folder / "a", "--format", "json")) == rows
    dot = _said(capsys, "connections", folder / "a", "--format", "dot")
    assert dot.startswith("digraph {")
    assert 'subgraph "cluster_shop"' in dot
    assert '"shop/front[Deployment]" -> "shop/back[Deployment]" [label="TCP 8080,UDP 53"' in dot


def test_diff_by_the_command_line(folder, capsys):
    rows = list(csv.DictReader(io.StringIO(_said(capsys, "diff", folder / "a", folder / "b"))))
    assert {row["diff-type"] for row in rows} == {"added", "changed", "removed"}
    assert "before: TCP 8080,UDP 53" in _said(capsys, "diff", folder / "a", folder / "b", "--format", "dot")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Pod\nkind: Job\n", "key 'kind' stands here a second time"),
        ("a: [", "not YAML"),
        ("just text", "not a Kubernetes object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", "Pod without a name"),
        ("", "no Kubernetes object in it"),
    ],
)
def test_files_that_are_no_resources(tmp_path, capsys, text, said):
    (tmp_path / "odd.yaml").write_text(text)
    assert said in _said(capsys, "connections", tmp_path, code=2)


def test_an_object_that_stands_twice_with_two_contents(folder, capsys):
    changed = _objects()
    changed[0]["spec"]["template"]["metadata"]["labels"] = {}
    (folder / "a" / "more.yaml").write_text(yaml.safe_dump_all(changed))
    assert "Deployment shop/front stands twice with two contents" in _said(capsys, "connections", folder / "a", code=2)


def test_a_kustomization_needs_a_builder(folder, capsys, monkeypatch):
    (folder / "a" / "kustomization.yaml").write_text("resources: [objects.yaml]\n")
    monkeypatch.setenv("PATH", str(folder))
    assert "neither kustomize nor kubectl" in _said(capsys, "connections", folder / "a", code=2)
