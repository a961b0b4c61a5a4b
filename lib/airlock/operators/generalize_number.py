"""`generalize_number`: numbers rounded down to a whole multiple of a width, with top and bottom coding."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator, RejectedValuesError
from airlock.operators._fields import INDIRECT, plain_field, wrong_type

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["GeneralizeNumber"]

_EXACT = 1 << 53
"""Integers below this are exact in 64-bit floats."""

Finite = Annotated[Decimal, Field(allow_inf_nan=False)]


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

    width: Annotated[Finite, Field(gt=0)]
    bottom: Finite | None = None
    top: Finite | None = None

    @model_validator(mode="after")
    def _ends_are_multiples(self) -> Self:
        for what, end in (("bottom", self.bottom), ("top", self.top)):
            if end is not None and not _is_multiple(end, self.width):
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
        if pa.types.is_floating(field.type):
            self._ratio(field)
        elif pa.types.is_integer(field.type) or pa.types.is_decimal(field.type):
            self._steps(field)
        else:
            raise wrong_type(self.name, field, "it takes integers, decimals and floating numbers")
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Arrow's own rounding for integers and decimals, numpy for floating numbers."""
        del keys
        return self._floating_kernel(field) if pa.types.is_floating(field.type) else self._exact_kernel(field)

    def _exact_kernel(self, field: pa.Field) -> Kernel:
        # Arrow rounds 128 and 256 bit decimals only.
        inner = pa.decimal128(field.type.precision, field.type.scale) if _is_narrow(field.type) else field.type
        steps = (*self._steps(field), _in_steps(self.bottom, inner), _in_steps(self.top, inner))
        multiple, lowest, bottom, top = (None if n is None else pa.scalar(_number(n, inner), inner) for n in steps)

        def round_down(values: pa.Array) -> pa.Array:
            coded = _coded(values.cast(inner), bottom, top)
            _reject(pc.fill_null(pc.less(coded, lowest), fill_value=False))
            return pc.round_to_multiple(coded, multiple=multiple, round_mode="down").cast(field.type)

        return round_down

    def _steps(self, field: pa.Field) -> tuple[int, int]:
        """Width and lowest representable multiple, counted in the type's smallest step.

        Raises:
            OperatorTypeError: The type can't hold width, bottom or top, or every number is a multiple of the width.
        """
        if getattr(field.type, "scale", 0) < 0:
            raise wrong_type(self.name, field, "decimals with a negative scale are not supported")
        smallest, largest = _limits(field.type)
        width = self._held(field, "width", self.width, range(smallest, largest + 1))
        for what, end in (("bottom", self.bottom), ("top", self.top)):
            if end is not None:
                self._held(field, what, end, range(smallest, largest + 1))
        if width == 1:
            raise wrong_type(self.name, field, "every number of this type is a multiple of the width, nothing would change")
        return width, -(-smallest // width) * width

    def _held(self, field: pa.Field, what: str, number: Decimal, limits: range) -> int:
        steps = _in_steps(number, field.type)
        if steps is None or steps not in limits:
            raise wrong_type(self.name, field, f"{what} {number} is not a value of this type")
        return steps

    def _ratio(self, field: pa.Field) -> tuple[int, int]:
        """The width as a fraction of two integers that floating numbers hold exactly."""
        above, below = self.width.as_integer_ratio()
        if max(above, below) >= _EXACT:
            raise wrong_type(self.name, field, f"width {self.width} has too many digits for a floating type")
        return above, below

    def _floating_kernel(self, field: pa.Field) -> Kernel:
        above, below = self._ratio(field)
        kind = np.dtype(field.type.to_pandas_dtype())
        bottom, top = (None if end is None else np.float64(kind.type(float(end))) for end in (self.bottom, self.top))

        def multiple(count: NDArray[np.float64]) -> NDArray[Any]:
            # One correctly rounded division: 3 x 0.1 is 0.3, not 0.30000000000000004.
            return (count * above / below).astype(kind)

        def round_down(values: pa.Array) -> pa.Array:
            null = pc.is_null(values).to_numpy(zero_copy_only=False)
            number = _plain(values, null)
            infinite = np.isinf(number)
            number = number if bottom is None else np.where(number < bottom, bottom, number)
            number = number if top is None else np.where(number >= top, top, number)
            with np.errstate(over="ignore", invalid="ignore"):
                count = np.floor(number * below / above)
                # The quotient may have been rounded across a multiple, either way.
                count += multiple(count + 1) <= number
                count -= multiple(count) > number
                rounded = multiple(count) + kind.type(0)
            _reject(pa.array(infinite | (np.abs(number) >= _EXACT / below) | (np.isinf(rounded) & ~infinite)))
            return pa.array(rounded, field.type, mask=null, from_pandas=False)

        return round_down


def _is_multiple(number: Decimal, width: Decimal) -> bool:
    (above, below), (width_above, width_below) = number.as_integer_ratio(), width.as_integer_ratio()
    return above * width_below % (below * width_above) == 0


def _is_narrow(data_type: pa.DataType) -> bool:
    return pa.types.is_decimal32(data_type) or pa.types.is_decimal64(data_type)


def _limits(data_type: pa.DataType) -> tuple[int, int]:
    """Smallest and largest value, in steps."""
    if pa.types.is_decimal(data_type):
        largest = 10**data_type.precision - 1
        return -largest, largest
    info = np.iinfo(data_type.to_pandas_dtype())
    return int(info.min), int(info.max)


def _in_steps(number: Decimal | None, data_type: pa.DataType) -> int | None:
    """A number counted in the type's smallest step; None where it is no whole number of them."""
    if number is None:
        return None
    above, below = number.as_integer_ratio()
    steps, rest = divmod(above * 10 ** getattr(data_type, "scale", 0), below)
    return None if rest else steps


def _number(steps: int, data_type: pa.DataType) -> int | Decimal:
    # Built from digits: Decimal's operators would round to 28 of them.
    if not pa.types.is_decimal(data_type):
        return steps
    return Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -data_type.scale))


def _coded(values: pa.Array, bottom: pa.Scalar | None, top: pa.Scalar | None) -> pa.Array:
    if bottom is not None:
        values = pc.if_else(pc.less(values, bottom), bottom, values)
    if top is not None:
        values = pc.if_else(pc.greater_equal(values, top), top, values)
    return values


def _plain(values: pa.Array, null: NDArray[np.bool_]) -> NDArray[np.float64]:
    """64-bit floats, zero where null."""
    number = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(null, 0.0, number)


def _reject(mask: pa.BooleanArray) -> None:
    if mask.true_count:
        raise RejectedValuesError("out-of-range", mask)
