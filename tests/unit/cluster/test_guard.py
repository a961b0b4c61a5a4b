"""What guards a zone: Pod Security's labels, admission, names and doors out of it, kinds that are not known."""

from __future__ import annotations

import pytest

from airlock.cluster.admission import admission_openings
from airlock.cluster.ages import older_pods
from airlock.cluster.exposed import exposed_openings
from airlock.cluster.findings import Verdict
from airlock.cluster.kinds import HARMLESS, MODELLED, unjudged_kinds
from airlock.cluster.namespaces import copied_openings, namespace_openings
from airlock.cluster.resources import resources_from

ZONES = {"raw": ["raw"], "clean": ["clean"]}
PSS = "pod-security.kubernetes.io/enforce"
SAFE = {PSS: "restricted", f"{PSS}-version": "v1.34"}
ADMISSION = "admissionregistration.k8s.io/v1"
R, N, P = Verdict.REFUTED, Verdict.NO_PROOF, Verdict.PROVEN


def cluster(*objects, **more):
    return resources_from([(f"x:{number}", one) for number, one in enumerate(objects, 1)], **more)


def namespace(name, labels=SAFE, annotations=None):
    metadata = {"name": name, "labels": labels, "annotations": annotations or {}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def made(kind, name="x", version="v1", namespace="raw", **body):
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **body.pop("metadata", {})},
        **body,
    }


def codes(pairs):
    return {(zone, one.code, one.verdict) for zone, one in pairs if one.verdict is not P}


# --- Pod Security (P10) -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (SAFE, set()),
        ({}, {("namespace.pod-security", R)}),
        ({**SAFE, PSS: "privileged"}, {("namespace.pod-security", R)}),
        ({**SAFE, PSS: "baseline"}, {("namespace.pod-security", R)}),
        ({"pod-security.kubernetes.io/warn": "restricted"}, {("namespace.pod-security", R)}),
        ({PSS: "restricted"}, {("namespace.pod-security-version", N)}),
        ({**SAFE, f"{PSS}-version": "latest"}, {("namespace.pod-security-version", N)}),
        ({**SAFE, f"{PSS}-version": "v1.0"}, {("namespace.pod-security-version", N)}),
        ({**SAFE, f"{PSS}-version": "v1.24"}, {("namespace.pod-security-version", N)}),
        ({**SAFE, f"{PSS}-version": "v1.25"}, set()),
        ({**SAFE, "k8s.ovn.org/primary-user-defined-network": ""}, {("namespace.network", N)}),
        ({**SAFE, "istio-injection": "enabled"}, {("namespace.mesh", N)}),
        ({**SAFE, "istio-injection": "disabled"}, set()),
        ({**SAFE, "istio.io/rev": "1-24"}, {("namespace.mesh", N)}),
    ],
)
def test_a_zones_namespace_enforces_restricted_by_a_pinned_version(labels, found):
    pairs = namespace_openings(cluster(namespace("raw", labels), namespace("clean")), ZONES)
    assert codes(pairs) == {("raw", *one) for one in found}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("linkerd.io/inject", "ingress", {"namespace.mesh"}),
        ("linkerd.io/inject", "disabled", set()),
        ("k8s.ovn.org/routing-external-gws", "203.0.113.9", {"namespace.network"}),
        ("k8s.ovn.org/acl-logging", "{}", set()),
        ("cni.projectcalico.org/ipv4pools", "[]", {"namespace.network"}),
    ],
)
def test_an_annotation_of_a_namespace_joins_its_pods_to_more(name, value, found):
    made = cluster(namespace("raw", annotations={name: value}), namespace("clean"))
    assert {code for _, code, _ in codes(namespace_openings(made, ZONES))} == found


def test_objects_that_a_controller_copies_are_no_proof():
    notes = {"annotations": {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true"}}
    copied = cluster(
        made("Secret", metadata=notes), made("ConfigMap", metadata=notes), made("Secret", namespace="other", metadata=notes)
    )
    found = [(str(one.where), one.code, one.verdict) for one in copied_openings(copied, frozenset({"raw"}))]
    assert found == [("Secret raw/x", "object.copied", N), ("ConfigMap raw/x", "object.copied", N)]


def test_an_account_that_is_somebody_in_a_cloud_is_listed():
    role = {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}}
    [one] = copied_openings(cluster(made("ServiceAccount", metadata=role), made("ServiceAccount", "y")), frozenset({"raw"}))
    assert (one.kind, one.verdict) == ("token", P)
    assert "arn:" not in one.text


def test_a_mesh_by_annotation_is_seen():
    pairs = namespace_openings(
        cluster(namespace("raw"), namespace("clean", annotations={"linkerd.io/inject": "enabled"})), ZONES
    )
    assert codes(pairs) == {("clean", "namespace.mesh", N)}


def test_a_namespace_that_is_being_deleted_is_no_proof():
    leaving = namespace("raw")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert codes(namespace_openings(cluster(leaving, namespace("clean")), ZONES)) == {("raw", "namespace.leaving", N)}


def test_a_namespace_that_is_not_there_is_not_known():
    assert codes(namespace_openings(cluster(namespace("raw")), ZONES)) == {("clean", "namespace.missing", N)}


# --- admission ----------------------------------------------------------------------------------------------------------


def policy(labels=None, **spec):
    metadata = {"name": "p", "labels": labels or {"app.kubernetes.io/part-of": "airlock"}}
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata,
        "spec": {"failurePolicy": "Fail", **spec},
    }


def bound(**spec):
    full = {"policyName": "p", "validationActions": ["Deny", "Audit"], **spec}
    return {"apiVersion": ADMISSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"}, "spec": full}


def select(*names):
    return {
        "namespaceSelector": {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(names)}]
        }
    }


def admitted(*objects):
    return codes(admission_openings(cluster(namespace("raw"), namespace("clean"), *objects), ZONES))


def test_audit_annotations_are_listed_where_the_policy_reaches():
    one = policy(auditAnnotations=[{"key": "k"}], matchConstraints=select("raw", "clean"))
    found = admission_openings(cluster(namespace("raw"), namespace("clean"), one, bound(matchResources=select("raw"))), ZONES)
    assert [(zone, one.rule, one.verdict) for zone, one in found] == [("raw", "spec.auditAnnotations", P)]
    assert (
        list(admission_openings(cluster(policy(), {**bound(policyName="gone"), "metadata": {"name": "c"}}, bound()), ZONES))
        == []
    )


def hook(kind, groups=("",), config=None, scope=None, **more):
    rules = [{"apiGroups": list(groups), "apiVersions": ["*"], "resources": ["*"], "operations": ["*"], "scope": scope}]
    one = {"name": "h.example.org", "rules": rules, "clientConfig": config or {"service": {"name": "s"}}, **more}
    return {"apiVersion": ADMISSION, "kind": f"{kind}WebhookConfiguration", "metadata": {"name": "w"}, "webhooks": [one]}


def cluster_hook(kind, groups, resources, scope="Cluster", **more):
    one = hook(kind, groups, **more)
    one["webhooks"][0]["rules"][0] |= {"resources": list(resources), "scope": scope}
    return one


@pytest.mark.parametrize(
    ("webhook", "found"),
    [
        (hook("Mutating"), {("raw", "admission.mutates", N), ("clean", "admission.mutates", N)}),
        (hook("Mutating", ["*"], scope="Namespaced", **select("raw")), {("raw", "admission.mutates", N)}),
        (hook("Mutating", ["apps"], **select("other")), set()),
        (hook("Mutating", ["cert-manager.io"]), set()),
        # What is of the cluster goes into no zone, whatever the scope says; and by some kinds nothing opens.
        (cluster_hook("Mutating", [""], ["nodes", "nodes/status"], "*"), set()),
        (cluster_hook("Mutating", ["storage.k8s.io"], ["storageclasses"], "*"), set()),
        (cluster_hook("Mutating", ["coordination.k8s.io"], ["leases"], "*"), set()),
        (cluster_hook("Validating", [""], ["nodes"], "*", config={"url": "https://203.0.113.9"}), set()),
        (hook("Mutating", ["sparkoperator.k8s.io"], **select("raw")), {("raw", "admission.mutates", N)}),
        (hook("Validating"), set()),
        (hook("Validating", config={"url": "https://203.0.113.9"}, **select("raw")), {("raw", "admission.sends", N)}),
    ],
)
def test_webhooks_see_or_change_what_goes_into_a_zone(webhook, found):
    assert admitted(webhook) == found


def test_a_webhooks_service_may_be_a_name_outside():
    away = made("Service", "s", namespace="hooks", spec={"type": "ExternalName", "externalName": "evil.example"})
    sent = hook("Validating", config={"service": {"name": "s", "namespace": "hooks"}}, **select("raw"))
    assert admitted(sent, away) == {("raw", "admission.sends", N)}
    assert admitted(sent, {**away, "spec": {"selector": {"a": "b"}}}) == set()


BOTH = {("raw", "admission.mutates", N), ("clean", "admission.mutates", N)}


@pytest.mark.parametrize(
    ("webhook", "found"),
    [
        (cluster_hook("Mutating", [""], ["namespaces"]), BOTH),
        (cluster_hook("Mutating", [""], ["namespaces/status"], **select("raw")), {("raw", "admission.mutates", N)}),
        (cluster_hook("Mutating", [""], ["namespaces"], **select("other")), set()),
        (cluster_hook("Mutating", [""], ["persistentvolumes"], **select("other")), BOTH),
        (cluster_hook("Mutating", [""], ["*"], "*", **select("other")), BOTH),
        (cluster_hook("Mutating", ["*"], ["clusterrolebindings"], None, **select("other")), BOTH),
        (cluster_hook("Mutating", ["policy.networking.k8s.io"], ["clusternetworkpolicies"], **select("other")), BOTH),
        (cluster_hook("Mutating", ["policy.networking.k8s.io"], ["*"], **select("other")), BOTH),
        (cluster_hook("Mutating", ["admissionregistration.k8s.io"], ["*"], **select("other")), set()),
        (cluster_hook("Mutating", [""], ["nodes"]), set()),
        (cluster_hook("Mutating", [""], ["namespaces"], "Namespaced", **select("other")), set()),
        (cluster_hook("Validating", [""], ["namespaces"]), set()),
    ],
)
def test_webhooks_that_change_what_guards_a_zone(webhook, found):
    assert admitted(webhook) == found


def test_a_namespaces_own_word_for_its_name_does_not_count():
    """The API server sets that label, and a file may say anything."""
    liar = namespace("raw", {**SAFE, "kubernetes.io/metadata.name": "other"})
    assert codes(admission_openings(cluster(liar, hook("Mutating", ["apps"], **select("raw"))), {"raw": ["raw"]})) == {
        ("raw", "admission.mutates", N)
    }


def test_a_validating_webhook_is_a_path_where_it_is_asked():
    pairs = list(admission_openings(cluster(namespace("raw"), hook("Validating", **select("raw"))), ZONES))
    assert [(zone, one.kind, one.rule) for zone, one in pairs] == [("raw", "admission", "webhooks[0]")]
    cluster_only = hook("Validating")
    cluster_only["webhooks"][0]["rules"][0]["scope"] = "Cluster"
    assert list(admission_openings(cluster(namespace("raw"), cluster_only), ZONES)) == []


def test_null_is_as_if_it_were_not_there():
    assert admitted(hook("Mutating", ["apps"], scope=None, **select("raw"))) == {("raw", "admission.mutates", N)}
    assert list(exposed_openings(cluster(made("Service", spec={"type": None, "selector": {"a": "b"}})), ZONES)) == []


def test_policies_that_mutate_leave_no_proof():
    mutating = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "m"},
        "spec": {"matchConstraints": select("raw")},
    }
    binding = {
        "apiVersion": ADMISSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "m"},
        "spec": {"policyName": "m"},
    }
    assert admitted(mutating, binding) == {("raw", "admission.mutates", N)}
    assert admitted(mutating) == set()
    assert admitted(binding) == {(zone, "admission.mutates", N) for zone in ZONES}


@pytest.mark.parametrize(
    ("group", "resource", "found"),
    [
        ("rbac.authorization.k8s.io", "clusterrolebindings", BOTH),
        ("", "persistentvolumes", BOTH),
        ("apiregistration.k8s.io", "apiservices", BOTH),
        ("", "namespaces", set()),
        ("", "nodes", set()),
        ("apps", "deployments", set()),
    ],
)
def test_policies_that_mutate_what_guards_the_zone_leave_no_proof(group, resource, found):
    """Of the cluster's own objects a namespaceSelector leaves out Namespaces alone."""
    rule = {"apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": [resource]}
    one = {"apiVersion": ADMISSION, "kind": "MutatingAdmissionPolicy", "metadata": {"name": "m"}}
    one["spec"] = {"matchConstraints": {**select("other"), "resourceRules": [rule]}}
    kind = {"apiVersion": ADMISSION, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": "m"}}
    assert admitted(one, {**kind, "spec": {"policyName": "m"}}) == found


# --- names and doors (T15) ----------------------------------------------------------------------------------------------

SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "s", "namespace": "raw"}}


@pytest.mark.parametrize(
    ("one", "code", "verdict"),
    [
        (made("Service", spec={"type": "LoadBalancer", "selector": {"a": "b"}}), "service.outer", R),
        (made("Service", spec={"type": "NodePort", "selector": {"a": "b"}}), "service.outer", R),
        (made("Service", spec={"externalIPs": ["203.0.113.9"], "selector": {"a": "b"}}), "service.outer", R),
        (made("Service", spec={"type": "ExternalName", "externalName": "example.org"}), "", P),
        (made("Service", spec={"type": "Wormhole"}), "service.unknown", N),
        (made("Service", spec={"clusterIP": "None"}), "", P),
        (made("Endpoints", subsets=[{"addresses": [{"ip": "203.0.113.9"}]}]), "", P),
        ({**SLICE, "endpoints": [{"addresses": ["203.0.113.9"]}]}, "", P),
        (made("Ingress", version="networking.k8s.io/v1", spec={}), "service.ingress", N),
    ],
)
def test_names_and_doors_of_a_zone(one, code, verdict):
    [(zone, found)] = exposed_openings(cluster(one), {"raw": ["raw"]})
    assert (zone, found.kind if verdict is not N or code == "service.ingress" else "service", found.code, found.verdict) == (
        "raw", "service", code, verdict,
    )  # fmt: skip


@pytest.mark.parametrize(
    "one",
    [
        made("Service", spec={"selector": {"a": "b"}}),
        made("Service", namespace="other", spec={"type": "NodePort"}),
        made("Endpoints", subsets=[{"addresses": [{"ip": "10.0.0.1", "targetRef": {"kind": "Pod", "name": "w"}}]}]),
        {**SLICE, "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": "w"}}]},
    ],
)
def test_services_of_pods_and_of_others_are_no_doors(one):
    assert list(exposed_openings(cluster(one, made("Pod", "w", status={"podIP": "10.0.0.1"})), ZONES)) == []


@pytest.mark.parametrize("status", [None, {}, {"podIP": "10.0.0.2"}, {"podIPs": [{"ip": "10.0.0.2"}]}])
def test_an_endpoint_is_a_pods_where_the_pod_has_that_address(status):
    pods = [] if status is None else [made("Pod", "w", status=status)]
    named = {"kind": "Pod", "name": "w"}
    for one in (
        {**SLICE, "endpoints": [{"addresses": ["203.0.113.9"], "targetRef": named}]},
        made("Endpoints", subsets=[{"notReadyAddresses": [{"ip": "203.0.113.9", "targetRef": named}]}]),
    ):
        [(_, found)] = exposed_openings(cluster(one, *pods), ZONES)
        assert "203.0.113.9" in found.text


def test_servers_behind_the_api_server_are_paths_out_of_every_zone():
    api = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.x.org"}, "spec": {"group": "x.org", "service": {"name": "s"}}}  # fmt: skip
    own = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1.apps"},
        "spec": {"group": "apps"},
    }
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "c"}, "spec": {"conversion": {"strategy": "Webhook"}}}  # fmt: skip
    found = [(zone, one.where.name) for zone, one in exposed_openings(cluster(api, own, crd), ZONES)]
    assert found == [("raw", "v1.x.org"), ("raw", "c"), ("clean", "v1.x.org"), ("clean", "c")]


@pytest.mark.parametrize("group", ["", "networking.k8s.io", "rbac.authorization.k8s.io", "admissionregistration.k8s.io"])
def test_another_server_of_what_is_proved_here_is_no_proof(group):
    spec = {"group": group, "service": {"name": "s", "namespace": "evil"}}
    api = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.x"}, "spec": spec}
    found = [one for _, one in exposed_openings(cluster(api), ZONES)]
    assert {(one.verdict, one.code) for one in found} == {(Verdict.NO_PROOF, "server.proved-group")}


# --- kinds that are not known (T43) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "kind", "code"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy", "kind.network"),
        ("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "kind.network"),
        ("crd.antrea.io/v1beta1", "ClusterNetworkPolicy", "kind.network"),
        ("networking.k8s.aws/v1alpha1", "ApplicationNetworkPolicy", "kind.network"),
        ("security.istio.io/v1", "AuthorizationPolicy", "kind.network"),
        ("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition", "kind.network"),
        ("policy.networking.k8s.io/v1alpha3", "ClusterNetworkPolicy", "kind.network"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "kind.route"),
        ("route.openshift.io/v1", "Route", "kind.route"),
        ("networking.k8s.io/v2", "NetworkPolicy", "kind.unknown"),
        ("extensions/v1beta1", "NetworkPolicy", "kind.unknown"),
        ("cert-manager.io/v1", "Issuer", "kind.unknown"),
        ("argoproj.io/v1alpha1", "Workflow", "kind.unknown"),
        ("v1", "Wormhole", "kind.unknown"),
    ],
)
def test_with_a_kind_that_is_not_known_there_is_no_proof(version, kind, code):
    [one] = unjudged_kinds(cluster(made(kind, version=version), made(kind, "y", version=version)))
    assert (one.verdict, one.code) == (N, code)
    assert one.what.startswith(f"{version} {kind} ")
    assert one.what.endswith("(and 1 more)")


def test_known_and_harmless_kinds_are_left_alone():
    known = [
        made(kind, version=f"{group}/{version}".lstrip("/"))
        for (group, kind), versions in MODELLED.items()
        for version in versions
    ]
    harmless = [made(kind, version=f"{group}/v1".lstrip("/")) for group, kind in HARMLESS]
    assert list(unjudged_kinds(cluster(*({**one, "metadata": {**one["metadata"], "name": f"n{number}"}} for number, one in enumerate([*known, *harmless]))))) == []  # fmt: skip
    assert not MODELLED.keys() & HARMLESS.keys()
    assert all(HARMLESS.values())


def test_more_can_be_modelled():
    more = {**MODELLED, ("cilium.io", "CiliumNetworkPolicy"): frozenset({"v2"})}
    assert list(unjudged_kinds(cluster(made("CiliumNetworkPolicy", version="cilium.io/v2")), more)) == []


def test_kinds_that_could_not_be_listed_leave_no_proof():
    [one] = unjudged_kinds(cluster(unread={"secrets": "forbidden"}))
    assert (one.verdict, one.code) == (N, "kind.unread")
    assert "'secrets' could not be listed: forbidden" in one.what


# --- pods older than their policies (T31, T32, T33) ---------------------------------------------------------------------


def dated(kind, time, labels=None, changed=None, **body):
    fields = (
        [{"manager": "m", "time": changed}, {"manager": "s", "subresource": "status", "time": "2030-01-01T00:00:00Z"}]
        if changed
        else []
    )
    metadata = {
        "name": kind.lower(),
        "namespace": "raw",
        "labels": labels or {},
        "creationTimestamp": time,
        "managedFields": fields,
    }
    version = "v1" if kind == "Pod" else "networking.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": body.pop("spec", {"podSelector": {}})}


NOON, LATER = "2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"


@pytest.mark.parametrize(
    ("pod", "policy", "older"),
    [
        (dated("Pod", LATER), dated("NetworkPolicy", NOON), False),
        (dated("Pod", NOON), dated("NetworkPolicy", LATER), True),
        (dated("Pod", NOON), dated("NetworkPolicy", NOON), True),
        (dated("Pod", NOON), dated("NetworkPolicy", "2026-01-01T11:00:00Z", changed=LATER), True),
        (dated("Pod", LATER), dated("NetworkPolicy", "2026-01-01T11:00:00Z", changed=NOON), False),
        (
            dated("Pod", NOON, {"a": "b"}),
            dated("NetworkPolicy", LATER, spec={"podSelector": {"matchLabels": {"a": "c"}}}),
            False,
        ),
        (dated("Pod", None), dated("NetworkPolicy", LATER), False),
        (dated("Pod", NOON), dated("NetworkPolicy", None), False),
    ],
)
def test_a_pod_is_younger_than_what_guards_it(pod, policy, older):
    found = [one.code for one in older_pods(cluster(pod, policy), frozenset({"raw"}))]
    assert found == (["pod.older-than-policy"] if older else [])
    assert list(older_pods(cluster(pod, policy), frozenset({"other"}))) == []


@pytest.mark.parametrize(
    ("time", "subject", "older"),
    [
        (LATER, {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "raw"}}}, True),
        (LATER, {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}}, True),
        (LATER, {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "c"}}}}, False),
        (LATER, {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, False),
        ("2026-01-01T11:00:00Z", {"namespaces": {}}, False),
    ],
)
@pytest.mark.parametrize(("kind", "version"), [("ClusterNetworkPolicy", "v1alpha2"), ("AdminNetworkPolicy", "v1alpha1")])
def test_a_pod_is_younger_than_what_guards_the_whole_cluster(kind, version, time, subject, older):
    spec = {"priority": 1, "subject": subject, **({"tier": "Admin"} if kind == "ClusterNetworkPolicy" else {})}
    policy = {**dated(kind, time, spec=spec), "apiVersion": f"policy.networking.k8s.io/{version}"}
    found = [one.code for one in older_pods(cluster(dated("Pod", NOON, {"a": "b"}), policy), frozenset({"raw"}))]
    assert found == (["pod.older-than-policy"] if older else [])
