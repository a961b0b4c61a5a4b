"""What a surrogate is made of: parts from pools, and separators between them. Whoever makes one walks the form, whoever judges one
takes it apart by the same form. Called by operator `surrogate` and the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product
from math import prod
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from airlock.policy.pools._places import places
from airlock.policy.pools._styles import STYLES
from airlock.policy.pools._words import demand_lists, words

__all__ = ["GENDERED", "KINDS", "LOCALES", "Form", "Joined", "Kind", "Part", "form", "parts", "possible"]

Kind = Literal[
    "address", "city", "company", "country", "email", "first_name", "full_name", "job", "last_name", "phone", "postcode", "state",
    "street", "username",
]  # fmt: skip

KINDS: tuple[str, ...] = get_args(Kind)
LOCALES = tuple(sorted(STYLES))

GENDERED = ("email", "first_name", "full_name", "username")
"""Kinds with a first name in them."""

_MAIL_DOMAINS = ("example.com", "example.net", "example.org")
"""Nobody receives mail there (RFC 2606, section 3)."""

_NUMBERS = tuple(str(number) for number in range(1, 200))
_TWO_DIGITS = tuple(str(number) for number in range(10, 100))


@dataclass(frozen=True, eq=False)
class Part:
    """A text out of a pool.

    Attributes:
        role: Parts of one role are chosen alike: a town and its post code stand at one place of two pools of equal length.
        texts: String array.
    """

    role: str
    texts: pa.Array

    @cached_property
    def distinct(self) -> int:
        """How many different texts."""
        return int(pc.count_distinct(self.texts).as_py())


@dataclass(frozen=True, eq=False)
class Joined:
    """Two forms with a separator between them, found again as the first in the text, or with `rightmost` as the last."""

    left: Form
    separator: str
    right: Form
    rightmost: bool = False


Form = Part | Joined


def parts(of: Form) -> Iterator[Part | str]:
    """The parts and separators of a form, in reading order."""
    if isinstance(of, Part):
        yield of
        return
    yield from parts(of.left)
    yield of.separator
    yield from parts(of.right)


def possible(of: Form) -> int:
    """How many different surrogates a form has.

    Example:
        >>> possible(Joined(Part("first", pa.array(["Ann", "Bo"])), " ", Part("last", pa.array(["Ek", "Ek", "Lee"]))))
        4
    """
    return prod(part.distinct for part in parts(of) if isinstance(part, Part))


@cache
def form(kind: str, locale: str, gender: str = "any") -> Form:
    """The form of a kind of surrogate.

    Args:
        kind: One of `KINDS`.
        locale: One of `LOCALES`.
        gender: Of its first name, if it has one: `female`, `male` or `any`.

    Raises:
        ValueError: There is no such kind, locale or gender.
        MissingCapabilityError: The word lists are not installed.
    """
    if kind not in _FORMS:
        raise ValueError(f"there is no kind of surrogate '{kind}'; there are {', '.join(KINDS)}")
    if locale not in LOCALES:
        raise ValueError(f"there are no surrogates for locale '{locale}'; there are {', '.join(LOCALES)}")
    if gender not in ("any", "female", "male"):
        raise ValueError("gender is female, male or any")
    demand_lists()
    return _FORMS[kind](locale, gender)


def _part(role: str, texts: Iterable[str]) -> Part:
    return Part(role, pa.array(list(texts), pa.string()))


def _first(locale: str, gender: str) -> Form:
    return _part("first", (name for name, _ in words(locale).first(gender)))


def _last(locale: str, _: str) -> Form:
    return _part("last", (name for name, _ in words(locale).last))


def _full(locale: str, gender: str) -> Form:
    first, last = _first(locale, gender), _last(locale, gender)
    return Joined(last, " ", first) if STYLES[locale].family_first else Joined(first, " ", last)


def _account(locale: str, gender: str, separator: str) -> Form:
    first = _part("first", (latin for _, latin in words(locale).first(gender)))
    last = _part("last", (latin for _, latin in words(locale).last))
    return Joined(first, separator, Joined(last, separator, _part("account", _TWO_DIGITS)))


def _email(locale: str, gender: str) -> Form:
    return Joined(_account(locale, gender, "."), "@", _part("domain", _MAIL_DOMAINS))


def _username(locale: str, gender: str) -> Form:
    return _account(locale, gender, "_")


def _phone(locale: str, _: str) -> Form:
    return _part("phone", (number for pattern in STYLES[locale].phones for number in _numbers(pattern)))


def _numbers(pattern: str) -> Iterator[str]:
    blank = pattern.replace("#", "{}")
    return (blank.format(*digits) for digits in product("0123456789", repeat=pattern.count("#")))


def _company(locale: str, _: str) -> Form:
    names = [name for name, _ in words(locale).last]
    owners = Joined(_part("founder", names), " & ", _part("partner", names))
    legal = _part("legal form", words(locale).companies)
    return Joined(legal, " ", owners) if STYLES[locale].family_first else Joined(owners, " ", legal, rightmost=True)


def _street(locale: str, _: str) -> Form:
    street, number = _part("street", words(locale).streets), _part("house", _NUMBERS)
    return Joined(number, " ", street) if STYLES[locale].number_first else Joined(street, " ", number, rightmost=True)


def _address(locale: str, gender: str) -> Form:
    return Joined(_street(locale, gender), ", ", _part("place", places(locale).lines))


_FORMS: dict[str, Callable[[str, str], Form]] = {
    "address": _address,
    "city": lambda locale, _: _part("place", places(locale).cities),
    "company": _company,
    "country": lambda locale, _: _part("country", words(locale).countries),
    "email": _email,
    "first_name": _first,
    "full_name": _full,
    "job": lambda locale, _: _part("job", words(locale).jobs),
    "last_name": _last,
    "phone": _phone,
    "postcode": lambda locale, _: _part("place", places(locale).postcodes),
    "state": lambda locale, _: _part("place", places(locale).states),
    "street": _street,
    "username": _username,
}
