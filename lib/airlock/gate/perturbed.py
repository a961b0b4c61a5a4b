"""What can be seen of perturbed values: their type, how many decimals they have, where they lie. Called by `shapes`."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa

from airlock.gate.numbers import multiple_offenders, unscaled
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
    found = multiple_offenders(values, MultipleOf(width=Decimal(1).scaleb(-shape.decimals)))
    if shape.within is None or found.all():  # all: these may be no numbers
        return found
    return found | _beyond(values, *map(Fraction, shape.within))


def _beyond(values: pa.Array, low: Fraction, high: Fraction) -> np.ndarray:
    if pa.types.is_floating(values.type):
        # Ends as the type has them: a written end was rounded to it, too.
        numbers = np.asarray(values)
        ends = [numbers.dtype.type(float(end)) for end in (low, high)]
        return np.asarray((numbers < ends[0]) | (numbers > ends[1]))
    scale = Fraction(10) ** values.type.scale if pa.types.is_decimal(values.type) else Fraction(1)
    numbers = unscaled(values) if pa.types.is_decimal(values.type) else np.asarray(values)
    lowest, highest = -(-low * scale // 1), high * scale // 1
    return np.asarray((numbers < lowest) | (numbers > highest))
