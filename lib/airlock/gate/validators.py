"""The gate's validator adapter: is a candidate really a card, an account, a national id? Called by `entities` and `chance`, on
candidates only; a row never comes here that no pattern picked out.

Each function takes the candidate text and the two characters on either side of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv6Address

import re2
from stdnum import bitcoin, ean, iban, luhn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.pl import pesel
from stdnum.us import itin, ssn

__all__ = [
    "STANDARD",
    "Validator",
    "account",
    "card",
    "chance_of",
    "clear",
    "crypto",
    "first_valid",
    "ip_v4",
    "ip_v6",
    "mac",
    "national_insurance",
    "phone",
    "spanish",
    "standard",
    "url",
]

Validator = Callable[[str, str, str], bool]

_CARD_LENGTHS: tuple[tuple[range, int, frozenset[int]], ...] = (
    (range(4000, 5000), 4, frozenset({13, 16, 19})),  # Visa
    (range(5100, 5600), 4, frozenset({16})),  # Mastercard
    (range(2221, 2721), 4, frozenset({16})),  # Mastercard
    (range(340, 350), 3, frozenset({15})),  # American Express
    (range(370, 380), 3, frozenset({15})),
    (range(6011, 6012), 4, frozenset({16, 19})),  # Discover
    (range(6440, 6600), 4, frozenset({16, 19})),
    (range(3528, 3590), 4, frozenset({16, 19})),  # JCB
    (range(300, 306), 3, frozenset({14, 16})),  # Diners Club
    (range(360, 370), 3, frozenset({14, 16})),
    (range(380, 400), 3, frozenset({14, 16})),
    (range(6200, 6300), 4, frozenset({16, 17, 18, 19})),  # UnionPay
    (range(2200, 2205), 4, frozenset({16, 17, 18, 19})),  # Mir
    *((range(bin_, bin_ + 1), 4, frozenset({16, 18, 19})) for bin_ in (5018, 5020, 5038, 5893, 6304, 6759, 6761, 6762, 6763)),
)
"""Issuer ranges of ISO/IEC 7812 numbers, how many digits of them, and the lengths issued."""

_EAN_LENGTH = 13
_JOINED = 15
_NO_NINO = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
_NINO = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")
_NIF = re.compile(r"(?:[0-9]{8}|[XYZ][0-9]{7})[A-HJ-NP-TV-Z]")
_HEX_GROUP = re.compile(r"[0-9A-Fa-f]-")
"""What stands before a group of a UUID."""
_NOT_DIGIT = re.compile(r"[^0-9]")


def clear(before: str, after: str) -> bool:
    """Whether a run of digits stands alone: not the inside of a word, a longer number, a decimal or a version."""
    if before[-1:].isalnum() or after[:1].isalnum() or before[-1:] == "_" or after[:1] == "_":
        return False
    left = before[-1:] in ("-", ".") and before[-2:-1].isdigit()
    right = after[:1] in ("-", ".") and after[1:2].isdigit()
    return not (left or right)


def card(text: str, before: str = "", after: str = "") -> bool:
    """A payment card: a known issuer's prefix and length, and the Luhn digit. A 13-digit number that is a valid EAN is none."""
    digits = _NOT_DIGIT.sub("", text)
    if before[-1:].isalpha() or before[-1:] == "_":  # joined to a word: short ones are order codes
        before, after = "", "" if after[:1] == "_" else after
        if len(digits) < _JOINED:
            return False
    return _issued(digits) and clear(before, after) and luhn.is_valid(digits) and not _is_ean(digits)


def account(text: str, before: str = "", after: str = "") -> bool:
    """An IBAN (ISO 13616): the text, or a part of it that ends where a group ends."""
    del after
    if before[-1:].isalnum() or _HEX_GROUP.fullmatch(before):
        return False
    whole = text.replace("\t", " ") + " "
    ends = [at for at in range(15, len(whole)) if whole[at - 1].isalnum() and not whole[at].isalnum()]
    return any(iban.is_valid(whole[:end]) for end in ends)


def ip_v4(text: str, before: str = "", after: str = "") -> bool:
    """Four numbers up to 255, not part of a longer dotted sequence."""
    return clear(before, after) and all(int(part) < 256 for part in text.split("."))  # noqa: PLR2004


def ip_v6(text: str, before: str = "", after: str = "") -> bool:
    """An IPv6 address with at least two groups and a digit."""
    if before[-1:].isalnum() or before[-1:] == ":" or after[:1].isalnum():
        return False
    core = text.rstrip(".")
    core = core if core.endswith("::") else core.rstrip(":")
    try:
        IPv6Address(core)
    except AddressValueError:
        return False
    return sum(bool(part) for part in core.split(":")) > 1 and any(map(str.isdigit, core))


def phone(text: str, before: str = "", after: str = "") -> bool:
    """A phone number: E.164 length, and plausible area and exchange codes where it is North American."""
    if before[-1:].isalnum() or before[-1:] == "+" or (before[-1:] in set("-./") and before[-2:-1].isdigit()):
        return False
    if (
        after[:1].isdigit()
        or (after[:1].isalpha() and after[:1] not in "xe")
        or (after[:1] in set("-./") and after[1:2].isdigit())
    ):
        return False
    digits = _NOT_DIGIT.sub("", text)
    if text.startswith("+"):
        return 8 <= len(digits) <= 15 and not re.fullmatch(r"\+\d+\.\d{1,3}", text) and _nanp_or_abroad(digits)  # noqa: PLR2004
    if digits.startswith("0") and before[-1:] == "-" and before[-2:-1].isalpha():
        return False  # a code of goods, or the inside of a UUID
    if digits.startswith("00"):
        return 10 <= len(digits) <= 17 and _nanp_or_abroad(digits[2:])  # noqa: PLR2004
    return 9 <= len(digits) <= 12 if digits.startswith("0") else _nanp(digits.removeprefix("1"))  # noqa: PLR2004


def national_insurance(text: str, before: str = "", after: str = "") -> bool:
    """A United Kingdom National Insurance number with an allocated prefix; one that is the whole cell is for `chance` to judge."""
    return clear(before, after) and text[:2] not in _NO_NINO and (bool(before or after) or " " in text)


def url(text: str, before: str = "", after: str = "") -> bool:
    """An address of a site; the domain of an e-mail address is none."""
    del text, after
    return before[-1:] not in ("@", ".")


def mac(text: str, before: str = "", after: str = "") -> bool:
    """A hardware address: one kind of separator, six pairs and no more."""
    return text[2::3] in (":::::", "-----") and before[-1:] not in (":", "-") and after[:1] not in (":", "-")


def crypto(text: str, before: str = "", after: str = "") -> bool:
    """A Bitcoin address with its checksum."""
    return clear(before, after) and bitcoin.is_valid(text)


def standard(is_valid: Callable[[str], bool]) -> Validator:
    """A validator of python-stdnum, on numbers that stand alone."""

    def check(text: str, before: str = "", after: str = "") -> bool:
        return clear(before, after) and is_valid(text.replace(" ", ""))

    return check


def spanish(text: str, before: str = "", after: str = "") -> bool:
    """A Spanish DNI or NIE with its check letter; one that is the whole cell is for `chance` to judge."""
    return clear(before, after) and _is_spanish(text) and (bool(before or after) or "-" in text)


STANDARD: dict[str, Validator] = {
    "BR_CPF": standard(cpf.is_valid),
    "CH_AHV": standard(ahv.is_valid),
    "ES_NIF": spanish,
    "FR_NIR": standard(nir.is_valid),
    "IT_FISCAL_CODE": standard(codicefiscale.is_valid),
    "UK_NHS": standard(nhs.is_valid),
    "US_ITIN": lambda text, before, after: clear(before, after) and itin.is_valid(_NOT_DIGIT.sub("-", text)),
    "US_SSN": lambda text, before, after: clear(before, after) and ssn.is_valid(_NOT_DIGIT.sub("-", text)),
}
"""National ids by the check digits and rules of their issuers."""


def first_valid(texts: list[str], pattern: str, validator: Validator) -> list[str | None]:
    """For each text, the first candidate that the validator accepts."""
    compiled = re2.compile(pattern)
    return [_first(text, compiled, validator) for text in texts]


def _first(text: str, compiled: re2._Regexp, validator: Validator) -> str | None:
    place = 0
    while place <= len(text) and (match := compiled.search(text, place)) is not None:
        start, end = match.span(match.lastindex or 0)
        if validator(text[start:end], text[max(0, start - 2) : start], text[end : end + 2]):
            return text[start:end]
        place = start + 1
    return None


def chance_of(entity: str, text: str) -> bool | None:
    """Whether a bare value carries the entity's check digits; None where it doesn't have its form and proves nothing."""
    form, valid = _BARE[entity]
    return valid(text) if form(text) else None


def _is_spanish(text: str) -> bool:
    return dni.is_valid(text) or nie.is_valid(text)


def _is_nino(text: str) -> bool:
    return bool(_NINO.fullmatch(text)) and text[:2] not in _NO_NINO


def _issued(digits: str) -> bool:
    return digits.isdigit() and any(
        len(digits) in lengths and int(digits[:size]) in prefixes for prefixes, size, lengths in _CARD_LENGTHS
    )


def _cut_short(digits: str) -> bool:
    return digits.isdigit() and any(
        len(digits) < max(lengths) and int(digits[:size]) in prefixes for prefixes, size, lengths in _CARD_LENGTHS
    )


def _is_ean(digits: str) -> bool:
    return len(digits) == _EAN_LENGTH and ean.is_valid(digits)


def _nanp(digits: str) -> bool:
    plain = len(digits) == 10 and digits[0] in "23456789" and digits[3] in "23456789"  # noqa: PLR2004
    return plain and digits[1:3] != "11" and digits[4:6] != "11"


def _nanp_or_abroad(digits: str) -> bool:
    return _nanp(digits[1:11]) if digits.startswith("1") else not digits.startswith("0")


def _pesel_form(digits: str) -> bool:
    return digits.isdigit() and 1 <= int(digits[2:4]) % 20 <= 12 and 1 <= int(digits[4:6]) <= 31  # noqa: PLR2004


def _tax_id_form(digits: str) -> bool:
    # Of the first ten digits one or two values are missing and one stands twice or three times.
    return digits.isdigit() and digits[0] != "0" and len(set(digits[:10])) in (8, 9)


_BARE: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
    "CREDIT_CARD": (lambda digits: _issued(digits) and not _is_ean(digits), luhn.is_valid),
    "DE_TAX_ID": (_tax_id_form, idnr.is_valid),
    "ES_NIF": (lambda text: bool(_NIF.fullmatch(text)), _is_spanish),
    "FR_NIR": (lambda digits: digits.isdigit() and digits[0] in "12" and 1 <= int(digits[3:5]) <= 12, nir.is_valid),  # noqa: PLR2004
    "PL_PESEL": (_pesel_form, pesel.is_valid),
    "UK_NHS": (lambda digits: digits.isdigit() and digits[0] != "0", nhs.is_valid),
    "UK_NINO": (lambda _: True, _is_nino),
    "ROUNDED_CREDIT_CARD": (lambda _: True, _issued),
    "TRUNCATED_CREDIT_CARD": (lambda _: True, _cut_short),
}
