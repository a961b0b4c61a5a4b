"""Bare ids: a tenth of all numbers pass Luhn, so a column counts only where far more do. Called by the entities check for numbers,
and for text cells that are nothing but digits, or digits and capitals.

What it misses: single ids among other numbers, columns with fewer than eight ids, ids stored as numbers that lost a leading zero,
and ids without check digits (phone and social security numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate.buffers import fingerprints, is_text
from airlock.gate.normal import as_text
from airlock.gate.numbers import unscaled, whole_numbers
from airlock.gate.validators import chance_of
from airlock.policy.arrow import is_binary

__all__ = ["BARE", "ROUNDED_CARD", "TRUNCATED_CARD", "Sample", "excessive", "sample_numbers"]

ROUNDED_CARD = "ROUNDED_CREDIT_CARD"
"""A card number rounded: the Luhn digit tells the last of its digits, the issuer's prefix and the length say what it is."""

TRUNCATED_CARD = "TRUNCATED_CREDIT_CARD"
"""A card number that lost its last digits: twelve and more of those left are more than may show."""

BARE: dict[str, tuple[tuple[int, ...], int]] = {
    "CREDIT_CARD": (tuple(range(13, 20)), 10),
    "DE_TAX_ID": ((11,), 10),
    "ES_NIF": ((9,), 23),
    "FR_NIR": ((15,), 97),
    "PL_PESEL": ((11,), 10),
    "UK_NHS": ((10,), 11),
    "UK_NINO": ((9,), 100),
    ROUNDED_CARD: (tuple(range(13, 20)), 4),
    TRUNCATED_CARD: (tuple(range(12, 19)), 4),
}
"""Entities that a bare number (or a cell that is nothing else) may be: how many characters, and of how many values of the form one
passes by chance. A NINO has no check digit: a tenth of what is allowed to it, one in a thousand, are so by chance. Nor has a rounded
or truncated card: a quarter of all long numbers begin as cards do, so that nearly all of a column must."""

_LETTERED = 9
_SIZE = 2048
_FEWEST = 8
_LEAST, _BEYOND = 10**9, 10**19
_INT64 = 1 << 63


@dataclass(frozen=True, slots=True)
class Sample:
    """A uniform sample of distinct values: those with the smallest fingerprints, so that samples of parts merge exactly.

    Attributes:
        prints: Sorted fingerprints, at most 2,048.
        forms: For each 0 (not of the entity's form, proves nothing), 1 (of the form, check digits wrong) or 2 (valid).
    """

    prints: np.ndarray
    forms: np.ndarray

    def __add__(self, other: Sample) -> Sample:
        prints, first = np.unique(np.concatenate([self.prints, other.prints]), return_index=True)
        return Sample(prints[:_SIZE], np.concatenate([self.forms, other.forms])[first[:_SIZE]])

    @property
    def count(self) -> int:
        """Distinct values of the form in the sample."""
        return int((self.forms > 0).sum())

    @property
    def passed(self) -> int:
        """How many of them pass."""
        return int((self.forms == 2).sum())  # noqa: PLR2004


def excessive(sample: Sample, entity: str) -> bool:
    """Whether more pass than three times what chance lets through, and three standard deviations on top; never fewer than eight.

    Example:
        >>> excessive(Sample(np.arange(100), np.where(np.arange(100) < 12, 2, 1)), "CREDIT_CARD")
        False
        >>> excessive(Sample(np.arange(10), np.full(10, 2)), "CREDIT_CARD")
        True
    """
    one_in = BARE[entity][1]
    margin = isqrt(9 * sample.count * (one_in - 1)) + 1
    return sample.passed >= _FEWEST and sample.passed * one_in > 3 * sample.count + margin


def sample_numbers(values: pa.Array, entities: Sequence[str]) -> dict[str, Sample]:
    """By entity, a sample of the values (no nulls) that have its number of digits; empty for types that hold no numbers.

    Example:
        >>> cards = pa.array([4111111111111111, 5555555555554444, 4111111111111112])
        >>> sample_numbers(cards, ("CREDIT_CARD", "US_SSN"))["CREDIT_CARD"].passed
        2
    """
    wanted = [entity for entity in entities if entity in BARE]
    if pa.types.is_dictionary(values.type):
        values = values.dictionary.take(pc.unique(values.indices))
    if not wanted:
        return {}
    if is_text(values.type) or is_binary(values.type):
        return _from_text(as_text(values), wanted)
    whole = _integers(values)
    return {} if whole is None else _from_integers(whole, wanted)


def _from_text(text: pa.Array, wanted: list[str]) -> dict[str, Sample]:
    bare = text.filter(pc.match_substring_regex(text, r"\A(?:[0-9]{10,19}(?:\.0+)?|[0-9A-Z]{9})\z"))
    # Whole numbers that went through a float on their way to text end in ".0".
    bare = pc.replace_substring_regex(bare, r"\.0+\z", "")
    lengths = np.asarray(pc.binary_length(bare))
    found = {}
    for entity in wanted:
        fits = np.isin(lengths, BARE[entity][0])
        if fits.any():
            found[entity] = _sample(bare.filter(pa.array(fits)), entity)
    return found


def _integers(values: pa.Array) -> np.ndarray | None:
    """The whole numbers of ten digits and more among the values, as uint64; None for types that hold none."""
    fits = whole_numbers(values)
    if fits is None:
        return None
    if pa.types.is_decimal(values.type):
        raw, one = unscaled(values), 10 ** max(values.type.scale, 0)
        whole = (raw.astype(object) if one >= _INT64 else raw)[fits] // one
    else:
        numbers = np.asarray(values)[fits]
        whole = numbers.astype(np.float64) if pa.types.is_floating(values.type) else numbers
    return whole[(whole >= _LEAST) & (whole < _BEYOND)].astype(np.uint64)


def _from_integers(numbers: np.ndarray, wanted: list[str]) -> dict[str, Sample]:
    found = {}
    for entity in (each for each in wanted if BARE[each][0] != (_LETTERED,)):
        fits = np.zeros(len(numbers), bool)
        for length in BARE[entity][0]:
            fits |= (numbers >= 10 ** (length - 1)) & (numbers < 10**length)
        if fits.any():
            found[entity] = _sample(pa.array(numbers[fits]), entity)
    return found


def _sample(candidates: pa.Array, entity: str) -> Sample:
    prints, first = np.unique(fingerprints(candidates), return_index=True)
    texts = candidates.take(pa.array(first[:_SIZE])).cast(pa.string()).to_pylist()
    words = [chance_of(entity, text) for text in texts]
    return Sample(prints[:_SIZE], np.array([0 if word is None else 1 + word for word in words], np.int8))
