"""Surrogates, taken apart at their separators and looked up in their pools. Called by `shapes`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.policy.formats import FromPool
from airlock.policy.pools import Form, Part, form

__all__ = ["pool_offenders"]


def pool_offenders(values: pa.Array, shape: FromPool) -> np.ndarray:
    """True where a value is not put together from the pools of its kind; numbers are judged by their text.

    Example:
        >>> pool_offenders(pa.array(["Anna Smith", "Anna of Cleves"]), FromPool(kind="full_name", locale="en_US")).tolist()
        [False, True]
    """
    return ~_fits(values.cast(pa.string()), form(shape.kind, shape.locale, shape.gender))


def _fits(values: pa.Array, of: Form) -> np.ndarray:
    if isinstance(of, Part):
        return np.asarray(pc.is_in(values, value_set=of.texts))
    sides = pc.split_pattern(values, pattern=of.separator, max_splits=1, reverse=of.rightmost)
    cut = np.asarray(pc.list_value_length(sides)) == 2  # noqa: PLR2004 - both sides of the separator
    at = np.asarray(sides.offsets)[:-1][cut]
    fits = np.zeros(len(values), bool)
    left, right = sides.values.take(pa.array(at)), sides.values.take(pa.array(at + 1))
    fits[cut] = _fits(left, of.left) & _fits(right, of.right)
    return fits
