"""Numbers and moments counted in whole steps: how values of every type become 64-bit integers, and back. Called by `add_noise`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.crypto.columns import nulls
from airlock.operators._moments import moments_of, ticks_of_a_day, ticks_of_a_second
from airlock.operators._numbers import EXACT
from airlock.operators._per_subject import Bools, int64_ticks, moments_like

__all__ = ["Counted", "Steps"]

_DIGITS = 38
"""Of a decimal of 128 bits."""

_WIDEST = 1 << 62
"""No count is further from zero, so that noise can be added in 64 bits."""


class Counted(NamedTuple):
    """Values as counts. At nulls, and where `outside` or `apart` is true, the count is zero and means nothing.

    Attributes:
        outside: Too far from zero to be counted, or infinite.
        apart: NaN.
    """

    counts: NDArray[np.int64]
    null: Bools
    outside: Bools
    apart: Bools


@dataclass(frozen=True, slots=True)
class Steps:
    """A type's values in whole steps: of 10^-`decimals` for numbers, a day for dates, a second for timestamps.

    Attributes:
        kind: An integer, floating, decimal, date or timestamp type.
        decimals: Of numbers.
    """

    kind: pa.DataType
    decimals: int = 0

    def count(self, values: pa.Array) -> Counted:
        """Values in steps: numbers to the nearest (halves to even), moments down.

        Example:
            >>> Steps(pa.float64(), 1).count(pa.array([0.26, None])).counts.tolist()
            [3, 0]
        """
        null = nulls(values)
        if pa.types.is_floating(self.kind):
            return self._count_floats(values, null)
        if pa.types.is_temporal(self.kind):
            return Counted(int64_ticks(values) // self._ticks, null, np.zeros(len(null), bool), np.zeros(len(null), bool))
        counts, fits = self._whole(values)
        outside = ~null & ~(fits & (counts < _WIDEST) & (counts > -_WIDEST))
        return Counted(np.where(outside | null, 0, counts), null, outside, np.zeros(len(null), bool))

    def _count_floats(self, values: pa.Array, null: Bools) -> Counted:
        numbers = np.where(null, 0.0, values.to_numpy(zero_copy_only=False).astype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            counts = np.rint(numbers * 10.0**self.decimals)
            apart = np.isnan(counts)
            outside = np.abs(counts) >= EXACT
        return Counted(np.where(apart | outside, 0.0, counts).astype(np.int64), null, outside, apart)

    def _whole(self, values: pa.Array) -> tuple[NDArray[np.int64], Bools]:
        """Integers and decimals as 64-bit integers, and where these hold them."""
        if pa.types.is_decimal(self.kind):
            return self._unscaled(values)
        numbers = np.asarray(pc.fill_null(values, 0))
        return numbers.astype(np.int64), numbers < _WIDEST if numbers.dtype == np.uint64 else np.ones(len(numbers), bool)

    def _unscaled(self, values: pa.Array) -> tuple[NDArray[np.int64], Bools]:
        # Rounding may need one digit more: 128 bits have none left where the precision is 38.
        full = self.kind.precision == _DIGITS
        words, kind = (4, pa.decimal256) if full else (2, pa.decimal128)
        digits = 2 * _DIGITS if full else _DIGITS
        wide = pc.fill_null(values.cast(kind(digits, self.kind.scale)), pa.scalar(0, kind(digits, self.kind.scale)))
        if self.kind.scale > self.decimals:
            wide = pc.round(wide, ndigits=self.decimals, round_mode="half_to_even").cast(kind(digits, self.decimals))
        limbs = np.frombuffer(wide.buffers()[1], np.int64).reshape(-1, words)[wide.offset : wide.offset + len(wide)]
        return limbs[:, 0], (limbs[:, 1:] == (limbs[:, :1] >> 63)).all(axis=1)

    def outside(self, counts: NDArray[np.int64]) -> Bools:
        """Where the type does not hold so many steps."""
        low, high = self._limits()
        return (counts < low) | (counts > high)

    def _limits(self) -> tuple[int, int]:
        kind, edge = self.kind, _WIDEST - 1
        if pa.types.is_temporal(kind):
            first, last = moments_of(kind)
            return -(-first // self._ticks), last // self._ticks
        if pa.types.is_decimal(kind):
            most = min(edge, (10**kind.precision - 1) // 10 ** (kind.scale - self.decimals))
            return -most, most
        if pa.types.is_floating(kind):
            most = min(EXACT - 1, int(np.finfo(kind.to_pandas_dtype()).max) * 10**self.decimals)
            return -most, most
        info = np.iinfo(kind.to_pandas_dtype())
        return max(-edge, int(info.min)), min(edge, int(info.max))

    def values(self, counts: NDArray[np.int64], null: Bools, apart: Bools) -> pa.Array:
        """Counts, none of them `outside`, as values of the type; null and NaN where these say so."""
        kind = self.kind
        if pa.types.is_temporal(kind):
            return moments_like(counts * self._ticks, kind, null)
        if pa.types.is_floating(kind):
            # One correctly rounded division, so that a value is the nearest to its decimal form.
            numbers = np.where(apart, np.nan, counts / 10.0**self.decimals).astype(kind.to_pandas_dtype())
            return pa.array(numbers, kind, mask=null, from_pandas=False)
        if pa.types.is_integer(kind):
            return pa.array(counts.astype(kind.to_pandas_dtype()), kind, mask=null)
        return _decimals(np.where(null, 0, counts), null, self.decimals).cast(kind)

    @property
    def _ticks(self) -> int:
        """Ticks of a step of moments."""
        return ticks_of_a_second(self.kind) if pa.types.is_timestamp(self.kind) else ticks_of_a_day(self.kind)


def _decimals(counts: NDArray[np.int64], null: Bools, scale: int) -> pa.Array:
    limbs = np.empty(2 * len(counts), np.int64)
    limbs[0::2], limbs[1::2] = counts, counts >> 63
    valid = pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None
    return pa.Array.from_buffers(pa.decimal128(38, scale), len(counts), [valid, pa.py_buffer(limbs)])
