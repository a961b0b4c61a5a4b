"""The traps of `traps/` on a real cluster: what a head calls open is open, what it calls closed is shut, and what is refuted without a packet
is granted by the API server or let in by it.

Before any policy every connection that is tried is open; so it is afterwards. NOT_TRIED lists every line of a head that is left out, with
the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from tests.cluster import packets
from tests.cluster.live import done, kubectl, settles
from tests.cluster.packets import OURS, PATIENCE, WAIT, Network, Target
from tests.cluster.scenes import (
    ADDRESSES,
    API_SERVER,
    NODE,
    ON_NODE,
    OUTSIDE,
    PODS,
    RANGES,
    Key,
    Scene,
    at_node,
    bare,
    plan,
    replaced,
    sweep,
)
from tests.cluster.traps import Connection, Trap, all_traps

TRAPS = sorted(all_traps(), key=lambda one: Scene(one).identity)
"""Those that are the same to packets beside each other: the cluster is set for them once."""
ALL = {one.name: one for one in TRAPS}

NOT_TRIED: Mapping[str, Sequence[str]] = {
    "pods have no IPv6 address": (
        "T03: raw/executor -> 2001:db8::9 TCP 443",
        "T17: raw/driver -> 2001:db8::9 TCP 443",
        "T17: raw/driver -> other/visitor TCP 443",  # open by IPv6 alone
        "T17: raw/driver -> other/visitor TCP 443 IPv6",
        "T23: raw/driver -> 2001:db8::9 TCP 53",
    ),
    "the kernel has no SCTP": (
        "T01: raw/stray -> other/visitor SCTP 7",
        "T20: raw/sctp -> 203.0.113.9 SCTP 9",
        "T20: raw/tcp -> 203.0.113.9 SCTP 53",
    ),
    "policies see a Service's connections before translation or after: here after, where these are shut": (
        "T13-half: raw/driver -> 10.96.0.1 TCP 443",
        "T15: raw/driver -> 10.96.0.30 TCP 443",
    ),
    "a pod and its own node reach each other whatever policies say, and there is one node": (
        "T10: raw/daemon -> raw/store TCP 9000",
        "T10: raw/daemon -> sanitized/reader TCP 443",
        "T10-elsewhere: raw/driver -> 172.16.0.1 TCP 443",  # where the API server is, which is declared
        "T22: raw/driver -> 169.254.20.10 UDP 53",
        "T37: 172.16.0.10 -> raw/driver TCP 22",
    ),
}
"""Lines of heads, by the reason why packets cannot show them here."""
KINDS = "of a kind that the API server does not have"
FOREIGN: Mapping[str, Sequence[str]] = {
    "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy": (
        "T03-taken-back",
        "T24",
        "T42",
        "T42-baseline",
        "T42-equal",
        "T43-field",
    ),
    "policy.networking.k8s.io/v1beta7 ClusterNetworkPolicy": ("T43-version",),
    "policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy": ("T42-old",),
    "cilium.io/v2 CiliumNetworkPolicy": ("T24-vendor", "T43"),
    "crd.projectcalico.org/v1 GlobalNetworkPolicy": ("T43-cluster",),
    "firewall.example.org/v1 PodFirewall": ("T43-unknown",),
    "networking.istio.io/v1 ServiceEntry": ("T41",),
    "k8s.cni.cncf.io/v1 NetworkAttachmentDefinition": ("T40",),
}
"""The kinds that a plain API server does not have: no line of their traps' heads is tried."""
REFUSED_PODS, WARNED_PODS = ("T10", "T39", "T40"), ("T10-workload", "T39-host")
"""What they are about are pods, or workloads that make them: refuted by what these may do, and refused by the fixtures' Pod Security, though
they may have been there before its labels were."""
UNSHOWN = ("T15", "T17", "T42", "T42-old")
"""Refuted, and all of their open lines are listed above."""
BY_RIGHTS = [one for one in TRAPS if any(each["kind"].endswith("RoleBinding") for each in one.own)]
FOREIGN_TRAPS = {name for names in FOREIGN.values() for name in names}


class Line(NamedTuple):
    """One of a head's."""

    said: str
    state: str
    connection: Connection


def lines(trap: Trap) -> list[Line]:
    return [
        Line(f"{trap.name}: {said}", state, one)
        for state in ("open", "closed", "undecided")
        for said, one in zip(trap.truth.get(state, []), trap.connections(state), strict=True)
    ]


def why_not(trap: Trap, line: Line) -> str | None:
    """The reason why a line is not tried."""
    return KINDS if trap.name in FOREIGN_TRAPS else next((why for why, those in NOT_TRIED.items() if line.said in those), None)


def tried(trap: Trap) -> list[Line]:
    return [one for one in lines(trap) if why_not(trap, one) is None]


SHUT = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "shut", "namespace": "raw"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
}  # fmt: skip
TO_TRY = [one for one in TRAPS if tried(one)]
PROVEN, REFUTED = ([one for one in TRAPS if verdict in one.verdicts] for verdict in ("PROVEN", "REFUTED"))


class Stage:
    """The network, set for one trap after another.

    Attributes:
        known: The addresses of all parties.
        without: What came of every connection without policies.
        node_is_shut: Whether policies shut the way from a pod to its own node. By the API's documentation they need not.
        swept: The scenes of which everything was tried.
    """

    def __init__(self, network: Network) -> None:
        self._network, self.known, self._now = network, network.addresses, ""
        self._seen: dict[str, dict[Key, str]] = {}
        self.counts: Counter[str] = Counter()
        self.swept: set[str] = set()
        self.leave()
        self.without = self.ask_patiently(everything(self.known))
        self._network.enforce([SHUT])
        self._now = ""
        key = ("raw/live-one", Target("", NODE, *API_SERVER[1]))
        self.node_is_shut = self.ask([key], WAIT)[key] != "open"

    def enter(self, scene: Scene) -> None:
        """Have the cluster be as the trap says."""
        self._enforce(scene.identity, scene.policies, scene.labels)

    def leave(self) -> None:
        """Have no policies and no labels."""
        self._enforce("none", [], bare())

    def _enforce(self, identity: str, policies, labels) -> None:
        if self._now != identity:
            self._now = ""
            self._network.enforce(policies, labels)
            self._now = identity

    def ask(self, keys: Iterable[Key], seconds: float) -> dict[Key, str]:
        """What comes of each as the cluster is: 'open', or what else was seen."""
        wanted: dict[str, list[Target]] = {}
        for name, target in keys:
            wanted.setdefault(name, []).append(target)
        return self._network.measured(wanted, seconds) if wanted else {}

    def ask_patiently(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The same of what should be open: who does not answer is asked again, twice."""
        seen = self.ask(keys, PATIENCE)
        for _ in range(2):
            seen |= self.ask([key for key, said in seen.items() if said != "open"], PATIENCE)
        return seen

    def differences(self, scene: Scene, expected: Mapping[Key, bool]) -> list[str]:
        """What is not as it should be. What was asked in such a scene before is not asked again, but what is silent and should not be: once,
        with patience.
        """
        assert {self.without[key] for key in expected} <= {"open"}, "not open without policies"
        seen = self._seen.setdefault(scene.identity, {})
        new = [key for key in expected if key not in seen]
        if new:
            self.enter(scene)
            seen |= self.ask(new, WAIT)
            seen |= self.ask([key for key in new if expected[key] and seen[key] != "open"], PATIENCE)
        return [
            f"{source} -> {target.name or 'API server'} {target.address} {target.protocol} {target.port}: {seen[source, target]}"
            for (source, target), is_open in expected.items()
            if is_open != (seen[source, target] == "open")
        ]


def everything(known: Mapping[str, str]) -> set[Key]:
    """Every connection that some trap asks for."""
    return sweep(known) | {Scene(trap).key(one.connection, known) for trap in TRAPS for one in tried(trap)}


@pytest.fixture(scope="module")
def stage(require):
    require("cluster")
    require("cluster_image")
    missing = packets.beyond.missing(NODE)
    if missing:
        pytest.skip(f"the traps need a host outside: {missing}")
    with packets.network(plan()) as network:
        yield Stage(network)


def test_every_line_of_a_head_is_tried_or_listed():
    stand = {name: name for name in PODS} | dict(OUTSIDE)
    said = [one.said for trap in TRAPS for one in lines(trap)]
    listed = [one for those in NOT_TRIED.values() for one in those]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(said)
    assert not [one for one in listed if one.partition(":")[0] in FOREIGN_TRAPS]
    assert not [one.said for trap in TRAPS for one in tried(trap) if one.state == "undecided"]
    keys = [Scene(trap).key(one.connection, stand) for trap in TRAPS for one in tried(trap)]
    assert {(target.protocol, target.port) for _, target in keys} <= {*plan().ports}
    assert len(keys) + len(listed) + sum(len(lines(ALL[name])) for name in FOREIGN_TRAPS) == len(said)


def test_the_live_addresses_lie_as_those_of_the_fixtures():
    on_one_node, services = (
        {("172.16.0.1", "172.16.0.10/32")},
        {(one, "10.0.0.0/8") for one in ADDRESSES if one.startswith("10.96.")},
    )
    for one, there in ADDRESSES.items():
        for cidr, live in RANGES.items():
            if (one, cidr) not in on_one_node | services:
                assert (ip_address(one) in ip_network(cidr)) == (ip_address(there) in ip_network(live)), (one, cidr)


def shown_by(trap: Trap) -> set[str]:
    """How it is shown that a refuted trap is open, or that what it declares fails."""
    stand = {name: name for name in PODS} | dict(OUTSIDE)
    scene = Scene(trap)
    declared = scene.declared(stand)
    of_state = {
        state: {scene.key(one.connection, stand) for one in tried(trap) if one.state == state} for state in ("open", "closed")
    }
    ways = {
        "packets": of_state["open"] - declared,
        "a declared flow that fails": of_state["closed"] & declared,
        "rights": trap in BY_RIGHTS,
        "admission": trap.name in (*REFUSED_PODS, *WARNED_PODS),
    }
    return {name for name, found in ways.items() if found}


@pytest.mark.parametrize("trap", REFUTED, ids=lambda one: one.name)
def test_what_is_refuted_is_shown_or_listed(trap: Trap):
    if trap.name not in UNSHOWN:
        assert shown_by(trap)
        return
    assert not shown_by(trap)
    assert all(why_not(trap, one) for one in lines(trap) if one.state == "open")


def test_without_policies_everything_that_is_tried_answers(stage):
    assert [f"{key}: {said}" for key, said in stage.without.items() if said != "open"] == []


def test_pods_are_where_the_fixtures_ranges_have_them(stage):
    inside = ip_network(RANGES["10.0.0.0/16"])
    pods = [place for place, one in PODS.items() if one.on_node is None]
    assert [place for place in pods if ip_address(stage.known[place]) not in inside] == []
    assert {stage.known[place] for place in ON_NODE} == {NODE}


@pytest.fixture(scope="module")
def served():
    """API version and kind of everything that the API server has."""
    rows = [row.split() for row in done(kubectl("api-resources", "--no-headers")).splitlines()]
    return {f"{row[-3]} {row[-1]}" for row in rows}


def dry(trap: Trap, served: set[str]):
    """Have the API server say what it thinks of the trap's own objects of kinds that it has."""
    items = [replaced(one) for one in trap.own if kind(one) in served]
    given = {"apiVersion": "v1", "kind": "List", "items": items}
    return kubectl("apply", "--dry-run=server", "-o", "name", "-f", "-", given=given)


def kind(one: Mapping[str, Any]) -> str:
    return f"{one['apiVersion']} {one['kind']}"


def with_own(trap: Trap, served: set[str]) -> bool:
    return not served.isdisjoint(kind(one) for one in trap.own)


def test_the_api_server_takes_the_objects_of_every_trap(stage, served):
    stage.leave()
    refused = {}
    for trap in TRAPS:
        unknown = {kind(one) for one in trap.own} - served
        assert all(trap.name in FOREIGN.get(one, ()) for one in unknown), unknown
        if with_own(trap, served):
            made = dry(trap, served)
            stage.counts["accepted"] += made.returncode == 0
            refused |= {trap.name: made.stderr} if made.returncode else {}
    assert refused == {}


def test_pod_security_of_the_fixtures_refuses_the_pods_that_are_traps(stage, served):
    stage.enter(Scene(ALL["T00"]))
    for name in REFUSED_PODS:
        assert "violates PodSecurity" in settles(lambda name=name: dry(ALL[name], served), refused=True).stderr
    for name in WARNED_PODS:
        made = dry(ALL[name], served)
        assert made.returncode == 0
        assert "would violate PodSecurity" in made.stderr
    others = [one for one in TRAPS if "alone" not in one.truth and one.name not in REFUSED_PODS]
    with_pods = [one for one in others if any(each["kind"] == "Pod" for each in one.own)]
    assert with_pods
    assert {one.name: made.stderr for one in with_pods if (made := dry(one, served)).returncode} == {}


@pytest.mark.parametrize("trap", BY_RIGHTS, ids=lambda one: one.name)
def test_the_api_server_grants_what_refutes(trap: Trap, stage):
    items = [{**one, "metadata": {**one["metadata"], "labels": {OURS: "yes"}}} for one in trap.own]
    powers = [power for one in trap.own if one["kind"].endswith("RoleBinding") for power in powers_of(one, trap.own)]
    assert powers
    try:
        done(kubectl("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": items}))
        for user, groups, words in powers:
            assert settles(lambda: may(words, user, groups), refused=False).stdout.strip() == "yes"  # noqa: B023
            assert may(words, "somebody-else", []).stdout.strip() == "no"
            stage.counts["by rights"] += 1
    finally:
        done(kubectl("delete", "roles,rolebindings,clusterroles,clusterrolebindings", "-A", "-l", OURS))
    user, groups, words = powers[0]
    assert settles(lambda: may(words, user, groups), refused=True).stdout.strip() == "no"


def powers_of(binding, own) -> list[tuple[str, list[str], list[str]]]:
    """Whom a binding names, and what its role lets them do, in the words of `kubectl auth can-i`."""
    named = (binding["roleRef"]["kind"], binding["roleRef"]["name"])
    role = next(one for one in own if (one["kind"], one["metadata"]["name"]) == named)
    who = [(one["name"], []) if one["kind"] == "User" else ("anybody", [one["name"]]) for one in binding["subjects"]]
    found = []
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                name, _, part = resource.partition("/")
                full = f"{name}.{group}" if group else name
                found += [[verb, full, *([f"--subresource={part}"] if part else [])] for verb in rule["verbs"]]
    return [(user, groups, words) for user, groups in who for words in found]


def may(words: Sequence[str], user: str, groups: Sequence[str]):
    return kubectl("auth", "can-i", *words, "-n", "raw", user=user, groups=groups)


@pytest.mark.parametrize("trap", PROVEN, ids=lambda one: one.name)
def test_what_is_proven_lets_pass_what_is_declared_and_nothing_else(trap: Trap, stage):
    scene = Scene(trap)
    declared = scene.declared(stage.known)
    expected = {key: key in declared for key in sweep(stage.known) if stage.node_is_shut or not at_node(key) or key in declared}
    assert sum(expected.values()) > len(trap.flows["flows"])
    assert stage.differences(scene, expected) == []
    if scene.identity not in stage.swept:
        stage.counts += Counter({"swept": len(expected), "swept open": sum(expected.values())})
        stage.swept.add(scene.identity)


@pytest.mark.parametrize("trap", TO_TRY, ids=lambda one: one.name)
def test_packets_pass_where_the_head_says_so(trap: Trap, stage):
    scene = Scene(trap)
    given = [(scene.key(one.connection, stage.known), one.state == "open") for one in tried(trap)]
    expected = {key: is_open for key, is_open in given if is_open or stage.node_is_shut or not at_node(key)}
    assert all(expected.get(key, is_open) == is_open for key, is_open in given)
    assert stage.differences(scene, expected) == []
    stage.counts += Counter("open" if is_open else "closed" for key, is_open in given if key in expected)
    stage.counts["left"] += sum(key not in expected for key, _ in given)


def test_afterwards_everything_answers_again(stage):
    stage.leave()
    assert [key for key, said in stage.ask_patiently(stage.without).items() if said != "open"] == []


def test_all_was_tried(stage, capsys):
    counts = stage.counts
    left = {why: len(those) for why, those in NOT_TRIED.items()} | {KINDS: sum(len(lines(ALL[name])) for name in FOREIGN_TRAPS)}
    shown = Counter(way for one in REFUTED for way in shown_by(one))
    with capsys.disabled():
        print(  # noqa: T201 - figures are to be read
            f"\ntraps: {len(TRAPS)}, own objects of {counts['accepted']} taken by the API server; lines of heads: {counts['open']} shown open, "
            f"{counts['closed']} shown closed; refuted: {len(REFUTED)}, shown by {', '.join(f'{way} {n}' for way, n in shown.most_common())}, "
            f"by nothing {len(UNSHOWN)}; {counts['by rights']} powers granted; proven: {len(PROVEN)} in {len(stage.swept)} scenes, "
            f"{counts['swept']} connections ({counts['swept open']} declared and open, the others shut); not tried: "
            f"{'; '.join(f'{n}: {why}' for why, n in left.items())}; {counts['left']}: policies do not shut the own node here"
        )
    assert counts["open"] + counts["closed"] + counts["left"] == sum(len(tried(one)) for one in TO_TRY)
