"""Small columnar builders from numpy to Arrow, shared by the demo's tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo.draws import Mask

__all__ = ["blank", "dates", "decimals", "digits", "joined", "lists", "offsets", "timestamps"]

Integers = npt.NDArray[np.int64]


def blank(array: pa.Array, nulls: Mask) -> pa.Array:
    """`array` with null where `nulls` is true."""
    return pc.if_else(pa.array(~nulls), array, pa.scalar(None, array.type))


def joined(*parts: Any) -> pa.Array:
    """Texts put together row by row; a null part makes a null. Parts are text arrays and plain texts."""
    return pc.binary_join_element_wise(*parts, "")


def digits(numbers: npt.NDArray[Any], width: int = 1) -> pa.Array:
    """Whole numbers as decimal text, with leading zeros up to `width`.

    Example:
        >>> digits(np.array([7, 123]), 3).to_pylist()
        ['007', '123']
    """
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, padding="0")


def decimals(cents: Integers, precision: int) -> pa.Array:
    """Hundredths as `decimal128(precision, 2)`.

    Example:
        >>> [str(value) for value in decimals(np.array([5, -1234]), 12)]
        ['0.05', '-12.34']
    """
    words = np.column_stack([cents, cents >> 63])
    return pa.Array.from_buffers(pa.decimal128(precision, 2), len(cents), [None, pa.py_buffer(np.ascontiguousarray(words))])


def dates(days: npt.NDArray[Any]) -> pa.Array:
    """Days since 1970-01-01 as date32."""
    return pa.array(days.astype(np.int32)).view(pa.date32())


def timestamps(ticks: Integers, unit: str) -> pa.Array:
    """Ticks of `unit` since 1970-01-01 as a UTC timestamp."""
    return pa.array(ticks).view(pa.timestamp(unit, tz="UTC"))


def offsets(counts: Integers) -> npt.NDArray[np.int32]:
    """Arrow list offsets for lists of these lengths."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def lists(counts: Integers, elements: pa.Array, nulls: Mask | None = None) -> pa.Array:
    """Lists of these lengths over `elements`; a null list must have length 0."""
    mask = None if nulls is None else pa.array(nulls)
    return pa.ListArray.from_arrays(pa.array(offsets(counts)), elements, mask=mask)
