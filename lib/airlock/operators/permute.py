"""`permute`: a column's values change places with those of other rows of the row group."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pyarrow as pa
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.errors import ContractError
from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import INDIRECT, plain_field, wrong_type
from airlock.passes import PERMUTE, Permutation

if TYPE_CHECKING:
    from airlock.keys import KeyRequest, SubKeys
    from airlock.operators._base import Kernel
    from airlock.policy.path import ColumnPath

__all__ = ["Permute"]


@dataclass(kw_only=True, config=STRICT)
class Permute(Operator):
    """Permute the column's values within each row group, under a key, apart from the order of rows and from any other column.

    Guarantee:
        Each value is written in a row of its row group that the key alone chooses, among `min_rows` or more; counts, sums and the
        distribution stay exactly. The values are raw ones: who recognises one has not got its row, but knows that its person is in
        the dataset. Where a split's rows are few people's, so are its values. A split of fewer rows is refused.

    Source: ISO/IEC 20889:2018, randomization (permutation); Opinion 05/2014 (WP216), 3.1.2.

    Args:
        reason: Why raw values may leave.
        min_rows: Fewest rows of a row group.

    Example:
        >>> from airlock.keys import SubKeys
        >>> from airlock.policy.path import ColumnPath
        >>> salary = Permute(reason="totals by site stay right", min_rows=4).pass_over(ColumnPath(("salary",)))
        >>> group = pa.table({"site": ["a", "b", "c", "d"], "salary": [10, 20, None, 40]})
        >>> salary.carry_out(group, "split/0", SubKeys({PERMUTE: bytes(32)}, {PERMUTE: "permute/r/1:0"}))["salary"].to_pylist()
        [10, None, 40, 20]
    """

    name: ClassVar[str] = "permute"
    example: ClassVar[str] = 'weight: {type: int32, class: sensitive, permute: {reason: "only its distribution is looked at"}}'
    shorthand: ClassVar[str | None] = "reason"

    reason: str = Field(min_length=1)
    min_rows: int = Field(default=50, ge=2, le=65_536)

    @property
    def contract(self) -> Contract:
        """The same value goes to another row each time; all of them stay readable."""
        return Contract(technique="randomization: permutation", deterministic=False, keyed=True, classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type, any but nested ones."""
        if pa.types.is_nested(field.type):
            raise wrong_type(self.name, field, "it takes top-level columns of single values")
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """The identity: values are only moved, by the pass."""
        del field, keys
        return lambda values: values

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: the column's name parts the streams of columns."""
        return (PERMUTE,)

    def pass_over(self, path: ColumnPath) -> Permutation:
        """The permutation of one top-level column."""
        if len(path.steps) > 1:
            raise ContractError(
                f"'{self.name}' can't stand on '{path}': a nested value has no row of its own to change. Permute top-level columns; "
                "drop or generalise this one"
            )
        return Permutation(column=path.column, min_rows=self.min_rows)
