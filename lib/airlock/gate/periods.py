"""First moments of periods, in local time where a timestamp has a zone. Called by `shapes`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.policy.formats import PeriodStart

__all__ = ["period_offenders"]

_COARSE = {"year": ("Y", 1, 0), "decade": ("Y", 10, 0), "quarter": ("M", 3, 0), "month": ("M", 1, 0), "week": ("D", 7, 3),
           "day": ("D", 1, 0), "hour": ("h", 1, 0)}  # fmt: skip
"""numpy's unit, how many of them, and the shift: day 0 of numpy is a Thursday, a year that ten divides, and a quarter's first."""


def period_offenders(values: pa.Array, shape: PeriodStart) -> np.ndarray:
    """True where a date or timestamp is not the first moment of its period; of other types every value is.

    Example:
        >>> import datetime as dt
        >>> days = pa.array([dt.date(1970, 1, 1), dt.date(1969, 12, 31), dt.date(2024, 7, 1)])
        >>> period_offenders(days, PeriodStart(unit="year")).tolist()
        [False, True, True]
    """
    if not (pa.types.is_date(values.type) or pa.types.is_timestamp(values.type)) or shape.unit not in _COARSE:
        return np.ones(len(values), bool)
    encoded = values.dictionary_encode()
    distinct = encoded.dictionary
    # The first moment is where the period differs from the one a tick earlier; that holds in gaps and doubled hours too.
    bits = pa.int32() if pa.types.is_date32(values.type) else pa.int64()
    ticks = np.asarray(distinct.view(bits))
    earlier = pa.array(ticks - 1).view(values.type)
    here, before = (_period(_local(each), shape.unit) for each in (distinct, earlier))
    off = here <= before
    if shape.earliest is not None:
        off |= here < _period(np.array([shape.earliest], "M8[D]"), shape.unit)
    return np.asarray(off)[np.asarray(encoded.indices)]


def _local(values: pa.Array) -> np.ndarray:
    if pa.types.is_timestamp(values.type):
        zoned = pc.local_timestamp(values) if values.type.tz else values
        return np.asarray(zoned.view(pa.int64())).view(f"M8[{values.type.unit}]")
    if pa.types.is_date32(values.type):
        return np.asarray(values.view(pa.int32())).astype("M8[D]")
    return np.asarray(values.view(pa.int64())).view("M8[ms]")


def _period(moments: np.ndarray, unit: str) -> np.ndarray:
    name, many, shift = _COARSE[unit]
    return (moments.astype(f"M8[{name}]").astype(np.int64) + shift) // many
