"""The proof falls into none of the traps: its verdict is the one in their heads, and it names the object that is responsible."""

from __future__ import annotations

import pytest
import yaml
from tests.cluster.traps import Trap, all_traps

from airlock.doors.isolation import prove_isolation

TRAPS = [each for each in all_traps() if "prove" in each.truth]
OPEN = {
    **dict.fromkeys(("T03-creator", "T05", "T05-relabel", "T36", "T37", "T37-forward", "T38"), "rights are not read"),
    **dict.fromkeys(("T11", "T21-declared", "T27"), "paths are not listed"),
    **dict.fromkeys(("T24-vendor", "T41", "T43", "T43-cluster", "T43-unknown"), "kinds that are not modelled end no proof"),
    **dict.fromkeys(("T39", "T39-host", "T40"), "volumes and second networks are not looked at"),
    "T15": "a Service whose endpoints are outside is taken for a part of the cluster",
    "T10-elsewhere": "a host-network pod is held to more than its node's address",
}
"""Traps that the proof still falls for, and why."""


def _marked(trap: Trap):
    why = OPEN.get(trap.name)
    return pytest.param(trap, id=trap.name, marks=[pytest.mark.xfail(raises=AssertionError, reason=why)] if why else [])


@pytest.mark.parametrize("trap", [_marked(each) for each in TRAPS])
def test_the_proof_does_not_fall_for_it(trap: Trap, tmp_path):
    objects, flows = tmp_path / "objects.yaml", tmp_path / "flows.yaml"
    objects.write_text(yaml.safe_dump_all(trap.documents), encoding="utf-8")
    flows.write_text(yaml.safe_dump(trap.flows), encoding="utf-8")
    proven, expected = prove_isolation([objects], flows=flows), trap.truth["prove"]
    findings = [str(each) for each in proven.findings]
    verdict = proven.verdict.name.replace("_", " ")
    assert verdict in _listed(expected.get("verdict", verdict)), findings
    report = "\n".join([*findings, *map(str, proven.paths)])
    for name in expected.get("names", []):
        assert name in report
    for word in expected.get("mentions", []):
        assert word in report.lower()


def _listed(verdicts: str | list[str]) -> list[str]:
    return [verdicts] if isinstance(verdicts, str) else verdicts
