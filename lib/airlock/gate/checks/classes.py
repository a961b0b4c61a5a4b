"""k-anonymity, counted exactly over all written quasi-identifiers: rows, or distinct subjects, of each equivalence class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.errors import SmallGroupError
from airlock.gate._check import Batch, CheckResult, Finding
from airlock.gate.buffers import fingerprints
from airlock.gate.rowtext import row_text
from airlock.gate.rules import GateRules
from airlock.policy.arrow import is_binary
from airlock.policy.path import ColumnPath

__all__ = ["Classes", "ClassesCheck"]

_TABLES = 8
_DENSE = 1 << 22
_WIDE = 1 << 62
_WIDEST = 128
_COUNT, _SUBJECT = "count", "subject"


@dataclass(frozen=True, slots=True)
class Classes:
    """Distinct tuples of quasi-identifiers as text. One row a tuple with its `count`; or, counting subjects, one row for each of
    up to k of its subjects' fingerprints. Two subjects with one fingerprint count as one: never too many.
    """

    tables: tuple[pa.Table, ...]
    k: int

    def collapsed(self) -> pa.Table | None:
        """All of it in one table."""
        if len(self.tables) < 2:  # noqa: PLR2004
            return next(iter(self.tables), None)
        table = pa.concat_tables(self.tables).combine_chunks()
        keys = [_whole(table[name]) for name in table.column_names[:-1]]
        return _collapse(keys, np.asarray(table[table.column_names[-1]]), name=table.column_names[-1], k=self.k)

    def sizes(self) -> np.ndarray:
        """The size of each class; at most k where subjects are counted."""
        table = self.collapsed()
        if table is None or table.num_rows == 0:
            return np.zeros(0, np.int64)
        if table.column_names[-1] == _COUNT:
            return np.asarray(table[_COUNT])
        return np.bincount(_codes([_whole(table[name]) for name in table.column_names[:-1]], table.num_rows)[0])


class ClassesCheck:
    """Every equivalence class has at least k rows, or subjects.

    Guarantee:
        Exact over the whole dataset. Null is a value of its own; a leaf inside lists or maps counts with all its values of the
        row, in order.
    """

    @staticmethod
    def scan(batch: Batch, rules: GateRules) -> Classes:
        """The batch's classes."""
        if rules.k is None or batch.rows.num_rows == 0:
            return Classes((), rules.k or 0)
        keys = [_key(batch, path) for path in rules.quasi_identifiers]
        if rules.subject is None:
            weights, name = np.ones(batch.rows.num_rows, np.int64), _COUNT
        else:
            weights, name = _subjects(batch, rules.subject), _SUBJECT
        return Classes((_collapse(keys, weights, name=name, k=rules.k),), rules.k)

    @staticmethod
    def merge(one: Classes, other: Classes) -> Classes:
        """Classes of both; collapsed now and then, so that no more is kept than distinct tuples."""
        both = Classes(one.tables + other.tables, max(one.k, other.k))
        table = both.collapsed() if len(both.tables) >= _TABLES else None
        return both if table is None else Classes((table,), both.k)

    @staticmethod
    def verdict(partial: Classes, rules: GateRules) -> CheckResult:
        """Refused where a class is smaller than k."""
        sizes = partial.sizes()
        small = sizes[sizes < (rules.k or 0)]
        if len(small) == 0:
            return CheckResult(check="classes")
        names = ", ".join(map(str, rules.quasi_identifiers))
        what = "rows" if rules.subject is None else "subjects"
        return CheckResult(
            check="classes",
            problems=(Finding(column=f"({names})", entity="SMALL_GROUP", count=len(small), total=len(sizes)),),
            error=SmallGroupError,
            message=f"quasi-identifiers ({names}): smallest equivalence class has {int(small.min())} {what}, policy asks k >= {rules.k}; "
            f"{len(small):,} of {len(sizes):,} classes are too small, with {int(small.sum()):,} {what}. Nothing was released. Widen a "
            "generalisation, or drop a quasi-identifier",
        )


def _key(batch: Batch, path: ColumnPath) -> pa.Array:
    if path not in batch.leaves:  # optional
        return pa.nulls(batch.rows.num_rows, pa.string())
    return row_text(batch.rows.column(path.column), path) if path.repeated else batch.leaves[path].values


def _subjects(batch: Batch, path: ColumnPath) -> np.ndarray:
    """A fingerprint for each row; all rows without a subject count as one."""
    values = batch.leaves[path].values
    made = np.zeros(len(values), np.uint64)
    made[np.asarray(values.is_valid())] = fingerprints(batch.present[path])
    return made


def _collapse(keys: list[pa.Array], weights: np.ndarray, *, name: str, k: int) -> pa.Table:
    codes, classes = _codes(keys, len(weights))
    rows, values = (_add if name == _COUNT else _keep)(codes, weights, classes, k)
    taken = [_as_text(key.take(pa.array(rows))) for key in keys]
    return pa.table([*taken, pa.array(values)], names=[*map(str, range(len(keys))), name])


def _add(codes: np.ndarray, weights: np.ndarray, classes: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    del k
    totals = np.zeros(classes, np.int64)
    np.add.at(totals, codes, weights)
    first = np.zeros(classes, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    return first, totals


def _keep(codes: np.ndarray, weights: np.ndarray, classes: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    del classes
    order = np.lexsort((weights, codes))
    ordered_codes, ordered = codes[order], weights[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (ordered_codes[1:] != ordered_codes[:-1]) | (ordered[1:] != ordered[:-1])
    order, ordered_codes = order[fresh], ordered_codes[fresh]
    starts = np.searchsorted(ordered_codes, ordered_codes)
    chosen = order[np.arange(len(order)) - starts < k]
    return chosen, weights[chosen]


def _codes(keys: list[pa.Array], length: int) -> tuple[np.ndarray, int]:
    """A dense number for the tuple of each row, and how many tuples there are."""
    codes, space = np.zeros(length, np.int64), 1
    for key in keys:
        encoded = _encoded(key)
        count = len(encoded.dictionary)
        if space * count > _WIDE:
            codes, space = _dense(codes, space)
        codes, space = codes * count + np.asarray(encoded.indices).astype(np.int64), space * count
    return _dense(codes, space)


def _encoded(key: pa.Array) -> pa.DictionaryArray:
    plain = (
        key.dictionary_decode() if pa.types.is_dictionary(key.type) and (key.null_count or key.dictionary.null_count) else key
    )
    if pa.types.is_dictionary(plain.type):
        return plain
    small = pa.types.is_decimal(plain.type) and plain.type.bit_width < _WIDEST  # Arrow can't encode narrow decimals
    return pc.dictionary_encode(plain.cast(pa.string()) if small else plain, null_encoding="encode")


def _dense(codes: np.ndarray, space: int) -> tuple[np.ndarray, int]:
    if space <= _DENSE:
        seen = np.zeros(space, bool)
        seen[codes] = True
        numbers = np.cumsum(seen) - 1
        return numbers[codes], int(seen.sum())
    distinct, inverse = np.unique(codes, return_inverse=True)
    return inverse, len(distinct)


def _as_text(key: pa.Array) -> pa.Array:
    plain = key.dictionary_decode() if pa.types.is_dictionary(key.type) else key
    return plain.cast(pa.large_binary() if is_binary(plain.type) else pa.large_string())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
