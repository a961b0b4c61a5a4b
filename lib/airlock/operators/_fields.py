"""What the plain operators share: which columns they take, and text kernels for every text layout.

Called by the operators' `result_field` and `kernel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from airlock.errors import OperatorTypeError
from airlock.operators._base import ANY_CLASS
from airlock.types import Classification

if TYPE_CHECKING:
    from airlock.operators._base import Kernel

__all__ = ["INDIRECT", "TEXT", "over_text", "plain_field", "text_field", "wrong_type"]

INDIRECT = ANY_CLASS - {Classification.DIRECT_IDENTIFIER}
"""Where an operator may stand whose output still says something of the value."""

TEXT = (pa.string(), pa.large_string(), pa.string_view())


def plain_field(field: pa.Field) -> pa.Field:
    """The same field without metadata, which could carry raw text past every check."""
    return pa.field(field.name, field.type, nullable=field.nullable)


def wrong_type(operator: str, field: pa.Field, takes: str) -> OperatorTypeError:
    """The error for a column that an operator does not take; `takes` says what it does take, or why not."""
    return OperatorTypeError(
        f"'{operator}' does not take column '{field.name}' of type {field.type}: {takes}. "
        "Choose an operator for this type, or correct `type`",
        operator=operator,
        column=field.name,
    )


def text_field(operator: str, field: pa.Field) -> pa.Field:
    """The field of an operator that turns text into text of the same layout.

    Raises:
        OperatorTypeError: The column is not text.
    """
    if field.type not in TEXT:
        raise wrong_type(operator, field, "it takes text")
    return plain_field(field)


def over_text(kernel: Kernel) -> Kernel:
    """The kernel for text of every layout: Arrow has next to no functions over `string_view`.

    Example:
        >>> import pyarrow.compute as pc
        >>> over_text(pc.utf8_upper)(pa.array(["a"], pa.string_view())).type
        DataType(string_view)
    """

    def over(values: pa.Array) -> pa.Array:
        if values.type != pa.string_view():
            return kernel(values)
        return kernel(values.cast(pa.large_string())).cast(pa.string_view())

    return over
