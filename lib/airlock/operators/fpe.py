"""`fpe`: numbers and ids encrypted into others of the same length, alphabet and layout, and back by who holds the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from airlock.crypto.aes import BATCH, Uint8s, Uint64s
from airlock.crypto.columns import ByteColumn, empty_nulls, nulls, text_array
from airlock.crypto.ff1 import Ff1
from airlock.crypto.luhn import check_digits
from airlock.crypto.spelling import Alphabet, from_digits, to_digits
from airlock.errors import OperatorTypeError, SmallDomainError
from airlock.keys import KeyRequest
from airlock.operators._base import STRICT, Contract, RowOperator, reject
from airlock.operators._canonical import canonical_text, why_not
from airlock.operators._domains import require_domain
from airlock.operators._fields import TEXT, over_text, plain_field, wrong_type
from airlock.policy.alphabets import ALPHABETS, LONGEST, SMALLEST_DOMAIN, letters_of, separators_of, shortest_of

if TYPE_CHECKING:
    from airlock.keys import SubKeys
    from airlock.operators._base import RowKernel
    from airlock.policy.model import KeyDomain

__all__ = ["Fpe"]

_LONGEST_INTEGER = 18
"""Digits that an int64 holds whatever they are."""

_Cipher = Callable[[Uint8s, ByteColumn | None], Uint8s]
_Numbers = Callable[[Uint64s, int], Uint64s]


class _Lot(NamedTuple):
    """Values of one length: their rows, where their digits stand, and their digits as a matrix."""

    rows: NDArray[np.int64] | slice
    at: NDArray[np.int64] | slice
    digits: Uint8s


@dataclass(kw_only=True, config=STRICT)
class Fpe(RowOperator):
    """Encrypt each value's characters into as many others of the same alphabet: FF1 (NIST SP 800-38G) with AES-256.

    Guarantee: without the key an output says nothing about its value but its length, its separators, and which rows share it, as
    long as AES is a pseudo-random function and the bounds of SP 800-38G Rev. 1, appendix A, hold. Different values give different
    outputs, equal ones of one domain, alphabet, length and tweak equal ones. Frequencies stay visible (`accept_frequency`). Whoever holds the
    key can decrypt; an output of a million values' alphabet and length hides one among a million. Nothing is authenticated: what
    another key made decrypts into some other value.

    Source: ISO/IEC 20889:2018, format-preserving encryption; NIST SP 800-38G Rev. 1, second draft (February 2025), method FF1. The check
    digit is Luhn's (ISO/IEC 7812-1, annex B).

    Args:
        domain: Key domain, one of the policy's `keys.domains`, without canonical steps: the value's form is kept.
        alphabet: `digits`, `lower`, `upper`, `letters`, `hex`, `alphanumeric` (digits and capitals), `base62`, or 2 to 62 distinct
            characters of your own. Any other character that is no separator rejects the row (`not-in-alphabet`).
        length: How many characters each value has; integers need it, and are taken with leading zeros.
        min_length: Else the shortest length, separators left out; at least six, and as long as a million values need.
        max_length: And the longest, at most 56. Another length rejects the row (`bad-length`).
        separators: Spaces and punctuation, at most 16, that stay in their places; by default those of ' -./()+' that the alphabet lacks.
        tweak: A text that makes another permutation; public.
        tweak_column: Path of a column of the same row whose value makes one, for equal values in rows that differ there. Without a value the row is rejected
            (`no-tweak`).
        luhn: The last digit is a check digit: it is made anew, and a value whose own is wrong is rejected (`not-luhn`).

    Example:
        >>> from airlock.keys import SubKeys
        >>> operator, cards = Fpe(domain="card", luhn=True), pa.array(["4111 1111 1111 1111", None])
        >>> keys = SubKeys({operator.requests()[0]: bytes(32)}, {})
        >>> made = operator.kernel(pa.field("card", cards.type), keys)(pa.StructArray.from_arrays([cards], ["value"]))
        >>> made.to_pylist()
        ['0302 6937 5633 6787', None]
        >>> operator.reverse(pa.field("card", cards.type), keys)(pa.StructArray.from_arrays([made], ["value"])).equals(cards)
        True
    """

    name: ClassVar[str] = "fpe"
    example: ClassVar[str] = (
        "card: {type: string, class: direct_identifier, reversible: allowed, fpe: {domain: account, luhn: true, length: 16}}"
    )
    shorthand: ClassVar[str] = "domain"

    domain: Annotated[str, Field(min_length=1)]
    alphabet: str = "digits"
    length: int | None = Field(default=None, ge=2, le=LONGEST)
    min_length: int | None = Field(default=None, ge=2, le=LONGEST)
    max_length: int | None = Field(default=None, ge=2, le=LONGEST)
    separators: str | None = None
    tweak: Annotated[str, Field(max_length=64)] = ""
    tweak_column: Annotated[str, Field(min_length=1)] | None = None
    luhn: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        letters = self._letters
        separators_of(self.separators, letters)
        if self.luhn and letters != ALPHABETS["digits"]:
            raise ValueError("luhn needs alphabet digits; leave one of them out")
        if self.tweak and self.tweak_column:
            raise ValueError("tweak and tweak_column are two tweaks; leave one of them out")
        if self.length is not None and (self.min_length is not None or self.max_length is not None):
            raise ValueError("length says it all; leave min_length and max_length out, or length")
        if self._shortest > self._longest:
            raise ValueError(f"min_length {self._shortest} is above max_length {self._longest}; exchange them")
        return self

    @property
    def contract(self) -> Contract:
        """A permutation for each length and tweak; equal values under different tweaks differ."""
        return Contract(
            technique="cryptographic: format-preserving encryption",
            injective=self.tweak_column is None,
            reversible=True,
            keyed=True,
            same_form=True,
            chance=1 / len(self._letters) ** (self._shortest - self.luhn),
        )

    @property
    def ignored(self) -> str:
        """Characters that say nothing of whether a value was encrypted: they stay in their places."""
        return separators_of(self.separators, self._letters)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tweak's column."""
        return () if self.tweak_column is None else (self.tweak_column,)

    def require_inputs(self, types: Mapping[str, pa.DataType]) -> None:
        """Refuse a tweak that has no text.

        Raises:
            OperatorTypeError: Neither text nor a whole number nor a date.
        """
        for path in self.inputs:
            problem = why_not(types[path], ())
            if problem:
                raise OperatorTypeError(
                    f"'{self.name}' takes no tweak from column '{path}' of type {types[path]}: {problem}. Name another column",
                    operator=self.name,
                    column=path,
                )

    def requests(self) -> tuple[KeyRequest, ...]:
        """One subkey: this domain's, for this alphabet, with or without a check digit: no two of them share a permutation."""
        return (KeyRequest("fpe", f"aes-ff1{'-luhn' if self.luhn else ''}/{self._letters}", self.domain),)

    def resolve(self, domains: Mapping[str, KeyDomain]) -> Self:
        """This declaration.

        Raises:
            ValueError: The policy has no such domain, or it has canonical steps, which would change the value's form.
            SmallDomainError: There are fewer than a million values of the shortest length (SP 800-38G Rev. 1).
        """
        size, least = len(self._letters) ** (self._shortest - self.luhn), shortest_of(self._letters, luhn=self.luhn)
        if size < SMALLEST_DOMAIN:
            raise SmallDomainError(
                f"{self._shortest} characters of {len(self._letters)}{' with a check digit' if self.luhn else ''} are {size:,} values, "
                f"which can be tried out (SP 800-38G Rev. 1: at least {SMALLEST_DOMAIN:,}); encrypt {least} characters or more, or "
                "pseudonymize"
            )
        if require_domain(self.domain, domains).canonical:
            raise ValueError(
                f"key domain '{self.domain}' has canonical steps, but 'fpe' keeps the value's form. Give it a domain without"
            )
        return self

    def result_field(self, field: pa.Field) -> pa.Field:
        """The same type.

        Raises:
            OperatorTypeError: Neither text nor, with a fixed length that fits, integers.
        """
        if pa.types.is_integer(field.type):
            self._require_integers(field)
        elif field.type not in TEXT:
            raise wrong_type(self.name, field, "it takes text, and integers of a fixed `length`")
        return plain_field(field)

    def kernel(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Characters to digits, FF1 by length, and back to characters in their places."""
        return self._compiled(field, keys, forward=True)

    def reverse(self, field: pa.Field, keys: SubKeys) -> RowKernel:
        """Decrypt: over rows as `kernel` takes them, `value` the written values."""
        return self._compiled(field, keys, forward=False)

    @property
    def _letters(self) -> str:
        return letters_of(self.alphabet)

    @property
    def _shortest(self) -> int:
        return self.length or self.min_length or shortest_of(self._letters, luhn=self.luhn)

    @property
    def _longest(self) -> int:
        return self.length or self.max_length or LONGEST

    def _require_integers(self, field: pa.Field) -> None:
        bits = field.type.bit_width - pa.types.is_signed_integer(field.type)
        if self.length is None or self.luhn or self._letters != ALPHABETS["digits"]:
            raise wrong_type(self.name, field, "integers need alphabet digits, a fixed `length`, and no luhn")
        if self.length > _LONGEST_INTEGER or 10**self.length > 1 << bits:
            raise wrong_type(self.name, field, f"not every number of {self.length} digits fits into it")

    def _compiled(self, field: pa.Field, keys: SubKeys, *, forward: bool) -> RowKernel:
        self.result_field(field)
        ff1 = Ff1(keys[self.requests()[0]], len(self._letters), self.tweak.encode())
        cipher = ff1.encrypt if forward else ff1.decrypt
        if not pa.types.is_integer(field.type):
            alphabet = Alphabet(self._letters, separators_of(self.separators, self._letters))
            return lambda rows: over_text(partial(self._texts, alphabet, self._tweaks(rows), cipher))(rows.field("value"))
        numbers = ff1.encrypt_numbers if forward else ff1.decrypt_numbers
        return lambda rows: self._integers(rows.field("value"), self._tweaks(rows), cipher, numbers)

    def _tweaks(self, rows: pa.StructArray) -> ByteColumn | None:
        """Each row's tweak. A row without one, or an empty one, is rejected: equal values of such rows would show."""
        if self.tweak_column is None:
            return None
        texts = canonical_text(rows.field(self.tweak_column), ())
        tweaks = ByteColumn.of(empty_nulls(texts)).compact()
        reject("no-tweak", (np.diff(tweaks.offsets) == 0) & ~nulls(rows.field("value")))
        return tweaks

    def _texts(self, alphabet: Alphabet, tweaks: ByteColumn | None, cipher: _Cipher, texts: pa.Array) -> pa.Array:
        texts = empty_nulls(texts)
        spelled = alphabet.spell(texts)
        reject("not-in-alphabet", spelled.foreign)
        reject("bad-length", self._misfits(spelled.lengths) & ~nulls(texts))
        lots = list(_lots(spelled.digits, spelled.ends))
        if self.luhn:
            reject("not-luhn", _unchecked(lots, len(texts)))
        made = np.empty(len(spelled.digits), np.uint8)
        for lot in lots:
            made[lot.at] = self._encrypted(lot.digits, _some(tweaks, lot.rows), cipher).reshape(-1)
        return alphabet.write(spelled, made, texts).cast(texts.type)

    def _misfits(self, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (lengths < self._shortest) | (lengths > self._longest)

    def _encrypted(self, digits: Uint8s, tweaks: ByteColumn | None, cipher: _Cipher) -> Uint8s:
        if not self.luhn:
            return cipher(digits, tweaks)
        made = np.empty_like(digits)
        made[:, :-1] = cipher(digits[:, :-1], tweaks)
        made[:, -1] = check_digits(made[:, :-1])
        return made

    def _integers(self, values: pa.Array, tweaks: ByteColumn | None, cipher: _Cipher, numbers: _Numbers) -> pa.Array:
        length = self.length or 0
        high = pa.scalar(10**length, values.type)
        reject("out-of-range", pc.or_(pc.less(values, pa.scalar(0, values.type)), pc.greater_equal(values, high)))
        present = pc.fill_null(values, 0).cast(pa.uint64()).to_numpy()
        made = numbers(present, length) if tweaks is None else from_digits(cipher(to_digits(present, length), tweaks))
        return pa.array(made, mask=nulls(values) if values.null_count else None).cast(values.type)


def _lots(digits: Uint8s, ends: NDArray[np.int64]) -> Iterator[_Lot]:
    """Values of each length, as few at a time as stay in cache; all at once where they have one length."""
    lengths = np.diff(ends)
    longest = int(lengths.max(initial=0))
    rows = np.flatnonzero(lengths)
    if len(rows) and len(digits) == longest * len(rows):
        yield _Lot(slice(None) if len(rows) == len(lengths) else rows, slice(None), digits.reshape(-1, longest))
        return
    for length in range(1, longest + 1):
        rows = np.flatnonzero(lengths == length)
        for part in (rows[at : at + BATCH] for at in range(0, len(rows), BATCH)):
            places = ends[part][:, None] + np.arange(length)
            yield _Lot(part, places.reshape(-1), digits.take(places))


def _some(tweaks: ByteColumn | None, rows: NDArray[np.int64] | slice) -> ByteColumn | None:
    """The tweaks of some rows."""
    if tweaks is None or isinstance(rows, slice):
        return tweaks
    return ByteColumn.of(text_array(tweaks).take(pa.array(rows))).compact()


def _unchecked(lots: Sequence[_Lot], count: int) -> NDArray[np.bool_]:
    """True where the last digit is not the check digit of the others."""
    wrong = np.zeros(count, bool)
    for lot in lots:
        wrong[lot.rows] = check_digits(lot.digits[:, :-1]) != lot.digits[:, -1]
    return wrong
