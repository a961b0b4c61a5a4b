"""`geo_grid`: a coordinate in degrees taken to the lower edge of its grid cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._numbers import Finite, Rounding

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["GeoGrid"]

_HALF_TURN = 180


@dataclass(kw_only=True, config=STRICT)
class GeoGrid(Operator):
    """Take a latitude or longitude in degrees to the lower edge (south, west) of its cell; the type stays.

    Guarantee:
        Every output is a whole multiple of `cell` between -180 and 180, so coordinates of one cell can't be told apart; both
        coordinates of a place need the operator. A degree of latitude is 111 km everywhere, one of longitude as much at the
        equator and nothing at the poles: cells narrow towards them. What is no angle between -180 and 180 is rejected as
        `out-of-range`; NaN stays NaN.

    Source: ISO/IEC 20889:2018, generalization (rounding).

    Args:
        cell: The width of a cell in degrees: 1, 0.5, "0.1"; 180 is a whole multiple of it.

    Example:
        >>> grid = GeoGrid.from_dict({"cell": 0.1})
        >>> grid.kernel(pa.field("latitude", pa.float64()), None)(pa.array([52.5163, -0.05, None])).to_pylist()
        [52.5, -0.1, None]
    """

    name: ClassVar[str] = "geo_grid"
    example: ClassVar[str] = 'latitude: {type: double, class: quasi_identifier, geo_grid: {cell: "0.1"}}'
    shorthand: ClassVar[str | None] = "cell"

    cell: Annotated[Finite, Field(gt=0, le=90)]

    @property
    def contract(self) -> Contract:
        """Equal coordinates stay equal; different ones may become so."""
        return Contract(technique="generalization: rounding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: floating or decimal."""
        if pa.types.is_integer(field.type):
            raise wrong_type(
                self.name, field, "it takes floating numbers and decimals, in degrees; generalize_number takes integers"
            )
        return self._rounding.check(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Rounding down, within half a turn."""
        del keys
        return self._rounding.kernel(field)

    @property
    def _rounding(self) -> Rounding:
        return Rounding(operator=self.name, width=self.cell, limit=_HALF_TURN)
