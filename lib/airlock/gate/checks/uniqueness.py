"""Kept and generalized columns must not be nearly unique: such a column identifies by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import NearlyUniqueError
from airlock.gate._check import Batch, CheckResult, Finding, listed
from airlock.gate._tally import merge_tallies
from airlock.gate.buffers import fingerprints, is_text
from airlock.gate.kinds import kinds
from airlock.gate.leaves import plain_type
from airlock.gate.rules import NEARLY_UNIQUE, GateRules
from airlock.policy.arrow import is_binary

__all__ = ["Distinct", "UniquenessCheck"]

Key = tuple[str, str]
"""A column, and which kind of its values."""

_SIZE = 1 << 14
_ROWS, _FEWEST = 100, 10
_MARGIN = 1024
"""Thousandths: three standard deviations of an estimate from 16,384 values, on the safe side."""


@dataclass(frozen=True, slots=True)
class Distinct:
    """How many distinct values: exact up to 16,384, then estimated from the smallest fingerprints (Bar-Yossef et al., 2002).

    Example:
        >>> (Distinct.of(pa.array([1, 2, 2])) + Distinct.of(pa.array([2, 3]))).count
        3
    """

    prints: np.ndarray
    rows: int
    column: int

    @classmethod
    def of(cls, values: pa.Array, *, beside: int = 0) -> Distinct:
        """Of values without nulls, and `beside` others of their column. NaN is a missing value."""
        if pa.types.is_floating(values.type):
            values = values.filter(pc.invert(pc.is_nan(values)))
        rows = len(values)
        if pa.types.is_dictionary(values.type):
            used = np.bincount(np.asarray(values.indices), minlength=len(values.dictionary)) > 0
            return cls(_smallest(fingerprints(values.dictionary)[used]), rows, rows + beside)
        return cls(_smallest(fingerprints(values)), rows, rows + beside)

    def __add__(self, other: Distinct) -> Distinct:
        prints = _smallest(np.concatenate([self.prints, other.prints]))
        return Distinct(prints, self.rows + other.rows, self.column + other.column)

    @property
    def identifies(self) -> bool:
        """Whether values like these tell rows apart."""
        return self.column >= _ROWS and self.rows >= _FEWEST and 10 * self.count >= 9 * self.rows

    @property
    def count(self) -> int:
        """Distinct values; where estimated, an upper bound with a margin."""
        if len(self.prints) < _SIZE:
            return len(self.prints)
        estimate = (_SIZE - 1 << 64) // max(1, int(self.prints[-1]))
        return min(self.rows, estimate * _MARGIN // 1000)


class UniquenessCheck:
    """Text, bytes, numbers and moments that say something of a row are shared by several rows.

    Guarantee:
        Refused where a column has distinct values for nine tenths of its non-null values or more, and 100 of these or more, if
        it is kept (with a closed list or without), generalized to multiples or periods, accepted as `unshaped`, or cut or
        masked so that more than four characters may show. Of tokens with mail domains the domains are judged, the one that
        stands for all others apart. Texts of rules, the ends of a range and the tokens of another case are left out, and lists
        judged apart, so that they make nothing look shared; ten values of a kind are enough then, in a column of 100. Partition
        columns too. A waiver names it as NEARLY_UNIQUE.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> dict[Key, Distinct]:
        """Distinct values by column and kind of value."""
        kept = [rule for rule in rules.leaves if rule.kept and rule.path in batch.present]
        found = {}
        for rule in kept:
            values = batch.present[rule.path]
            data_type = plain_type(values.type)
            if _judged(data_type):
                for kind, shown in kinds(values, rule.shape(data_type)).items():
                    found[str(rule.path), kind] = Distinct.of(shown, beside=len(values) - len(shown))
        return found

    @staticmethod
    def merge(one: dict[Key, Distinct], other: dict[Key, Distinct]) -> dict[Key, Distinct]:
        """Distinct values of both."""
        return merge_tallies(one, other)

    @staticmethod
    def verdict(partial: dict[Key, Distinct], rules: GateRules) -> CheckResult:
        """Refused where a column is nearly unique and no waiver covers it."""
        found = [_finding(column, part, rules) for (column, _), part in sorted(partial.items(), key=_key) if part.identifies]
        problems = tuple(each for each in found if not each.waiver)
        waived = tuple(each for each in found if each.waiver)
        if not problems:
            return CheckResult(check="uniqueness", waived=waived)
        unwaivable = f"; pack {rules.pack} knows no waiver of {NEARLY_UNIQUE}"
        way_out = unwaivable if rules.pack else f", or ask the privacy team for a waiver of {NEARLY_UNIQUE}"
        parts = [f"column '{each.column}' has about {each.count:,} distinct values in {each.total:,}" for each in problems]
        return CheckResult(
            check="uniqueness",
            problems=problems,
            waived=waived,
            error=NearlyUniqueError,
            message=f"{listed(parts)}: it identifies by itself. Nothing was released from '{rules.dataset}'. Pseudonymize, generalise "
            f"or drop it{way_out}",
        )


def _key(item: tuple[Key, Distinct]) -> Key:
    return item[0]


def _judged(data_type: pa.DataType) -> bool:
    number = pa.types.is_integer(data_type) or pa.types.is_floating(data_type) or pa.types.is_decimal(data_type)
    return is_text(data_type) or is_binary(data_type) or bool(number) or bool(pa.types.is_temporal(data_type))


def _finding(column: str, part: Distinct, rules: GateRules) -> Finding:
    waiver = rules.waiver(column, NEARLY_UNIQUE)
    words = f"{waiver.approver} until {waiver.expires.isoformat()}" if waiver else ""
    return Finding(column=column, entity=NEARLY_UNIQUE, count=part.count, total=part.rows, waiver=words)


def _smallest(prints: np.ndarray) -> np.ndarray:
    ordered = np.sort(prints)
    if len(ordered) == 0:
        return ordered
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])][:_SIZE]
