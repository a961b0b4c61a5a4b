"""Places of a locale: town, state and post code that belong together. Called by `_forms`.

From `places.txt`; each place has a hundred post codes there, whose beginning is real and whose rest is made up. Italian places are
Faker's, which has post codes with their towns and provinces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from airlock.policy.pools._styles import STYLES, Style
from airlock.policy.pools._words import provider

__all__ = ["Places", "listed_places", "places"]

_EACH = 100
_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
"""Of the second half of British post codes; in Dutch ones they all occur, too."""


@dataclass(frozen=True, slots=True)
class Places:
    """Columns of one length: row by row a place."""

    cities: tuple[str, ...]
    states: tuple[str, ...]
    postcodes: tuple[str, ...]
    lines: tuple[str, ...]


@cache
def places(locale: str) -> Places:
    """The places of a locale.

    Raises:
        MissingCapabilityError: They are Faker's, and it is not installed.
    """
    style = STYLES[locale]
    records = sorted(set(_italian() if locale == "it_IT" else _listed(locale, style)))
    states, cities, postcodes = zip(*records, strict=True)
    lines = tuple(style.line.format(city=city, state=state, postcode=code) for state, city, code in records)
    return Places(cities, states, postcodes, lines)


def listed_places(locale: str) -> list[tuple[str, str, str]]:
    """State, beginning of the post code, and town, as `places.txt` has them.

    Example:
        >>> listed_places("es_ES")[:2]
        [('Álava', '01', 'Vitoria-Gasteiz'), ('Álava', '01', 'Llodio')]
    """
    text = files("airlock.policy.pools").joinpath("places.txt").read_text("utf-8")
    section = text.partition(f"[{locale}]\n")[2].partition("\n[")[0]
    found = []
    for line in filter(None, section.splitlines()):
        state, _, towns = line.partition(": ")
        found += [(state, *town.split(" ", 1)) for town in towns.split(", ")]
    return found  # type: ignore[return-value]  # each town has a beginning and a name


def _listed(locale: str, style: Style) -> Iterator[tuple[str, str, str]]:
    for state, start, town in listed_places(locale):
        for turn in range(_EACH):
            yield state, town, _postcode(style.postcode, start, turn)


def _italian() -> Iterator[tuple[str, str, str]]:
    address = provider("address", "it_IT")
    names = dict(zip(address.states_abbr, address.states, strict=True))
    for code, towns in address.cap_city_province.items():
        for town, province in towns:
            yield names.get(province, province), town, code


def _postcode(form: str, start: str, turn: int) -> str:
    """A post code that begins with `start`, one of a hundred.

    Example:
        >>> _postcode("#####", "352", 7), _postcode("#### ??", "10", 42), _postcode("^# #??", "LS", 42)
        ('35207', '1042 DH', 'LS7 4DH')
    """
    if "^" in form:
        rest = iter((str(turn % 9 + 1), str(turn // 9 % 10)))
        form = form.replace("^", start)
    else:
        rest = iter(start + f"{turn:02}".ljust(form.count("#") - len(start), "0"))
    letters = iter((_LETTERS[turn % 20], _LETTERS[turn * 3 % 20]))
    return "".join(next(rest) if one == "#" else next(letters) if one == "?" else one for one in form)
