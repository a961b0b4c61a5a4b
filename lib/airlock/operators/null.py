"""`null`: the column stays in the schema and loses every value; a whole subtree becomes one such column."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.policy.formats import NULL_SUBTREE

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Null"]


@dataclass(kw_only=True, config=STRICT)
class Null(Operator):
    """Replace every value by null, so that readers who expect the column still find it.

    Guarantee:
        No value is in the output, and not which values were null before: every row holds null. A leaf keeps its name and type. A
        struct, list or map becomes one text column (`policy.formats.NULL_SUBTREE`): what its fields were called goes, too.

    Source: ISO/IEC 20889:2018, suppression (local suppression, of every record).

    Example:
        >>> Null().kernel(pa.field("age", pa.int8()), None)(pa.array([31, None], pa.int8())).to_pylist()
        [None, None]
    """

    name: ClassVar[str] = "null"
    example: ClassVar[str] = "photo: {type: binary, class: direct_identifier, null: {}}"

    @property
    def contract(self) -> Contract:
        """May stand on any column and any subtree."""
        return Contract(technique="suppression: local suppression", subtree=True)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type, or text for a subtree; nullable even where the source was not."""
        return pa.field(field.name, NULL_SUBTREE if pa.types.is_nested(field.type) else field.type, nullable=True)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Nulls of the column's type."""
        del keys
        made = self.result_field(field).type

        def nothing(values: pa.Array) -> pa.Array:
            return pa.nulls(len(values), made)

        return nothing
