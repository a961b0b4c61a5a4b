"""`round`: numbers rounded to the nearest whole multiple of a width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT
from airlock.operators._numbers import Finite, Rounding

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Round"]


@dataclass(kw_only=True, config=STRICT)
class Round(Operator):
    """Round to the nearest whole multiple of `to`, halves to the even one; of the same type, exactly.

    Guarantee:
        Every output is a whole multiple of `to` (of a floating type: the value nearest to one; NaN stays NaN), so numbers
        nearest to one multiple can't be told apart. A number whose multiple the type can't hold, and infinity, is rejected as
        `out-of-range`.

    Source: ISO/IEC 20889:2018, generalization (rounding); halves as in IEEE 754-2019, roundTiesToEven.

    Args:
        to: More than the type's smallest step, and held by it exactly: whole for integers.

    Example:
        >>> wage = Round.from_dict({"to": 100})
        >>> wage.kernel(pa.field("wage", pa.int32()), None)(pa.array([149, 150, 250, -151, None], pa.int32())).to_pylist()
        [100, 200, 200, -200, None]
    """

    name: ClassVar[str] = "round"
    example: ClassVar[str] = "weight: {type: int32, class: sensitive, round: {to: 5}}"
    shorthand: ClassVar[str | None] = "to"

    to: Annotated[Finite, Field(gt=0)]

    @property
    def contract(self) -> Contract:
        """Equal numbers stay equal; different ones may become so."""
        return Contract(technique="generalization: rounding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: integer, decimal or floating."""
        return self._rounding.check(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Arrow's own rounding for integers and decimals, numpy for floating numbers."""
        del keys
        return self._rounding.kernel(field)

    @property
    def _rounding(self) -> Rounding:
        return Rounding(operator=self.name, width=self.to, nearest=True)
