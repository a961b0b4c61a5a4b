"""`replace`: listed values to other texts, or every value to one text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._fields import INDIRECT, TEXT, over_text, wrong_type
from airlock.policy.formats import listed_text

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Replace"]

_REJECT = "reject"

_TEXTS = {"type": "object", "additionalProperties": {"type": ["string", "integer", "boolean"]}}


def _pairs(mapping: object) -> object:
    """A mapping as pairs, so that a declaration can be hashed; `to_dict` writes lists of two."""
    pairs = mapping.items() if isinstance(mapping, Mapping) else mapping
    return tuple((old, listed_text(new)) for old, new in pairs) if isinstance(pairs, Iterable) else mapping


@dataclass(kw_only=True, config=STRICT)
class Replace(Operator):
    """Write another text for each listed value, or one text for all.

    Guarantee:
        No output is anything but one of the policy's own texts. With `map`, a value that it does not list becomes `otherwise`;
        where nothing is said, its row is rejected as `not-in-map`. Null stays null. A map that gives each value a text of its own
        and rejects all others hides nothing: its rule says `reversible: allowed`.

    Source: ISO/IEC 20889:2018, generalization (several values under one name), or suppression (masking) with `with`.

    Args:
        with_: The one text, `with` in a policy.
        map_: Old to new, `map` in a policy; the old ones as text: words, whole numbers, `true` and `false`.
        otherwise: What stands for other values: a text, or null. The word `reject`, the default, rejects them.

    Example:
        >>> status = Replace.from_dict({"map": {"married": "partner", "cohabiting": "partner"}, "otherwise": "other"})
        >>> status.kernel(pa.field("status", pa.string()), None)(pa.array(["married", "widowed", None])).to_pylist()
        ['partner', 'other', None]
    """

    name: ClassVar[str] = "replace"
    example: ClassVar[str] = (
        "job: {type: string, class: quasi_identifier, replace: {map: {nurse: health, surgeon: health, clerk: office}, otherwise: other}}"
    )
    least: ClassVar[Mapping[str, Any]] = MappingProxyType({"map": {"old": "new"}})

    with_: str | None = Field(default=None, alias="with")
    map_: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs), WithJsonSchema(_TEXTS)] = Field(
        default=(), alias="map"
    )
    otherwise: str | None = _REJECT

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.with_ is None) == (not self.map_):
            raise ValueError("needs with or map, one of them")
        if self.map_ and self.otherwise == _REJECT and all(old == new for old, new in self.map_):
            raise ValueError("map changes nothing; say keep with values")
        return self

    @property
    def contract(self) -> Contract:
        """What is listed may still tell who it is; a name for each value, and for no other, is only another name."""
        new = {text for _, text in self.map_}
        renames = self.otherwise == _REJECT and len(new) == len(self.map_) > 1
        return Contract(
            technique="generalization" if self.map_ else "suppression: masking", injective=renames, classes=INDIRECT
        )

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type, or text; from text, integers and booleans."""
        if pa.types.is_nested(field.type):
            raise wrong_type(self.name, field, "name each leaf, only drop and null cover a subtree")
        if self.map_:
            self._listed(field)
        return pa.field(field.name, field.type if field.type in TEXT else pa.string(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """A constant, or a look-up in a hash table."""
        del keys
        if self.with_ is not None:
            return over_text(self._constant)
        listed = self._listed(field)
        new = pa.array([new for _, new in self.map_] + [None if self.otherwise == _REJECT else self.otherwise], pa.string())

        def look_up(values: pa.Array) -> pa.Array:
            at = pc.index_in(values, value_set=listed)
            if self.otherwise == _REJECT:
                reject("not-in-map", pc.and_(pc.is_valid(values), pc.is_null(at)))
            else:
                at = pc.if_else(pc.is_valid(values), pc.fill_null(at, len(new) - 1), pa.scalar(None, pa.int32()))
            texts = new.take(at)
            return texts.cast(values.type) if values.type in TEXT else texts

        return over_text(look_up)

    def _constant(self, values: pa.Array) -> pa.Array:
        kind = values.type if values.type in TEXT else pa.string()
        return pc.if_else(pc.is_valid(values), pa.scalar(self.with_, kind), pa.scalar(None, kind))

    def _listed(self, field: pa.Field) -> pa.Array:
        """The old values in the column's type."""
        kind = field.type
        if kind not in TEXT and not pa.types.is_integer(kind) and not pa.types.is_boolean(kind):
            raise wrong_type(self.name, field, "a map is for text, integers and booleans")
        texts = pa.array([old for old, _ in self.map_], pa.large_string())
        try:
            listed = texts.cast(pa.large_string() if kind == pa.string_view() else kind)
            same = listed.cast(pa.large_string()).equals(texts)
        except pa.ArrowInvalid:
            same = False
        if not same:
            raise wrong_type(self.name, field, "some values of `map` are not values of this type in their shortest form")
        return listed
