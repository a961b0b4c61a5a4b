"""The reachability model and the brute-force evaluator against real packets: random NetworkPolicies on a real cluster, every pair of pods tried.

What packets show open, the model must call possibly open; what it calls surely open, packets must show open. AIRLOCK_PACKET_SETS says how many
sets (20 unless set; `make test-cluster-full` has 200).
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple

import pytest
from tests.cluster import packets
from tests.cluster.live import done, kubectl
from tests.cluster.model_answers import Model
from tests.cluster.oracle import Address, allowed
from tests.cluster.packets import CONTROL, NAMESPACES, OUTSIDE, PATIENCE, PORTS, Network, Target
from tests.cluster.policysets import RANGES, Pools, network_policies
from tests.cluster.probes import Probe, pods_of

from airlock.cluster.live import read_cluster
from airlock.cluster.model import Site
from airlock.cluster.resources import Resources, resources_from

SETS = int(os.environ.get("AIRLOCK_PACKET_SETS", "20"))
SITE = Site(families=frozenset({0}))

ITSELF, OWN_NODE = "a pod and itself", "a pod and its own node"
DIFFERENCES = {
    ITSELF: "no policy can shut it, and no packet leaves the pod: it shows that the listeners of each set are alive, and is not compared",
    OWN_NODE: "the API's documentation lets a pod and its node talk whatever policies say, `netpol` lets policies shut the way to it; what is "
    "open there is listed by `prove` as a path of its own, so that packets may show more than the model's connections",
    "a node and its pods": "always open by the documentation and by `netpol`: not tried",
    "Services": "policies see addresses after translation, by the documentation before or after: pods' own addresses are tried",
    "IPv6, SCTP": "the pods have no IPv6 address, the kernel no SCTP: policies speak of both, nobody tries them",
}
"""Where packets and the words of the API differ, or are not held against each other, and why."""


Key = tuple[str, Target]
"""Who asked for what."""


@dataclass
class Figures:
    """What was found, over all sets.

    Attributes:
        late: Silent at first and open when asked again: a packet was lost, or a program waited for its turn.
        kept: Of each set its objects, and what packets showed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    kept: list[tuple[list[dict], dict[Key, bool]]] = field(default_factory=list)


class Answer(NamedTuple):
    """All that is said of one connection."""

    packets: bool
    evaluator: bool
    upper: bool
    lower: bool

    @property
    def wrong(self) -> str | None:
        """What the model says that packets refute."""
        if self.packets and not self.upper:
            return "open by packets, and the model calls it shut"
        if self.lower and not self.packets:
            return "shut by packets, and the model calls it surely open"
        return None

    @property
    def problem(self) -> str | None:
        """What does not fit, of all three."""
        if self.wrong:
            return self.wrong
        if self.packets != self.evaluator:
            return "packets and the evaluator differ"
        return None if self.upper == self.lower else "everything is known, and the model is not sure"


@pytest.fixture(scope="module")
def network(require):
    require("cluster")
    require("cluster_image")
    with packets.network() as made:
        yield made


@pytest.fixture(scope="module")
def figures():
    return Figures()


@pytest.fixture(scope="module")
def pools(network):
    """Ranges around the pods, the node and the outside, as near to each other as ranges can be."""
    one, two, three = (
        network.addresses[f"{name}"] for name in (f"{NAMESPACES[0]}/one", f"{NAMESPACES[1]}/two", f"{NAMESPACES[2]}/three")
    )
    node, outside = network.api_server[0], network.addresses.get(OUTSIDE, "203.0.113.77")
    of_pods = str(ip_network(f"{one}/24", strict=False))
    # Some with bits beyond their length, as the API takes them.
    ranges = ["0.0.0.0/0", "128.0.0.0/1", f"{one}/15", of_pods, f"{one}/28", f"{one}/31", f"{one}/32", f"{two}/30", f"{two}/32"]
    ranges += [f"{three}/29", f"{three}/32", f"{node}/24", f"{node}/32", f"{outside}/24", f"{outside}/31", f"{outside}/32"]
    api = network.api_server[1]
    return Pools(
        families=(4, 4, 4, 6),
        ranges={4: ranges, 6: RANGES[6]},
        holes={4: ("0.0.0.0/0", of_pods), 6: ("::/0", "2001:db8::/32")},
        numbers=(1443, 5353, 8080, 8081, 9000, api),
        spans=((1443, 5353), (1443, 8080), (8080, 8081), (8000, 9000), (9000, 9000), (5353, api), (1, 65535)),
        namespace_labels={"team": ("a", "b"), "kubernetes.io/metadata.name": NAMESPACES},
    )


def silent(network: Network, targets: dict[str, list[Target]]) -> list[str]:
    """Who does not get an answer from whom."""
    seen = twice(network, targets, PATIENCE)
    return [
        f"{name} -> {each.name or each.address} {each.protocol} {each.port}: {said}"
        for (name, each), said in seen.items()
        if said != "open"
    ]


def twice(network: Network, targets: dict[str, list[Target]], seconds: float) -> dict[Key, str]:
    """What comes of each; what does not answer is asked once more: a program may have waited for its turn."""
    seen = network.measured(targets, seconds)
    again: dict[str, list[Target]] = {}
    for name, each in (key for key, said in seen.items() if said != "open"):
        again.setdefault(name, []).append(each)
    return seen | (network.measured(again, PATIENCE) if again else {})


def everybody(network: Network, ports=PORTS) -> dict[str, list[Target]]:
    """Every party with all that it is to try; a host outside has nothing to do with the API server."""
    targets = network.targets(ports)
    return {name: [each for each in targets if name != OUTSIDE or each.name not in ("", OUTSIDE)] for name in network.parties}


def test_without_policies_everything_answers(network):
    network.enforce([])
    assert silent(network, everybody(network)) == []


def test_dead_listeners_and_wrong_ones_are_found_out(network):
    nobody = [("TCP", 8082), ("UDP", 8082)]
    dead = silent(network, everybody(network, nobody))
    assert len(dead) == 2 * sum(each.name != "" for some in everybody(network, PORTS[:1]).values() for each in some)
    one, two = f"{NAMESPACES[0]}/one", f"{NAMESPACES[1]}/two"
    wrong = [Target(one, network.addresses[two], *port) for port in PORTS]
    assert len(silent(network, {one: wrong})) == len(wrong)


@pytest.mark.parametrize("seed", range(SETS))
def test_packets_pass_where_the_model_says_so(seed, network, pools, figures):
    began = time.monotonic()
    network.enforce(network_policies(seed, NAMESPACES, pools))
    documents, resources = live_documents(), read_cluster()
    seen = network.measured(everybody(network))
    mute = {key for key, said in seen.items() if key[0] == key[1].name and said != "open"}
    assert not mute or silent(network, {name: [each for one, each in mute if one == name] for name, _ in mute}) == []
    probes = probes_of(documents, network)
    answers = answered(documents, resources, probes, {key: seen[key] == "open" for key in probes})
    figures.counts["late"] += asked_again(network, answers)
    problems = counted(figures, answers, probes)
    figures.kept.append((documents, {key: each.packets for key, each in answers.items()}))
    figures.seconds.append(time.monotonic() - began)
    policies = [bare(each) for each in documents if each["kind"] == "NetworkPolicy"]
    assert not problems, "\n".join([*problems[:20], f"{len(problems)} in all", json.dumps(policies)])


def live_documents() -> list[dict]:
    """The objects of the cluster that have to do with the parties."""
    items = json.loads(done(kubectl("get", "networkpolicies,pods,namespaces,nodes", "-A", "-o", "json")))["items"]
    found = [
        each
        for each in items
        if each["kind"] in ("Namespace", "Node") or each["metadata"]["namespace"] in (*NAMESPACES, CONTROL)
    ]
    versions = {
        each["metadata"]["name"]: int(each["metadata"]["resourceVersion"]) for each in found if each["kind"] == "NetworkPolicy"
    }
    assert versions["sentinel"] == max(versions.values()), "the sentinel's policy is not the last one"
    return found


def bare(document: dict) -> dict:
    """What of a policy a reader wants to see."""
    return {"in": document["metadata"]["namespace"], **document["spec"]}


def probes_of(documents, network: Network) -> dict[Key, Probe]:
    """The connections that policies have a say in."""
    ends = {f"{each.namespace}/{each.name}": each for each in pods_of(documents)}
    ends |= {OUTSIDE: Address(network.addresses[OUTSIDE])} if OUTSIDE in network.addresses else {}
    return {
        (name, each): Probe(
            ends[name],
            ends[each.name] if each.name else Address(each.address),
            each.protocol,
            each.port,
            network.addresses[name],
            each.address,
        )
        for name, targets in everybody(network).items()
        for each in targets
        if each.name != name
    }


def answered(documents, resources: Resources, probes: dict[Key, Probe], seen: dict[Key, bool]) -> dict[Key, Answer]:
    model, made = Model(resources, SITE), {}
    for key, probe in probes.items():
        source, destination, protocol, port, here, there = probe
        expected = allowed(documents, source, destination, protocol, port, source_ip=here, destination_ip=there)
        made[key] = Answer(seen[key], expected, model.allowed(probe, upper=True), model.allowed(probe, upper=False))
    return made


def asked_again(network: Network, answers: dict[Key, Answer]) -> int:
    """Ask those again, with patience, that are silent and should not be; an answer that should not be there stays what it is."""
    again: dict[str, list[Target]] = {}
    for (name, target), each in answers.items():
        if each.problem and not each.packets:
            again.setdefault(name, []).append(target)
    seen = network.measured(again, PATIENCE) if again else {}
    opened = [key for key, said in seen.items() if said == "open"]
    for key in opened:
        answers[key] = answers[key]._replace(packets=True)
    return len(opened)


def counted(figures: Figures, answers: dict[Key, Answer], probes: dict[Key, Probe]) -> list[str]:
    """Add to the figures; what does not fit and is no difference that has a name."""
    problems = []
    for key, each in answers.items():
        figures.counts["open" if each.packets else "shut"] += 1
        if each.problem and each.packets and is_own_node(probes[key]):
            figures.counts[OWN_NODE] += 1
        elif each.problem:
            problems.append(f"{probes[key]}: {each.problem} ({each})")
    figures.counts += Counter(asked=len(answers), disagreements=len(problems))
    return problems


def is_own_node(probe: Probe) -> bool:
    return isinstance(probe.destination, Address) and probe.destination_ip != packets.beyond.ADDRESS


def test_afterwards_everything_answers_again(network):
    network.enforce([])
    assert silent(network, everybody(network)) == []


def test_enough_was_tried_and_of_both_kinds(network, figures, capsys):
    counts, sets = figures.counts, len(figures.seconds)
    with capsys.disabled():
        differences = ", ".join(f"{counts[name]} between {name}" for name in DIFFERENCES if counts[name]) or "none"
        print(  # noqa: T201 - figures are to be read
            f"\npackets: {sets} sets, {counts['asked']} connections ({counts['open']} open, {counts['shut']} shut), "
            f"{counts['disagreements']} disagreements, {counts['late']} answered only when asked again, known differences: {differences}; "
            f"outside host: {'yes' if OUTSIDE in network.addresses else packets.beyond.missing(network.api_server[0])}; "
            f"{sum(figures.seconds):.0f} s, {sum(figures.seconds) / max(sets, 1):.1f} s a set, the slowest {max(figures.seconds, default=0):.1f} s"
        )
    assert sets == SETS
    assert min(counts["open"], counts["shut"]) > counts["asked"] / 20


@pytest.mark.parametrize(
    "overlooked", ["except", "endPort", "protocol", "policyTypes", "matchExpressions", "namespaceSelector", "ports"]
)
def test_packets_find_a_model_out_that_overlooks_a_field(overlooked, figures, network):
    for documents, seen in figures.kept:
        without = resources_from(("live", stripped(each, overlooked)) for each in documents)
        if any(each.wrong for each in answered(documents, without, probes_of(documents, network), seen).values()):
            return
    pytest.fail(f"in {len(figures.kept)} sets nobody noticed that {overlooked} was overlooked")


def stripped(value, key: str):
    """A document without a field, wherever it stands."""
    if isinstance(value, dict):
        return {name: stripped(each, key) for name, each in value.items() if name != key}
    return [stripped(each, key) for each in value] if isinstance(value, list) else value
