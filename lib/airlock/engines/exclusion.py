"""Whose rows are left out: the ids of `source.exclude` against the subject's column, both in the form that pseudonyms are made from.

So `7` and `0000000007`, or two spellings of an address, are one person here if and only if they are in the release. Called by
`task` and by `doors`, which read the file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.engines.rows import leaf_values, spelled
from airlock.errors import UnreadableSourceError
from airlock.operators import RejectedValuesError
from airlock.operators._canonical import canonical_text, why_not
from airlock.plan.compile import Plan
from airlock.plan.tree import type_at
from airlock.policy.model import Canonical
from airlock.policy.path import ColumnPath

__all__ = ["excluded_rows", "listed_ids"]

Found = NDArray[np.int64]


def listed_ids(text: str, plan: Plan) -> tuple[str, ...]:
    """The subject ids that a file lists, one a line, in canonical form, sorted.

    A pair of quotation marks and commas or semicolons at a line's end, as a table's export has them, are not part of an id.

    Raises:
        UnreadableSourceError: A line can't be an id of the subject's column; its number is told, not its text.
    """
    lines = text.splitlines()
    filled = [(number, _bare(line)) for number, line in enumerate(lines, 1)]
    filled = [(number, line) for number, line in filled if line]
    for number, line in filled:
        if '"' in (line[0], line[-1]):
            raise _no_id(plan, number, "it has quotation marks that are no pair, or several columns")
    subject = type_at(plan.reading.schema, ColumnPath.parse(plan.policy.subject))
    steps = _steps(plan, subject)
    if subject is not None and (pa.types.is_integer(subject) or pa.types.is_floating(subject)):
        steps = (Canonical.DECIMAL, *steps)
    try:
        ids = canonical_text(pa.array([line for _, line in filled], pa.string()), steps)
    except RejectedValuesError as error:
        number, _ = filled[error.mask.index(pa.scalar(value=True)).as_py()]
        raise _no_id(plan, number, f"the column's values are {subject}, {', '.join(steps)}") from None
    distinct = pc.unique(pc.utf8_trim_whitespace(ids))
    return tuple(sorted(distinct.to_numpy(zero_copy_only=False).tolist()))


def _bare(line: str) -> str:
    found = line.strip().rstrip(",; \t")
    inner = found[1:-1]
    whole = len(found) > 1 and found[0] == found[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"').strip() if whole else found


def _no_id(plan: Plan, number: int, why: str) -> UnreadableSourceError:
    return UnreadableSourceError(
        f"line {number} of source.exclude '{plan.policy.source.exclude}' is no id of subject '{plan.policy.subject}': {why}. "
        "Write one id a line, nothing else",
        line=number,
    )


def _steps(plan: Plan, subject: pa.DataType | None) -> tuple[Canonical, ...]:
    """The subject's own steps, then its key domain's; none where it has no domain."""
    operator = plan.operators.get(ColumnPath.parse(plan.policy.subject))
    domain = getattr(operator, "domain", None)
    steps = plan.policy.keys.domains[domain].canonical if domain in plan.policy.keys.domains else ()
    steps = (*getattr(operator, "normalize", ()), *steps)
    return steps if subject is not None and why_not(subject, steps) is None else ()


def excluded_rows(batch: pa.RecordBatch, plan: Plan, excluded: Sequence[str]) -> tuple[pa.BooleanArray, Found]:
    """Rows whose subject is one of `excluded`, and which of those occur.

    Args:
        batch: As read.
        plan: Names the subject.
        excluded: What `listed_ids` made.

    Returns:
        A mask as long as the batch, and places in `excluded`, ascending.
    """
    values, rows = leaf_values(batch, ColumnPath.parse(plan.policy.subject))
    texts, rows = _canonical(values, rows, _steps(plan, values.type))
    places = pc.index_in(pc.utf8_trim_whitespace(texts), value_set=pa.array(excluded, texts.type))
    mask = np.zeros(batch.num_rows, dtype=bool)
    mask[rows.filter(places.is_valid()).to_numpy()] = True
    return pa.array(mask), np.unique(places.drop_null().to_numpy()).astype(np.int64)


def _canonical(values: pa.Array, rows: pa.Array, steps: tuple[Canonical, ...]) -> tuple[pa.Array, pa.Array]:
    """Canonical texts and their rows, without those that have none: their operator rejects them."""
    if why_not(values.type, steps) is not None:
        return spelled(values), rows
    try:
        return canonical_text(values, steps), rows
    except RejectedValuesError as error:
        good = pc.invert(error.mask)
        return _canonical(values.filter(good), rows.filter(good), steps)
