"""`redact`: one constant text in place of every value."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from pydantic.dataclasses import dataclass

from airlock.operators._base import STRICT, Contract, Operator
from airlock.operators._fields import over_text, text_field

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Redact"]


@dataclass(kw_only=True, config=STRICT)
class Redact(Operator):
    """Replace every text by the same one.

    Guarantee:
        The output says nothing of a value. With `presence: keep` it still says which values were null; with `presence: hide`
        not even that.

    Source: ISO/IEC 20889:2018, suppression (masking).

    Args:
        with_: The constant, `with` in a policy.
        presence: `keep`: null stays null. `hide`: null becomes the constant too.

    Example:
        >>> Redact.from_dict({"with": "[street]"}).kernel(pa.field("s", pa.string()), None)(pa.array(["4 Elm", None])).to_pylist()
        ['[street]', None]
    """

    name: ClassVar[str] = "redact"
    example: ClassVar[str] = 'street: {type: string, class: direct_identifier, redact: {with: "[street]"}}'

    with_: str = Field(default="[redacted]", alias="with")
    presence: Literal["keep", "hide"] = "keep"

    @property
    def contract(self) -> Contract:
        """May stand on any text."""
        return Contract(technique="suppression: masking")

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type."""
        return text_field(self.name, field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """The constant wherever something stands, or everywhere."""
        del field, keys
        hide = self.presence == "hide"

        def constant(values: pa.Array) -> pa.Array:
            text = pa.scalar(self.with_, values.type)
            if hide:
                return pa.repeat(text, len(values))
            return pc.if_else(pc.is_valid(values), text, pa.scalar(None, values.type))

        return over_text(constant)
