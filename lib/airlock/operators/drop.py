"""`drop`: the column, or a whole subtree, does not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Drop"]


@dataclass(kw_only=True, config=STRICT)
class Drop(Operator):
    """Leave the column out.

    Guarantee:
        Neither name, type nor any value of the column, nor of anything below it, is in the output; that holds for fields that
        the source adds below it later.

    Source: ISO/IEC 20889:2018, suppression (masking: removal of an attribute).

    Example:
        >>> Drop().result_field(pa.field("name", pa.string())) is None
        True
    """

    name: ClassVar[str] = "drop"
    example: ClassVar[str] = "name: {type: struct, class: direct_identifier, drop: {}}"

    @property
    def contract(self) -> Contract:
        """May stand on any column and any subtree."""
        return Contract(technique="suppression: masking", subtree=True)

    def result_field(self, field: pa.Field) -> None:
        """No field, whatever the type."""
        del field

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Untyped nulls, for a caller that asks although there is no field to put them in."""
        del field, keys
        return _nothing


def _nothing(values: pa.Array) -> pa.Array:
    return pa.nulls(len(values))
