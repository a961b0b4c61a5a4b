"""The reachability model against the brute-force evaluator, on random sets of policies: no connection that is open is ever called shut."""

from __future__ import annotations

import pytest
from tests.cluster.model_answers import Model
from tests.cluster.mutations import mutate
from tests.cluster.oracle import Ambiguous, Pod, allowed
from tests.cluster.policysets import NODE_RANGES, POD_RANGES, SERVICE_RANGES, WORKLOAD, random_set
from tests.cluster.probes import Probe, probes

from airlock.cluster.addresses import parse_addresses
from airlock.cluster.model import Site
from airlock.cluster.resources import resources_from

SETS, CHUNK = 10_000, 500
ASKED, ASKED_AGAIN = 40, 15
"""Connections asked about in a set, and once more after a small change of it."""
SITE = Site(parse_addresses(POD_RANGES), parse_addresses(SERVICE_RANGES), parse_addresses(NODE_RANGES))


def model_of(documents) -> Model:
    return Model(resources_from((f"set:{place}", each) for place, each in enumerate(documents)), SITE)


@pytest.mark.parametrize("first", range(0, SETS, CHUNK))
def test_nothing_that_is_open_is_called_shut(first):
    """Open ones may be, and surely permitted ones are; where everything is known, both are what the evaluator says."""
    open_ones = shut_ones = unsure = 0
    for seed in range(first, first + CHUNK):
        documents = random_set(seed)
        for asked, these in ((ASKED, documents), (ASKED_AGAIN, mutate(documents, seed))):
            model, exact = model_of(these), _is_exact(these)
            for probe in probes(these, seed, asked):
                expected, upper, lower = (
                    _expected(these, probe),
                    model.allowed(probe, upper=True),
                    model.allowed(probe, upper=False),
                )
                problem = _problem(expected, upper, lower, exact=exact and not _has_workload(probe))
                if expected is None and not model.model.doubts:
                    problem = "which policy wins is not defined, and the model has no doubt"
                assert problem is None, f"seed {seed}, {len(these)} objects, {probe}: {problem}"
                open_ones, shut_ones, unsure = (
                    open_ones + (expected is True),
                    shut_ones + (expected is False),
                    unsure + (upper != lower),
                )
    # Enough of both, and little that the model only guards itself against.
    assert open_ones > CHUNK
    assert shut_ones > CHUNK
    assert unsure < (open_ones + shut_ones) / 100


def _stripped(key):
    """Documents without a field, wherever it stands."""

    def strip(value):
        if isinstance(value, dict):
            return {name: strip(each) for name, each in value.items() if name != key}
        return [strip(each) for each in value] if isinstance(value, list) else value

    return strip


BLUNDERS = (
    "except",
    "endPort",
    "protocol",
    "policyTypes",
    "hostNetwork",
    "priority",
    "matchExpressions",
    "namespaceSelector",
    "ports",
)


@pytest.mark.parametrize("field", BLUNDERS)
def test_a_model_that_overlooks_a_field_is_found_out(field):
    strip = _stripped(field)
    for seed in range(1_000):
        documents = random_set(seed)
        asked = probes(documents, seed, 2 * ASKED)
        model = model_of(strip(documents))
        for probe in asked:
            expected = _expected(documents, probe)
            if _problem(expected, model.allowed(probe, upper=True), model.allowed(probe, upper=False), exact=False):
                return
    pytest.fail(f"nobody noticed that {field} was overlooked")


def _expected(documents, probe: Probe) -> bool | None:
    source, destination, protocol, port, source_ip, destination_ip = probe
    try:
        return allowed(documents, source, destination, protocol, port, source_ip=source_ip, destination_ip=destination_ip)
    except Ambiguous:
        return None


def _problem(expected: bool | None, upper: bool, lower: bool, *, exact: bool) -> str | None:
    if lower and not upper:
        return "surely permitted, and may not be"
    if expected is True and not upper:
        return "open, and called shut"
    if expected is False and lower:
        return "shut, and called surely open"
    if exact and expected is not None and upper != lower:
        return "everything is known, and the model is not sure"
    return None


def _is_exact(documents) -> bool:
    """Whether no rule is for nodes: there may be more of them than the objects say."""
    return "nodes" not in {
        key
        for each in documents
        for rule in (each.get("spec") or {}).get("egress") or []
        for peer in rule.get("to") or []
        for key in peer
    }


def _has_workload(probe: Probe) -> bool:
    """Whether an end is a pod that is not there yet, with one of the addresses that it may get."""
    return any(isinstance(end, Pod) and end.name == WORKLOAD for end in (probe.source, probe.destination))
