"""A row's own values in the texts of the row: where they occur, whatever the spelling.

`redact_entities` removes what is found here; the inner door then asks `occurrences` about every text column it wrote, so both
use one rule. A value occurs where its folded text (see `folding`) stands on word boundaries, or where its digits stand in order
whatever separates them. Values of fewer than four characters are not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.text.folding import fold, fold_column
from airlock.text.matching import COMPARED_DIGITS, IDEOGRAPH, spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["PLACEHOLDERS", "SHORTEST", "Hit", "KnownValues", "occurrences", "placeholder"]

SHORTEST = 4
"""Characters of a known value; an ideograph or kana counts twice, for names of two are whole names."""

_FEWEST_DIGITS = 7
_GATED_BYTES = 64

_EXTENSION = r"([0-9)]) ?;?(?:ext(?:ension)?|x|#)[ .:=]*[0-9]{1,6}$"


def placeholder(entity: str) -> str:
    """What stands for an entity in redacted text.

    Example:
        >>> placeholder("EMAIL_ADDRESS")
        '<EMAIL_ADDRESS>'
    """
    return f"<{entity}>"


PLACEHOLDERS = frozenset(
    map(
        placeholder,
        (
            "CREDIT_CARD", "CRYPTO", "DATE_TIME", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "KNOWN_VALUE", "LOCATION",
            "MAC_ADDRESS", "MEDICAL_LICENSE", "NRP", "PERSON", "PHONE_NUMBER", "REDACTED", "UK_NHS", "URL", "US_BANK_NUMBER",
            "US_DRIVER_LICENSE", "US_ITIN", "US_PASSPORT", "US_SSN", "UUID",
        ),
    )
)  # fmt: skip
"""Words in these are not a row's values, even where a person is called Person, Card or Address."""


class Hit(NamedTuple):
    """A known value that occurs in a row's text: the row, the folded text, and `spans` of the value in it."""

    row: int
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownValues:
    """The known values of a batch, prepared once and asked about each of its text columns.

    Attributes:
        length: Rows of the batch.
        rows: Row of each value, ascending.
        needles: Folded values, large_string, as long as `rows`; those that are too short are left out.
        digits: The digits by which a value is known too, "" where it has fewer than seven.
    """

    length: int
    rows: NDArray[np.int64]
    needles: pa.Array
    digits: pa.Array

    @classmethod
    def of(cls, known: pa.Array) -> KnownValues:
        """Prepare a list<string> array, one list a row; null lists and null values are nothing."""
        values = fold_column(pc.list_flatten(known))
        rows = np.asarray(pc.list_parent_indices(known), dtype=np.int64)
        usable = _long_enough(values)
        needles = values.filter(usable)
        return cls(length=len(known), rows=rows[np.asarray(usable)], needles=needles, digits=_known_digits(needles))

    def hits(self, texts: pa.Array, *, placeholders: Iterable[str] = PLACEHOLDERS) -> Iterator[Hit]:
        """Every pair of a row and one of its values that occurs in the row's text, by row.

        Cost: a few columnar sweeps over texts and values. Pairs that lengths and (for texts of at most 64 bytes on average)
        letters rule out go no further, which is nearly all of them in columns of tokens, masks, codes and numbers; the others,
        in free text nearly all, cost one substring search each, under a microsecond.
        """
        folded = fold_column(texts)
        pairs = self._possible(folded)
        kept, place = np.unique(self.rows[pairs], return_inverse=True)
        spelled = folded.take(pa.array(kept))
        digits = self.digits.take(pa.array(pairs)).to_pylist()
        numbers = _only_digits(spelled).to_pylist() if any(digits) else [""] * len(kept)
        words = spelled.to_pylist()
        exempt = tuple(filter(None, map(fold, placeholders)))
        for at, needle, number in zip(place.tolist(), self.needles.take(pa.array(pairs)).to_pylist(), digits, strict=True):
            text = words[at]
            if needle in text or (number and number[-COMPARED_DIGITS:] in numbers[at]):
                found = spans(text, needle, digits=number, exempt=exempt)
                if found:
                    yield Hit(int(kept[at]), text, found)

    def _possible(self, folded: pa.Array) -> NDArray[np.int64]:
        lengths = _byte_lengths(folded)
        shortest = np.minimum(_byte_lengths(self.needles), _compared_lengths(self.digits))
        possible = shortest <= lengths[self.rows]
        if lengths.clip(0).sum() <= _GATED_BYTES * max(self.length, 1):
            absent = ~_letters(folded)[self.rows]
            spelled = (_letters(self.needles) & absent) == 0
            tails = pc.utf8_slice_codeunits(self.digits, -COMPARED_DIGITS, None)
            possible &= spelled | ((_byte_lengths(tails) > 0) & ((_letters(tails) & absent) == 0))
        return np.flatnonzero(possible)


def occurrences(
    texts: pa.Array, known: pa.Array | KnownValues, *, placeholders: Iterable[str] = PLACEHOLDERS
) -> pa.BooleanArray:
    """Whether any known value of the row occurs in the row's text; a null text holds none.

    The inner door's own check: it agrees with `redact_entities`, which leaves nothing that is found here.

    Args:
        texts: string, large_string or string_view.
        known: list<string>, as long as `texts`; or `KnownValues.of(known)`, to ask about several columns.
        placeholders: Texts that stand for what was redacted; words in them do not count.

    Example:
        >>> known = pa.array([["Ann Lee", "+1 555-123-4567"], ["Ann Lee"], ["Bo"]])
        >>> occurrences(pa.array(["call 555.123.4567", "JOANN LEE", "Bo"]), known).to_pylist()
        [True, False, False]
    """
    prepared = known if isinstance(known, KnownValues) else KnownValues.of(known)
    if prepared.length != len(texts):
        raise ValueError(f"{len(texts)} texts, but known values of {prepared.length} rows")
    found = np.zeros(len(texts), dtype=bool)
    for hit in prepared.hits(texts, placeholders=placeholders):
        found[hit.row] = True
    return pa.array(found)


def _long_enough(values: pa.Array) -> pa.BooleanArray:
    counted = pc.utf8_length(values)
    foreign = pc.invert(pc.fill_null(pc.string_is_ascii(values), fill_value=True))
    if foreign.true_count:
        some = values.filter(foreign).to_pylist()
        weights = pa.array([len(value) + len(IDEOGRAPH.findall(value)) for value in some], counted.type)
        counted = pc.replace_with_mask(counted, foreign, weights)
    return pc.fill_null(pc.greater_equal(counted, SHORTEST), fill_value=False)


def _known_digits(needles: pa.Array) -> pa.Array:
    digits = _only_digits(needles)
    numbers = pc.and_(pc.greater_equal(pc.binary_length(digits), _FEWEST_DIGITS), pc.invert(pc.match_substring(needles, "@")))
    plain = _only_digits(pc.replace_substring_regex(needles.filter(numbers), _EXTENSION, r"\1"))
    number = _if_long(plain, digits.filter(numbers))
    number = _if_long(pc.ascii_ltrim(number, "0"), number)
    return pc.replace_with_mask(pc.if_else(numbers, digits, pa.scalar("", digits.type)), numbers, number)


def _if_long(digits: pa.Array, otherwise: pa.Array) -> pa.Array:
    return pc.if_else(pc.greater_equal(pc.binary_length(digits), _FEWEST_DIGITS), digits, otherwise)


def _only_digits(texts: pa.Array) -> pa.Array:
    contents, offsets = _contents(texts)
    # Digits are contiguous in ASCII; unsigned arithmetic wraps what is below "0".
    digit = contents - np.uint8(ord("0")) <= 9  # noqa: PLR2004
    counts = np.searchsorted(np.flatnonzero(digit), offsets)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(counts), pa.py_buffer(contents[digit]))


def _byte_lengths(texts: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(pc.binary_length(texts), -1), dtype=np.int64)


def _compared_lengths(digits: pa.Array) -> NDArray[np.int64]:
    lengths = np.minimum(_byte_lengths(digits), COMPARED_DIGITS)
    return np.where(lengths > 0, lengths, np.iinfo(np.int64).max)


def _byte_bits() -> NDArray[np.uint64]:
    places = np.arange(256, dtype=np.uint64) % np.uint64(28) + np.uint64(36)
    places[ord("a") : ord("z") + 1] = np.arange(26, dtype=np.uint64)
    places[ord("0") : ord("9") + 1] = np.arange(26, 36, dtype=np.uint64)
    return np.uint64(1) << places


_BYTE_BITS = _byte_bits()


def _letters(texts: pa.Array) -> NDArray[np.uint64]:
    """For each text, one bit for each letter and digit in it, and 28 bits for all other bytes; null texts have none."""
    contents, offsets = _contents(texts)
    bits = np.append(_BYTE_BITS[contents], np.uint64(0))
    starts, ends = offsets[:-1], offsets[1:]
    gathered = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits[:0]
    return np.where(ends > starts, gathered, np.uint64(0))


def _contents(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a large_string array, nulls empty, and where each text's begin and the last one's end."""
    plain = pc.fill_null(texts, "")
    if not len(plain):
        return np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, ends, held = plain.buffers()
    offsets = np.frombuffer(ends, dtype=np.int64)[plain.offset : plain.offset + len(plain) + 1]
    first, last = int(offsets[0]), int(offsets[-1])
    contents = np.frombuffer(held, dtype=np.uint8)[first:last] if last > first else np.empty(0, dtype=np.uint8)
    return contents, offsets - first
