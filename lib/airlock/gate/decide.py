"""The gate's verdict on a whole run, from what its files gave. Called by the outer door when every file was inspected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any

from airlock.errors import IntegrityError
from airlock.evidence.schema import SchemaField
from airlock.gate._check import CheckResult, Finding
from airlock.gate.checks import CHECKS
from airlock.gate.facts import ManifestFacts, judge_facts
from airlock.gate.rules import GateRules, Waiver

__all__ = ["FilePartial", "GateVerdict", "decide"]

_NOT_RUN = "NOT_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePartial:
    """What the inspection of one staged file gave, or of several, merged (`partials.collapse`); picklable.

    Attributes:
        parts: Each check's partial by its name; only `schema` and `names` where the schema is not the policy's.
        rows: Rows decoded.
        outputs: Rows written by tuple of partition values, sorted; empty where nothing was.
        schema: Of the written files; empty where there is none.
        files: How many staged files these are.
    """

    parts: Mapping[str, Any]
    rows: int
    outputs: tuple[tuple[tuple[tuple[str, str], ...], int], ...] = ()
    schema: tuple[SchemaField, ...] = ()
    files: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GateVerdict:
    """All checks' results.

    Attributes:
        published_schema: Of the files that the outer door wrote.
    """

    rules: GateRules
    results: tuple[CheckResult, ...]
    rows: int
    published_schema: tuple[SchemaField, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(result.passed for result in self.results)

    def raise_first(self) -> None:
        """Raise the first failed check's error, naming all its findings and the other checks that failed."""
        failed = [result for result in self.results if not result.passed]
        if not failed:
            return
        first, *others = failed
        named = [result.check for result in others if result.problems[0].entity != _NOT_RUN]
        also = f". Refused as well by: {', '.join(named)}" if named else ""
        findings = [_finding(finding) for finding in first.problems]
        raise first.error(first.message + also, check=first.check, findings=findings)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as evidence: canonical JSON values, no cell value."""
        return {
            "version": 1,
            "dataset": self.rules.dataset,
            "passed": self.passed,
            "rows": self.rows,
            "entities": list(self.rules.entities),
            "not_proven": dict(self.rules.not_proven),
            "checks": [
                {
                    "check": result.check,
                    "passed": result.passed,
                    "problems": [_finding(finding) for finding in result.problems],
                    "waived": [_finding(finding) for finding in result.waived],
                }
                for result in self.results
            ],
            "waivers": [_waiver(waiver) for waiver in self.rules.waivers],
            "expired_waivers": [_waiver(waiver) for waiver in self.rules.expired],
        }


def decide(partials: Iterable[FilePartial], rules: GateRules, facts: ManifestFacts) -> GateVerdict:
    """Merge the files' partials and judge.

    Args:
        partials: One for each staged file, or merged ones, in any order.
        rules: Those that the files were inspected under.
        facts: What the staged manifest says.
    """
    files = list(partials)
    rows = sum(file.rows for file in files)
    results = [_judged(name, files, rules) for name in CHECKS]
    results += judge_facts(facts, rules, rows=rows)
    schema = next((file.schema for file in files if file.schema), ())
    return GateVerdict(rules=rules, results=tuple(results), rows=rows, published_schema=schema)


def _judged(name: str, files: list[FilePartial], rules: GateRules) -> CheckResult:
    check = CHECKS[name]
    parts = [file.parts[name] for file in files if name in file.parts]
    if len(parts) < len(files):
        missing, total = sum(file.files for file in files if name not in file.parts), sum(file.files for file in files)
        return CheckResult(
            check=name,
            problems=(Finding(column="files", entity=_NOT_RUN, count=missing, total=total),),
            error=IntegrityError,
            message=f"check '{name}' did not run on {missing} of {total} staged files of '{rules.dataset}'. Nothing was released. "
            "Mend what the other checks name and run again",
        )
    return check.verdict(reduce(check.merge, parts), rules) if parts else CheckResult(check=name)


def _finding(finding: Finding) -> dict[str, Any]:
    return {key: value for key, value in asdict(finding).items() if value not in ("", 0)}


def _waiver(waiver: Waiver) -> dict[str, str]:
    return {
        "column": waiver.column,
        "entity": waiver.entity,
        "approver": waiver.approver,
        "expires": waiver.expires.isoformat(),
        "reason": waiver.reason,
    }
