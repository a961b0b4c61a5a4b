"""`interval`: numbers and dates to the label of the interval they lie in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import nulls
from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._fields import INDIRECT, wrong_type
from airlock.operators._numbers import fixed_width, held_steps, number_field, scalar
from airlock.policy.formats import listed_text
from airlock.policy.intervals import Break, interval_labels, read_break

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

    Ticks = Callable[[pa.Array], NDArray[Any]]

__all__ = ["Interval"]

_End = Annotated[Break, PlainValidator(read_break), PlainSerializer(str), WithJsonSchema({"type": ["number", "string"]})]

_WORD = 18
"""Decimals of so many digits fit in 64 bits."""


@dataclass(kw_only=True, config=STRICT)
class Interval(Operator):
    """Write the label of the interval in which a number or date lies: text.

    Guarantee:
        No output is anything but one of the labels, so numbers of one interval can't be told apart. Intervals hold their lower
        end and not their upper one; the first is open below, the last above. NaN is rejected as `not-a-number`.

    Source: ISO/IEC 20889:2018, generalization (rounding; top and bottom coding).

    Args:
        breaks: The ends, rising: numbers that the type holds exactly (of a floating type: the values nearest to them), or dates.
        labels: One more than there are breaks. By default `<18`, `[18, 65)` and `>=65`, whatever the type.

    Example:
        >>> ages = Interval.from_dict({"breaks": [18, 65], "labels": ["minor", "adult", "senior"]})
        >>> ages.kernel(pa.field("age", pa.int8()), None)(pa.array([17, 18, 65, None], pa.int8())).to_pylist()
        ['minor', 'adult', 'senior', None]
    """

    name: ClassVar[str] = "interval"
    example: ClassVar[str] = "age: {type: int16, class: quasi_identifier, interval: {breaks: [18, 40, 65, 90]}}"
    shorthand: ClassVar[str | None] = "breaks"
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({"breaks": [18, 65]})

    breaks: tuple[_End, ...] = Field(min_length=1)
    labels: tuple[Annotated[str, BeforeValidator(listed_text)], ...] | None = None

    @model_validator(mode="after")
    def _labels_fit(self) -> Self:
        interval_labels(self.breaks, self.labels)
        return self

    @property
    def contract(self) -> Contract:
        """Equal numbers stay equal; different ones may become so."""
        return Contract(technique="generalization: rounding, top and bottom coding", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text; from integers, decimals, floating numbers or date32."""
        self._place(field)
        return pa.field(field.name, pa.string(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """A binary search among the breaks; wide decimals are compared with each."""
        del keys
        labels, place = pa.array(interval_labels(self.breaks, self.labels), pa.string()), self._place(field)

        def label(values: pa.Array) -> pa.Array:
            null = nulls(values)
            if pa.types.is_floating(values.type):
                reject("not-a-number", np.isnan(fixed_width(values)) & ~null)
            return labels.take(pa.array(place(values), mask=null if null.any() else None))

        return label

    def _place(self, field: pa.Field) -> Ticks:
        """From values to the number of breaks that are not above each.

        Raises:
            OperatorTypeError: The type does not hold the breaks.
        """
        kind = field.type
        if not isinstance(self.breaks[0], Decimal):
            return self._place_of_dates(field)
        number_field(self.name, field)
        if pa.types.is_floating(kind):
            ends: NDArray[Any] = np.array([float(each) for each in self._numbers]).astype(kind.to_pandas_dtype())
            if not np.isfinite(ends).all() or (np.diff(ends) <= 0).any():
                raise wrong_type(self.name, field, "it can't tell the breaks apart")
            return lambda values: np.searchsorted(ends, fixed_width(values), side="right")
        steps = [held_steps(self.name, field, "break", each) for each in self._numbers]
        if pa.types.is_decimal(kind) and kind.precision > _WORD:
            return _by_comparison([scalar(each, kind) for each in steps])
        ends = np.array(steps, np.int64 if pa.types.is_decimal(kind) else kind.to_pandas_dtype())
        ticks = _unscaled if pa.types.is_decimal(kind) else fixed_width
        return lambda values: np.searchsorted(ends, ticks(values), side="right")

    def _place_of_dates(self, field: pa.Field) -> Ticks:
        if field.type != pa.date32():
            raise wrong_type(self.name, field, "breaks that are dates are for date32")
        ends = np.array([each for each in self.breaks if isinstance(each, dt.date)], "M8[D]").astype(np.int32)
        return lambda values: np.searchsorted(ends, fixed_width(values), side="right")

    @property
    def _numbers(self) -> list[Decimal]:
        return [each for each in self.breaks if isinstance(each, Decimal)]


def _unscaled(values: pa.Array) -> NDArray[np.int64]:
    """Decimals of at most 18 digits as integers: their low words."""
    bits = values.type.bit_width
    if not len(values):
        return np.zeros(0, np.int64)
    size = min(bits, 64)
    every = bits // size
    words = np.frombuffer(values.buffers()[1], f"<i{size // 8}")[::every]
    return words[values.offset : values.offset + len(values)].astype(np.int64)


def _by_comparison(ends: list[pa.Scalar]) -> Ticks:
    def place(values: pa.Array) -> NDArray[Any]:
        count = np.zeros(len(values), np.int64)
        for end in ends:
            count += pc.fill_null(pc.greater_equal(values, end), fill_value=False).to_numpy(zero_copy_only=False)
        return count

    return place
