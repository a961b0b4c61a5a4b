"""Every trap is there, says something, and the brute-force evaluator does not fall for it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.cluster.oracle import Undecided, address_pairs, allowed
from tests.cluster.traps import Trap, all_traps, ref_of

TRAPS = all_traps()
VERDICTS = {"PROVEN", "REFUTED", "NO PROOF"}
DECIDED = [(trap, state) for trap in TRAPS for state in ("open", "closed", "undecided") if state in trap.truth]


def test_all_traps_are_there():
    assert {f"T{number:02}" for number in range(45)} == {trap.name[:3] for trap in TRAPS}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda each: each.name)
def test_a_trap_says_what_is_true_of_it(trap: Trap):
    assert trap.about.startswith(f"{trap.name[:3]}: ")
    assert {"open", "closed", "undecided", "prove", "live"} & set(trap.truth)
    refs = [ref_of(each) for each in trap.documents]
    assert len(refs) == len(set(refs))
    expected = trap.truth.get("prove", {})
    assert set(expected) <= {"verdict", "names", "mentions"}
    verdicts = expected.get("verdict", [])
    assert set([verdicts] if isinstance(verdicts, str) else verdicts) <= VERDICTS
    assert set(expected.get("names", [])) <= set(refs)
    if verdicts == "NO PROOF":
        assert expected["names"]


@pytest.mark.parametrize(("trap", "state"), DECIDED, ids=lambda each: getattr(each, "name", each))
def test_the_evaluator_knows_it(trap: Trap, state: str):
    for each in trap.connections(state):
        assert answer(trap, each) == state, each


def answer(trap: Trap, each) -> str:
    pairs = [
        (one, other)
        for one, other in address_pairs(each.source, each.destination)
        if each.family in (None, ip_address(one).version)
    ]
    assert pairs, "no family in common"
    try:
        found = [
            allowed(
                trap.documents, each.source, each.destination, each.protocol, each.port, source_ip=one, destination_ip=other
            )
            for one, other in pairs
        ]
    except Undecided:
        return "undecided"
    return "open" if any(found) else "closed"
