"""Word lists of a locale: names, streets, companies, occupations, countries. From the library Faker; nothing is drawn, its lists are read.

This and `demo.pools` are the homes of Faker, which the extra `surrogates` brings. Called by `_places` and `_forms`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from airlock.errors import MissingCapabilityError
from airlock.policy.pools._styles import STYLES

__all__ = ["Words", "demand_lists", "demand_same_lists", "installed", "provider", "words"]

_LATIN = str.maketrans(
    {"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ä": "ae", "ö": "oe", "ü": "ue"}
)
_SPLITS = frozenset(" .,&@_()/")
"""Characters at which composed surrogates are taken apart again: no name holds one."""

_VERSION = re.compile(r"[0-9.]{1,32}")

Names = tuple[tuple[str, str], ...]
"""Names with what an e-mail address makes of them, sorted."""


@dataclass(frozen=True, slots=True)
class Words:
    """The lists of one locale, each sorted and without repetition."""

    female: Names
    male: Names
    last: Names
    streets: tuple[str, ...]
    companies: tuple[str, ...]
    jobs: tuple[str, ...]
    countries: tuple[str, ...]

    def first(self, gender: str) -> Names:
        """First names; of `any` gender those of both."""
        if gender == "any":
            return tuple(sorted({*self.female, *self.male}))
        return self.female if gender == "female" else self.male


def installed() -> bool:
    """Whether there are word lists at all."""
    return find_spec("faker") is not None


def demand_lists() -> None:
    """Raise MissingCapabilityError unless Faker is installed."""
    if not installed():
        raise MissingCapabilityError(
            "surrogates come from word lists of Faker, which is not installed. Install the extra 'surrogates' at both doors: "
            "pip install 'airlock[surrogates]'",
            extra="surrogates",
        )


def demand_same_lists(code: Mapping[str, str]) -> None:
    """Refuse to judge surrogates by other lists than they were made from.

    Args:
        code: Names and versions of the packages that made a run, as its manifest has them.

    Raises:
        MissingCapabilityError: Faker has its part in the run and is not installed here, or in another version.
    """
    theirs = code.get("faker")
    if theirs is None:
        return
    demand_lists()
    if theirs != (own := version("faker")):
        shown = theirs if _VERSION.fullmatch(theirs) else "another version"
        raise MissingCapabilityError(
            f"the run's surrogates were made with Faker {shown}, this door has {own}: by other word lists it would refuse proper ones. "
            "Install the same version at both doors, then release the run",
            extra="surrogates",
        )


@cache
def provider(topic: str, locale: str) -> Any:
    """Faker's lists on a topic; in English where it has none in the locale's language, as Faker itself does.

    Raises:
        MissingCapabilityError: Faker is not installed.
    """
    demand_lists()
    name = f"faker.providers.{topic}"
    found = f"{name}.{locale}" if find_spec(f"{name}.{locale}") else f"{name}.en_US"
    return import_module(found).Provider


@cache
def words(locale: str) -> Words:
    """The lists of a locale.

    Raises:
        MissingCapabilityError: Faker is not installed.
    """
    person, company = provider("person", locale), provider("company", locale)
    legal = company.company_prefixes if STYLES[locale].family_first else company.company_suffixes
    last = _names(person, ("unisex_last_names", "last_names"), "last_romanized_names")
    return Words(
        female=_names(person, ("first_names_female",), "first_romanized_names_female"),
        male=_names(person, ("first_names_male",), "first_romanized_names_male"),
        last=last,
        streets=_sorted(_streets(locale, [name for name, _ in last])),
        companies=_sorted(text for text in legal if " " not in text),
        jobs=_sorted(provider("job", locale).jobs),
        countries=_sorted(provider("address", locale).countries),
    )


def _names(person: Any, lists: tuple[str, ...], romanized: str) -> Names:
    listed = list(next(getattr(person, name) for name in lists if hasattr(person, name)))
    latin = getattr(person, romanized, listed)
    return tuple(
        sorted({name: _ascii(spelled) for name, spelled in zip(listed, latin, strict=True) if _SPLITS.isdisjoint(name)}.items())
    )


def _streets(locale: str, names: list[str]) -> Iterable[str]:
    """Faker's streets or quarters where it lists any; else one for each last name, the locale's forms in turn."""
    address, style = provider("address", locale), STYLES[locale]
    listed = _sorted(getattr(address, "streets", getattr(address, "towns", names)))
    return _formed(style.streets, [name for name in listed if "," not in name])


def _formed(forms: tuple[str, ...], names: Iterable[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        yield forms[at % len(forms)].format(name)


def _sorted(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({str(text).strip() for text in texts}))


def _ascii(name: str) -> str:
    """As in an e-mail address: lower case, letters and hyphens of ASCII alone."""
    plain = unicodedata.normalize("NFKD", name.translate(_LATIN)).encode("ascii", "ignore").decode()
    return "".join(character for character in plain.lower() if character.isalnum() or character == "-")
