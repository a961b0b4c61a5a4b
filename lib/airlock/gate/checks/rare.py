"""Where only frequent values may stay, no rare one did: counted from the written files over the whole dataset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from airlock.errors import RareValueError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import merge_tallies
from airlock.gate.buffers import fingerprints
from airlock.gate.checks.frequency import Counts
from airlock.gate.leaves import LeafValues, plain_type
from airlock.gate.rules import GateRules
from airlock.policy.formats import FewValues

__all__ = ["RareCheck"]


class RareCheck:
    """Columns of few values have few, each shared by many rows.

    Guarantee:
        Refused where a column under keep_top has more than its `n` different values beside the one that stands for all others, or
        one that stands in fewer than `min_count` rows of the dataset. Exact; inside a list or map a row counts once for a value.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> dict[str, Counts]:
        """Rows by value, for each column."""
        found = {}
        for path, leaf in batch.leaves.items():
            rule = rules.rule(path)
            shape = None if rule is None else rule.shape(plain_type(leaf.values.type))
            if isinstance(shape, FewValues):
                found[str(path)] = _without(Counts.of(_once_a_row(leaf)), shape.other, plain_type(leaf.values.type))
        return found

    @staticmethod
    def merge(one: dict[str, Counts], other: dict[str, Counts]) -> dict[str, Counts]:
        """Counts added; of 10,000 different values or more there are too many whatever they are."""
        return merge_tallies(one, other)

    @staticmethod
    def verdict(partial: dict[str, Counts], rules: GateRules) -> CheckResult:
        """Refused where a column has too many values, or a rare one."""
        shapes = {str(rule.path): output.shape for rule in rules.leaves for output in rule.outputs}
        found = [_faults(column, counts, shapes[column]) for column, counts in sorted(partial.items())]
        problems = tuple(finding for findings, _ in found for finding in findings)
        if not problems:
            return CheckResult(check="rare")
        return CheckResult(
            check="rare",
            problems=problems,
            error=RareValueError,
            message=f"{listed([said for _, saids in found for said in saids])}. Nothing was released from '{rules.dataset}'. The operator "
            "did not do its work, or rows were lost after it had counted: run again with the released image, or raise min_count",
        )


def _faults(column: str, counts: Counts, shape: object) -> tuple[list[Finding], list[str]]:
    assert isinstance(shape, FewValues)  # scan() counts no others
    findings, said = [], []
    if counts.many or counts.distinct > shape.n:
        findings.append(Finding(column=column, entity="MANY_VALUES", count=counts.distinct, total=counts.rows))
        said.append(f"column '{column}' has {counts.distinct:,} different values, its rule lets {shape.n:,} stay")
    rare = int((counts.counts < shape.rows).sum())
    if rare and not counts.many:
        findings.append(Finding(column=column, entity="RARE_VALUE", count=rare, total=counts.distinct))
        said.append(f"column '{column}' has {rare:,} values that fewer than {shape.rows:,} rows share")
    return findings, said


def _once_a_row(leaf: LeafValues) -> pa.Array:
    """The values that are there, each once a row."""
    values, rows = leaf.values, leaf.rows
    if rows is None:
        return values.drop_null()
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    valid = np.asarray(plain.is_valid())
    present, owners = plain.filter(pa.array(valid)), rows[valid]
    prints = fingerprints(present)
    order = np.lexsort((owners, prints))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (prints[order][1:] != prints[order][:-1]) | (owners[order][1:] != owners[order][:-1])
    return present.take(pa.array(order[fresh]))


def _without(counts: Counts, other: str | int | None, data_type: pa.DataType) -> Counts:
    """The counts of all values but the one that stands for all others."""
    if other is None:
        return counts
    try:
        own = fingerprints(pa.array([other], data_type))[0]
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return counts
    stay = counts.prints != own
    return replace(counts, prints=counts.prints[stay], counts=counts.counts[stay])
