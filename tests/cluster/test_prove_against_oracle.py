"""A proven cluster, changed in small ways: where the evaluator finds a connection that no flow declares, or a declared one shut, the
proof must not stand."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address, ip_network
from itertools import product

import pytest
import yaml
from tests.cluster.mutations import mutate
from tests.cluster.oracle import Address, Ambiguous, Pod, allowed, allowed_any_family
from tests.cluster.policysets import POD_LABELS, random_pod, random_policies
from tests.cluster.probes import Probe, pods_of, probes
from tests.cluster.traps import Trap, all_traps

from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.prove import prove
from airlock.cluster.resources import resources_from

BASE = next(each for each in all_traps() if each.name == "T00")
CHANGED, CHUNK, ASKED = 2_000, 500, 200
ZONES = {namespace for namespaces in BASE.flows["zones"].values() for namespace in namespaces}


LABELS = {"role": ("driver", "executor", "store", "reader", "x"), **POD_LABELS}


@pytest.mark.parametrize("first", range(0, CHANGED, CHUNK))
def test_no_proof_stands_beside_a_connection_that_is_not_declared(first):
    verdicts = Counter()
    for seed in range(first, first + CHUNK):
        documents = _changed(seed)
        resources = resources_from((f"set:{place}", each) for place, each in enumerate(documents))
        verdict = prove(resources, read_flows(yaml.safe_dump(BASE.flows), "flows.yaml", resources)).verdict
        asked = [*documents, *_newcomers(seed)]
        wrong = next((each for each in probes(asked, seed, ASKED) if _is_wrong(BASE, asked, each)), None)
        assert wrong is None or verdict is not Verdict.PROVEN, f"seed {seed}: {wrong}"
        if verdict is Verdict.PROVEN:
            assert _shut(BASE, documents) == [], f"seed {seed}"
        verdicts[verdict, wrong is not None] += 1
    # Few changes are harmless: a rule that only the other end closes is not proven either. The evaluator finds much of the harm by itself.
    assert verdicts[Verdict.PROVEN, False] > CHUNK / 50
    assert verdicts[Verdict.REFUTED, True] > CHUNK / 4


def _changed(seed: int) -> list[dict]:
    documents = list(BASE.documents)
    for turn in range(1 + seed % 3):
        documents = mutate(documents, 3 * seed + turn)
    return documents + (random_policies(seed, ("raw", "sanitized", "other")) if seed % 4 == 0 else [])


def _newcomers(seed: int) -> list[dict]:
    """Pods, one of them in a namespace of its own, that the proof does not see: they may come after it."""
    later = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later", "labels": {"team": "ab"[seed % 2]}}}
    return [later, random_pod(2 * seed, ("raw",), LABELS), random_pod(2 * seed + 1, ("sanitized", "other", "later"), LABELS)]


def _shut(trap: Trap, documents) -> list[str]:
    """Declared flows that are not open from a pod that is there to another, or to an address."""
    found = []
    for flow in trap.flows["flows"]:
        sources, targets = (_there(trap.flows["parties"][flow[side]], documents) for side in ("from", "to"))
        for source, target, port in product(sources, targets, flow["ports"]):
            protocol, number = port.split()
            if source != target and not allowed_any_family(documents, source, target, protocol, int(number)):
                found.append(f"{source} -> {target} {port}")
    return found


def _there(party, documents) -> list[Pod | Address]:
    if "addresses" in party:
        return [Address(each.split("/")[0].strip()) for each in party["addresses"].split(",")]
    return [pod for pod in pods_of(documents) if not pod.host_network and _is_party(party, pod, pod.addresses[0])]


def _is_wrong(trap: Trap, documents, probe: Probe) -> bool:
    """Whether it is open, touches a zone, and no flow declares it."""
    source, destination, protocol, port, source_ip, destination_ip = probe
    if not any(isinstance(end, Pod) and end.namespace in ZONES for end in (source, destination)):
        return False
    try:
        opened = allowed(documents, source, destination, protocol, port, source_ip=source_ip, destination_ip=destination_ip)
    except Ambiguous:
        return False
    return opened and not any(
        f"{protocol} {port}" in flow["ports"]
        and _is_party(trap.flows["parties"][flow["from"]], source, source_ip)
        and _is_party(trap.flows["parties"][flow["to"]], destination, destination_ip)
        for flow in trap.flows["flows"]
    )


def _is_party(party, end: Pod | Address, ip: str) -> bool:
    if "addresses" in party:
        ranges = [ip_network(each.strip()) for each in party["addresses"].split(",")]
        return any(each.version == ip_address(ip).version and ip_address(ip) in each for each in ranges)
    if isinstance(end, Address) or end.host_network or end.namespace != party["namespace"]:
        return False
    return all(end.labels.get(key) == value for key, value in party["pods"].items())
