"""`mask`: characters of a text replaced by one mask character, a few at either end left readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.columns import ByteColumn, text_array, validity
from airlock.operators._base import ANY_CLASS, STRICT, Contract, Operator
from airlock.operators._ends import Ends
from airlock.operators._fields import INDIRECT, over_text, text_field
from airlock.policy.formats import mask_pieces
from airlock.policy.groups import Piece

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import Kernel

__all__ = ["Mask"]

CharacterClass = Literal["digits", "letters", "others"]

_CATEGORIES: dict[CharacterClass, str] = {"digits": r"\p{N}", "letters": r"\p{L}\p{M}", "others": r"^\p{N}\p{L}\p{M}"}
"""Each class as the inside of an RE2 character class (Unicode general categories)."""

_ASCII = 128

_BLOCK = 1 << 14
"""Values at a time: what is made of them on the way stays in the cache."""


@dataclass(kw_only=True, config=STRICT)
class Mask(Operator):
    """Replace characters (Unicode code points) by `char`, except the first `keep_first` and the last `keep_last`.

    Guarantee:
        With all classes, at most `keep_first` + `keep_last` code points of a text are readable, and none of a text that is not
        longer than that. With fewer classes, characters of the others are readable everywhere. With `pattern`, the characters of
        the masked groups are not readable, and of a text that the pattern does not match as a whole, none is. The length
        always stays visible.

    Source: ISO/IEC 20889:2018, suppression (masking). Classes are Unicode general categories (UAX #44): digits N, letters L
    and M, others the rest.

    Args:
        keep_first: How many characters at the start stay.
        keep_last: How many characters at the end stay.
        char: One printable character.
        classes: Which characters are masked.
        pattern: Of whole values, in RE2's syntax; far slower than the other ways.
        groups: The groups of `pattern` whose characters are masked, counted by their opening parentheses from 1.
        keep_groups: Instead: the groups that stay, all other characters being masked.

    Example:
        >>> phones = pa.array(["+49 171 2345", "12", None])
        >>> Mask(keep_last=2).kernel(pa.field("phone", pa.string()), None)(phones).to_pylist()
        ['**********45', '**', None]
        >>> Mask(keep_last=2, classes=("digits",)).kernel(pa.field("phone", pa.string()), None)(phones).to_pylist()
        ['+** *** **45', '**', None]
        >>> plates = pa.array(["B-XY 1234", "unknown"])
        >>> Mask(pattern="([A-Z]+)-([A-Z]+) ([0-9]+)", groups=(2, 3)).kernel(pa.field("p", pa.string()), None)(plates).to_pylist()
        ['B-** ****', '*******']
    """

    name: ClassVar[str] = "mask"
    example: ClassVar[str] = "phone: {type: string, class: direct_identifier, mask: {keep_last: 2}}"

    keep_first: int = Field(default=0, ge=0, le=32)
    keep_last: int = Field(default=0, ge=0, le=32)
    char: str = Field(default="*", min_length=1, max_length=1)
    pattern: str | None = None
    groups: tuple[int, ...] = ()
    keep_groups: tuple[int, ...] = ()
    classes: tuple[CharacterClass, ...] = Field(default=("digits", "letters", "others"), min_length=1)

    @field_validator("char")
    @classmethod
    def _printable(cls, char: str) -> str:
        if not char.isprintable():
            raise ValueError("needs one printable character")
        return char

    @field_validator("classes")
    @classmethod
    def _hiding(cls, classes: tuple[CharacterClass, ...]) -> tuple[CharacterClass, ...]:
        if set(classes) == {"others"}:
            raise ValueError("a mask of nothing but punctuation hides nothing; add digits or letters")
        return classes

    @model_validator(mode="after")
    def _one_way(self) -> Mask:
        if self.pattern is None:
            if self.groups or self.keep_groups:
                raise ValueError("`groups` and `keep_groups` go with `pattern`")
            return self
        if self.shown or not self._all:
            raise ValueError("a pattern says itself what stays; leave out keep_first, keep_last and classes")
        try:
            pc.extract_regex(pa.array([], pa.string()), self._cut_pattern())
        except pa.ArrowInvalid:
            raise ValueError("`pattern` is none that RE2 reads; its syntax has no look-around and no references back") from None
        return self

    @property
    def shown(self) -> int:
        """How many characters at the ends stay readable."""
        return self.keep_first + self.keep_last

    @property
    def contract(self) -> Contract:
        """Direct identifiers only with all classes: else there is no bound to what stays readable."""
        classes = ANY_CLASS if self._all and self.pattern is None else INDIRECT
        return Contract(technique="suppression: masking, partial", classes=classes)

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same text type."""
        return text_field(self.name, field)

    def kernel(self, field: pa.Field, keys: SubKeys | None) -> Kernel:
        """Repeated mask characters, a byte table over ASCII, or RE2 over the rest."""
        del field, keys
        return over_text(self._masked if self.pattern is None else self._by_groups)

    @property
    def _all(self) -> bool:
        return set(self.classes) == set(_CATEGORIES)

    def _masked(self, values: pa.Array) -> pa.Array:
        # RE2 takes 1.5 us a value, Arrow's text functions 0.15, bytes 0.01 to 0.05: only other characters go the long way.
        if ord(self.char) >= _ASCII:
            return self._every_character(values) if self._all else self._by_pattern(values)
        if self._all:
            return pa.concat_arrays([self._by_bytes(values.slice(at, _BLOCK)) for at in range(0, len(values) or 1, _BLOCK)])
        ascii_only = pc.string_is_ascii(values)
        if not pc.any(pc.invert(ascii_only)).as_py():
            return self._by_table(values)
        masked = self._by_table(pc.if_else(ascii_only, values, pa.scalar("", values.type)))
        other = pc.fill_null(pc.invert(ascii_only), fill_value=False)
        return pc.replace_with_mask(masked, other, self._by_pattern(values.filter(other)))

    def _by_bytes(self, values: pa.Array) -> pa.Array:
        """Mask characters as many as the text has, the readable ends written over them."""
        column = ByteColumn.of(values).compact()
        ends = Ends.of(column, self.keep_first, self.keep_last)
        offsets = np.concatenate([[0], np.cumsum(ends.sizes)])
        made = np.full(int(offsets[-1]), ord(self.char), np.uint8)
        ends.copy(column, offsets, made)
        return text_array(ByteColumn(offsets, made), validity(values)).cast(values.type)

    @property
    def _pieces(self) -> tuple[Piece, ...]:
        return mask_pieces({"pattern": self.pattern, "groups": self.groups, "keep_groups": self.keep_groups})

    def _cut_pattern(self) -> str:
        return rf"\A{''.join(f'(?P<p{at}>{piece.pattern})' for at, piece in enumerate(self._pieces))}\z"

    def _by_groups(self, values: pa.Array) -> pa.Array:
        """Cut by RE2 (half a microsecond a value and more); what does not match is masked whole."""
        cuts = pc.extract_regex(values, self._cut_pattern())
        matched = pc.is_valid(cuts)
        if not matched.true_count:
            return self._hidden(values)
        found = cuts.filter(matched)
        columns = [found.field(at).cast(values.type) for at in range(found.type.num_fields)]
        parts = [self._hidden(part) if piece.masked else part for part, piece in zip(columns, self._pieces, strict=True)]
        made = pc.binary_join_element_wise(*parts, pa.scalar("", values.type))
        return pc.replace_with_mask(self._hidden(values), matched, made)

    def _hidden(self, values: pa.Array) -> pa.Array:
        return pc.binary_repeat(pa.scalar(self.char, values.type), pc.utf8_length(values))

    def _every_character(self, values: pa.Array) -> pa.Array:
        length = pc.utf8_length(values)
        short = pc.less_equal(length, self.shown)
        hidden = pc.if_else(short, length, pc.subtract(length, self.shown))
        return self._join(values, short, pc.binary_repeat(pa.scalar(self.char, values.type), hidden))

    def _by_table(self, values: pa.Array) -> pa.Array:
        """ASCII only: one byte is one character."""
        column = ByteColumn.of(values).compact()
        masked = np.frombuffer(bytearray(column.data.tobytes().translate(self._table().tobytes())), np.uint8)
        Ends.of(column, self.keep_first, self.keep_last).copy(column, column.offsets, masked)
        return text_array(ByteColumn(column.offsets, masked), validity(values)).cast(values.type)

    def _table(self) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """Each ASCII byte to itself or to the mask character; other bytes there are none."""
        kinds = ["digits" if c.isdigit() else "letters" if c.isalpha() else "others" for c in map(chr, range(_ASCII))]
        return np.array([ord(self.char) if kind in self.classes else i for i, kind in enumerate(2 * kinds)], np.uint8)

    def _by_pattern(self, values: pa.Array) -> pa.Array:
        short = pc.less_equal(pc.utf8_length(values), self.shown)
        middle = pc.utf8_slice_codeunits(values, start=self.keep_first, stop=-self.keep_last or None)
        pattern = "|".join(f"[{_CATEGORIES[name]}]" for name in self.classes)
        hidden = pc.replace_substring_regex(
            pc.if_else(short, values, middle), pattern=pattern, replacement=self.char.replace("\\", r"\\")
        )
        return self._join(values, short, hidden)

    def _join(self, values: pa.Array, short: pa.Array, hidden: pa.Array) -> pa.Array:
        """The readable ends around what was hidden; short texts have none."""
        empty = pa.scalar("", values.type)
        parts = [hidden]
        if self.keep_first:
            parts.insert(0, pc.if_else(short, empty, pc.utf8_slice_codeunits(values, start=0, stop=self.keep_first)))
        if self.keep_last:
            parts.append(pc.if_else(short, empty, pc.utf8_slice_codeunits(values, start=-self.keep_last)))
        return pc.binary_join_element_wise(*parts, empty)
