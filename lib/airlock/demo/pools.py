"""Pools of names and streets by country, made once by Faker; rows only point into them. Called by `people`.

Faker draws them here; `policy.pools` reads its lists. It comes with the extra `surrogates`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airlock.demo.draws import Draws, Index
from airlock.errors import MissingCapabilityError

__all__ = ["LOCALES", "Pool", "Pools", "make_pools"]

LOCALES = ("en_US", "en_GB", "de_DE", "fr_FR", "pl_PL", "pt_BR", "ja_JP")

_KEPT_WORDS = "female male home work mobile street removed plan channel free basic family business web app partner shop"
_LATIN = str.maketrans({"ß": "ss", "ł": "l", "Ł": "L", "ø": "o", "æ": "ae", "ä": "ae", "ö": "oe", "ü": "ue"})
_HEX = frozenset("abcdef")


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts of all locales in one array; locale `i` owns `starts[i]` to `starts[i] + sizes[i]`."""

    texts: pa.Array
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    def places(self, draws: Draws, index: Index, purpose: str, locale: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in `texts` each row's value stands; the first of a locale are drawn more often."""
        return self.starts[locale] + draws.below(index, purpose, self.sizes[locale], skew=2.0)


@dataclass(frozen=True, slots=True)
class Pools:
    """What Faker contributes. `female`, `male` and `last` have an ASCII twin at the same places, for e-mail addresses."""

    female: Pool
    male: Pool
    last: Pool
    street: Pool
    ascii_female: pa.Array
    ascii_male: pa.Array
    ascii_last: pa.Array


def make_pools(seed: int) -> Pools:
    """Make the pools.

    Raises:
        MissingCapabilityError: Faker is not installed.
    """
    fakers = _fakers(seed)
    female, male, last = (
        [[name for name in _drawn(make, tries) if not _confusing(name)] for make in makers]
        for tries, makers in (
            (200, [fake.first_name_female for fake in fakers]),
            (200, [fake.first_name_male for fake in fakers]),
            (400, [fake.last_name for fake in fakers]),
        )
    )
    street = [_drawn(fake.street_address, 400) for fake in fakers]
    return Pools(_pool(female), _pool(male), _pool(last), _pool(street), _ascii(female), _ascii(male), _ascii(last))


def _fakers(seed: int) -> list[Any]:
    try:
        from faker import Faker  # noqa: PLC0415 - imported where it is needed: only the demo needs it
    except ImportError:
        raise MissingCapabilityError(
            "generated data needs Faker, which is not installed. Install the extra 'surrogates': pip install 'airlock[surrogates]'",
            extra="surrogates",
        ) from None
    fakers = [Faker(locale) for locale in LOCALES]
    for fake in fakers:
        fake.seed_instance(seed)
    return fakers


def _drawn(make: Callable[[], str], tries: int) -> list[str]:
    found = (" ".join(make().replace('"', "").replace("\\", "").split()) for _ in range(tries))
    return list(dict.fromkeys(text for text in found if text))


def _pool(by_locale: list[list[str]]) -> Pool:
    sizes = np.array([len(texts) for texts in by_locale], dtype=np.int64)
    return Pool(pa.array([text for texts in by_locale for text in texts]), np.cumsum(sizes) - sizes, sizes)


def _confusing(name: str) -> bool:
    """Whether a name would stand in a kept word, or by chance in a hexadecimal token: a known value would seem to leak."""
    lower = name.casefold()
    return lower in _KEPT_WORDS or _HEX.issuperset(lower)


def _ascii(by_locale: list[list[str]]) -> pa.Array:
    return pa.array([_local_part(text) for texts in by_locale for text in texts])


def _local_part(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.translate(_LATIN)).encode("ascii", "ignore").decode()
    return "".join(filter(str.isalnum, plain)).lower() or "user"
