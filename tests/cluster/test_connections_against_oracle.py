"""What `isolation connections` lists against the brute-force evaluator: every connection that is open stands there, and no other."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest
from tests.cluster.oracle import Address, Ambiguous, Pod, allowed, allowed_any_family
from tests.cluster.policysets import random_set
from tests.cluster.probes import Probe, probes

from airlock.cluster.connections import connections
from airlock.cluster.resources import resources_from

SETS, CHUNK, ASKED = 1_000, 250, 60


@pytest.mark.parametrize("first", range(0, SETS, CHUNK))
def test_the_list_is_what_is_open(first):
    answers = Counter()
    for seed in range(first, first + CHUNK):
        documents = random_set(seed)
        # What pods will have that are not there yet, nobody knows: see the comparison with the model.
        if not _has(documents, "template") and not _has(documents, "nodes"):
            answers += _compared(documents, seed)
    assert answers[True] > CHUNK
    assert answers[False] > CHUNK


def test_a_rule_for_nodes_hides_nothing():
    for seed in range(600):
        documents = random_set(seed)
        if _has(documents, "nodes") and not _has(documents, "template"):
            _compared(documents, seed)


def _has(documents, key: str) -> bool:
    return f"'{key}': " in str(documents)


def _compared(documents, seed: int) -> Counter:
    answers, listed = Counter(), _listed(documents)
    for probe in probes(documents, seed, ASKED):
        try:
            expected = _expected(documents, probe)
        except Ambiguous:
            continue
        assert ((probe.protocol, probe.port) in _ports_between(listed, probe)) is expected, f"seed {seed}: {probe}"
        answers[expected] += 1
    return answers


class Ports:
    """`TCP 80,443-445,UDP 53` or `All Connections`."""

    def __init__(self, text: str) -> None:
        self.spans: list[tuple[str, int, int]] = []
        protocol = ""
        for part in text.split(",") if text != "All Connections" else ["TCP 1-65535", "UDP 1-65535", "SCTP 1-65535"]:
            *named, numbers = part.split()
            protocol = named[0] if named else protocol
            low, _, high = numbers.partition("-")
            self.spans.append((protocol, int(low), int(high or low)))

    def __contains__(self, port: tuple[str, int]) -> bool:
        return any(protocol == port[0] and low <= port[1] <= high for protocol, low, high in self.spans)


def _listed(documents) -> dict[tuple[str, str], Ports]:
    found = connections(resources_from((f"set:{place}", each) for place, each in enumerate(documents)))
    listed = {(one.source, one.destination): Ports(one.ports) for one in found}
    assert len(listed) == len(found)
    return listed


def _expected(documents, probe: Probe) -> bool:
    """A pair of pods is listed once for both families."""
    source, destination, protocol, port, source_ip, destination_ip = probe
    if isinstance(source, Pod) and isinstance(destination, Pod):
        return allowed_any_family(documents, source, destination, protocol, port)
    return allowed(documents, source, destination, protocol, port, source_ip=source_ip, destination_ip=destination_ip)


def _ports_between(listed, probe: Probe) -> Ports:
    spans = Ports("TCP 0")
    for (source, destination), ports in listed.items():
        if _is_end(source, probe.source) and _is_end(destination, probe.destination):
            spans.spans += ports.spans
    return spans


def _is_end(text: str, end: Pod | Address) -> bool:
    if isinstance(end, Pod):
        return text == f"{end.namespace}/{end.name}[Pod]"
    if not text.endswith("[External]"):
        return False
    first, _, last = text.removesuffix("[External]").partition("-")
    low, ip, high = ip_address(first), ip_address(end.ip), ip_address(last or first)
    return low.version == ip.version and low <= ip <= high
