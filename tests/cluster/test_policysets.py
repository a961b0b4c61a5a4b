"""Random sets: the same for a seed, full of everything that policies can say, and with something to find in them."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from tests.cluster.mutations import CHANGES, mutate
from tests.cluster.oracle import Ambiguous, allowed
from tests.cluster.policysets import RANGES, Pools, network_policies, random_set
from tests.cluster.probes import _numbers, _ranges, addresses_at, pods_of, ports_at, probes

SETS = [random_set(seed) for seed in range(400)]


def rules(documents, kind="NetworkPolicy"):
    return [
        rule
        for each in documents
        if each["kind"] == kind
        for way in ("ingress", "egress")
        for rule in each["spec"].get(way) or []
    ]


def peers(documents):
    return [peer for rule in rules(documents) for peer in (rule.get("from") or []) + (rule.get("to") or [])]


def specs(documents, kind="NetworkPolicy"):
    return [each["spec"] for each in documents if each["kind"] == kind]


FEATURES = {
    "no policy": lambda s: not specs(s),
    "podSelector missing": lambda s: any("podSelector" not in each for each in specs(s)),
    "podSelector null": lambda s: any(each.get("podSelector", 0) is None for each in specs(s)),
    "policyTypes missing, egress empty": lambda s: any(
        not each.get("policyTypes") and each.get("egress", 0) == [] for each in specs(s)
    ),
    "policyTypes null": lambda s: any(each.get("policyTypes", 0) is None for each in specs(s)),
    "egress rules that policyTypes leaves out": lambda s: any(
        each.get("policyTypes") == ["Ingress"] and each.get("egress") for each in specs(s)
    ),
    "from null": lambda s: any(rule.get("from", 0) is None for rule in rules(s)),
    "to empty": lambda s: any(rule.get("to", 0) == [] for rule in rules(s)),
    "ports empty": lambda s: any(rule.get("ports", 0) == [] for rule in rules(s)),
    "rule empty": lambda s: any(rule == {} for rule in rules(s)),
    "two selectors in a peer": lambda s: any({"podSelector", "namespaceSelector"} <= set(peer) for peer in peers(s)),
    "every namespace": lambda s: any(peer.get("namespaceSelector") == {} for peer in peers(s)),
    "except": lambda s: any("except" in (peer.get("ipBlock") or {}) for peer in peers(s)),
    "IPv6 range": lambda s: any(":" in (peer.get("ipBlock") or {}).get("cidr", "") for peer in peers(s)),
    "host bits": lambda s: any((peer.get("ipBlock") or {}).get("cidr", "").endswith(".77/28") for peer in peers(s)),
    "endPort": lambda s: any("endPort" in port for rule in rules(s) for port in rule.get("ports") or []),
    "named port": lambda s: any(isinstance(port.get("port"), str) for rule in rules(s) for port in rule.get("ports") or []),
    "port without number": lambda s: any("port" not in port for rule in rules(s) for port in rule.get("ports") or []),
    "dual stack": lambda s: any(len(each["status"]["podIPs"]) == 2 for each in s if each["kind"] == "Pod"),
    "host network": lambda s: any(pod.host_network for pod in pods_of(s)),
    "workload": lambda s: any(each["kind"] == "Deployment" for each in s),
    "admin tier": lambda s: any(each["tier"] == "Admin" for each in specs(s, "ClusterNetworkPolicy")),
    "baseline tier": lambda s: any(each["tier"] == "Baseline" for each in specs(s, "ClusterNetworkPolicy")),
    "named port of a tier": lambda s: any(
        "destinationNamedPort" in port for rule in rules(s, "ClusterNetworkPolicy") for port in rule.get("protocols", [])
    ),
    "nodes": lambda s: any("nodes" in peer for rule in rules(s, "ClusterNetworkPolicy") for peer in rule.get("to", [])),
    "equal priorities": lambda s: (
        len(specs(s, "ClusterNetworkPolicy")) > len({each["priority"] for each in specs(s, "ClusterNetworkPolicy")})
    ),
    "older admin policy": lambda s: bool(specs(s, "AdminNetworkPolicy")),
    "older baseline policy": lambda s: bool(specs(s, "BaselineAdminNetworkPolicy")),
    **{
        action: lambda s, action=action: any(rule["action"] == action for rule in rules(s, "ClusterNetworkPolicy"))
        for action in ("Accept", "Deny", "Pass")
    },
    **{
        word: lambda s, word=word: f'"operator": "{word}"' in json.dumps(s)
        for word in ("In", "NotIn", "Exists", "DoesNotExist")
    },
    **{word: lambda s, word=word: f'"protocol": "{word}"' in json.dumps(specs(s)) for word in ("TCP", "UDP", "SCTP")},
}


@pytest.mark.parametrize("feature", FEATURES)
def test_everything_that_policies_can_say_occurs(feature):
    assert sum(bool(FEATURES[feature](each)) for each in SETS) >= 3


def test_a_seed_makes_one_set():
    assert random_set(7) == random_set(7)
    assert len({json.dumps(each) for each in SETS}) == len(SETS)


def test_policies_for_a_cluster_that_is_there_speak_of_what_it_has():
    ranges = {4: ("198.18.0.0/24", "198.18.0.7/28", "198.18.0.9/32"), 6: RANGES[6]}
    pools = Pools(
        families=(4,),
        ranges=ranges,
        holes={4: ranges[4][:2], 6: ("::/0", "2001:db8::/32")},
        numbers=(7001, 7002),
        spans=((7001, 7002), (7001, 7003), (1, 65535)),
        namespace_labels={"kubernetes.io/metadata.name": ("here", "there")},
    )
    many = [network_policies(seed, ("here", "there"), pools) for seed in range(300)]
    assert many == [network_policies(seed, ("here", "there"), pools) for seed in range(300)]
    assert all(len({each["metadata"]["name"] for each in made}) == len(made) > 0 for made in many)
    every = [each for made in many for each in made]
    assert {each["kind"] for each in every} == {"NetworkPolicy"}
    assert {each["metadata"]["namespace"] for each in every} == {"here", "there"}
    assert {cidr for cidr in _ranges(every) if ":" not in cidr} == set(ranges[4])
    assert set(_numbers(every)) == {7001, 7002, 7003, 1, 65535}
    assert not re.search("red|green|blue", json.dumps(every))


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_each_change_is_made_to_many_sets(change):
    # Each is the first to be tried in one of so many seeds; what is meant is that none is never possible.
    assert sum(change is _tried(documents, seed) for seed, documents in enumerate(SETS)) >= 5


def _tried(documents, seed):
    """Which change `mutate` made."""
    made = []
    spied = tuple(_spy(each, made) for each in CHANGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.cluster.mutations.CHANGES", spied)
        mutate(documents, seed)
    return made[-1]


def _spy(change, made):
    def spied(documents, rng):
        made.append(change)
        return change(documents, rng)

    return spied


def test_a_change_leaves_the_set_itself_alone():
    for seed, documents in enumerate(SETS[:50]):
        before = json.dumps(documents)
        assert mutate(documents, seed) != documents
        assert mutate(documents, seed) == mutate(documents, seed)
        assert json.dumps(documents) == before


def test_boundaries_are_asked_about():
    rule = {
        "to": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.8/29"]}}],
        "ports": [{"port": 90, "endPort": 95}],
    }
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "a", "namespace": "red"},
        "spec": {"egress": [rule]},
    }
    expected = {
        "198.51.99.255",
        "198.51.100.0",
        "198.51.100.255",
        "198.51.101.0",
        "198.51.100.7",
        "198.51.100.8",
        "198.51.100.15",
        "198.51.100.16",
    }
    assert expected <= set(addresses_at([policy]))
    assert ports_at([policy]) == [1, 89, 90, 91, 94, 95, 96, 65535]
    low = {"networks": ["::/126", "0.0.0.0/0"]}
    assert {"::", "::3", "::4", "0.0.0.0", "255.255.255.255"} <= set(addresses_at([low | {"kind": "x"}]))


def test_all_probes_are_asked_and_a_sample_is_of_them():
    documents = random_set(1)
    everything, few = probes(documents), probes(documents, 3, 100)
    assert few == probes(documents, 3, 100) != probes(documents, 4, 100)
    said = {str(each) for each in everything}
    assert len(said) == len(everything)
    assert {str(each) for each in few} <= said


def test_the_evaluator_has_an_answer_to_every_probe_and_the_answers_differ():
    answers = Counter()
    for seed, documents in enumerate(SETS[:200]):
        for source, destination, protocol, port, source_ip, destination_ip in probes(documents, seed, 20):
            try:
                answers[
                    allowed(documents, source, destination, protocol, port, source_ip=source_ip, destination_ip=destination_ip)
                ] += 1
            except Ambiguous:
                answers["ambiguous"] += 1
    assert answers[True] > 800
    assert answers[False] > 800
    assert answers["ambiguous"] > 5
