"""`keep`: the value stays as it is, for a stated reason; with a closed list, only the listed values do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._fields import INDIRECT, TEXT, over_text, plain_field, wrong_type
from airlock.policy.formats import listed_text

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Keep"]

_LISTABLE = (*TEXT, pa.bool_(), pa.date32(), pa.date64())


@dataclass(kw_only=True, config=STRICT)
class Keep(Operator):
    """Keep the raw value.

    Guarantee:
        Without `values`, none but that somebody gave a reason: every value leaves as it came. With `values`, nothing that the
        list does not name leaves: a row with another value is rejected as `not-in-list`. Null stays null.

    Source: no technique of ISO/IEC 20889:2018; keeping is the absence of one.

    Args:
        reason: Why the raw value may leave.
        values: The closed list, as text: words, whole numbers, `true` and `false`, dates as YYYY-MM-DD.

    Example:
        >>> keep = Keep(reason="closed list", values=("home", "work"))
        >>> keep.kernel(pa.field("kind", pa.string()), None)(pa.array(["work", None])).to_pylist()
        ['work', None]
        >>> keep.kernel(pa.field("kind", pa.string()), None)(pa.array(["work", "4 Elm Street"]))
        Traceback (most recent call last):
        airlock.operators._base.RejectedValuesError: 1 of 2 values rejected: not-in-list
    """

    name: ClassVar[str] = "keep"
    example: ClassVar[str] = (
        'kind: {type: string, class: insensitive, keep: {reason: "closed list", values: [home, work, mobile]}}'
    )
    shorthand: ClassVar[str | None] = "reason"

    reason: str = Field(min_length=1)
    values: tuple[Annotated[str, BeforeValidator(listed_text)], ...] = ()

    @property
    def contract(self) -> Contract:
        """Nothing is hidden, so no direct identifier may stay."""
        return Contract(technique="none", injective=True, reversible=True, classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type; any leaf, or with `values` text, integers, booleans and dates."""
        if pa.types.is_nested(field.type):
            raise wrong_type(self.name, field, "name each leaf, only drop and null cover a subtree")
        if self.values:
            self._listed(field)
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """The identity, or a check against the list."""
        del keys
        if not self.values:
            return _same
        listed = self._listed(field)

        def only_listed(values: pa.Array) -> pa.Array:
            reject("not-in-list", pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=listed))))
            return values

        return over_text(only_listed)

    def _listed(self, field: pa.Field) -> pa.Array:
        """The list in the column's type."""
        if field.type not in _LISTABLE and not pa.types.is_integer(field.type):
            raise wrong_type(self.name, field, "a list of values is for text, integers, booleans and dates")
        target = pa.large_string() if field.type == pa.string_view() else field.type
        texts = pa.array(self.values, pa.large_string())
        try:
            listed = texts.cast(target)
            # The gate compares texts: "007" would let 7 through here and be refused there.
            same = listed.cast(pa.large_string()).equals(texts)
        except pa.ArrowInvalid:
            same = False
        if not same:
            raise wrong_type(self.name, field, "some of `values` are not values of this type in their shortest form")
        return listed


def _same(values: pa.Array) -> pa.Array:
    return values
