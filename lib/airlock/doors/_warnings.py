"""What a sample lets one fear of a policy: tokens whose frequencies invert them, searches that find nothing. Called by `plan`.

A sample only warns: the doors decide on whole-column counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from airlock.doors._effects import ENOUGH, transformed
from airlock.engines.frequency import counted_columns
from airlock.engines.rows import leaf_values
from airlock.operators import Operator, RejectedValuesError, RowOperator
from airlock.plan.compile import Plan
from airlock.policy.path import ColumnPath
from airlock.text.redact_entities import RedactEntities

__all__ = ["Warned", "sample_warnings"]

_FEW_DISTINCT, _REPEATING = 10_000, 0.9
_TOP_SHARE, _TOP_ROWS = 0.01, 100
_RARE = 2
_SEARCHED = 200
"""Values of a sample in which entities are searched: that takes milliseconds for each."""


@dataclass(frozen=True, slots=True, order=True)
class Warned:
    """One thing to look at before a run.

    Attributes:
        path: The column; of what is unfinished its place in the policy.
        kind: `frequency`, `zero-effect`, `rejects`, `uniqueness` or `unfinished`.
        message: What was seen in the sample and what to do; no value.
    """

    path: str
    kind: str
    message: str


def sample_warnings(plan: Plan, batch: pa.RecordBatch, *, rows: int | None) -> tuple[Warned, ...]:
    """Warn from a sample.

    Args:
        plan: The compiled plan.
        batch: Raw rows, columns of the plan's reading schema.
        rows: Of the whole source, where known: a frequent value matters from 100 rows on.
    """
    found: list[Warned] = []
    counted = counted_columns(plan)
    for path, operator in plan.operators.items():
        values, _ = leaf_values(batch, path)
        if len(values) < ENOUGH or operator.name in ("drop", "null") or pa.types.is_nested(values.type):
            continue
        if path in counted:
            found += _frequency(path, values, scale=(rows or batch.num_rows) / batch.num_rows)
        found += _effect(batch, path, operator, values)
    return tuple(sorted([*found, *_rare(plan, batch)]))


def _rare(plan: Plan, batch: pa.RecordBatch) -> Iterator[Warned]:
    """Under a pack, what is said to be no identifier is looked through for what is rare: the review of HIPAA's kind R begins here."""
    for path, rule in plan.policy.rules().items():
        if plan.policy.pack is None or rule.identifier != "none":
            continue
        values, _ = leaf_values(batch, path)
        counts = pc.value_counts(values.drop_null()).field("counts")
        total, rare = int(pc.sum(counts).as_py() or 0), int(pc.sum(pc.less_equal(counts, _RARE)).as_py() or 0)
        if rare and total >= ENOUGH:
            message = f"{rare:,} values of {total:,} sampled occur once or twice: does one of them, or several together, tell a person?"
            yield Warned(str(path), "uniqueness", message)


def _frequency(path: ColumnPath, values: pa.Array, *, scale: float) -> Iterator[Warned]:
    counts = pc.value_counts(values.drop_null()).field("counts")
    total, top = int(pc.sum(counts).as_py() or 0), int(pc.max(counts).as_py() or 0)
    if total < ENOUGH:
        return
    advice = "frequencies could invert the tokens, and the doors refuse that. Drop it, or say accept_frequency: REASON"
    if top > total * _TOP_SHARE and top > 1 and top * scale >= _TOP_ROWS:
        share = 100 * top / total
        yield Warned(str(path), "frequency", f"one value has {share:.0f} % of {total:,} sampled values: {advice}")
    elif len(counts) < min(_FEW_DISTINCT, total * _REPEATING):
        yield Warned(str(path), "frequency", f"{len(counts):,} different values among {total:,} sampled: {advice}")


def _effect(batch: pa.RecordBatch, path: ColumnPath, operator: Operator, values: pa.Array) -> Iterator[Warned]:
    if operator.name == "keep" and not getattr(operator, "values", ()):
        return
    if isinstance(operator, RowOperator):
        values = values.slice(0, _SEARCHED)
    count = len(values) - values.null_count
    try:
        made = transformed(batch, path, operator, values)
    except RejectedValuesError as error:
        share = 100 * error.mask.true_count / len(values)
        message = f"{share:.1f} % of {len(values):,} sampled values would be rejected ({error.code}); see gate.max_rejects"
        yield Warned(str(path), "rejects", message)
        return
    if isinstance(operator, RedactEntities) and count >= ENOUGH and made.equals(values):
        yield Warned(str(path), "zero-effect", f"'{operator.name}' found nothing in {count:,} sampled values")
