"""`geohash`: a latitude and its longitude to the name of the cell that they lie in."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import ByteColumn, text_array, validity
from airlock.errors import OperatorTypeError
from airlock.operators._base import STRICT, Contract, RowOperator, reject
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.policy.coarse import GEOHASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel

__all__ = ["Geohash"]

_POLE, _HALF_TURN = 90, 180

_BITS = 30
"""Of each coordinate: twelve characters' worth together."""

_A_CHARACTER = 5

_CHUNK = 8_192

_SPREAD = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)
"""Shifts and masks that put a zero bit before each bit of 32."""


@dataclass(kw_only=True, config=STRICT)
class Geohash(RowOperator):
    """Write the geohash of the latitude that the rule stands on and of a longitude: text.

    Guarantee:
        Every output is the name of a cell, `length` characters, so places of one cell can't be told apart: 5 characters are
        4.9 km by 4.9 km at the equator, 4 are 39 by 20, 3 are 156 by 156, 6 are 1.2 by 0.6. A place without a longitude is null.
        What is no latitude or longitude in degrees is rejected as `out-of-range`. The longitude's own column stays what its own
        rule says: drop it, or it tells more than the cell. The first characters of a geohash are a larger cell (`truncate`).

    Source: G. Niemeyer, geohash (2008); ISO/IEC 20889:2018, generalization.

    Args:
        length: How many characters.
        longitude: The longitude's path: of the same row or list element.

    Example:
        >>> places = pa.array([{"value": 57.64911, "lon": 10.40744}])
        >>> Geohash(length=11, longitude="lon").kernel(pa.field("lat", pa.float64()), None)(places).to_pylist()
        ['u4pruydqqvj']
    """

    name: ClassVar[str] = "geohash"
    example: ClassVar[str] = "latitude: {type: double, class: quasi_identifier, geohash: {longitude: longitude, length: 4}}"
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({"length": 4})

    length: int = Field(ge=1, le=12)
    longitude: str = Field(min_length=1)

    @property
    def contract(self) -> Contract:
        """Equal places stay equal; different ones may become so."""
        return Contract(technique="generalization", classes=INDIRECT)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The longitude."""
        return (self.longitude,)

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """The longitude is of floating numbers or decimals, like the latitude."""
        kind = types[self.longitude]
        if not _is_degrees(kind):
            raise OperatorTypeError(
                f"'{self.name}' looks at '{self.longitude}' of type {kind}: it takes floating numbers and decimals, in degrees",
                operator=self.name,
                column=self.longitude,
            )

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text; from floating numbers or decimals."""
        if not _is_degrees(field.type):
            raise wrong_type(self.name, field, "it takes floating numbers and decimals, in degrees")
        return pa.field(field.name, pa.string(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> RowKernel:
        """Both coordinates cut into 2^30 parts, their bits one by one in turn."""
        del field, keys

        def name_cells(rows: pa.StructArray) -> pa.Array:
            latitude, longitude = rows.field("value"), rows.field(self.longitude)
            known = pc.and_(pc.is_valid(latitude), pc.is_valid(longitude))
            absent = ~known.to_numpy(zero_copy_only=False)
            latitudes, longitudes = (_degrees(each, absent) for each in (latitude, longitude))
            # NaN is in no range.
            reject("out-of-range", ~((np.abs(latitudes) <= _POLE) & (np.abs(longitudes) <= _HALF_TURN)))
            cells = [
                self._names(latitudes[at : at + _CHUNK], longitudes[at : at + _CHUNK]) for at in range(0, len(rows), _CHUNK)
            ]
            letters = np.concatenate(cells) if cells else np.zeros(0, np.uint8)
            offsets = np.arange(len(rows) + 1, dtype=np.int64) * self.length
            valid = validity(pc.if_else(known, known, pa.scalar(None, pa.bool_())))
            return text_array(ByteColumn(offsets, letters), valid).cast(pa.string())

        return name_cells

    def _names(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.uint8]:
        cells = _spread(_part(longitudes, _HALF_TURN)) << np.uint64(1) | _spread(_part(latitudes, _POLE))
        letters = np.empty((len(cells), self.length), np.uint8)
        for at in range(self.length):
            last = 2 * _BITS - _A_CHARACTER * (at + 1)
            letters[:, at] = _ALPHABET[(cells >> np.uint64(last)).astype(np.uint8) & 31]
        return letters.reshape(-1)


_ALPHABET = np.frombuffer(GEOHASH.encode(), np.uint8)


def _is_degrees(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _degrees(values: pa.Array, absent: NDArray[np.bool_]) -> NDArray[np.float64]:
    """As floating numbers, zero where the place is not known."""
    return np.where(absent, 0.0, values.cast(pa.float64()).to_numpy(zero_copy_only=False))


def _part(degrees: NDArray[np.float64], furthest: int) -> NDArray[np.uint64]:
    """Which of 2^30 equal parts of the range; its upper end belongs to the last."""
    part = ((degrees + furthest) / (2 * furthest) * (1 << _BITS)).astype(np.uint64)
    return np.minimum(part, np.uint64((1 << _BITS) - 1))


def _spread(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, mask in _SPREAD:
        bits = (bits | bits << np.uint64(shift)) & np.uint64(mask)
    return bits
