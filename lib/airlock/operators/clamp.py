"""`clamp`: top and bottom coding alone; what lies between stays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._numbers import Finite, coded, fixed_width, held_steps, like, number_field, scalar, widened

if TYPE_CHECKING:
    from decimal import Decimal

    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Clamp"]


@dataclass(kw_only=True, config=STRICT)
class Clamp(Operator):
    """Everything above `top` becomes `top`, everything below `bottom` becomes `bottom`; the rest and the type stay.

    Guarantee:
        No output is above `top` or below `bottom`, so extremes can't be told apart; what lies between stays as it came.
        Infinity becomes an end like any other number, or stays where there is none; NaN stays NaN.

    Source: ISO/IEC 20889:2018, generalization (top and bottom coding).

    Args:
        bottom: Held by the type exactly (of a floating type: the value nearest to it).
        top: The same. One of them is needed.

    Example:
        >>> hours = Clamp.from_dict({"top": 80})
        >>> hours.kernel(pa.field("hours", pa.int16()), None)(pa.array([38, 80, 99, None], pa.int16())).to_pylist()
        [38, 80, 80, None]
    """

    name: ClassVar[str] = "clamp"
    example: ClassVar[str] = "age: {type: int16, class: quasi_identifier, clamp: {top: 90}}"
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({"top": 90})

    bottom: Finite | None = None
    top: Finite | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.bottom is None and self.top is None:
            raise ValueError("needs bottom or top")
        if self.bottom is not None and self.top is not None and self.bottom >= self.top:
            raise ValueError("bottom must be below top")
        return self

    @property
    def contract(self) -> Contract:
        """Between the ends every number stays as it came."""
        return Contract(technique="generalization: top and bottom coding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: integer, decimal or floating."""
        made = number_field(self.name, field)
        for what, end in (("bottom", self.bottom), ("top", self.top)):
            if end is None:
                continue
            if not pa.types.is_floating(field.type):
                held_steps(self.name, field, what, end)
            elif not np.isfinite(_nearest(end, field.type)):
                raise wrong_type(self.name, field, f"{what} {end} is not a value of this type")
        return made

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Two comparisons."""
        del keys
        kind = field.type
        if pa.types.is_floating(kind):
            low, high = (None if end is None else _nearest(end, kind) for end in (self.bottom, self.top))

            def between(values: pa.Array) -> pa.Array:
                number = fixed_width(values)
                number = number if low is None else np.where(number < low, low, number)
                return like(values, number if high is None else np.where(number > high, high, number))

            return between
        inner = widened(kind)
        ends = [
            None if end is None else scalar(held_steps(self.name, field, "end", end), inner) for end in (self.bottom, self.top)
        ]
        return lambda values: coded(values.cast(inner), *ends).cast(kind)


def _nearest(end: Decimal, kind: pa.DataType) -> np.floating:
    """The value of a floating type nearest to a number."""
    with np.errstate(over="ignore"):
        nearest: np.floating = np.dtype(kind.to_pandas_dtype()).type(float(end))
    return nearest
