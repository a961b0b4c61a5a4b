"""Personal facts in valid forms: cards that pass Luhn, IBANs that pass ISO 7064, SSNs, addresses of reserved networks.

Numbers come from ranges for tests, documentation or fiction where there are such. Called by the demo's tables and texts.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo.columns import digits, joined
from airlock.demo.draws import Draws, Index

__all__ = ["cards", "ibans", "ips", "phones", "ssns", "urls"]

# Ranges kept for fiction (NANPA 555-01xx, Ofcom, Bundesnetzagentur, ARCEP); PL, BR and JP have none.
_PHONES: dict[str, tuple[tuple[str, ...], int]] = {
    "US": (tuple(f"+1 {code}-555-01" for code in (212, 312, 415, 713, 206, 303, 404, 512, 617, 702, 808, 901)), 2),
    "GB": (("+44 20 7946 0", "+44 161 496 0", "+44 113 496 0", "+44 131 496 0"), 3),
    "DE": (("+49 30 23125", "+49 40 66969", "+49 69 90009", "+49 89 99998"), 3),
    "FR": (("+33 1 99 00 ", "+33 2 61 91 ", "+33 4 65 71 ", "+33 5 36 49 "), 4),
    "PL": (("+48 512 345 ", "+48 601 234 "), 3),
    "BR": (("+55 11 91234-", "+55 21 92345-"), 4),
    "JP": (("+81 90-1234-", "+81 3-1234-"), 4),
}
_COUNTRIES = tuple(_PHONES)
_FORMS = tuple((prefix, width) for prefixes, width in _PHONES.values() for prefix in prefixes)
_FIRST_FORM = np.cumsum([0, *(len(prefixes) for prefixes, _ in _PHONES.values())])

_CARD_PREFIXES = ("411111", "400000", "555555", "520082")
_BANKS = (("DE", "37040044", 10), ("DE", "10050000", 10), ("GB", "WEST123456", 8), ("GB", "NWBK601613", 8))


def phones(draws: Draws, index: Index, purpose: str, country: npt.NDArray[np.int64]) -> pa.Array:
    """Telephone numbers in international form; `country` counts in US, GB, DE, FR, PL, BR, JP."""
    sizes = np.diff(_FIRST_FORM)[country]
    form = _FIRST_FORM[country] + draws.below(index, f"{purpose}/form", sizes)
    widths = np.array([width for _, width in _FORMS])[form]
    numbers = draws.below(index, f"{purpose}/number", 10**widths)
    # Ten to the width, plus the number, without its first digit: leading zeros of any width.
    tails = pc.utf8_slice_codeunits(digits(numbers + 10**widths), 1)
    return joined(pa.array([prefix for prefix, _ in _FORMS]).take(pa.array(form)), tails)


def cards(draws: Draws, index: Index, purpose: str) -> pa.Array:
    """Card numbers of 16 digits: a test prefix, nine digits, the Luhn digit (ISO/IEC 7812-1, annex B)."""
    prefix = draws.below(index, f"{purpose}/prefix", len(_CARD_PREFIXES))
    number = np.array([int(text) for text in _CARD_PREFIXES])[prefix] * 10**9 + draws.below(index, purpose, 10**9)
    return digits(number * 10 + _luhn(number), 16)


def _luhn(number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    places = number[:, None] // 10 ** np.arange(15, dtype=np.int64) % 10
    places[:, ::2] *= 2
    return (-(places // 10 + places % 10).sum(axis=1)) % 10


def ibans(draws: Draws, index: Index, purpose: str) -> pa.Array:
    """IBANs of Germany and Great Britain with right check digits (ISO 13616-1; ISO 7064 MOD 97-10)."""
    bank = draws.below(index, f"{purpose}/bank", len(_BANKS))
    widths = np.array([width for _, _, width in _BANKS])[bank]
    account = draws.below(index, purpose, 10**widths)
    heads = np.array([int(_as_digits(text)) % 97 for _, text, _ in _BANKS])[bank]
    countries = np.array([int(_as_digits(country)) for country, _, _ in _BANKS])[bank]
    rest = (heads * (10**widths % 97) + account) % 97
    check = 98 - (rest * 10**6 + countries * 100) % 97
    tails = pc.utf8_slice_codeunits(digits(account + 10**widths), 1)
    country_texts = pa.array([country for country, _, _ in _BANKS]).take(pa.array(bank))
    return joined(country_texts, digits(check, 2), pa.array([text for _, text, _ in _BANKS]).take(pa.array(bank)), tails)


def _as_digits(text: str) -> str:
    return "".join(str(int(character, 36)) for character in text)


def ssns(draws: Draws, index: Index, purpose: str) -> pa.Array:
    """US social security numbers with hyphens; areas 100 to 665, groups and serials not zero."""
    area, group, serial = (draws.below(index, f"{purpose}/{part}", size) for part, size in (("a", 566), ("g", 99), ("s", 9999)))
    return joined(digits(area + 100, 3), "-", digits(group + 1, 2), "-", digits(serial + 1, 4))


def ips(draws: Draws, index: Index, purpose: str) -> pa.Array:
    """IP addresses: nine tenths of 198.18.0.0/15 (RFC 2544), the others of 2001:db8::/32 (RFC 3849)."""
    low, high = draws.below(index, f"{purpose}/low", 0xFFFF), draws.below(index, f"{purpose}/high", 0xFFFF)
    v4 = joined("198.", digits(18 + low % 2), ".", digits(high // 256), ".", digits(1 + low % 254))
    v6 = joined("2001:db8:", _hex().take(pa.array(high)), "::", _hex().take(pa.array(low)))
    return pc.if_else(pa.array(draws.happens(index, f"{purpose}/v4", 0.9)), v4, v6)


@cache
def _hex() -> pa.Array:
    return pa.array([format(number, "x") for number in range(1, 0x10000)])


def urls(draws: Draws, index: Index, purpose: str) -> pa.Array:
    """Links to pages of example.com that are one person's."""
    return joined("https://www.example.com/invoice/", _hex().take(pa.array(draws.below(index, purpose, 0xFFFF))))
