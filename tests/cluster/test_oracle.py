"""The brute-force evaluator, rule by rule, against answers worked out by hand."""

from __future__ import annotations

import pytest
from tests.cluster.made import (
    DENY_ALL,
    DENY_IN,
    DENY_OUT,
    HOST,
    JOB,
    OUTSIDE,
    OUTSIDE6,
    STORE,
    WEB,
    into,
    out,
    policy,
    reaches,
    reaches6,
)
from tests.cluster.oracle import Address, Unknown, allowed, allowed_any_family, selects


def test_without_a_policy_all_is_open():
    assert reaches([], JOB, STORE)
    assert reaches([], JOB, OUTSIDE, "SCTP", 1)
    assert reaches([], OUTSIDE, JOB, "UDP", 65535)


def test_a_policy_isolates_the_pods_that_it_selects_and_no_others():
    only_job = policy("podSelector: {matchLabels: {app: job}}\npolicyTypes: [Ingress, Egress]")
    assert not reaches([only_job], JOB, STORE)
    assert not reaches([only_job], STORE, JOB)
    assert reaches([only_job], WEB, STORE)
    assert reaches([policy("podSelector: {}\npolicyTypes: [Egress]", "blue")], JOB, OUTSIDE)


def test_both_ends_must_permit():
    opened = out("{}")
    assert reaches([opened], JOB, WEB)
    assert not reaches([opened, DENY_IN], JOB, WEB)
    assert not reaches([into("{}"), DENY_OUT], JOB, WEB)
    assert reaches([into("{}"), opened], JOB, WEB)


@pytest.mark.parametrize(
    ("spec", "inward", "outward"),
    [
        ("podSelector: {}", False, True),
        ("podSelector: {}\negress: []", False, True),
        ("podSelector: {}\negress: null\npolicyTypes: null", False, True),
        ("podSelector: {}\negress: []\npolicyTypes: []", False, True),
        ("podSelector: {}\negress: [{ports: [{port: 1}]}]", False, False),
        ("podSelector: {}\npolicyTypes: [Egress]\ningress: [{}]", True, False),
        ("podSelector: {}\npolicyTypes: [Ingress]\negress: [{ports: [{port: 1}]}]", False, True),
        ("podSelector: {}\npolicyTypes: [Ingress, Egress]", False, False),
    ],
)
def test_policy_types_that_are_not_written(spec, inward, outward):
    assert reaches([policy(spec)], OUTSIDE, JOB) is inward
    assert reaches([policy(spec)], JOB, OUTSIDE) is outward


@pytest.mark.parametrize(
    "selector", ["podSelector: {}", "podSelector: null", "policyTypes: [Ingress]", "podSelector: {matchLabels: null}"]
)
def test_a_selector_that_is_missing_or_empty_selects_every_pod(selector):
    assert not reaches([policy(selector)], OUTSIDE, JOB)


def test_a_policy_without_a_spec_shuts_the_way_in():
    bare = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a", "namespace": "red"}}
    assert not reaches([bare], OUTSIDE, JOB)
    assert not reaches([{**bare, "spec": None}], OUTSIDE, JOB)
    assert reaches([bare], JOB, OUTSIDE)


def test_policies_add_up():
    assert reaches([DENY_ALL, out("ports: [{port: 80}]")], JOB, STORE)
    assert reaches([out("ports: [{port: 80}]"), DENY_ALL], JOB, STORE)
    assert not reaches([DENY_ALL, out("ports: [{port: 80}]")], JOB, STORE, port=81)


@pytest.mark.parametrize("peers", ["{}", "to: []", "to: null", "ports: []", "ports: null"])
def test_a_rule_without_peers_or_ports_is_for_everyone_and_all(peers):
    assert reaches([out(peers)], JOB, OUTSIDE, "SCTP", 7)
    assert reaches6([out(peers)], JOB, OUTSIDE6, "UDP", 7)


def test_a_pod_selector_alone_stays_in_the_policys_namespace():
    opened = out("to: [{podSelector: {}}]")
    assert reaches([opened], JOB, WEB)
    assert not reaches([opened], JOB, STORE)
    assert not reaches([opened], JOB, OUTSIDE)


def test_a_namespace_selector_alone_takes_every_pod_there():
    assert reaches([out("to: [{namespaceSelector: {matchLabels: {team: b}}}]")], JOB, STORE)
    assert not reaches([out("to: [{namespaceSelector: {matchLabels: {team: b}}}]")], JOB, WEB)
    assert reaches([out("to: [{namespaceSelector: {}}]")], JOB, STORE)
    assert not reaches([out("to: [{namespaceSelector: {}}]")], JOB, OUTSIDE)
    assert reaches([out("to: [{namespaceSelector: {}, podSelector: null}]")], JOB, STORE)


def test_two_selectors_in_one_peer_are_and_in_two_peers_or():
    both = out("to: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: web}}}]")
    either = out("to: [{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}]")
    assert (reaches([both], JOB, STORE), reaches([both], JOB, WEB)) == (False, False)
    assert (reaches([either], JOB, STORE), reaches([either], JOB, WEB)) == (True, True)


@pytest.mark.parametrize(
    ("expression", "present", "absent"),
    [
        ({"key": "app", "operator": "In", "values": ["job", "x"]}, True, False),
        ({"key": "app", "operator": "In", "values": ["x"]}, False, False),
        ({"key": "app", "operator": "NotIn", "values": ["job"]}, False, True),
        ({"key": "app", "operator": "NotIn", "values": ["x"]}, True, True),
        ({"key": "app", "operator": "Exists"}, True, False),
        ({"key": "app", "operator": "DoesNotExist"}, False, True),
    ],
)
def test_expressions(expression, present, absent):
    assert selects({"matchExpressions": [expression]}, {"app": "job"}) is present
    assert selects({"matchExpressions": [expression]}, {"other": "job"}) is absent


def test_labels_and_expressions_must_all_hold():
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}
    assert selects(selector, WEB.labels)
    assert not selects(selector, {"app": "web"})
    assert not selects(selector, {"tier": "front"})
    assert selects({}, {})
    with pytest.raises(Unknown, match="operator Like"):
        selects({"matchExpressions": [{"key": "app", "operator": "Like"}]}, {})


def test_a_range_matches_pods_by_their_address_too():
    assert reaches([out("to: [{ipBlock: {cidr: 10.0.2.0/24}}]")], JOB, STORE)
    assert not reaches([out("to: [{ipBlock: {cidr: 10.0.2.0/24}}]")], JOB, WEB)
    assert reaches([into("from: [{ipBlock: {cidr: 10.0.0.0/16}}]")], STORE, JOB)


def test_except_takes_out_and_another_peer_or_rule_puts_back():
    holed = "ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/24, 198.51.100.0/24]}"
    assert not reaches([out(f"to: [{{{holed}}}]")], JOB, OUTSIDE)
    assert reaches([out(f"to: [{{{holed}}}]")], JOB, Address("203.0.114.0"))
    assert reaches([out(f"to: [{{{holed}}}, {{ipBlock: {{cidr: 203.0.113.8/31}}}}]")], JOB, OUTSIDE)
    assert reaches([out(f"to: [{{{holed}}}]"), out("to: [{ipBlock: {cidr: 203.0.113.9/32}}]")], JOB, OUTSIDE)


def test_a_range_has_one_family():
    assert not reaches6([out("to: [{ipBlock: {cidr: 0.0.0.0/0}}]")], JOB, OUTSIDE6)
    assert reaches6([out("to: [{ipBlock: {cidr: '::/0'}}]")], JOB, OUTSIDE6)
    assert not reaches([out("to: [{ipBlock: {cidr: '::/0'}}]")], JOB, OUTSIDE)


def test_a_dual_stack_pair_is_reached_where_one_family_is():
    opened = [out("to: [{ipBlock: {cidr: '::/0'}}]")]
    assert allowed_any_family(opened, JOB, STORE, "TCP", 80)
    assert not allowed_any_family([DENY_OUT], JOB, STORE, "TCP", 80)
    assert not allowed_any_family(opened, JOB, OUTSIDE, "TCP", 80)


def test_host_bits_of_a_range_count_for_nothing():
    assert reaches([out("to: [{ipBlock: {cidr: 203.0.113.77/24}}]")], JOB, OUTSIDE)


@pytest.mark.parametrize(
    ("port", "protocol", "number", "opened"),
    [
        ("{port: 80}", "TCP", 80, True),
        ("{port: 80}", "UDP", 80, False),
        ("{port: 80}", "TCP", 81, False),
        ("{port: 80, protocol: null}", "TCP", 80, True),
        ("{protocol: UDP}", "UDP", 1, True),
        ("{protocol: UDP}", "TCP", 1, False),
        ("{}", "TCP", 65535, True),
        ("{}", "UDP", 65535, False),
        ("{protocol: SCTP, port: 80}", "SCTP", 80, True),
        ("{protocol: SCTP, port: 80}", "TCP", 80, False),
        ("{port: 80, endPort: 90}", "TCP", 79, False),
        ("{port: 80, endPort: 90}", "TCP", 80, True),
        ("{port: 80, endPort: 90}", "TCP", 90, True),
        ("{port: 80, endPort: 90}", "TCP", 91, False),
        ("{port: 80, endPort: 80}", "TCP", 80, True),
    ],
)
def test_ports(port, protocol, number, opened):
    assert reaches([out(f"ports: [{port}]")], JOB, OUTSIDE, protocol, number) is opened
    assert reaches([into(f"ports: [{port}]")], OUTSIDE, JOB, protocol, number) is opened


def test_a_rules_peers_and_ports_must_both_match():
    opened = out("{to: [{podSelector: {}}], ports: [{port: 80}]}", "- {to: [{namespaceSelector: {}}], ports: [{port: 443}]}")
    assert reaches([opened], JOB, WEB, port=80)
    assert not reaches([opened], JOB, STORE, port=80)
    assert reaches([opened], JOB, STORE, port=443)


def test_a_named_port_is_what_the_destination_calls_so():
    named = out("ports: [{port: http}]")
    assert reaches([named], JOB, WEB, port=80)
    assert not reaches([named], JOB, STORE, port=80)
    assert reaches([named], JOB, STORE, port=8080)
    assert not reaches([named], JOB, OUTSIDE, port=80)
    assert not reaches([out("ports: [{port: dns}]")], JOB, WEB, "UDP", 53)
    assert reaches([out("ports: [{port: dns, protocol: UDP}]")], JOB, WEB, "UDP", 53)
    assert reaches([into("ports: [{port: http}]")], OUTSIDE, WEB, port=80)
    assert not reaches([into("ports: [{port: http}]")], OUTSIDE, JOB, port=80)


def test_a_pod_with_host_network_is_governed_and_selected_by_nothing():
    assert reaches([DENY_ALL], HOST, OUTSIDE)
    assert reaches([DENY_ALL], OUTSIDE, HOST)
    assert not reaches([into("from: [{podSelector: {}}, {namespaceSelector: {}}]")], HOST, WEB)
    assert reaches([into("from: [{ipBlock: {cidr: 172.16.0.0/24}}]")], HOST, WEB)
    assert reaches([out("to: [{ipBlock: {cidr: 172.16.0.1/32}}]")], JOB, HOST)
    assert not reaches([out("ports: [{port: http}]")], JOB, HOST)


def test_a_pod_reaches_itself():
    assert reaches([DENY_ALL], JOB, JOB)
    assert not reaches([DENY_ALL], JOB, WEB)


def test_what_validation_refuses_is_not_decided():
    for peer in ("{}", "{podSelector: null}", "{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}", "{future: {}}"):
        with pytest.raises(Unknown, match="peer"):
            reaches([out(f"to: [{peer}]")], JOB, OUTSIDE)
    with pytest.raises(Unknown, match="extensions"):
        reaches([{**DENY_ALL, "apiVersion": "extensions/v1beta1"}], JOB, OUTSIDE)


def test_questions_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="families"):
        allowed([], JOB, OUTSIDE6, "TCP", 1, source_ip="10.0.1.1")
    with pytest.raises(ValueError, match="neither end"):
        allowed([], OUTSIDE, Address("192.0.2.1"), "TCP", 1)
    with pytest.raises(ValueError, match="none of"):
        allowed([], JOB, OUTSIDE, "TCP", 1, source_ip="10.9.9.9")
