"""Names: no dropped column's among the written ones, and no entity in a column's name or a partition's value."""

from __future__ import annotations

from functools import lru_cache

import pyarrow as pa

from airlock.errors import LeakedNameError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import Tally, merge_tallies
from airlock.gate.entities import scan_text
from airlock.gate.leaves import schema_leaves
from airlock.gate.rules import GateRules
from airlock.policy.path import ColumnPath

__all__ = ["NamesCheck"]

Key = tuple[str, str]
_DROPPED = "is dropped by the policy, yet written"


class NamesCheck:
    """Schema and paths carry no name that the policy drops, and nothing personal.

    Guarantee:
        The published schema and paths are made of the names and partition values that this check saw.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> dict[Key, Tally]:
        """By place and fault."""
        found = {}
        leaves = list(schema_leaves(batch.rows.schema))
        for leaf in leaves:
            dropped = next((rule.path for rule in rules.leaves if rule.absent and rule.path.covers(leaf.path)), None)
            if dropped is not None:
                found[str(dropped), _DROPPED] = Tally(1, 1)
        steps = dict.fromkeys(step for leaf in leaves for step in leaf.path.steps if isinstance(step, str))
        found |= _in_names(tuple(steps), rules.entities)
        for name in rules.partition_by:
            values = batch.present.get(ColumnPath((name,)))
            if values is not None and len(values):
                texts = values.unique().cast(pa.string())
                found |= {
                    (f"partition {name}", entity): Tally(hit.count, len(texts), hit.picture)
                    for entity, hit in scan_text(texts, rules.entities).items()
                }
        return found

    @staticmethod
    def merge(one: dict[Key, Tally], other: dict[Key, Tally]) -> dict[Key, Tally]:
        """Counts added."""
        return merge_tallies(one, other)

    @staticmethod
    def verdict(partial: dict[Key, Tally], rules: GateRules) -> CheckResult:
        """Refused for any."""
        problems = tuple(
            Finding(column=place, entity=what, count=tally.count, total=tally.total, picture=tally.picture)
            for (place, what), tally in sorted(partial.items())
        )
        if not problems:
            return CheckResult(check="names")
        parts = [f"'{each.column}' {each.entity if each.entity == _DROPPED else 'holds ' + each.entity}" for each in problems]
        return CheckResult(
            check="names",
            problems=problems,
            error=LeakedNameError,
            message=f"names and paths of '{rules.dataset}' would disclose something: {listed(parts)}. Nothing was released. Rename or drop "
            "the column at the source, or partition by another one",
        )


@lru_cache(maxsize=64)  # every batch of a file has the same names, and a look costs a millisecond
def _in_names(names: tuple[str, ...], entities: tuple[str, ...]) -> dict[Key, Tally]:
    found = scan_text(pa.array(names, pa.string()), entities)
    return {("a column's name", entity): Tally(hit.count, len(names), hit.picture) for entity, hit in found.items()}
