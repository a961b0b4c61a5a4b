"""A small cluster with two doors: proven as it is, and refuted or not proven after each small change."""

from __future__ import annotations

import copy

import pytest
import yaml

from airlock.cluster.findings import Verdict, worst
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import bare_flows
from airlock.cluster.netproof import prove_network
from airlock.cluster.prove import prove
from airlock.cluster.resources import resources_from

OBJECTS = """
apiVersion: v1
kind: Namespace
metadata: {name: raw, labels: {kubernetes.io/metadata.name: raw}}
---
apiVersion: v1
kind: Namespace
metadata: {name: out, labels: {kubernetes.io/metadata.name: out}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: raw}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: out}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: door, namespace: raw}
spec:
  podSelector: {matchLabels: {role: door}}
  policyTypes: [Egress]
  egress:
  - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: out}}, podSelector: {matchLabels: {role: store}}}]
    ports: [{port: 7070}]
  - to: [{ipBlock: {cidr: 192.0.2.1/32}}]
    ports: [{port: 6443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: store, namespace: out}
spec:
  podSelector: {matchLabels: {role: store}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: raw}}, podSelector: {matchLabels: {role: door}}}]
    ports: [{port: 7070}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store, namespace: out}
spec: {template: {metadata: {labels: {role: store}}, spec: {containers: [{name: s, ports: [{name: s3, containerPort: 7070}]}]}}}
"""

FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [raw], out: [out]}
addresses: {pods: 10.0.0.0/16, services: 10.1.0.0/16, nodes: 192.0.2.0/28, families: IPv4}
parties:
  door: {namespace: raw, pods: {role: door}}
  store: {namespace: out, pods: {role: store}}
  api: {addresses: 192.0.2.1}
  outside: {addresses: 0.0.0.0/0, except: cluster}
flows:
- {from: door, to: store, ports: [TCP 7070], why: writes}
- {from: door, to: api, ports: [TCP 6443], why: starts pods}
forbidden:
- {from: raw, to: outside, why: nothing leaves}
"""


def _set():
    return list(yaml.safe_load_all(OBJECTS))


def _found(objects, flows=FLOWS):
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    return prove_network(resources, read_flows(flows, "flows.yaml", resources))[0]


def _proven(objects):
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    return prove(resources, read_flows(FLOWS, "flows.yaml", resources))


def _policy(objects, namespace, name):
    return next(
        one for one in objects if one["kind"] == "NetworkPolicy" and one["metadata"] == {"name": name, "namespace": namespace}
    )


def test_what_is_declared_and_nothing_else_is_proven():
    assert _found(_set()) == []


def _open_port(objects):
    _policy(objects, "raw", "door")["spec"]["egress"][1]["ports"].append({"port": 443})


def _no_policy_types(objects):
    del _policy(objects, "raw", "deny")["spec"]["policyTypes"]


def _no_deny(objects):
    objects.remove(_policy(objects, "raw", "deny"))


def _host_network(objects):
    spec = {"hostNetwork": True, "containers": []}
    objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "raw"}, "spec": spec})


def _another_label(objects):
    _policy(objects, "raw", "door")["spec"]["podSelector"] = {}


def _needless(objects):
    rule = copy.deepcopy(_policy(objects, "raw", "door")["spec"]["egress"][1])
    _policy(objects, "raw", "door")["spec"]["egress"].append(rule)


def _six(objects):
    _policy(objects, "raw", "door")["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "::/0"}}]})


def _everyone(objects):
    _policy(objects, "out", "store")["spec"]["ingress"][0]["from"] = []


def _closed(objects):
    _policy(objects, "out", "store")["spec"]["ingress"][0]["ports"] = [{"port": 7071}]


def _admin(objects):
    rule = {"action": "Accept", "to": [{"networks": ["0.0.0.0/0"]}]}
    spec = {"tier": "Admin", "priority": 1, "subject": {"namespaces": {}}, "egress": [rule]}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    objects.append({**kind, "metadata": {"name": "open"}, "spec": spec})


REFUTED = {
    "a port more": (_open_port, "NetworkPolicy raw/door", "egress rule 2", "TCP 443"),
    "policyTypes missing": (_no_policy_types, "Namespace raw", "", "no policy isolates egress"),
    "no default deny": (_no_deny, "Namespace raw", "", "no policy isolates"),
    "the host's network": (_host_network, "Pod raw/p", "spec.hostNetwork", "no NetworkPolicy applies"),
    "a rule for all pods": (_another_label, "NetworkPolicy raw/door", "egress rule 2", "with labels {} can reach 192.0.2.1"),
    "a rule twice": (_needless, "NetworkPolicy raw/door", "egress rule 3", "no declared flow needs this rule"),
    "everyone may come in": (_everyone, "NetworkPolicy out/store", "ingress rule 1", "be reached from"),
    "the other side is closed": (_closed, "Namespace out", "", "no ingress rule lets"),
    "an Accept in the admin tier": (_admin, "ClusterNetworkPolicy open", "egress rule 1", "can reach"),
}


@pytest.mark.parametrize("name", REFUTED)
def test_a_small_change_is_refuted_and_the_object_and_rule_are_named(name):
    change, where, rule, said = REFUTED[name]
    objects = _set()
    change(objects)
    found = _found(objects)
    assert worst(found) is Verdict.REFUTED
    assert any((str(one.where), one.rule) == (where, rule) and said in one.what for one in found), [str(one) for one in found]


def test_ipv6_alone_opened_is_seen_where_the_cluster_has_it():
    objects = _set()
    _six(objects)
    two = FLOWS.replace("families: IPv4", "families: 'IPv4, IPv6'")
    assert worst(_found(objects, two)) is Verdict.REFUTED
    assert any("::" in one.what for one in _found(objects, two))
    # With IPv4 alone it opens nothing; it is no rule that a flow needs either.
    assert [one.code for one in _found(objects)] == ["network.rule-needless"]


def _admin_rule(objects, name, priority, subject, action, **rule):
    spec = {"tier": "Admin", "priority": priority, "subject": {"namespaces": subject}, "egress": [{"action": action, **rule}]}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    objects.append({**kind, "metadata": {"name": name}, "spec": spec})


_IN_RAW = {"matchLabels": {"kubernetes.io/metadata.name": "raw"}}
_API = {"to": [{"networks": ["192.0.2.1/32"]}], "protocols": [{"tcp": {"destinationPort": {"number": 6443}}}]}


def _codes(objects):
    return [
        (one.code, str(one.where), one.rule)
        for one in _found(objects)
        if one.code in ("network.rule-needless", "network.flow-closed")
    ]


def test_a_rule_of_the_whole_cluster_is_needed_as_well_where_it_selects_zones_alone():
    objects = _set()
    _admin_rule(objects, "pass", 5, _IN_RAW, "Pass", **_API)
    needless = ("network.rule-needless", "ClusterNetworkPolicy pass", "egress rule 1")
    assert _codes(objects) == [needless]
    # After it, everything is denied: without it the flow is closed, so it is needed.
    _admin_rule(objects, "deny", 6, _IN_RAW, "Deny", to=[{"networks": ["192.0.2.0/24"]}])
    assert _codes(objects) == []
    # Asked after the lock, it lets nothing through: the flow is closed with it and without it.
    _admin_rule(objects, "late", 7, _IN_RAW, "Pass", **_API)
    assert _codes(objects) == [("network.rule-needless", "ClusterNetworkPolicy late", "egress rule 1")]


def test_a_rule_of_the_whole_cluster_that_selects_others_too_is_there_for_them():
    objects = _set()
    _admin_rule(objects, "pass", 5, {}, "Pass", **_API)
    assert _codes(objects) == []


def test_what_the_admin_tier_accepts_and_a_policy_too_is_said_twice():
    objects = _set()
    subject = {"pods": {"podSelector": {"matchLabels": {"role": "door"}}, "namespaceSelector": _IN_RAW}}
    spec = {"tier": "Admin", "priority": 5, "subject": subject, "egress": [{"action": "Accept", **_API}]}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
    objects.append({**kind, "metadata": {"name": "accept"}, "spec": spec})
    assert _codes(objects) == [
        ("network.rule-needless", "NetworkPolicy raw/door", "egress rule 2"),
        ("network.rule-needless", "ClusterNetworkPolicy accept", "egress rule 1"),
    ]
    # One of them is enough.
    del _policy(objects, "raw", "door")["spec"]["egress"][1]
    assert _codes(objects) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec.update(newField=1), "unknown field 'newField'"),
        (lambda spec: spec["egress"][0]["ports"][0].update(protocol="ICMP"), "protocol 'ICMP'"),
        (lambda spec: spec["egress"][0]["to"][0].update(fqdn="example.org"), "unknown field 'fqdn'"),
        (lambda spec: spec["egress"][1]["to"][0]["ipBlock"].update(cidr="10.0.0.0/99"), "is not a CIDR"),
    ],
)
def test_what_is_not_modelled_is_no_proof(change, said):
    objects = _set()
    change(_policy(objects, "raw", "door")["spec"])
    found = _found(objects)
    assert worst(found) is not Verdict.PROVEN
    assert any(one.verdict is Verdict.NO_PROOF and said in one.what and one.where.name == "door" for one in found)


def test_without_the_addresses_of_pods_a_block_may_cover_them():
    flows = FLOWS.replace("pods: 10.0.0.0/16, ", "")
    assert worst(_found(_set(), flows)) is Verdict.NO_PROOF


def test_two_policies_of_one_priority_are_no_proof():
    objects = _set()
    for name, action in (("one", "Deny"), ("other", "Pass")):
        rule = {"action": action, "to": [{"namespaces": {}}]}
        spec = {"tier": "Baseline", "priority": 3, "subject": {"namespaces": {}}, "egress": [rule]}
        kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy"}
        objects.append({**kind, "metadata": {"name": name}, "spec": spec})
    assert [(one.verdict, str(one.where)) for one in _found(objects)] == [(Verdict.NO_PROOF, "ClusterNetworkPolicy other")]


# --- what others could close or open


def _peer(objects, peer):
    _policy(objects, "raw", "door")["spec"]["egress"][0]["to"].append(peer)


def _named(operator, *values):
    return {
        "namespaceSelector": {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": operator, "values": list(values)}]
        }
    }


def test_what_only_the_other_end_closes_is_not_proven():
    """Another team's policies are theirs to change, and they may admit by labels that ours do not speak of."""
    objects = _set()
    _peer(objects, {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}})
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"x": "1"}}}]}],
    }
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    objects.append({**kind, "metadata": {"name": "closed", "namespace": "other"}, "spec": spec})
    found = _found(objects)
    assert worst(found) is Verdict.NO_PROOF
    assert [str(one.where) for one in found] == ["NetworkPolicy raw/door"]


@pytest.mark.parametrize(
    "peer",
    [
        {
            "podSelector": {
                "matchExpressions": [
                    {"key": "x", "operator": "Exists"},
                    {"key": "x", "operator": "NotIn", "values": ["another-value"]},
                ]
            }
        },
        _named("NotIn", "raw", "out", "a-new-namespace", "a-new-namespace-too"),
    ],
    ids=["label", "namespace"],
)
def test_no_word_is_beyond_what_a_selector_may_name(peer):
    objects = _set()
    _peer(objects, peer)
    assert worst(_found(objects)) is not Verdict.PROVEN


def test_a_flow_that_is_shut_for_the_pods_that_are_there():
    objects = _set()
    next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["metadata"]["labels"]["part"] = "ours"
    rule = {"action": "Deny", "from": [{"namespaces": {}}]}
    subject = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"part": "ours"}}}}
    kind = {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy", "metadata": {"name": "shut"}}
    objects.append({**kind, "spec": {"tier": "Admin", "priority": 1, "subject": subject, "ingress": [rule]}})
    assert [(one.verdict, one.code) for one in _found(objects)] == [(Verdict.REFUTED, "network.flow-closed")]


def test_a_party_by_name_is_the_namespace_however_it_is_labelled():
    """Readers' namespace is not among the resources, and some rule looks at another label of namespaces."""
    objects = _set()
    reader = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team"}}}
    watch = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "watch", "team": "mon"}}}
    _policy(objects, "out", "store")["spec"]["ingress"].append({"from": [reader], "ports": [{"port": 7070}]})
    _policy(objects, "out", "store")["spec"]["ingress"].append({"from": [watch], "ports": [{"port": 9090}]})
    flows = FLOWS.replace(
        "forbidden:",
        "- {from: team, to: store, ports: [TCP 7070], why: reads}\n- {from: watch, to: store, ports: [TCP 9090], why: watches}\nforbidden:",
    )
    flows = flows.replace("  api: ", "  team: {namespaces: [team]}\n  watch: {namespaces: [watch]}\n  api: ")
    labels = {"kubernetes.io/metadata.name": "watch", "team": "mon"}
    objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "watch", "labels": labels}})
    assert _found(objects, flows) == []


def test_a_policy_that_is_not_modelled_makes_nothing_certain():
    objects = _set()
    _policy(objects, "raw", "door")["spec"]["egress"][1]["ports"] = [{"endPort": 7}]
    found = _found(objects)
    assert {one.verdict for one in found} == {Verdict.NO_PROOF}
    assert {"network.unmodelled", "network.flow-closed"} <= {one.code for one in found}


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("Pod", {"podIPs": [{"ip": "10.9.0.1"}]}, "has 10.9.0.1, which flows.yaml says pods do not have"),
        ("Pod", {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}, "which flows.yaml says pods do not have"),
        ("Node", {"addresses": [{"type": "InternalIP", "address": "198.51.100.7"}]}, "which flows.yaml says nodes do not have"),
    ],
)
def test_objects_that_contradict_the_sites_addresses(kind, status, said):
    objects = _set()
    spec = {"containers": [], "automountServiceAccountToken": False} if kind == "Pod" else {}
    metadata = {"name": "odd", "namespace": "other"} if kind == "Pod" else {"name": "odd"}
    objects.append({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec, "status": status})
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    found = prove(resources, read_flows(FLOWS, "flows.yaml", resources)).findings
    assert [one.code for one in found if said in one.what] == ["site.contradiction"]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "spec": {"cidrs": ["203.0.113.0/24"]}}, "203.0.113.0"),
        ({"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "203.0.113.9", "selector": {"a": "b"}}}, "203.0.113.9"),
    ],
)
def test_addresses_of_services_that_the_site_does_not_have(one, said):
    inside = {"spec": {**one["spec"], **({"cidrs": ["10.1.0.0/24"]} if "cidrs" in one["spec"] else {"clusterIP": "10.1.0.9"})}}
    for changed, codes in (({}, ["site.contradiction"]), (inside, [])):
        metadata = {"name": "odd", **({"namespace": "other"} if one["kind"] == "Service" else {})}
        objects = [*_set(), {**one, "metadata": metadata, **changed}]
        resources = resources_from((f"set:{number}", each) for number, each in enumerate(objects))
        found = [
            each
            for each in prove(resources, read_flows(FLOWS, "flows.yaml", resources)).findings
            if "services do not have" in each.what
        ]
        assert [each.code for each in found] == codes
        assert all(said in each.what for each in found)


@pytest.mark.parametrize(
    "one",
    [
        {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "spec": {"cidrs": ["203.0.113.0/99"]}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "203.0.113.999", "selector": {"a": "b"}}},
    ],
)
def test_addresses_of_services_that_nobody_can_read_are_no_proof(one):
    objects = [*_set(), {**one, "metadata": {"name": "odd", **({"namespace": "other"} if one["kind"] == "Service" else {})}}]
    found = [each for each in _found(objects) if each.where is not None and each.where.name == "odd"]
    assert [(each.verdict, each.code) for each in found] == [(Verdict.NO_PROOF, "network.unmodelled")]


HOOK = {
    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "pod-identity"},
    "webhooks": [{"name": "h", "rules": [{"apiGroups": [""], "apiVersions": ["*"], "resources": ["pods"], "operations": ["*"]}]}],
}  # fmt: skip
ENVOY = {"apiVersion": "cilium.io/v2", "kind": "CiliumEnvoyConfig", "metadata": {"name": "e", "namespace": "out"}}
ACCEPTED = "accepted:\n- {kind: MutatingWebhookConfiguration, name: pod-identity, why: gives credentials}\n- {kind: CiliumEnvoyConfig, why: of the ingress}\n"


def test_what_somebody_has_looked_at_is_listed_with_the_reason():
    """A managed cluster's own webhooks, and kinds of its network: without an entry there is no proof, with one they are paths."""
    resources = resources_from((f"set:{number}", one) for number, one in enumerate([*_set(), HOOK, ENVOY]))
    codes = {}
    for text in (FLOWS, FLOWS + ACCEPTED):
        proven = prove(resources, read_flows(text, "flows.yaml", resources))
        codes[text] = {(one.code, str(one.where)) for one in proven.findings}
    gone = codes[FLOWS] - codes[FLOWS + ACCEPTED]
    assert {where for _, where in gone} == {"MutatingWebhookConfiguration pod-identity", "CiliumEnvoyConfig out/e"}
    assert {(str(one.opens), one.accepted) for one in proven.paths if one.kind == "accepted"} == {
        ("MutatingWebhookConfiguration pod-identity", "gives credentials"), ("CiliumEnvoyConfig out/e", "of the ingress"),
    }  # fmt: skip


def test_what_is_refuted_can_not_be_accepted():
    objects = _set()
    _policy(objects, "raw", "door")["spec"]["egress"].append({"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}]})
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    accepted = FLOWS + "accepted:\n- {kind: NetworkPolicy, name: door, in: raw, why: w}\n"
    assert prove(resources, read_flows(accepted, "flows.yaml", resources)).verdict is Verdict.REFUTED


def test_a_policy_that_is_being_deleted_is_no_proof():
    objects = _set()
    _policy(objects, "raw", "deny")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    found = _proven(objects)
    assert [(one.code, str(one.where)) for one in found.findings if one.code == "network.leaving"] == [
        ("network.leaving", "NetworkPolicy raw/deny")
    ]


def test_an_external_address_of_a_node_contradicts_nothing():
    status = {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "ExternalIP", "address": "203.0.113.77"}]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {}, "status": status}
    assert [one for one in _proven([*_set(), node]).findings if one.code == "site.contradiction"] == []


@pytest.mark.parametrize(
    ("kind", "spec", "codes"),
    [
        ("Node", {"podCIDRs": ["10.0.0.0/24", "fd00::/64"]}, ["site.contradiction"]),
        ("Node", {"podCIDRs": ["172.31.0.0/24"]}, []),
        ("Service", {"ipFamilies": ["IPv6"], "selector": {"a": "b"}}, ["site.contradiction"]),
        ("Service", {"ipFamilies": ["IPv4"], "selector": {"a": "b"}}, []),
    ],
)
def test_an_object_of_a_family_that_the_site_does_not_speak_contradicts_it(kind, spec, codes):
    metadata = {"name": "odd", **({"namespace": "other"} if kind == "Service" else {})}
    objects = [*_set(), {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}]
    assert [one.code for one in _proven(objects).findings if one.code == "site.contradiction"] == codes


def test_a_rule_for_a_family_that_the_site_does_not_speak_contradicts_it():
    for cidr, codes in (("::/0", ["site.contradiction"]), ("2001:db8::1/128", ["site.contradiction"]), ("10.9.0.1/32", [])):
        objects = _set()
        _policy(objects, "raw", "door")["spec"]["egress"][1]["to"].append({"ipBlock": {"cidr": cidr}})
        found = [one for one in _proven(objects).findings if one.code == "site.contradiction"]
        assert [one.code for one in found] == codes
        assert all("the cluster speaks no IPv6" in one.what and one.rule.startswith("egress rule") for one in found)


def test_a_rule_for_another_family_elsewhere_is_none_of_the_zones():
    objects = _set()
    elsewhere = {**_policy(objects, "raw", "door"), "metadata": {"name": "door", "namespace": "other"}}
    elsewhere["spec"] = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "::/0"}}]}]}
    assert [one for one in _proven([*objects, elsewhere]).findings if one.code == "site.contradiction"] == []


WAITS = "flows.yaml:12 waits for component 'stor', which no object of the zones carries (nearest: 'store')"
RIGHT = "rights:\n- {subject: ServiceAccount raw/door, may: [create pods], in: NS, with: dor, why: starts}\n"


def _with_component(objects):
    objects[-1]["metadata"]["labels"] = {"airlock.dev/component": "store"}
    return objects


@pytest.mark.parametrize(("name", "waits"), [("store", False), ("stor", True)])
def test_a_slip_in_the_name_of_a_component_is_told_with_what_follows(name, waits):
    flows = FLOWS.replace("why: writes}", f"why: writes, with: {name}}}")
    found = _found(_with_component(_set()), flows)
    assert {one.code for one in found} == ({"network.undeclared", "network.rule-needless"} if waits else set())
    assert [one.next_step.partition("; ")[2] for one in found] == [WAITS] * len(found)


def test_a_component_that_is_left_out_is_no_finding():
    flows = FLOWS.replace("forbidden:", "- {from: store, to: api, ports: [TCP 443], with: vault, why: unwraps}\nforbidden:")
    assert _found(_set(), flows) == []
    objects = _set()
    _open_port(objects)  # of others than those that the entry is for
    assert [one.next_step.partition("; ")[2] for one in _found(objects, flows)] == [""]


@pytest.mark.parametrize("namespace", ["raw", "elsewhere"])
def test_a_slip_in_the_component_of_a_right_is_told_with_what_follows(namespace):
    objects = _set()
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]
    metadata = {"name": "door", "namespace": namespace}
    subjects = [{"kind": "ServiceAccount", "name": "door", "namespace": "raw"}]
    group = "rbac.authorization.k8s.io"
    objects.append({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    ref = {"apiGroup": group, "kind": "Role", "name": "door"}
    objects.append(
        {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata, "subjects": subjects, "roleRef": ref}
    )
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    flows = read_flows(FLOWS + RIGHT.replace("NS", namespace), "flows.yaml", resources)
    (found,) = (one for one in prove(resources, flows).findings if one.code == "rights.undeclared")
    assert found.next_step.endswith("; flows.yaml:17 waits for component 'dor', which no object of the zones carries")


def _generated(prefix, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": prefix, "labels": labels}}


def test_a_namespace_whose_name_is_generated_counts_by_its_labels():
    objects = _set()
    peer = {"namespaceSelector": {"matchLabels": {"team": "a"}}}
    _policy(objects, "raw", "door")["spec"]["egress"].append({"to": [peer], "ports": [{"port": 80}]})
    objects += [_generated("team-", team="a"), _generated("team-", team="b")]
    found = next(one for one in _found(objects) if one.code == "network.undeclared")
    assert "a pod in 'team-*2'" in found.what


@pytest.mark.parametrize("labels", [{}, {"kubernetes.io/metadata.name": "out"}])
def test_a_namespace_whose_name_is_generated_is_none_that_is_named(labels):
    objects = _set()
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "out"}},
        "podSelector": {"matchLabels": {"role": "store"}},
    }
    assert _policy(objects, "raw", "door")["spec"]["egress"][0]["to"] == [peer]
    assert _found([*objects, _generated("out", **labels), _generated("out-", **labels)]) == []


@pytest.mark.parametrize(
    ("prefix", "zone", "said"),
    [
        ("raw-", "raw-b2c4d", "Namespace raw-*"),
        ("raw-", "raw-b2c4", ""),
        ("raw", "raw", ""),
        ("row-", "raw-b2c4d", ""),
        ("a" * 60, "a" * 58 + "b2c4d", f"Namespace {'a' * 60}*"),
    ],
)
def test_a_zones_namespace_is_not_one_whose_name_is_generated(prefix, zone, said):
    resources = resources_from([("set:1", _generated(prefix, **{"pod-security.kubernetes.io/enforce": "restricted"}))])
    (missing,) = (one for one in prove(resources, bare_flows([zone])).findings if one.code == "namespace.missing")
    assert missing.verdict is Verdict.NO_PROOF
    assert missing.what.partition(" (")[2] == (f"{said}, whose name is generated, may come to be it)" if said else "")
