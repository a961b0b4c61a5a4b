"""Objects of another shape than their kind's: in a policy a doubt, anywhere else an error that names object and file. Never a crash."""

from __future__ import annotations

import pytest
import yaml

from airlock.cluster.network import network, nodes_of, policies_of
from airlock.cluster.pods import pods_of
from airlock.cluster.resources import resources_from
from airlock.errors import ConfigError

POLICY = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: a}, spec: SPEC}"
ADMIN = "{apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, metadata: {name: p}, spec: {tier: Admin, priority: 1, SPEC}}"
POD = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a}, spec: SPEC}"
CONTAINER = "{containers: [{name: c, ports: [PORT]}]}"


def _set(*texts):
    return resources_from([(f"a.yaml:{line}", yaml.safe_load(text)) for line, text in enumerate(texts, 1)])


@pytest.mark.parametrize(
    "spec",
    [
        "text",
        "[a]",
        "{podSelector: {}, policyTypes: 5}",
        "{podSelector: {}, policyTypes: [[a]]}",
        "{podSelector: {}, ingress: [0]}",
        "{podSelector: {matchLabels: [a]}}",
        "{podSelector: {matchLabels: {a: [b]}}}",
        "{podSelector: {matchExpressions: 3}}",
        "{podSelector: {matchExpressions: [{key: a, operator: In, values: 5}]}}",
        "{podSelector: {matchExpressions: [{key: a, operator: [In], values: [b]}]}}",
        "{podSelector: {}, ingress: [{ports: [{port: 1, protocol: [TCP]}]}]}",
        "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: '::ffff:8.8.8.8/128'}}]}]}",
    ],
)
def test_a_policy_of_another_shape_is_a_doubt(spec):
    policies, (doubt,) = policies_of(_set(POLICY.replace("SPEC", spec)))
    assert (policies, str(doubt.where)) == ([], "NetworkPolicy a/p")


@pytest.mark.parametrize(
    "spec",
    [
        "subject: {namespaces: {}}, egress: [{action: [Deny], to: [{networks: [10.0.0.0/8]}]}]",
        "subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [x]}]}]",
        "subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: [5]}]}]",
        "subject: {pods: null}",
        "subject: {namespaces: {}}, egress: [{action: Deny, to: [{nodes: {}}], protocols: [{destinationNamedPort: [a]}]}]",
    ],
)
def test_a_policy_of_the_whole_cluster_of_another_shape_is_a_doubt(spec):
    policies, (doubt,) = policies_of(_set(ADMIN.replace("SPEC", spec)))
    assert (policies, str(doubt.where)) == ([], "ClusterNetworkPolicy p")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{containers: [x]}", "'containers' has"),
        ("{initContainers: [x], containers: []}", "'initContainers' has"),
        (CONTAINER.replace("PORT", "x"), "'ports' has"),
        (CONTAINER.replace("PORT", "{name: [a], containerPort: 1}"), "the name of a container's port is not text"),
        (CONTAINER.replace("PORT", "{name: a, containerPort: '80'}"), "port 'a' has containerPort '80', expected a number"),
        (CONTAINER.replace("PORT", "{name: a}"), "port 'a' has containerPort None, expected a number"),
        (
            CONTAINER.replace("PORT", "{name: a, containerPort: 80, protocol: QUIC}"),
            "port 'a' has protocol 'QUIC', expected one of",
        ),
    ],
)
def test_a_pod_of_another_shape_is_named(spec, said):
    with pytest.raises(ConfigError, match=rf"a.yaml:1: Pod a/p: {said}"):
        list(pods_of(_set(POD.replace("SPEC", spec))))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("x", "'status' is"),
        ("{podIPs: [x]}", "'podIPs' has"),
        ("{podIP: banana}", "the pod's address 'banana' is not a CIDR"),
        ("{podIP: '::ffff:10.0.0.1'}", "the pod's address '::ffff:10.0.0.1' is an IPv4 address"),
    ],
)
def test_a_pods_status_of_another_shape_is_named(status, said):
    body = yaml.safe_load(POD.replace("SPEC", "{}")) | {"status": yaml.safe_load(status)}
    with pytest.raises(ConfigError, match=rf"a.yaml:1: Pod a/p: {said}"):
        network(resources_from([("a.yaml:1", body)]))


@pytest.mark.parametrize(
    ("addresses", "said"),
    [("[x]", "'addresses' has"), ("[{type: InternalIP, address: banana}]", "the node's address 'banana'")],
)
def test_a_node_of_another_shape_is_named(addresses, said):
    text = f"{{apiVersion: v1, kind: Node, metadata: {{name: n}}, status: {{addresses: {addresses}}}}}"
    with pytest.raises(ConfigError, match=rf"a.yaml:1: Node n: {said}"):
        nodes_of(_set(text))


def test_labels_of_a_template_that_are_no_text():
    template = "{template: {metadata: {labels: {a: [b]}}, spec: {}}}"
    text = POD.replace("v1, kind: Pod", "apps/v1, kind: Deployment").replace("SPEC", template)
    with pytest.raises(ConfigError, match=r"a.yaml:1: Deployment a/p: 'labels' has a list in it \('a'\)"):
        list(pods_of(_set(text)))


def test_owners_that_own_each_other_or_are_none():
    one = "{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: NAME, namespace: a, ownerReferences: [{kind: ReplicaSet, name: OWNER}]}, "
    one += "spec: {template: {spec: {containers: []}}}}"
    both = [one.replace("NAME", name).replace("OWNER", owner) for name, owner in (("p", "q"), ("q", "p"))]
    with pytest.raises(ConfigError, match=r"ReplicaSet a/q: its owners own each other"):
        list(pods_of(_set(*both)))
    with pytest.raises(ConfigError, match=r"Pod a/p: 'ownerReferences' has null in it"):
        list(pods_of(_set(POD.replace("namespace: a", "namespace: a, ownerReferences: [null]").replace("SPEC", "{}"))))
