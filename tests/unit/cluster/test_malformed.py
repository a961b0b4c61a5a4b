"""Objects of another shape than their kind's, given to a whole proof: refused with the object and where it was read, never as something unexpected."""

from __future__ import annotations

import pytest

from airlock.cluster.flows import bare_flows
from airlock.cluster.prove import prove
from airlock.cluster.resources import resources_from
from airlock.errors import ConfigError

MAIN = {"name": "main", "image": "a"}


def made(kind, *, version="v1", metadata=None, **body):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "raw", **(metadata or {})}, **body}


def pod(spec=None, **body):
    return made("Pod", spec={"containers": [MAIN], **(spec or {})}, **body)


def ports(**port):
    return pod({"containers": [{**MAIN, "ports": [{"name": "web", "containerPort": 80, **port}]}]})


ADMISSION = "admissionregistration.k8s.io/v1"


@pytest.mark.parametrize(
    "one",
    [
        pod({"containers": "a"}),
        pod({"initContainers": "a"}),
        pod({"containers": [{**MAIN, "ports": "80"}]}),
        pod({"volumes": {"name": "v"}}),
        pod({"hostAliases": [{"ip": ["a"]}]}),
        pod({"affinity": "a"}),
        ports(containerPort=[80]),
        ports(containerPort="80"),
        ports(containerPort=True),
        ports(containerPort=70_000),
        ports(name=["web"]),
        ports(protocol="QUIC"),
        ports(protocol=["TCP"]),
        pod(status="Running"),
        pod(status={"podIPs": "10.0.0.1"}),
        pod(status={"podIP": "10.0.0"}),
        pod(status={"podIP": 10}),
        pod(metadata={"labels": ["a"]}),
        pod(metadata={"labels": {"a": ["b"]}}),
        pod(metadata={"labels": {"a": 1}}),
        pod(metadata={"annotations": "a"}),
        pod(metadata={"ownerReferences": [None]}),
        made("Service", spec="a"),
        made("Service", spec={"selector": "a"}),
        made("Service", spec={"selector": {"a": ["b"]}}),
        made("Service", spec={"type": ["ClusterIP"]}),
        made("Service", spec={"externalIPs": "203.0.113.9"}),
        made("Service", spec={"externalIPs": [1]}),
        made("Service", status={"loadBalancer": "a"}),
        made("Service", status={"loadBalancer": {"ingress": ["a"]}}),
        made("ValidatingAdmissionPolicy", version=ADMISSION, spec="a"),
        made("ValidatingAdmissionPolicy", version=ADMISSION, metadata={"labels": {"app.kubernetes.io/part-of": 1}}),
        made("EndpointSlice", version="discovery.k8s.io/v1", endpoints=[{"addresses": "a"}]),
        made("PersistentVolume", spec=["nfs"]),
        made("Namespace", metadata={"name": "raw", "labels": {"a": True}}),
    ],
)
def test_an_object_of_another_shape_is_refused_by_name(one):
    with pytest.raises(ConfigError, match=rf"^x\.yaml:7: {one['kind']} "):
        prove(resources_from([("x.yaml:7", one)]), bare_flows(["raw"]))


def test_a_spec_that_is_a_part_of_itself_is_refused():
    spec = {"containers": [MAIN]}
    spec["nodeSelector"] = spec
    with pytest.raises(ConfigError, match="Pod raw/x: spec is a part of itself"):
        prove(resources_from([("x.yaml:7", made("Pod", spec=spec))]), bare_flows(["raw"]))


def test_keys_of_several_types_are_told_and_not_sorted_together():
    found = prove(resources_from([("x.yaml:7", pod({1: "a", "b": "c"}))]), bare_flows(["raw"])).findings
    assert {one.rule for one in found if one.code == "pod.unknown-field"} == {"spec.1", "spec.b"}
