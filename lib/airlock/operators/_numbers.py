"""Numbers of every type, exactly: what a column's type holds, rounding to multiples, coding at both ends, fixed-width buffers.

Called by the operators on numbers and dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from airlock.crypto.columns import validity
from airlock.operators._base import reject
from airlock.operators._fields import plain_field, wrong_type

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["EXACT", "Finite", "Rounding", "coded", "fixed_width", "held_steps", "in_steps", "is_multiple", "like", "number_field", "scalar", "widened"]  # fmt: skip

EXACT = 1 << 53
"""Below it a float64 holds every whole number, so a whole float stands for one number only."""

Finite = Annotated[Decimal, Field(allow_inf_nan=False)]
"""A number of a policy."""


def number_field(operator: str, field: pa.Field) -> pa.Field:
    """The field of an operator that turns numbers into numbers of the same type.

    Raises:
        OperatorTypeError: The column is not of integers, decimals or floating numbers.
    """
    kind = field.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise wrong_type(operator, field, "it takes integers, decimals and floating numbers")
    if getattr(kind, "scale", 0) < 0:
        raise wrong_type(operator, field, "decimals with a negative scale are not supported")
    return plain_field(field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """To whole multiples of a width, down or to the nearest (half to even); the type stays.

    Attributes:
        operator: Whose rounding it is, for messages.
        bottom: Everything below it becomes it first; a multiple of `width`.
        top: Everything from it on becomes it first.
        limit: Numbers further from zero are rejected.
    """

    operator: str
    width: Decimal
    nearest: bool = False
    bottom: Decimal | None = None
    top: Decimal | None = None
    limit: int | None = None

    def check(self, field: pa.Field) -> pa.Field:
        """The field that comes out.

        Raises:
            OperatorTypeError: The type can't hold width, bottom or top, or every number is a multiple of the width.
        """
        made = number_field(self.operator, field)
        if pa.types.is_floating(field.type):
            self._ratio(field)
            return made
        width = held_steps(self.operator, field, "width", self.width)
        for what, end in (("bottom", self.bottom), ("top", self.top)):
            if end is not None:
                held_steps(self.operator, field, what, end)
        if width == 1:
            message = "every number of this type is a multiple of the width, nothing would change"
            raise wrong_type(self.operator, field, message)
        return made

    def kernel(self, field: pa.Field) -> Kernel:
        """Arrow's own rounding for integers and decimals, numpy for floating numbers."""
        return self._floating_kernel(field) if pa.types.is_floating(field.type) else self._exact_kernel(field)

    def _exact_kernel(self, field: pa.Field) -> Kernel:
        inner = widened(field.type)
        width = held_steps(self.operator, field, "width", self.width)
        steps = (width, *self._accepted(field, width))
        multiple, lowest, highest = (scalar(n, inner) for n in steps)
        bottom, top = (None if end is None else scalar(_whole_steps(end, inner), inner) for end in (self.bottom, self.top))
        mode = "half_to_even" if self.nearest else "down"

        def round_exactly(values: pa.Array) -> pa.Array:
            number = coded(values.cast(inner), bottom, top)
            reject("out-of-range", pc.or_(pc.less(number, lowest), pc.greater(number, highest)))
            return pc.round_to_multiple(number, multiple=multiple, round_mode=mode).cast(field.type)

        return round_exactly

    def _accepted(self, field: pa.Field, width: int) -> tuple[int, int]:
        """The first and last number, in steps, whose multiple the type holds and that the limit lets in."""
        smallest, largest = _limits(field.type)
        low, high = -(-smallest // width), largest // width
        if self.nearest:
            # Half a width further out rounds back in; the very half only if the last multiple is the even one.
            smallest, largest = (
                max(smallest, low * width - _reach(width, low)),
                min(largest, high * width + _reach(width, high)),
            )
        else:
            smallest = low * width
        if self.limit is None:
            return smallest, largest
        limit = self.limit * 10 ** getattr(field.type, "scale", 0)
        return max(smallest, -limit), min(largest, limit)

    def _ratio(self, field: pa.Field) -> tuple[int, int]:
        """The width as a fraction of two integers that floating numbers hold exactly."""
        above, below = self.width.as_integer_ratio()
        if max(above, below) >= EXACT:
            raise wrong_type(self.operator, field, f"width {self.width} has too many digits for a floating type")
        return above, below

    def _floating_kernel(self, field: pa.Field) -> Kernel:
        above, below = self._ratio(field)
        kind = np.dtype(field.type.to_pandas_dtype())
        bottom, top = (None if end is None else np.float64(kind.type(float(end))) for end in (self.bottom, self.top))
        beyond = EXACT / below if self.limit is None else min(EXACT / below, np.nextafter(self.limit, np.inf))

        def multiple(count: NDArray[np.float64]) -> NDArray[Any]:
            # One correctly rounded division: 3 x 0.1 is 0.3, not 0.30000000000000004.
            return (count * above / below).astype(kind)

        def counted(number: NDArray[np.float64]) -> NDArray[np.float64]:
            if self.nearest:
                return np.rint(number * below / above)
            count = np.floor(number * below / above)
            # The quotient may have been rounded across a multiple, either way.
            count += multiple(count + 1) <= number
            count -= multiple(count) > number
            return count

        def round_floats(values: pa.Array) -> pa.Array:
            null = pc.is_null(values).to_numpy(zero_copy_only=False)
            number = np.where(null, 0.0, fixed_width(values).astype(np.float64))
            infinite = np.isinf(number)
            number = number if bottom is None else np.where(number < bottom, bottom, number)
            number = number if top is None else np.where(number >= top, top, number)
            with np.errstate(over="ignore", invalid="ignore"):
                rounded = multiple(counted(number)) + kind.type(0)
            reject("out-of-range", infinite | (np.abs(number) >= beyond) | (np.isinf(rounded) & ~infinite))
            return like(values, rounded)

        return round_floats


def fixed_width(values: pa.Array) -> NDArray[Any]:
    """The numbers or ticks of a column as its buffer holds them; what stands at a null means nothing.

    Example:
        >>> fixed_width(pa.array([1, 2, 3], pa.int8()).slice(1)).tolist()
        [2, 3]
    """
    kind = (
        np.dtype(f"i{values.type.bit_width // 8}")
        if pa.types.is_temporal(values.type)
        else np.dtype(values.type.to_pandas_dtype())
    )
    if not len(values):
        return np.zeros(0, kind)
    return np.frombuffer(values.buffers()[1], kind)[values.offset : values.offset + len(values)]


def like(values: pa.Array, made: NDArray[Any], data_type: pa.DataType | None = None) -> pa.Array:
    """An array over `made`, null where `values` is; of their type unless another is given."""
    buffers = [validity(values), pa.py_buffer(np.ascontiguousarray(made))]
    return pa.Array.from_buffers(values.type if data_type is None else data_type, len(values), buffers)


def is_multiple(number: Decimal, width: Decimal) -> bool:
    """Whether a number is a whole multiple of a width, exactly."""
    (above, below), (width_above, width_below) = number.as_integer_ratio(), width.as_integer_ratio()
    return above * width_below % (below * width_above) == 0


def in_steps(number: Decimal, data_type: pa.DataType) -> tuple[int, int]:
    """A number counted in the type's smallest step, rounded down, and what is left over (zero where the type can hold it)."""
    above, below = number.as_integer_ratio()
    return divmod(above * 10 ** getattr(data_type, "scale", 0), below)


def held_steps(operator: str, field: pa.Field, what: str, number: Decimal) -> int:
    """A number counted in the smallest step of an integer or decimal type.

    Raises:
        OperatorTypeError: The type does not hold the number.
    """
    steps, rest = in_steps(number, field.type)
    smallest, largest = _limits(field.type)
    if rest or not smallest <= steps <= largest:
        raise wrong_type(operator, field, f"{what} {number} is not a value of this type")
    return steps


def scalar(steps: int, data_type: pa.DataType) -> pa.Scalar:
    """The number of so many smallest steps, of an integer or decimal type."""
    if not pa.types.is_decimal(data_type):
        return pa.scalar(steps, data_type)
    # Built from digits: Decimal's operators would round to 28 of them.
    return pa.scalar(Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -data_type.scale)), data_type)


def coded(values: pa.Array, bottom: pa.Scalar | None, top: pa.Scalar | None) -> pa.Array:
    """Everything below `bottom` becomes it, and everything from `top` on."""
    if bottom is not None:
        values = pc.if_else(pc.less(values, bottom), bottom, values)
    if top is not None:
        values = pc.if_else(pc.greater_equal(values, top), top, values)
    return values


def widened(data_type: pa.DataType) -> pa.DataType:
    """The same, of decimals at least 128 bits wide: Arrow rounds and compares no others.

    Example:
        >>> widened(pa.decimal32(7, 2))
        Decimal128Type(decimal128(7, 2))
    """
    if pa.types.is_decimal32(data_type) or pa.types.is_decimal64(data_type):
        return pa.decimal128(data_type.precision, data_type.scale)
    return data_type


def _limits(data_type: pa.DataType) -> tuple[int, int]:
    """Smallest and largest value, in steps."""
    if pa.types.is_decimal(data_type):
        largest = 10**data_type.precision - 1
        return -largest, largest
    info = np.iinfo(data_type.to_pandas_dtype())
    return int(info.min), int(info.max)


def _whole_steps(number: Decimal, data_type: pa.DataType) -> int:
    return in_steps(number, data_type)[0]


def _reach(width: int, multiple: int) -> int:
    """How far from a multiple a number still rounds to it, half to even."""
    return (width - 1) // 2 + (width % 2 == 0 and multiple % 2 == 0)
