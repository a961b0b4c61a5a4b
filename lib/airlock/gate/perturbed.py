"""What can be seen of perturbed values: their type, how many decimals they have, where they lie. Called by `shapes`."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa

from airlock.gate.numbers import multiple_offenders
from airlock.policy.formats import MultipleOf, Perturbed

__all__ = ["perturbed_offenders"]


def perturbed_offenders(values: pa.Array, shape: Perturbed) -> np.ndarray:
    """True where a value is of another kind, has more decimals, or lies outside; NaN lies nowhere and passes.

    Example:
        >>> perturbed_offenders(pa.array([0, 121, -1]), Perturbed(kind="number", within=(Decimal(0), Decimal(120)))).tolist()
        [False, True, True]
    """
    if shape.kind == "moment":
        moment = pa.types.is_date(values.type) or pa.types.is_timestamp(values.type)
        return np.full(len(values), not moment)
    low, high = shape.within or (None, None)
    return multiple_offenders(values, MultipleOf(width=Decimal(1).scaleb(-shape.decimals), low=low, high=high))
