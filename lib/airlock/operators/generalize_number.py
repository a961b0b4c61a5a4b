"""`generalize_number`: numbers rounded down to a whole multiple of a width, with top and bottom coding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import pyarrow as pa
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT
from airlock.operators._numbers import Finite, Rounding, is_multiple

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["GeneralizeNumber"]


@dataclass(kw_only=True, config=STRICT)
class GeneralizeNumber(Operator):
    """Round down to a whole multiple of `width`; of the same type, exactly.

    Guarantee:
        Every output is a whole multiple of `width` (of a floating type: the value nearest to one; NaN stays NaN), so numbers
        between two multiples can't be told apart. With `top`, everything from it on is `top`; with `bottom`, everything below
        it is `bottom`. A number whose multiple the type can't hold, and infinity, is rejected as `out-of-range`.

    Source: ISO/IEC 20889:2018, generalization (rounding; top and bottom coding).

    Args:
        width: More than the type's smallest step, and held by it exactly: whole for integers.
        bottom: A multiple of `width`.
        top: A multiple of `width`.

    Example:
        >>> ages = GeneralizeNumber.from_dict({"width": 10, "top": 90})
        >>> ages.kernel(pa.field("age", pa.int8()), None)(pa.array([39, 40, 103, None], pa.int8())).to_pylist()
        [30, 40, 90, None]
    """

    name: ClassVar[str] = "generalize_number"
    example: ClassVar[str] = "income: {type: int32, class: sensitive, generalize_number: {width: 1000, top: 200000}}"

    width: Annotated[Finite, Field(gt=0)]
    bottom: Finite | None = None
    top: Finite | None = None

    @model_validator(mode="after")
    def _ends_are_multiples(self) -> Self:
        for what, end in (("bottom", self.bottom), ("top", self.top)):
            if end is not None and not is_multiple(end, self.width):
                raise ValueError(f"{what} must be a whole multiple of width")
        if self.bottom is not None and self.top is not None and self.bottom >= self.top:
            raise ValueError("bottom must be below top")
        return self

    @property
    def contract(self) -> Contract:
        """Equal numbers stay equal; different ones may become so."""
        ends = self.bottom is not None or self.top is not None
        return Contract(technique="generalization: rounding" + (", top and bottom coding" if ends else ""), classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: integer, decimal or floating."""
        return self._rounding.check(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Arrow's own rounding for integers and decimals, numpy for floating numbers."""
        del keys
        return self._rounding.kernel(field)

    @property
    def _rounding(self) -> Rounding:
        return Rounding(operator=self.name, width=self.width, bottom=self.bottom, top=self.top)
