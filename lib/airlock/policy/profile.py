"""Look at a sample, column by column and leaf by leaf: counts only, never a value. `doors` samples, `propose` reads the counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airlock.policy.arrow import type_text
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath

__all__ = ["KINDS", "MENTIONS", "ColumnProfile", "profile"]

_EMAIL = r"[\w.+%-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_PHONE = r"(?:\+[0-9][0-9 ()./-]{6,18}[0-9]|\(?[0-9]{2,5}\)?[ /-]{1,2}[0-9][0-9 /-]{4,12}[0-9])"
_CARD = r"(?:4[0-9]{3}|5[0-5][0-9]{2}|6[0-9]{3}|3[47][0-9]{2})[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{3,4}"
_IBAN = r"[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}[A-Z0-9 ]{7,28}[A-Z0-9]"
_SSN = r"[0-9]{3}-[0-9]{2}-[0-9]{4}"
_IPV4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_IPV6 = r"(?:(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f:]*::[0-9A-Fa-f:]*)"
_URL = r"(?:https?://|ftp://|www\.)\S+"
_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-[0-3][0-9](?:[T ][0-9:.Z+-]*)?"

# In this order: a value counts for the first kind that it is.
KINDS: Mapping[str, str] = {
    "EMAIL_ADDRESS": _EMAIL,
    "URL": _URL,
    "DATE": _DATE,
    "IP_ADDRESS": f"(?:{_IPV4}|{_IPV6})(?:/[0-9]+)?",
    "US_SSN": _SSN,
    "CREDIT_CARD": _CARD,
    "IBAN_CODE": _IBAN,
    "UUID": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "DIGITS": r"[0-9]+",
    "PHONE_NUMBER": _PHONE,
}
"""What a whole value can be, as RE2; more than the entities, since drafts also tell dates and digits."""

MENTIONS: Mapping[str, str] = {
    "EMAIL_ADDRESS": _EMAIL,
    "URL": _URL,
    "IP_ADDRESS": rf"\b{_IPV4}\b",
    "US_SSN": rf"\b{_SSN}\b",
    "CREDIT_CARD": rf"\b{_CARD}\b",
    "IBAN_CODE": rf"\b{_IBAN}\b",
    "PHONE_NUMBER": rf"(?:^|[^\w-]){_PHONE}\b",
}
"""What can stand inside a longer text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """Counts about one leaf of a sample.

    Attributes:
        path: Where the leaf is.
        type: Its Arrow type as policies write it.
        rows: Values looked at, nulls included; inside a list or map, elements.
        nulls: How many of them are null.
        distinct: Different values.
        kinds: How many values are, as a whole, of each kind in KINDS.
        mentions: How many other values contain one.
        max_length: Characters of the longest text.
        words: Mean number of words of a text.
        digits: Digits before the point of the 90th percentile of a number.
    """

    path: ColumnPath
    type: str
    rows: int
    nulls: int
    distinct: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    mentions: Mapping[str, int] = field(default_factory=dict)
    max_length: int | None = None
    words: float = 0.0
    digits: int | None = None

    @property
    def values(self) -> int:
        """Values that are not null."""
        return self.rows - self.nulls

    def share(self, kind: str) -> float:
        """The share of the values that are of this kind as a whole."""
        return self.kinds.get(kind, 0) / self.values if self.values else 0.0


def profile(table: pa.Table) -> list[ColumnProfile]:
    """Count what a sample holds: one profile a leaf, in the schema's order.

    Example:
        >>> found = profile(pa.table({"mail": ["ann@example.org", None, "bob@example.org"]}))[0]
        >>> found.rows, found.nulls, found.distinct, found.kinds
        (3, 1, 2, {'EMAIL_ADDRESS': 2})
    """
    found = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        whole = column.combine_chunks() if column.num_chunks else pa.array([], column.type)
        found += [_leaf(path, leaf) for path, leaf in _leaves(ColumnPath((name,)), whole)]
    return found


def _leaves(path: ColumnPath, array: pa.Array) -> Iterator[tuple[ColumnPath, pa.Array]]:
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    kind = array.type
    if pa.types.is_struct(kind) and kind.num_fields:
        for part, child in zip(kind, array.flatten(), strict=True):
            yield from _leaves(path.child(part.name), child)
    elif pa.types.is_map(kind):
        # .keys and .items are the whole child arrays, also of a slice; the offsets say which part of them is meant.
        start, end = (array.offsets[at].as_py() for at in (0, -1))
        yield from _leaves(path.child(KEY), array.keys.slice(start, end - start))
        yield from _leaves(path.child(VALUE), array.items.slice(start, end - start))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(path.child(ELEMENT), array.flatten())
    else:
        yield path, array


def _leaf(path: ColumnPath, array: pa.Array) -> ColumnProfile:
    written = type_text(array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    counts = {"path": path, "type": written, "rows": len(array), "nulls": array.null_count}
    if pa.types.is_struct(array.type) or pa.types.is_null(array.type):
        return ColumnProfile(**counts, distinct=0)
    try:
        encoded = _plain(array).drop_null().dictionary_encode()
    except pa.ArrowNotImplementedError:
        return ColumnProfile(**counts, distinct=0)  # a type that can't be counted is drafted by its name
    distinct = ColumnProfile(**counts, distinct=len(encoded.dictionary))
    return _with_evidence(distinct, encoded)


def _plain(array: pa.Array) -> pa.Array:
    """Views have no kernels to count with; their plain twins do."""
    if pa.types.is_string_view(array.type):
        return array.cast(pa.large_string())
    return array.cast(pa.large_binary()) if pa.types.is_binary_view(array.type) else array


def _with_evidence(bare: ColumnProfile, encoded: pa.DictionaryArray) -> ColumnProfile:
    values, kind = encoded.dictionary, encoded.type.value_type
    base = {name: getattr(bare, name) for name in ("path", "type", "rows", "nulls", "distinct")}
    if not len(values):
        return bare
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ColumnProfile(**base, **_text_evidence(values.cast(pa.string()), encoded.indices))
    if pa.types.is_integer(kind):
        kinds, _ = _kinds(values.cast(pa.string()), encoded.indices)
        return ColumnProfile(**base, kinds=kinds, digits=_digits(encoded))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ColumnProfile(**base, digits=_digits(encoded))
    return bare


def _text_evidence(values: pa.StringArray, indices: pa.Array) -> dict[str, Any]:
    trimmed = pc.utf8_trim_whitespace(values)
    gaps = pc.count_substring_regex(trimmed, r"\s+").take(indices)
    kinds, others = _kinds(trimmed, indices)
    return {
        "kinds": kinds,
        "mentions": _mentions(trimmed, others, indices),
        "max_length": pc.max(pc.utf8_length(values)).as_py(),
        "words": 1.0 + pc.mean(gaps).as_py(),
    }


def _kinds(values: pa.StringArray, indices: pa.Array) -> tuple[dict[str, int], pa.BooleanArray]:
    """Match the distinct values, count the rows; the first kind that matches takes the value. Also: which values are of no kind."""
    left, counts = pc.is_valid(values), {}
    for name, pattern in KINDS.items():
        is_one = pc.and_(left, pc.match_substring_regex(values, f"^(?:{pattern})$"))
        counts[name] = _rows(is_one, indices)
        left = pc.and_not(left, is_one)
    return {name: count for name, count in counts.items() if count}, left


def _mentions(values: pa.StringArray, among: pa.BooleanArray, indices: pa.Array) -> dict[str, int]:
    matches = {name: pc.and_(among, pc.match_substring_regex(values, pattern)) for name, pattern in MENTIONS.items()}
    counts = {name: _rows(match, indices) for name, match in matches.items()}
    return {name: count for name, count in counts.items() if count}


def _rows(matches: pa.BooleanArray, indices: pa.Array) -> int:
    counted: int = pc.sum(matches.take(indices)).as_py() or 0
    return counted


def _digits(encoded: pa.DictionaryArray) -> int | None:
    numbers = encoded.dictionary.cast(pa.float64(), safe=False).take(encoded.indices)
    finite = numbers.filter(pc.is_finite(numbers))
    if not len(finite):
        return None
    return len(str(int(pc.quantile(pc.abs(finite), 0.9)[0].as_py())))
