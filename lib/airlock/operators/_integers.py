"""Tokens that are integers: a permutation of whole numbers (FF1, radix 2), moved into a range that raw numbers seldom have.

Called by `pseudonymize`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.crypto.columns import nulls
from airlock.crypto.ff1 import Ff1
from airlock.operators._base import reject
from airlock.operators._canonical import canonical_text
from airlock.operators._fields import TEXT
from airlock.policy.formats import INTEGER_BITS
from airlock.policy.model import Canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airlock.operators._base import Kernel

__all__ = ["INTEGER_FORMS", "integer_tokens", "integers_of", "why_no_integer"]

INTEGER_FORMS = {"int64": pa.int64(), "int32": pa.int32()}

_UNCHANGED = {Canonical.DECIMAL, Canonical.TRIM, Canonical.NFC, Canonical.CASEFOLD, Canonical.LOWER, Canonical.UPPER}
"""Steps that leave an integer's text as it is."""

_LONGEST = 19
"""Digits of the largest uint64 whose every number of as many digits fits."""


def why_no_integer(data_type: pa.DataType, steps: Iterable[Canonical]) -> str | None:
    """Why no integer token can be made of a column that has a canonical text; None where one can.

    Example:
        >>> why_no_integer(pa.string(), [Canonical.TRIM])
        'an integer form takes text under the canonical step decimal alone'
    """
    if data_type in TEXT:
        decimal = Canonical.DECIMAL in steps
        return None if decimal else "an integer form takes text under the canonical step decimal alone"
    number = pa.types.is_integer(data_type) or pa.types.is_decimal(data_type) or pa.types.is_floating(data_type)
    return None if number else "an integer form takes whole numbers"


def integer_tokens(key: bytes, *, form: str, steps: tuple[Canonical, ...], hide: bool) -> Kernel:
    """The kernel of an integer form.

    Args:
        key: The domain's subkey for FF1.
        form: One of `INTEGER_FORMS`.
        steps: Canonical steps.
        hide: Null becomes the token that no number has.
    """
    bits, ff1 = INTEGER_BITS[form], Ff1(key, 2)

    def tokens(values: pa.Array) -> pa.Array:
        numbers = _numbers(values, steps, 1 << (bits - 1))
        absent = nulls(numbers)
        # The number that both bounds leave out stands for null.
        places = pc.fill_null(numbers, -(1 << (bits - 1))).to_numpy().view(np.uint64) + np.uint64(1 << (bits - 1))
        made = (ff1.encrypt_numbers(places, bits) + np.uint64(1 << bits)).view(np.int64)
        return pa.array(made, mask=None if hide or not absent.any() else absent).cast(INTEGER_FORMS[form])

    return tokens


def integers_of(key: bytes, *, form: str, raw: pa.DataType) -> Kernel:
    """The way back from integer tokens: to numbers of the raw column's type, or as decimal text.

    FF1 does not authenticate: another key's tokens come back as other numbers, unless the raw type does not hold them.

    Args:
        key: The domain's subkey for FF1.
        form: One of `INTEGER_FORMS`.
        raw: The raw column's type.

    Returns:
        A kernel over tokens; it raises RejectedValuesError with `not-authentic` for numbers that are no tokens of this form, or that
        come back as none of the raw type.
    """
    bits, ff1 = INTEGER_BITS[form], Ff1(key, 2)
    least, offset = 1 << bits, np.uint64(1 << (bits - 1))

    def numbers(tokens: pa.Array) -> pa.Array:
        absent = nulls(tokens)
        held = pc.fill_null(tokens.cast(pa.int64()), least).to_numpy()
        # The largest token is the largest number of the type, so what is none lies below.
        reject("not-authentic", held < least)
        places = ff1.decrypt_numbers(held.view(np.uint64) - np.uint64(least), bits)
        # Place zero stands for a hidden null.
        made = pa.array((places - offset).view(np.int64), mask=absent | (places == 0))
        return _as_raw(made, raw)

    return numbers


def _as_raw(numbers: pa.Array, raw: pa.DataType) -> pa.Array:
    if raw in TEXT:
        return numbers.cast(pa.string()).cast(raw)
    if (pa.types.is_integer(raw) and raw.bit_width < 64) or raw == pa.uint64():  # noqa: PLR2004 - an int64 holds them all
        info = np.iinfo(raw.to_pandas_dtype())
        outside = (
            pc.less(numbers, info.min)
            if raw == pa.uint64()
            else pc.or_(pc.less(numbers, info.min), pc.greater(numbers, info.max))
        )
        reject("not-authentic", outside)
    if pa.types.is_decimal(raw):
        most = pa.scalar(min(10**raw.precision, 1 << 62), pa.int64())
        reject("not-authentic", pc.greater_equal(pc.abs(numbers), most))
        # Arrow goes to fewer digits only from a decimal, not from an integer.
        return numbers.cast(pa.decimal128(19, 0)).cast(raw)
    return numbers.cast(raw, safe=not pa.types.is_floating(raw))


def _numbers(values: pa.Array, steps: tuple[Canonical, ...], bound: int) -> pa.Array:
    """Each value as an int64 strictly between -bound and bound."""
    if pa.types.is_integer(values.type) and _UNCHANGED.issuperset(steps):
        return _within(values, bound)
    text = canonical_text(values, steps)
    negative = pc.starts_with(text, "-")
    digits = pc.if_else(negative, pc.utf8_slice_codeunits(text, 1), text)
    reject("out-of-range", pc.greater(pc.binary_length(digits), _LONGEST))
    size = _within(digits.cast(pa.uint64()), bound)
    return pc.if_else(negative, pc.negate(size), size)


def _within(values: pa.Array, bound: int) -> pa.Array:
    signed = pa.types.is_signed_integer(values.type)
    if bound >> (values.type.bit_width - signed):
        return values.cast(pa.int64())  # the type holds none beyond
    reject("out-of-range", pc.greater_equal(values, pa.scalar(bound, values.type)))
    if signed:
        reject("out-of-range", pc.less_equal(values, pa.scalar(-bound, values.type)))
    return values.cast(pa.int64())
