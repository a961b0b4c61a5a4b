"""The proof falls into none of the traps: its verdict is the one in their heads, and it names the object that is responsible."""

from __future__ import annotations

import pytest
import yaml
from tests.cluster.traps import Trap, all_traps

from airlock.doors.isolation import prove_isolation

TRAPS = [each for each in all_traps() if "prove" in each.truth]


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
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
