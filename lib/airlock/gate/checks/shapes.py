"""Every written value against the shape that its rule declares: a kernel replaced by the identity is refused."""

from __future__ import annotations

import pyarrow as pa

from airlock.errors import ShapeError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import Tally, merge_tallies
from airlock.gate.normal import as_text
from airlock.gate.rules import GateRules
from airlock.gate.shapes import offenders
from airlock.policy.arrow import is_binary
from airlock.policy.formats import Shape
from airlock.policy.pictures import picture

__all__ = ["ShapesCheck"]


class ShapesCheck:
    """Values have their declared shapes.

    Guarantee:
        Each non-null value of each leaf with a shape is matched whole; one that differs refuses the release.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> dict[str, Tally]:
        """By column: values, those off shape, and the picture of the first."""
        found = {}
        for path, values in batch.present.items():
            rule = rules.rule(path)
            if rule is not None and not rule.absent:
                found[str(path)] = _tally(values, rule.shape(values.type))
        return found

    @staticmethod
    def merge(one: dict[str, Tally], other: dict[str, Tally]) -> dict[str, Tally]:
        """Counts added."""
        return merge_tallies(one, other)

    @staticmethod
    def verdict(partial: dict[str, Tally], rules: GateRules) -> CheckResult:
        """Refused where any value is off shape."""
        problems = tuple(
            Finding(column=column, entity="SHAPE", count=tally.count, total=tally.total, picture=tally.picture)
            for column, tally in sorted(partial.items())
            if tally.count
        )
        if not problems:
            return CheckResult(check="shapes")
        parts = [
            f"column '{each.column}': {each.count:,} of {each.total:,} values, such as '{each.picture}'" for each in problems
        ]
        return CheckResult(
            check="shapes",
            problems=problems,
            error=ShapeError,
            message=f"written values of '{rules.dataset}' do not have the shape that their rules declare: {listed(parts)}. "
            "Nothing was released. The operator did not do its work: run again with the released image, or mend the operator",
        )


def _tally(values: pa.Array, shape: Shape) -> Tally:
    off = offenders(values, shape)
    count = int(off.sum())
    return Tally(count, len(values), _drawn(values, int(off.argmax())) if count else "")


def _drawn(values: pa.Array, index: int) -> str:
    one = values.slice(index, 1)
    plain = one.dictionary_decode() if pa.types.is_dictionary(one.type) else one
    return picture(str(as_text(plain)[0])) if is_binary(plain.type) else picture(str(plain.cast(pa.string())[0]))
