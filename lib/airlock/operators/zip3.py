"""`zip3`: US ZIP codes to their first three digits, where enough people live under these."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import ByteColumn, nulls
from airlock.operators._base import STRICT, Contract, Operator, reject
from airlock.operators._cursor import Cursor, read_texts
from airlock.operators._fields import INDIRECT, TEXT, wrong_type
from airlock.operators._numbers import fixed_width
from airlock.policy.zip3 import NO_AREA, prefixes_in_use, shown_prefixes

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Zip3"]

_REJECT = "reject"
_AREAS = 1000
_LOWEST, _BEYOND, _FOUR_MORE = 501, 100_000, 10_000


@dataclass(kw_only=True, config=STRICT)
class Zip3(Operator):
    """Write the first three digits of a ZIP code, or 000 where 20,000 people or fewer live under them: text.

    Guarantee:
        No output is anything but a three-digit area that by the census at hand holds more than 20,000 people, 000, or
        `otherwise`. Texts are ZIP codes of five digits or ZIP+4 (`12345-6789`, `123456789`), blanks around them apart; integers
        may have lost leading zeros. Areas of armed forces' mail, single agencies and companies, where no census counts anybody,
        are 000. What is no ZIP code, begins with digits that none begins with, or is blank becomes `otherwise`; a foreign code of
        five digits looks like one, so drop what is not in the US before.

    Source: 45 CFR 164.514(b)(2)(i)(B); ISO/IEC 20889:2018, generalization. Tables: `airlock.policy.zip3`.

    Args:
        as_of: The newest table not later than this day counts; without it the newest (2010). The day of your own list.
        restricted: Your own list of areas with 20,000 people or fewer, by a newer census.
        otherwise: 000, another text, or `reject`: rejected as `not-a-zip`.

    Example:
        >>> codes = pa.array(["03601", "94110-1234", "SW1A 2AA", None])
        >>> Zip3().kernel(pa.field("zip", pa.string()), None)(codes).to_pylist()
        ['000', '941', '000', None]
    """

    name: ClassVar[str] = "zip3"
    example: ClassVar[str] = "zip: {type: string, class: quasi_identifier, zip3: {}}"

    as_of: dt.date | None = None
    restricted: tuple[str, ...] | None = None
    otherwise: str = NO_AREA

    @model_validator(mode="after")
    def _table_is_there(self) -> Self:
        shown_prefixes(self.as_of, self.restricted)
        if self.otherwise != NO_AREA and re.fullmatch(r"\d{3}", self.otherwise):
            raise ValueError("otherwise must not look like another area")
        return self

    @property
    def contract(self) -> Contract:
        """Equal codes stay equal; different ones may become so."""
        return Contract(technique="generalization", classes=INDIRECT)

    def result_field(self, field: pa.Field) -> pa.Field:
        """Text; from text or integers."""
        if field.type not in TEXT and not pa.types.is_integer(field.type):
            raise wrong_type(self.name, field, "it takes text and integers")
        return pa.field(field.name, pa.string(), nullable=field.nullable)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Digits where they must stand, and a table over the thousand areas."""
        del keys
        texts = pa.array([*(f"{area:03}" for area in range(_AREAS)), NO_AREA, self.otherwise], pa.string())
        place = self._places()
        areas_of = _areas_of_integers if pa.types.is_integer(field.type) else _areas_of_texts

        def prefix(values: pa.Array) -> pa.Array:
            null, at = nulls(values), place[areas_of(values)]
            if self.otherwise == _REJECT:
                reject("not-a-zip", (at == _AREAS + 1) & ~null)
            return texts.take(pa.array(at, mask=null if null.any() else None))

        return prefix

    def _places(self) -> NDArray[np.int32]:
        """Each area's place among the texts: its own, that of 000, or the one after; last what stands for no ZIP code."""
        area = np.arange(_AREAS)
        shown, used = (
            np.isin(area, np.array(found, int)) for found in (shown_prefixes(self.as_of, self.restricted), prefixes_in_use())
        )
        return np.append(np.where(shown, area, np.where(used, _AREAS, _AREAS + 1)), _AREAS + 1).astype(np.int32)


def _areas_of_texts(values: pa.Array) -> NDArray[Any]:
    bare = values if values.type != pa.string_view() else values.cast(pa.large_string())
    data = ByteColumn.of(bare).compact().data
    if len(data) and int(data.min()) <= ord(" "):
        bare = pc.ascii_trim_whitespace(bare)
    area, bad = read_texts(bare, _read_zip)
    return np.where(bad, _AREAS, area)


def _read_zip(cursor: Cursor) -> tuple[NDArray[Any]]:
    zip_code = cursor.number(5)
    longer = cursor.at < cursor.ends
    if longer.any():
        cursor.optional(b"-")
        cursor.number(4, where=longer)
    return (zip_code // 100,)


def _areas_of_integers(values: pa.Array) -> NDArray[Any]:
    number = fixed_width(values).astype(np.int64)
    # The lowest ZIP code is 00501: as a ZIP+4 without its zeros a number of seven digits, so none is taken for the other.
    plain, longer = (
        (number >= _LOWEST) & (number < _BEYOND),
        (number >= _LOWEST * _FOUR_MORE) & (number // _FOUR_MORE < _BEYOND),
    )
    area = np.where(plain, number // 100, number // (100 * _FOUR_MORE))
    return np.where(plain | longer, area, _AREAS).astype(np.int64)
