"""What the staged manifest says of a run, judged: row accounting, rejected rows, the inner door's word on known values. Called by
`decide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airlock.errors import KnownValueError, RejectedRowsError, RowAccountingError
from airlock.evidence.manifest import Counts, PublicManifest
from airlock.gate._check import CheckResult, Finding, listed
from airlock.gate.rules import GateRules

__all__ = ["ManifestFacts", "judge_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """The manifest's counts; nothing else of it matters to the gate.

    Attributes:
        splits: Counts by split.
        known_checked: Whether the inner door looked for direct identifiers in the text of every row.
        known_found: In how many cells one was, by column.
    """

    splits: tuple[Counts, ...]
    totals: Counts
    known_checked: bool
    known_found: Mapping[str, int]

    @classmethod
    def of(cls, manifest: PublicManifest) -> ManifestFacts:
        """From a staged manifest."""
        return cls(
            splits=tuple(split.counts for split in manifest.splits),
            totals=manifest.totals,
            known_checked=manifest.known_values.checked,
            known_found=manifest.known_values.found,
        )


def judge_facts(facts: ManifestFacts, rules: GateRules, *, rows: int) -> tuple[CheckResult, ...]:
    """The verdicts on what the manifest says; `rows` is what the gate itself decoded."""
    return _rows(facts, rules, rows), _rejects(facts, rules), _known_values(facts, rules)


def _rows(facts: ManifestFacts, rules: GateRules, rows: int) -> CheckResult:
    total = sum(facts.splits, Counts(0, 0, 0, 0))
    open_splits = sum(not split.closed for split in facts.splits)
    problems = []
    if open_splits:
        problems.append(Finding(column="splits", entity="do not close", count=open_splits, total=len(facts.splits)))
    if total != facts.totals:
        problems.append(Finding(column="totals", entity="are not the sum of the splits", count=1, total=1))
    if total.rows_out != rows:
        problems.append(Finding(column="rows", entity="decoded, not rows out", count=rows, total=total.rows_out))
    if not problems:
        return CheckResult(check="rows")
    return CheckResult(
        check="rows",
        problems=tuple(problems),
        error=RowAccountingError,
        message=f"the rows of '{rules.dataset}' do not add up: {total.rows_in:,} in, {total.rows_out:,} out, {total.suppressed:,} "
        f"suppressed, {total.rejected:,} rejected; {open_splits} of {len(facts.splits)} splits do not close; the staged files hold "
        f"{rows:,} rows. Nothing was released. Treat it as tampering until explained; run again from the source",
    )


def _rejects(facts: ManifestFacts, rules: GateRules) -> CheckResult:
    rejected = sum(split.rejected for split in facts.splits)
    if rejected <= rules.max_rejects:
        return CheckResult(check="rejects")
    return CheckResult(
        check="rejects",
        problems=(Finding(column="rows", entity="REJECTED", count=rejected, total=facts.totals.rows_in),),
        error=RejectedRowsError,
        message=f"{rejected:,} of {facts.totals.rows_in:,} rows of '{rules.dataset}' were rejected, gate.max_rejects allows "
        f"{rules.max_rejects:,}. Nothing was released. 'airlock runs show ID' inside the zone lists columns and error codes",
    )


def _known_values(facts: ManifestFacts, rules: GateRules) -> CheckResult:
    if facts.known_checked and not facts.known_found:
        return CheckResult(check="known_values")
    # The names are the inner door's: only those that the policy has are said on.
    own = {str(rule.path) for rule in rules.leaves}
    named = sorted((column if column in own else "another column", count) for column, count in facts.known_found.items())
    found = tuple(Finding(column=column, entity="KNOWN_VALUE", count=count) for column, count in named)
    what = (
        f"found direct identifiers of the same row in text: {listed([f'{one.count:,} cells of {one.column!r}' for one in found])}"
        if facts.known_checked
        else "did not look for direct identifiers in the text of every row"
    )
    return CheckResult(
        check="known_values",
        problems=found or (Finding(column="text", entity="KNOWN_VALUE", count=0),),
        error=KnownValueError,
        message=f"'{rules.dataset}': the inner door {what}. Nothing was released. Name the identifiers under known_values of the text's "
        "redact_entities, or drop the text",
    )
