"""`keep_top`: the most frequent values of the dataset stay, all others become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT, TEXT, plain_field, wrong_type
from airlock.passes import TopValues
from airlock.policy.path import ColumnPath

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["KeepTop"]


@dataclass(kw_only=True, config=STRICT)
class KeepTop(Operator):
    """Keep the `n` values that stand in most rows of the whole dataset, each in at least `min_count`; all others become `other`.

    Guarantee:
        No value leaves that fewer than `min_count` rows of the dataset share, and no more than `n` different ones beside `other`.
        Rows are counted, not people: one person's many rows may make a value frequent. Null stays null. Columns of more than a
        million different values are refused. Counted exactly; a value of `other`'s own spelling is one of the others.

    Source: ISO/IEC 20889:2018, generalization (local generalization); rare categories joined as in Hundepool et al., Statistical
    Disclosure Control (2012), 3.2.2.

    Args:
        n: How many values stay, at most.
        min_count: In how many rows of the dataset each of them stands, at least.
        other: What the others become: a text, for integers a whole number, or null.

    Example:
        >>> job = pa.field("job", pa.string())
        >>> KeepTop(n=2).kernel(job, None)(pa.array(["cook", None])).to_pylist()  # before anything was counted, nothing stays
        ['other', None]
    """

    name: ClassVar[str] = "keep_top"
    example: ClassVar[str] = (
        "employer: {type: string, class: quasi_identifier, keep_top: {n: 50, min_count: 100, other: other}}"
    )
    shorthand: ClassVar[str | None] = "n"

    n: int = Field(default=20, ge=1, le=1_000)
    min_count: int = Field(default=100, ge=20)
    other: str | int | None = "other"

    @property
    def contract(self) -> Contract:
        """Frequent values stay as they are."""
        return Contract(technique="generalization: local generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type: text or integers."""
        if field.type in TEXT:
            fits = self.other is None or isinstance(self.other, str)
        elif pa.types.is_integer(field.type):
            fits = self.other is None or (isinstance(self.other, int) and _holds(field.type, self.other))
        else:
            raise wrong_type(self.name, field, "it takes text and integers")
        if not fits:
            raise wrong_type(self.name, field, "`other` must be a value of this type, or null")
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Everything becomes `other`: what stays, only the pass knows when it has seen the dataset."""
        top = self.pass_over(ColumnPath((field.name,)))
        nothing = top.nothing([field.type])
        return lambda values: top.carry_out([values], nothing, keys)[0]

    def pass_over(self, path: ColumnPath) -> TopValues:
        """The dataset's most frequent values at a leaf."""
        return TopValues(path=path, n=self.n, min_count=self.min_count, other=self.other)


def _holds(data_type: pa.DataType, number: int) -> bool:
    try:
        pa.scalar(number, data_type)
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True
