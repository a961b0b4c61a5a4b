"""The brute-force evaluator on the policies of administrators: tiers, priorities, actions. Answers worked out by hand."""

from __future__ import annotations

import pytest
from tests.cluster.made import (
    DENY_ALL,
    DENY_IN,
    DENY_OUT,
    EVERY,
    HOST,
    JOB,
    OUTSIDE,
    OUTSIDE6,
    STORE,
    TO_ALL,
    WEB,
    older,
    out,
    reaches,
    reaches6,
    tiered,
)
from tests.cluster.oracle import Address, Ambiguous, Unknown, allowed_any_family


def test_an_admin_tier_that_accepts_opens_what_network_policies_shut():
    admin = tiered("Admin", 5, egress=[{"action": "Accept", "to": EVERY}])
    assert reaches([DENY_OUT, admin], JOB, OUTSIDE)
    assert reaches([DENY_OUT, admin], JOB, STORE)
    assert reaches6([DENY_OUT, admin], JOB, OUTSIDE6)
    assert not reaches([DENY_ALL, admin], JOB, WEB), "the way in is still for NetworkPolicy to say"


def test_an_admin_tier_that_denies_shuts_what_network_policies_open():
    admin = tiered("Admin", 5, egress=[{"action": "Deny", "to": [{"networks": ["203.0.113.0/24"]}]}])
    assert not reaches([out("{}"), admin], JOB, OUTSIDE)
    assert reaches([out("{}"), admin], JOB, Address("198.51.100.1"))


def test_lower_priority_goes_first_and_then_the_order_of_rules():
    accept, deny = {"action": "Accept", **TO_ALL}, {"action": "Deny", **TO_ALL}
    assert reaches([tiered("Admin", 9, egress=[deny]), tiered("Admin", 3, egress=[accept])], JOB, STORE)
    assert not reaches([tiered("Admin", 9, egress=[accept]), tiered("Admin", 3, egress=[deny])], JOB, STORE)
    assert reaches([tiered("Admin", 0, egress=[accept, deny])], JOB, STORE)
    assert not reaches([tiered("Admin", 0, egress=[deny, accept])], JOB, STORE)


def test_pass_skips_the_rest_of_its_tier():
    passing, deny = (
        tiered("Admin", 1, egress=[{"action": "Pass", **TO_ALL}]),
        tiered("Admin", 2, egress=[{"action": "Deny", **TO_ALL}]),
    )
    assert reaches([passing, deny], JOB, STORE)
    assert not reaches([passing, deny, DENY_OUT], JOB, STORE)
    baseline = tiered("Baseline", 1, egress=[{"action": "Deny", **TO_ALL}])
    assert not reaches([passing, deny, baseline], JOB, STORE)
    assert reaches([tiered("Baseline", 0, egress=[{"action": "Pass", **TO_ALL}]), baseline], JOB, STORE)


def test_the_baseline_tier_is_for_pods_that_no_network_policy_selects():
    baseline = tiered(
        "Baseline", 1, egress=[{"action": "Deny", **TO_ALL}], ingress=[{"action": "Accept", "from": [{"namespaces": {}}]}]
    )
    assert not reaches([baseline], JOB, STORE)
    assert reaches([baseline, out("{}")], JOB, STORE)
    assert not reaches([baseline, DENY_IN], STORE, JOB)
    assert not reaches([baseline, DENY_IN], JOB, STORE), "NetworkPolicy says nothing about egress there"


def test_one_priority_with_two_answers_is_ambiguous():
    accept, deny = [tiered("Admin", 5, egress=[{"action": action, **TO_ALL}]) for action in ("Accept", "Deny")]
    with pytest.raises(Ambiguous, match="priority 5"):
        reaches([accept, deny], JOB, STORE)
    with pytest.raises(Ambiguous):
        allowed_any_family([accept, deny], JOB, STORE, "TCP", 80)
    assert reaches([accept, deny], JOB, OUTSIDE), "neither matches"
    assert reaches([accept, tiered("Admin", 5, egress=[{"action": "Accept", "to": EVERY}])], JOB, STORE), "they agree"
    assert reaches([accept, deny, tiered("Admin", 4, egress=[{"action": "Accept", **TO_ALL}])], JOB, STORE), (
        "an earlier one decides"
    )
    shut = tiered("Admin", 0, ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}])
    assert not reaches([accept, deny, shut], JOB, STORE), "whoever wins, the other end denies"


def test_two_apis_that_answer_differently_are_ambiguous():
    accept = tiered("Admin", 1, egress=[{"action": "Accept", **TO_ALL}])
    with pytest.raises(Ambiguous, match="two APIs"):
        reaches([accept, older(priority=9, egress=[{"action": "Deny", **TO_ALL}])], JOB, STORE)
    assert reaches([accept, older(priority=9, egress=[{"action": "Allow", **TO_ALL}])], JOB, STORE)
    with pytest.raises(Ambiguous, match="Baseline"):
        reaches(
            [tiered("Baseline", 1, egress=[{"action": "Accept", **TO_ALL}]), older("BaselineAdminNetworkPolicy", egress=[{"action": "Deny", **TO_ALL}])],
            JOB,
            STORE,
        )  # fmt: skip


def test_subjects():
    rules = {"egress": [{"action": "Deny", "to": EVERY}]}
    team = tiered("Admin", 1, **rules) | {
        "spec": {"tier": "Admin", "priority": 1, "subject": {"namespaces": {"matchLabels": {"team": "a"}}}, **rules}
    }
    jobs = {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "job"}}}}
    job = {**team, "spec": {**team["spec"], "subject": jobs}}
    assert (reaches([team], JOB, OUTSIDE), reaches([team], STORE, OUTSIDE)) == (False, True)
    assert (reaches([job], JOB, OUTSIDE), reaches([job], WEB, OUTSIDE)) == (False, True)
    assert reaches([team, job], HOST, OUTSIDE), "host network is no subject"
    with pytest.raises(Unknown, match="subject"):
        reaches([{**team, "spec": {**team["spec"], "subject": {"future": {}}}}], JOB, OUTSIDE)


def test_peers_of_tiers():
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"pool": "x"}},
            "status": {"addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "172.16.0.1"}]}}  # fmt: skip

    def deny(peer):
        return [node, tiered("Admin", 1, egress=[{"action": "Deny", "to": [peer]}])]

    pods = {"pods": {"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": {"matchLabels": {"app": "store"}}}}
    assert (reaches(deny(pods), JOB, STORE), reaches(deny(pods), JOB, WEB)) == (False, True)
    assert not reaches(deny({"pods": {"podSelector": {}}}), JOB, STORE)
    for nodes, opened in (({}, False), ({"matchLabels": {"pool": "x"}}, False), ({"matchLabels": {"pool": "y"}}, True)):
        assert reaches(deny({"nodes": nodes}), JOB, HOST) is opened
        assert reaches(deny({"nodes": nodes}), JOB, Address("172.16.0.1")) is opened
    assert reaches(deny({"nodes": {}}), JOB, Address("172.16.0.2"))
    assert reaches(deny({"namespaces": {}}), JOB, HOST), "host network is no such peer"
    assert not reaches(deny({"networks": ["172.16.0.0/24"]}), JOB, HOST)
    with pytest.raises(Unknown, match="domainNames"):
        reaches(deny({"domainNames": ["example.org"]}), JOB, OUTSIDE)


def test_a_peer_of_an_unknown_kind_fails_closed():
    def ruled(action, **more):
        return tiered("Admin", 1, egress=[{"action": action, "to": [{"namespaces": {}}, {"future": {}}], **more}])

    assert reaches([ruled("Accept")], JOB, STORE), "matches nothing; the default accepts"
    assert not reaches([ruled("Accept"), DENY_OUT], JOB, STORE)
    assert not reaches([ruled("Deny", protocols=[{"tcp": {"destinationPort": {"number": 1}}}])], JOB, OUTSIDE)
    assert not reaches([ruled("Pass")], JOB, OUTSIDE)
    entering = tiered("Admin", 1, ingress=[{"action": "Deny", "from": [{"networks": ["192.0.2.0/24"]}]}])
    assert not reaches([entering], OUTSIDE, JOB), "ingress knows no networks"


@pytest.mark.parametrize(
    ("listed", "protocol", "port", "matches"),
    [
        ({"protocols": [{"tcp": {"destinationPort": {"number": 80}}}]}, "TCP", 80, True),
        ({"protocols": [{"tcp": {"destinationPort": {"number": 80}}}]}, "UDP", 80, False),
        ({"protocols": [{"udp": {"destinationPort": {"range": {"start": 80, "end": 82}}}}]}, "UDP", 82, True),
        ({"protocols": [{"udp": {"destinationPort": {"range": {"start": 80, "end": 82}}}}]}, "UDP", 83, False),
        ({"protocols": [{"sctp": {}}]}, "SCTP", 5, True),
        ({"protocols": [{"destinationNamedPort": "http"}]}, "TCP", 8080, True),
        ({"protocols": [{"destinationNamedPort": "http"}]}, "TCP", 80, False),
        ({"protocols": [{"destinationNamedPort": "http"}, {"tcp": {"destinationPort": {"number": 80}}}]}, "TCP", 80, True),
        ({}, "SCTP", 1, True),
    ],
)
def test_protocols_of_cluster_network_policies(listed, protocol, port, matches):
    denying = tiered("Admin", 1, egress=[{"action": "Deny", **TO_ALL, **listed}])
    assert reaches([denying], JOB, STORE, protocol, port) is not matches


@pytest.mark.parametrize(
    ("port", "protocol", "number", "matches"),
    [
        ({"portNumber": {"port": 80}}, "TCP", 80, True),
        ({"portNumber": {"port": 80, "protocol": "UDP"}}, "UDP", 80, True),
        ({"portNumber": {"port": 80, "protocol": "UDP"}}, "TCP", 80, False),
        ({"portRange": {"start": 80, "end": 82}}, "TCP", 82, True),
        ({"portRange": {"start": 80, "end": 82}}, "TCP", 83, False),
        ({"portRange": {"start": 80, "end": 82, "protocol": "SCTP"}}, "SCTP", 81, True),
        ({"namedPort": "http"}, "TCP", 8080, True),
        ({"namedPort": "http"}, "TCP", 80, False),
    ],
)
@pytest.mark.parametrize("kind", ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"])
def test_ports_of_admin_network_policies(kind, port, protocol, number, matches):
    denying = older(kind, egress=[{"action": "Deny", **TO_ALL, "ports": [port]}])
    assert reaches([denying], JOB, STORE, protocol, number) is not matches


def test_admin_network_policies_come_before_and_the_baseline_one_after():
    rules = {"egress": [{"action": "Deny", **TO_ALL}]}
    assert not reaches([older(**rules), out("{}")], JOB, STORE)
    assert reaches([older("BaselineAdminNetworkPolicy", **rules), out("{}")], JOB, STORE)
    assert not reaches([older("BaselineAdminNetworkPolicy", **rules)], JOB, STORE)
    assert reaches([older(egress=[{"action": "Allow", **TO_ALL}]), DENY_OUT], JOB, STORE)
    with pytest.raises(Unknown, match="Pass"):
        reaches([older("BaselineAdminNetworkPolicy", egress=[{"action": "Pass", **TO_ALL}])], JOB, STORE)
    misnamed = {**older("BaselineAdminNetworkPolicy", **rules), "metadata": {"name": "mine"}}
    with pytest.raises(Unknown, match="default"):
        reaches([misnamed], JOB, STORE)
    with pytest.raises(Unknown, match="v1beta9"):
        reaches([{**older(**rules), "apiVersion": "policy.networking.k8s.io/v1beta9"}], JOB, STORE)
