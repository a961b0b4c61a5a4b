"""Shapes that stand for themselves: what every shape has, and those of tokens, ciphertexts and of values that keep their form.

`simple`, `coarse`, `partial` and `choices` have the others; `formats` says which operator writes which. Called by `formats`, `plan` and the gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

import pyarrow as pa

from airlock.policy.alphabets import ALPHABETS, LONGEST, letters_of, separators_of, shortest_of
from airlock.policy.pools import form

__all__ = [
    "BASE64URL",
    "HEX",
    "UNREADABLE",
    "Ciphertext",
    "FewValues",
    "FromPool",
    "IntegerToken",
    "Perturbed",
    "Preserved",
    "Shape",
    "Token",
]

HEX = "0123456789abcdef"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

_BLOCK = 16
"""Bytes of an AES block: as many has a synthetic IV (RFC 5297), and the nonce that `encrypt_random` writes before it."""

UNREADABLE = 4
"""Characters in which no entity fits."""

_FEWEST_ROWS = 20
"""No policy may call a value frequent that fewer rows share."""

_NUMBERS = (
    "BR_CPF", "CH_AHV", "CREDIT_CARD", "DE_TAX_ID", "FR_NIR", "IP_ADDRESS", "PHONE_NUMBER", "PL_PESEL", "UK_NHS", "US_ITIN", "US_SSN",
)  # fmt: skip
_LETTERED = ("ES_NIF", "IBAN_CODE", "IT_FISCAL_CODE", "UK_NINO")
"""Entities of digits and separators; and of digits and capitals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What every non-null value of a written leaf looks like.

    `closed`: nothing else fits in, so it is not scanned further. `holds_text`: what is not closed leaves room for words, such as a
    row's own names. `proper`: entities that every proper value is; they are not looked for there. `looks_like`: entities that proper values may be taken for, which a policy may accept as synthetic. `written`: the
    type that such values have, where it is not the operator's usual one.
    """

    closed = True
    holds_text = True
    proper: ClassVar[tuple[str, ...]] = ()
    looks_like: ClassVar[tuple[str, ...]] = ()
    written: ClassVar[pa.DataType | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Shape):
    """`prefix`, then exactly `length` characters of `alphabet`, then (with `domains`) '@' and one of them.

    With `hyphens`, the 8-4-4-4-12 form of a UUID, `length` counting the hyphens. `first` characters may stand before all that, with
    `last` after it: both or neither.
    """

    alphabet: str
    length: int
    prefix: str = ""
    hyphens: bool = False
    domains: tuple[str, ...] | None = None
    first: int = 0
    last: int = 0

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """No entity fits in four characters around a token."""
        return self.first + self.last <= UNREADABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerToken(Shape):
    """A whole number from `low` to `high`."""

    low: int
    high: int

    @property
    def written(self) -> pa.DataType:  # type: ignore[override]
        """The integer type that holds them."""
        return pa.int32() if self.high < 1 << 31 else pa.int64()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preserved(Shape):
    """`shortest` to `longest` characters of `alphabet`, and separators anywhere; with `luhn` the last is the others' check digit.

    An integer is one that has at most `longest` digits. The raw value has this form, too: what tells them apart is the inner door's
    own check that no keyed operator hands values through.
    """

    alphabet: str
    separators: str
    shortest: int
    longest: int
    luhn: bool = False

    closed = False
    holds_text = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """The form that `fpe` keeps, from its arguments.

        Raises:
            ValueError: There is no such alphabet, or a separator is one of its letters.
        """
        letters, luhn = letters_of(arguments.get("alphabet", "digits")), arguments.get("luhn", False)
        length = arguments.get("length")
        return cls(
            alphabet=letters,
            separators=separators_of(arguments.get("separators"), letters),
            shortest=length or arguments.get("min_length") or shortest_of(letters, luhn=luhn),
            longest=length or arguments.get("max_length") or LONGEST,
            luhn=luhn,
        )

    @property
    def looks_like(self) -> tuple[str, ...]:  # type: ignore[override]
        """Of what is made of digits, or of digits and capitals, any."""
        if not set(self.alphabet) >= set(ALPHABETS["digits"]):
            return ()
        return (*_NUMBERS, *_LETTERED) if set(self.alphabet) & set(ALPHABETS["upper"]) else _NUMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Ciphertext(Shape):
    """`prefix`, then characters of `alphabet` (16 or 64 of them: four or six bits each) that encode, without padding, `shortest` bytes
    or a multiple of `step` more.
    """

    alphabet: str
    prefix: str
    shortest: int
    step: int = 1

    @classmethod
    def of(cls, arguments: Mapping[str, Any], *, blocks: int) -> Self:
        """Of AES-SIV, by an operator's arguments: so many blocks come before what has the value's length."""
        padding = arguments.get("pad_to", _BLOCK)
        # ISO/IEC 7816-4 pads an empty value to nothing but padding.
        shortest = _BLOCK * blocks + (0 if padding is None else int(padding))
        alphabet = {"hex": HEX, "base64url": BASE64URL}[arguments.get("form", "base64url")]
        return cls(alphabet=alphabet, prefix=arguments.get("prefix", "enc_"), shortest=shortest, step=int(padding or 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbed(Shape):
    """A value that looks like a raw one: a `moment` (date or timestamp), or a `number` that is a multiple of 10^-`decimals` and lies
    `within` two ends.

    That it was perturbed, nobody can see who has no raw one: the inner door compares.
    """

    kind: str
    decimals: int = 0
    within: tuple[Decimal, Decimal] | None = None
    closed = False
    holds_text = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """What `add_noise` writes, from its arguments."""
        if arguments.get("unit") is not None:
            return cls(kind="moment")
        ends = arguments.get("within")
        within = None if ends is None else (Decimal(str(ends[0])), Decimal(str(ends[1])))
        return cls(kind="number", decimals=arguments.get("decimals", 0), within=within)


@dataclass(frozen=True, slots=True, kw_only=True)
class FewValues(Shape):
    """At most `n` different values beside `other`, each in `rows` rows of the dataset or more: the gate counts them. They are scanned."""

    n: int
    rows: int
    other: str | int | None

    closed = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """What `keep_top` lets stay, from its arguments.

        Raises:
            ValueError: They are not what it takes.
        """
        n, rows, other = arguments.get("n", 20), arguments.get("min_count", 100), arguments.get("other", "other")
        if type(n) is not int or type(rows) is not int or not isinstance(other, str | int | None) or rows < _FEWEST_ROWS:
            raise ValueError("not what keep_top takes")
        return cls(n=n, rows=rows, other=other)


_TAKEN_FOR: dict[str, tuple[str, ...]] = {"email": ("EMAIL_ADDRESS",), "phone": ("PHONE_NUMBER",)}
_TAKEN_FOR |= dict.fromkeys(("first_name", "full_name", "last_name"), ("PERSON",))
_TAKEN_FOR |= dict.fromkeys(("address", "city", "country", "postcode", "state", "street"), ("LOCATION",))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPool(Shape):
    """A surrogate: texts out of the pools of a kind, locale and gender, put together as `policy.pools` says."""

    kind: str
    locale: str
    gender: str = "any"

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """What `surrogate` writes, from its arguments; by a column's gender, names of either.

        Raises:
            ValueError: There is no such kind, locale or gender.
            MissingCapabilityError: The word lists are not installed.
        """
        gender = arguments.get("gender", "any")
        shape = cls(
            kind=arguments["kind"],
            locale=arguments.get("locale", "en_US"),
            gender=gender if isinstance(gender, str) else "any",
        )
        form(shape.kind, shape.locale, shape.gender)
        return shape

    @property
    def looks_like(self) -> tuple[str, ...]:  # type: ignore[override]
        """Nobody can tell a surrogate from the real thing."""
        return _TAKEN_FOR.get(self.kind, ())
