"""`truncate`: the first characters of a text, as of a postal code."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT, over_text, text_field

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Truncate"]


@dataclass(kw_only=True, config=STRICT)
class Truncate(Operator):
    """Keep the first `length` characters (Unicode code points); shorter texts stay whole.

    Guarantee:
        No output is longer than `length` code points, so texts that agree in these can't be told apart. A code point is never
        cut in two; a letter and its combining accent may be.

    Source: ISO/IEC 20889:2018, generalization, on codes whose prefix is a coarser code.

    Args:
        length: How many characters stay, at most.

    Example:
        >>> Truncate(length=3).kernel(pa.field("zip", pa.string()), None)(pa.array(["10115", "çédille", None])).to_pylist()
        ['101', 'çéd', None]
    """

    name: ClassVar[str] = "truncate"
    example: ClassVar[str] = "zip: {type: string, class: quasi_identifier, truncate: {length: 2}}"
    shorthand: ClassVar[str | None] = "length"

    length: int = Field(ge=1)

    @property
    def contract(self) -> Contract:
        """A prefix of an identifier may still identify."""
        return Contract(technique="generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type."""
        return text_field(self.name, field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """A slice by code points."""
        del field, keys
        length = self.length

        def prefix(values: pa.Array) -> pa.Array:
            return pc.utf8_slice_codeunits(values, start=0, stop=length)

        return over_text(prefix)
