"""One text a row for a leaf inside lists or maps, so that rows with equal lists are equal. Called by the classes check."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.leaves import as_list
from airlock.policy.path import ColumnPath, Step

__all__ = ["row_text"]

_NULL = "\\0"
_INNER = {"[]": None, "{key}": 0, "{value}": 1}


def row_text(column: pa.Array, path: ColumnPath) -> pa.Array:
    r"""The leaf's values of each row, in order, escaped and in brackets; nulls are not empty lists.

    Example:
        >>> row_text(pa.array([["a", None], [], None, ["b,c"]]), ColumnPath.parse("tags[]")).to_pylist()
        ['[a,\\0,]', '[]', '\\0', '[b\\,c,]']
    """
    return _text(column, path.steps[1:])


def _text(array: pa.Array, steps: tuple[Step, ...]) -> pa.Array:
    if not steps:
        return _escaped(array)
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        return _text(array.flatten()[array.type.get_field_index(step)], rest)
    listed = as_list(array) if pa.types.is_map(array.type) else array
    inner = listed.flatten()
    place = _INNER[step.value]
    texts = _text(inner if place is None else inner.flatten()[place], rest)
    lengths = np.asarray(listed.value_lengths().fill_null(0))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    # A comma after each value, not between them: a list of one empty text is not an empty list.
    ended = pc.binary_join_element_wise(texts, ",", "")
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), ended), "")
    return pc.if_else(listed.is_valid(), pc.binary_join_element_wise("[", joined, "]", ""), _NULL)


def _escaped(array: pa.Array) -> pa.Array:
    text = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    text = text.cast(pa.string())
    for special in ("\\", ",", "[", "]"):
        text = pc.replace_substring(text, special, "\\" + special)
    return text.fill_null(_NULL)
