"""Probes as a plan, and what came of them as verdicts: what is declared must be open, all the rest shut, and nothing dead counts as shut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.resources import resources_from
from airlock.cluster.trials import CONTROL, Kind, Place, Sink, Source, Stand, judge, plan, ports_of, stands

FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [pii-raw], clean: [pii-clean]}
parties:
  driver: {namespace: pii-raw, pods: {airlock.dev/role: driver}}
  store: {namespace: pii-clean, pods: {airlock.dev/role: store}}
  readers: {namespaces: [team]}
  dns: {namespace: kube-system, pods: {k8s-app: kube-dns}}
  api: {addresses: 192.0.2.1/32}
  metadata: {addresses: 169.254.169.254/32}
flows:
- {from: driver, to: store, ports: [TCP 7070], why: writes}
- {from: driver, to: api, ports: [TCP 6443], why: starts}
- {from: readers, to: store, ports: [TCP 7070], why: read}
- {from: store, to: dns, ports: [UDP 53], why: resolves}
forbidden:
- {from: clean, to: raw, why: w}
- {from: raw, to: metadata, why: w}
"""
ROLE = "airlock.dev/role"
DRIVER = Stand("driver", "pii-raw", {ROLE: "driver"})
STORE = Stand("store", "pii-clean", {ROLE: "store"})
READERS = Stand("readers", "team", {})
OPEN = Stand(CONTROL, "control-1", {})
PLACES = (
    Place("api", "TCP", "192.0.2.1", 6443),
    Place("metadata", "TCP", "169.254.169.254", 80),
    Place("dns", "DNS", "10.1.0.10", 0, name="q.example.org"),
)


@pytest.fixture
def flows():
    return read_flows(FLOWS, "flows.yaml", resources_from([]))


def sink(stand, flows, **report):
    ports = ports_of(flows)
    alive = [f"{protocol}{port}" for protocol, port in ports]
    said = {"from": 100.0, "to": 200.0, "alive": alive, "seen": [], "lost": 0, **report}
    return Sink(
        stand,
        f"token-of-{stand.party:7}"[:16].replace(" ", "x"),
        ports,
        (f"10.0.0.{len(stand.party)}",),
        f"10.1.0.{len(stand.party)}",
        said,
    )


def words():
    number = 0
    while True:
        number += 1
        yield f"nonce{number:011}"


def report(trials, *through, **more):
    """A source's report where the trials that `through` tells got through."""
    got = {str(one.target.number): [5, one.token] for one in trials if any(say(one) for say in through)}
    missed = [one.target.number for one in trials if str(one.target.number) not in got]
    return {"from": 110.0, "to": 120.0, "got": got, "not": {"t": missed}, **more}


def by(**given):
    return lambda one: all(
        getattr(one, name, None) == value or getattr(one.target, name, None) == value for name, value in given.items()
    )


def declared(one):
    return bool(one.opens)


def round_of(flows, *, sinks=None, through=(declared,), control=lambda one: one.opens is None, **more):
    everyone = [DRIVER, STORE, READERS, OPEN]
    sinks = sinks or [sink(one, flows) for one in everyone]
    plans = {one: plan(one, sinks, PLACES, flows, words()) for one in everyone}
    sources = [Source(one, report(trials, *through, **more)) for one, trials in plans.items() if one is not OPEN]
    sources.append(Source(OPEN, report(plans[OPEN], control)))
    return judge([one for some in plans.values() for one in some], sinks, sources)


def worst(outcomes):
    return max((one.verdict for one in outcomes), key=lambda one: one.rank)


# --- the plan -----------------------------------------------------------------------------------------------------------


def test_parties_of_zones_and_whole_namespaces_have_stands(flows):
    accounts = frozenset({("pii-raw", "driver"), ("pii-clean", "store"), ("team", "default")})
    found, absent = stands(flows, accounts, frozenset({"pii-raw", "pii-clean", "team"}))
    assert sorted(one.party for one in found) == ["driver", "readers", "store"]
    assert absent == []
    found, absent = stands(flows, frozenset({("pii-raw", "driver")}), frozenset({"pii-raw", "pii-clean"}))
    assert [one.party for one in found] == ["driver"]
    assert sorted(one.partition(":")[0] for one in absent) == ["readers", "store"]


def test_every_sink_is_tried_by_pod_and_by_service_on_every_port(flows):
    sinks = [sink(one, flows) for one in (DRIVER, STORE)]
    trials = plan(DRIVER, sinks, PLACES, flows, words())
    ports = ports_of(flows)
    assert ("TCP", 7070) in ports
    assert ("UDP", 7070) in ports
    assert ("TCP", 9999) in ports
    assert len(trials) == 2 * 2 * len(ports) + len(PLACES)
    opens = {(one.kind, one.party, one.target.protocol, one.target.port) for one in trials if one.opens}
    assert opens == {(Kind.POD, "store", "TCP", 7070), (Kind.SERVICE, "store", "TCP", 7070), (Kind.ADDRESS, "api", "TCP", 6443)}
    assert len({one.target.number for one in trials}) == len(trials)
    assert {one.line for one in trials if one.party == "metadata"} == {"flows.yaml:19"}
    assert all(one.target.nonce for one in trials if one.target.protocol in ("TCP", "UDP"))


def test_what_is_between_pods_of_no_zone_is_a_control(flows):
    sinks = [sink(one, flows) for one in (DRIVER, READERS, OPEN)]
    trials = plan(OPEN, sinks, PLACES, flows, words())
    assert {one.party for one in trials if one.opens is None} == {"readers", CONTROL, "api", "metadata", "dns"}
    assert {one.opens for one in trials if one.party == "driver"} == {False}


def test_names_are_open_to_who_has_a_flow_to_name_servers(flows):
    for stand, opens in ((STORE, True), (DRIVER, False)):
        [one] = [one for one in plan(stand, [], PLACES, flows, words()) if one.kind is Kind.DNS]
        assert one.opens is opens


# --- what came of it ----------------------------------------------------------------------------------------------------


def test_what_is_declared_open_and_all_else_shut_has_passed(flows):
    outcomes = round_of(flows)
    assert worst(outcomes) is Verdict.PROVEN
    assert sum(bool(one.trial.opens) for one in outcomes) == 6
    assert len(outcomes) > 100


def test_one_connection_more_is_refuted_with_its_line(flows):
    outcomes = round_of(flows, through=(declared, by(party="metadata")))
    odd = [one for one in outcomes if one.verdict is Verdict.REFUTED]
    assert {(one.trial.source.party, one.trial.line) for one in odd} == {("driver", "flows.yaml:19"), ("store", "")}
    assert "got through after 5 ms, and no flow declares it" in str(odd[0])


def test_a_declared_flow_that_does_not_get_through_is_refuted(flows):
    outcomes = round_of(flows, through=(lambda one: bool(one.opens) and one.party != "store",))
    assert {one.trial.party for one in outcomes if one.verdict is Verdict.REFUTED} == {"store"}


def test_a_packet_that_only_arrives_has_left(flows):
    """UDP out, and no answer back: the sink wrote the nonce down."""
    sinks = [sink(one, flows) for one in (DRIVER, STORE, READERS, OPEN)]
    trials = plan(DRIVER, sinks, PLACES, flows, words())
    leaked = next(one for one in trials if one.party == CONTROL and one.target.protocol == "UDP")
    sinks[-1] = sink(OPEN, flows, seen=[leaked.target.nonce])
    outcomes = judge(trials, sinks, [Source(DRIVER, report(trials, declared))])
    [odd] = [one for one in outcomes if one.verdict is Verdict.REFUTED]
    assert odd.trial == leaked
    assert "its packets arrived" in odd.said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alive": []}, "did not answer itself"),
        ({"from": 115.0}, "was not there all the while"),
        ({"to": 115.0}, "was not there all the while"),
        ({"lost": 3}, "more than its message holds"),
        ({"from": None}, "was not there all the while"),
    ],
)
def test_a_sink_that_was_not_seen_alive_shows_nothing_shut(flows, change, said):
    sinks = [sink(one, flows, **(change if one is DRIVER else {})) for one in (DRIVER, STORE, READERS, OPEN)]
    odd = [one for one in round_of(flows, sinks=sinks) if one.verdict is not Verdict.PROVEN]
    assert odd
    assert {one.verdict for one in odd} == {Verdict.NO_PROOF}
    assert {one.trial.party for one in odd} == {"driver"}
    assert all(said in one.said for one in odd)


def test_an_address_that_nobody_reaches_is_not_shut(flows):
    outcomes = round_of(flows, control=lambda one: one.opens is None and one.party != "metadata")
    odd = [one for one in outcomes if one.verdict is not Verdict.PROVEN]
    assert {(one.verdict, one.trial.party, one.alive) for one in odd} == {(Verdict.NO_PROOF, "metadata", False)}


def test_a_source_that_says_nothing_shows_nothing(flows):
    trials = plan(DRIVER, [sink(STORE, flows)], PLACES, flows, words())
    assert {one.verdict for one in judge(trials, [sink(STORE, flows)], [Source(DRIVER, {})])} == {Verdict.NO_PROOF}


def test_what_a_source_never_tried_is_not_closed_and_not_refuted(flows):
    trials = plan(DRIVER, [sink(STORE, flows)], PLACES, flows, words())
    silent = {
        one.trial.opens: one for one in judge(trials, [sink(STORE, flows)], [Source(DRIVER, report(trials) | {"not": {}})])
    }
    assert {one.verdict for one in silent.values()} == {Verdict.NO_PROOF}
    assert {one.said for one in silent.values()} == {"its source came to no attempt"}
    assert silent.keys() == {True, False}


def test_somebody_else_who_answers_is_no_proof_of_a_flow(flows):
    sinks = [sink(one, flows) for one in (DRIVER, STORE)]
    trials = plan(DRIVER, sinks, PLACES, flows, words())
    wrong = report(trials, declared)
    wrong["got"] = {number: [5, "another-token-16"] for number in wrong["got"]}
    outcomes = judge(trials, sinks, [Source(DRIVER, wrong)])
    odd = {(one.verdict, one.said) for one in outcomes if one.trial.party == "store" and one.trial.opens}
    assert odd == {(Verdict.REFUTED, "somebody else answers there")}


def test_the_sources_own_node_is_no_policys_business(flows):
    place = replace(PLACES[1], own_node=True)
    sinks = [sink(STORE, flows)]
    trials = plan(DRIVER, sinks, [place], flows, words())
    [one] = [
        one for one in judge(trials, sinks, [Source(DRIVER, report(trials, lambda _: True))]) if one.trial.party == "metadata"
    ]
    assert (one.verdict, "own node" in one.said) == (Verdict.NO_PROOF, True)
