"""A rule that changes none of the sampled values is the wrong rule: refused before a run. Called by `plan` and `anonymize`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pyarrow as pa

from airlock.engines.rows import inputs_of, leaf_values
from airlock.errors import NoEffectError
from airlock.keys import SubKeys
from airlock.keys.derive import key_bytes
from airlock.operators import Operator, RejectedValuesError, RowOperator
from airlock.plan.compile import Plan
from airlock.policy.path import ColumnPath
from airlock.text.redact_entities import RedactEntities

__all__ = ["ENOUGH", "demand_effect", "judged_columns", "transformed"]

ENOUGH = 20
"""Values below which a sample says nothing."""


def demand_effect(plan: Plan, batch: pa.RecordBatch) -> None:
    """Refuse rules without effect.

    Entity search may well find nothing in a sample: `plan` warns of that.

    Args:
        plan: The compiled plan.
        batch: Raw rows, columns of the plan's reading schema.

    Raises:
        NoEffectError: All of a column's sampled values, 20 or more, come out of its operator unchanged.
    """
    found = [path for path in _judged(plan) if _unchanged(plan.operators[path], path, batch)]
    if found:
        named = "; ".join(f"'{plan.operators[path].name}' changes no sampled value of column '{path}'" for path in found)
        raise NoEffectError(
            f"policy '{plan.policy.dataset}': {named}. Nothing was staged. Correct the rule's arguments; or, if the values are right as "
            "they are, say accept_no_effect: REASON in it",
            columns=[str(path) for path in found],
        )


def judged_columns(plan: Plan) -> frozenset[str]:
    """The top-level columns that `demand_effect` looks at: those of the rules it judges, and what they look at beside."""
    found = set()
    for path in _judged(plan):
        operator = plan.operators[path]
        beside = (*operator.inputs, *operator.known) if isinstance(operator, RowOperator) else ()
        found |= {path.column, *(ColumnPath.parse(text).column for text in beside)}
    return frozenset(found)


def _judged(plan: Plan) -> Iterator[ColumnPath]:
    rules = plan.policy.rules()
    for path, operator in plan.operators.items():
        keyless = not operator.contract.keyed and operator.contract.technique != "none"
        # What a pass over the dataset lets stay is not known from a sample; that it is all may be right.
        rowwise = operator.pass_over(path) is None
        if keyless and rowwise and not isinstance(operator, RedactEntities) and rules[path].accept_no_effect is None:
            yield path


def _unchanged(operator: Operator, path: ColumnPath, batch: pa.RecordBatch) -> bool:
    values, _ = leaf_values(batch, path)
    if len(values) - values.null_count < ENOUGH or pa.types.is_nested(values.type):
        return False
    try:
        made = transformed(batch, path, operator, values)
    except RejectedValuesError:
        return False  # `plan` tells of it, and the run counts it
    except Exception:  # noqa: BLE001 - its text may quote a value; the task meets it again and tells of it without
        return False
    return bool(made.type == values.type and made.equals(values))


def transformed(batch: pa.RecordBatch, path: ColumnPath, operator: Operator, values: pa.Array) -> pa.Array:
    """The first values of a leaf under an operator; what is keyed has a key of the moment, so only which values it rejects tells."""
    if operator.result_field(pa.field(str(path), values.type)) is None:
        return pa.nulls(len(values))
    keys = SubKeys({request: secrets.token_bytes(key_bytes(request)) for request in operator.requests()}, {})
    kernel = operator.kernel(pa.field(str(path), values.type), keys)
    if not isinstance(operator, RowOperator):
        return kernel(values)
    beside = {name: array.slice(0, len(values)) for name, array in inputs_of(batch)(path, operator).items()}
    rows = {"value": values} | beside
    return kernel(pa.StructArray.from_arrays(list(rows.values()), list(rows)))
