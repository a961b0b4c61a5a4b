"""What the laws need of arrays: every layout taken by index and compared. Called by `laws` and `pass_laws`."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["MANY", "plainly", "require", "same_values", "taken"]

MANY = 12
"""Different values of which not all come out equal under two keys by chance."""


def require(holds: object, law: str, what: str) -> None:
    """Raise AssertionError, naming the law, unless it holds."""
    if not holds:
        raise AssertionError(f"law '{law}': {what}")


def same_values(left: pa.Array, right: pa.Array) -> bool:
    """Equal types and values; NaN equals NaN."""
    if left.type == right.type and pa.types.is_floating(left.type):
        bits = getattr(pa, f"int{left.type.bit_width}")()
        left, right = left.view(bits), right.view(bits)
    return bool(left.equals(right))


def taken(values: pa.Array, indices: pa.Array) -> pa.Array:
    # Arrow has no take over string_view.
    if pa.types.is_struct(values.type):
        parts = [taken(values.field(i), indices) for i in range(values.type.num_fields)]
        return pa.StructArray.from_arrays(parts, fields=list(values.type), mask=values.is_null().take(indices))
    return plainly(values).take(indices).cast(values.type)


def plainly(values: pa.Array) -> pa.Array:
    """In a layout over which Arrow's hash functions work."""
    if values.type == pa.string_view():
        return values.cast(pa.large_string())
    if pa.types.is_decimal32(values.type) or pa.types.is_decimal64(values.type):
        return values.cast(pa.decimal128(values.type.precision, values.type.scale))
    return values
