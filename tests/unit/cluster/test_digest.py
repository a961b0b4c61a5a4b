"""One digest of what a proof stands on: the same in files and in a cluster, another as soon as anything of it changes."""

from __future__ import annotations

from copy import deepcopy

import pytest
import yaml

from airlock.cluster.digest import objects_digest
from airlock.cluster.flowreader import read_flows
from airlock.cluster.resources import resources_from

FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [raw]}
guards:
  pods: {digest: "sha256:DIGEST", why: w, bindings: [{in: [raw], parameters: ops/lists}]}
platform:
- {subject: User ops, why: runs it}
""".replace("DIGEST", "0" * 64)
OBJECTS = """
- {apiVersion: v1, kind: Namespace, metadata: {name: raw, labels: {zone: raw}}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: deny, namespace: raw}
  spec: {podSelector: {}, policyTypes: [Ingress, Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 443}]}]}
- {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r, namespace: raw}, rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: RoleBinding
  metadata: {name: r, namespace: raw}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}
  subjects: [{kind: User, name: ann}, {kind: User, name: ops}]
- apiVersion: admissionregistration.k8s.io/v1
  kind: ValidatingAdmissionPolicy
  metadata: {name: pods}
  spec: {paramKind: {apiVersion: v1, kind: ConfigMap}, validations: [{expression: "object.a"}]}
- apiVersion: admissionregistration.k8s.io/v1
  kind: ValidatingAdmissionPolicyBinding
  metadata: {name: pods}
  spec: {policyName: pods, validationActions: [Deny], paramRef: {name: lists, namespace: ops}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: lists, namespace: ops}, immutable: true, data: {users: ann}}
"""


def digest(objects):
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    return objects_digest(resources, read_flows(FLOWS, "flows.yaml", resources))


def changed(kind, change):
    objects = yaml.safe_load(OBJECTS)
    change(next(one for one in objects if one["kind"] == kind))
    return objects


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("NetworkPolicy", lambda one: one["spec"]["egress"][0]["ports"][0].update(port=444)),
        ("NetworkPolicy", lambda one: one["spec"].update(policyTypes=["Ingress"])),
        ("NetworkPolicy", lambda one: one["metadata"].update(name="other")),
        ("Namespace", lambda one: one["metadata"]["labels"].update(zone="x")),
        ("Role", lambda one: one["rules"][0]["verbs"].append("create")),
        ("RoleBinding", lambda one: one["subjects"].append({"kind": "User", "name": "bob"})),
        ("ValidatingAdmissionPolicy", lambda one: one["spec"].update(validations=[{"expression": "true"}])),
        ("ValidatingAdmissionPolicyBinding", lambda one: one["spec"].update(validationActions=["Warn"])),
        ("ConfigMap", lambda one: one["data"].update(users="everybody")),
    ],
)
def test_whatever_matters_changes_it(kind, change):
    assert digest(changed(kind, change)) != digest(yaml.safe_load(OBJECTS))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        # What an API server fills in, and what does not matter.
        ("NetworkPolicy", lambda one: one["spec"]["egress"][0]["ports"][0].update(protocol="TCP")),
        (
            "NetworkPolicy",
            lambda one: one["metadata"].update(uid="1", resourceVersion="7", creationTimestamp="2026-01-01T00:00:00Z"),
        ),
        ("Namespace", lambda one: one["metadata"]["labels"].update({"kubernetes.io/metadata.name": "raw"})),
        ("Namespace", lambda one: one.update(status={"phase": "Active"})),
        ("ValidatingAdmissionPolicy", lambda one: one["spec"].update(failurePolicy="Fail")),
        (
            "ValidatingAdmissionPolicyBinding",
            lambda one: one["spec"].update(
                matchResources={"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}}
            ),
        ),
        # The platform's rights are its own.
        ("RoleBinding", lambda one: one["subjects"].pop()),
    ],
)
def test_whatever_does_not_matter_does_not(kind, change):
    assert digest(changed(kind, change)) == digest(yaml.safe_load(OBJECTS))


def test_the_order_of_objects_does_not_matter():
    objects = yaml.safe_load(OBJECTS)
    assert digest(list(reversed(deepcopy(objects)))) == digest(objects)
    assert len(digest(objects)) == 64
