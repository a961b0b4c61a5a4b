"""No forbidden entity in any leaf of open form: the floor that no policy can lower, and what the policy adds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import ResidualEntityError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import Tally, merge_tallies
from airlock.gate.buffers import is_text
from airlock.gate.chance import Sample, excessive, sample_numbers
from airlock.gate.entities import scan_text
from airlock.gate.leaves import plain_type
from airlock.gate.rules import GateRules, LeafRule
from airlock.policy.arrow import is_binary
from airlock.policy.choices import MASKED, open_masks
from airlock.policy.formats import shape_parts

__all__ = ["EntitiesCheck", "EntitiesPart"]

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class EntitiesPart:
    """By column and entity: validated hits in text, and samples of bare digits. `totals`: values of each column scanned."""

    hits: dict[Key, Tally]
    samples: dict[Key, Sample]
    totals: dict[str, int]


class EntitiesCheck:
    """Forbidden entities are absent.

    Guarantee:
        Text and binary: one validated hit refuses, also where '@', '-', '.' or a space may stand behind an open mask's character. Numbers, and text cells of bare digits: refused where far more values pass the
        entity's check digits than chance lets through (`chance` says what that misses); rounded numbers, where most have the
        length and the prefix of cards. Other leaves of a closed shape are the shapes check's.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> EntitiesPart:
        """What each open leaf of the batch holds."""
        part = EntitiesPart({}, {}, {})
        for path, values in batch.present.items():
            rule = rules.rule(path)
            if rule is None or rule.absent or not rule.forbidden or len(values) == 0:
                continue
            column = str(path)
            part.totals[column] = len(values)
            for again in _readings(values, rule):
                _scan_leaf(part, column, again, rule.forbidden)
        return part

    @staticmethod
    def merge(one: EntitiesPart, other: EntitiesPart) -> EntitiesPart:
        """Hits added, samples joined."""
        return EntitiesPart(
            merge_tallies(one.hits, other.hits),
            merge_tallies(one.samples, other.samples),
            merge_tallies(one.totals, other.totals),
        )

    @staticmethod
    def verdict(partial: EntitiesPart, rules: GateRules) -> CheckResult:
        """Refused for each finding that no waiver covers."""
        found = {key: (tally.count, partial.totals[key[0]], tally.picture) for key, tally in partial.hits.items()}
        for key, sample in partial.samples.items():
            if key not in found and excessive(sample, key[1]):
                found[key] = (sample.passed, sample.count, "bare digits")
        findings = [_finding(key, measured, rules) for key, measured in sorted(found.items())]
        problems = tuple(each for each in findings if not each.waiver)
        waived = tuple(each for each in findings if each.waiver)
        if not problems:
            return CheckResult(check="entities", waived=waived)
        parts = [
            f"column '{each.column}' still holds {each.entity} in {each.count:,} of {each.total:,} values, such as '{each.picture}'{_expired(each, rules)}"
            for each in problems
        ]
        return CheckResult(
            check="entities",
            problems=problems,
            waived=waived,
            error=ResidualEntityError,
            message=f"{listed(parts)}. Nothing was released. Redact, mask or drop the column, or ask the privacy team for a waiver",
        )


def _readings(values: pa.Array, rule: LeafRule) -> Iterator[pa.Array]:
    """As they are, and with what masks may have hidden."""
    yield values
    data_type = plain_type(values.type)
    for char in open_masks(shape_parts(rule.shape(data_type))) if is_text(data_type) else ():
        plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        plain = plain.cast(pa.large_string())
        yield from (pc.replace_substring(plain, char, each) for each in MASKED if each != char)
        # What is left of a number before its masked end.
        yield pc.replace_substring_regex(plain, rf"(?s){re.escape(char)}.*", "")


def _scan_leaf(part: EntitiesPart, column: str, values: pa.Array, forbidden: tuple[str, ...]) -> None:
    data_type = plain_type(values.type)
    if is_text(data_type) or is_binary(data_type):
        for entity, hit in scan_text(values, forbidden).items():
            part.hits.setdefault((column, entity), Tally(hit.count, 0, hit.picture))
    for entity, sample in sample_numbers(values, forbidden).items():
        part.samples.setdefault((column, entity), sample)


def _expired(finding: Finding, rules: GateRules) -> str:
    ends = [each.expires for each in rules.expired if (each.column, each.entity) == (finding.column, finding.entity)]
    return f" (its waiver expired on {max(ends).isoformat()})" if ends else ""


def _finding(key: Key, measured: tuple[int, int, str], rules: GateRules) -> Finding:
    column, entity = key
    count, total, drawn = measured
    waiver = rules.waiver(column, entity)
    words = f"{waiver.approver} until {waiver.expires.isoformat()}" if waiver else ""
    return Finding(column=column, entity=entity, count=count, total=total, picture=drawn, waiver=words)
