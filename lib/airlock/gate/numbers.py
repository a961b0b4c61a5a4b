"""Multiples of a width, exactly: integers and decimals on their unscaled words, floats by rounding once. Called by `shapes`; and
what of a column is whole numbers, for ids are often stored as floats or decimals. Called by `chance` and the uniqueness check.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pyarrow as pa

from airlock.gate.buffers import words
from airlock.policy.formats import Between, MultipleOf

__all__ = ["between_offenders", "multiple_offenders", "unscaled", "whole_numbers"]

_INT64 = 1 << 63
_BEYOND = 10.0**19
"""No id has more digits than nineteen; floats of this size and more are all whole."""


def multiple_offenders(values: pa.Array, shape: MultipleOf) -> np.ndarray:
    """True where a number is not a whole multiple of the width; other types are never.

    Example:
        >>> from decimal import Decimal
        >>> multiple_offenders(pa.array([0, -200, 250]), MultipleOf(width=Decimal(100))).tolist()
        [False, False, True]
    """
    width = Fraction(shape.width)
    outside = _outside(values, shape.low, shape.high)
    if pa.types.is_floating(values.type):
        return _float_offenders(values, width) | outside
    if pa.types.is_decimal(values.type):
        return _off(unscaled(values), width * Fraction(10) ** values.type.scale) | outside
    if pa.types.is_integer(values.type):
        return _off(np.asarray(values), width) | outside
    return np.ones(len(values), bool)


def between_offenders(values: pa.Array, shape: Between) -> np.ndarray:
    """True where a number lies outside; other types are never inside.

    Example:
        >>> between_offenders(pa.array([-1, 0, 9]), Between(low=None, high=Decimal(8))).tolist()
        [False, False, True]
    """
    return _outside(values, shape.low, shape.high)


def _outside(values: pa.Array, low: Decimal | None, high: Decimal | None) -> np.ndarray:
    kind, ends = values.type, (low, high)
    if pa.types.is_floating(kind):
        numbers = np.asarray(values)
        below, above = (None if end is None else numbers.dtype.type(float(end)) for end in ends)
    elif pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        numbers = unscaled(values) if pa.types.is_decimal(kind) else np.asarray(values)
        scale = Fraction(10) ** getattr(kind, "scale", 0)
        below = None if low is None else ceil(Fraction(low) * scale)
        above = None if high is None else floor(Fraction(high) * scale)
    else:
        return np.ones(len(values), bool)
    off = np.zeros(len(values), bool)
    # NaN is on neither side.
    off |= False if below is None else np.asarray(numbers < below)
    off |= False if above is None else np.asarray(numbers > above)
    return off


def whole_numbers(values: pa.Array) -> np.ndarray | None:
    """True where a number is whole, whatever its type (no nulls in `values`; NaN is not); None for other types.

    Example:
        >>> whole_numbers(pa.array([7.0, 7.5, float("nan")])).tolist()
        [True, False, False]
    """
    if pa.types.is_integer(values.type) or (pa.types.is_decimal(values.type) and values.type.scale <= 0):
        return np.ones(len(values), bool)
    if pa.types.is_floating(values.type):
        floats = np.asarray(values).astype(np.float64)
        with np.errstate(invalid="ignore"):
            return (np.floor(floats) == floats) & (np.abs(floats) < _BEYOND)
    if pa.types.is_decimal(values.type):
        return ~_off(unscaled(values), Fraction(10) ** values.type.scale)
    return None


def unscaled(values: pa.Array) -> np.ndarray:
    """The unscaled integers of decimals without nulls: int64 where all fit, Python integers otherwise."""
    bits = values.type.bit_width
    if bits <= 64:  # noqa: PLR2004
        return words(values)[:, 0].astype(np.int32 if bits == 32 else np.int64).astype(np.int64)  # noqa: PLR2004
    limbs = words(values)
    low = limbs[:, 0].astype(np.int64)
    if ((low >> 63)[:, None] == limbs[:, 1:].astype(np.int64)).all():
        return low
    whole = limbs[:, -1].astype(np.int64).astype(object)
    for limb in range(limbs.shape[1] - 2, -1, -1):
        whole = whole * (1 << 64) + limbs[:, limb].astype(object)
    return whole


def _off(numbers: np.ndarray, width: Fraction) -> np.ndarray:
    # v is a multiple of p/q in lowest terms exactly where p divides v.
    step = width.numerator
    if numbers.dtype != object and step < _INT64:
        return np.asarray(numbers % numbers.dtype.type(step) != 0) if _fits(numbers, step) else np.asarray(numbers != 0)
    return np.asarray(numbers.astype(object) % step != 0)


def _fits(numbers: np.ndarray, step: int) -> bool:
    return step <= np.iinfo(numbers.dtype).max


def _float_offenders(values: pa.Array, width: Fraction) -> np.ndarray:
    kept = np.asarray(values)
    exact = kept.astype(np.float64)
    above, below = float(width.numerator), float(width.denominator)
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = np.rint(exact * below / above) * above / below
        return ~((nearest.astype(kept.dtype) == kept) | np.isnan(kept)) | np.isinf(kept)
