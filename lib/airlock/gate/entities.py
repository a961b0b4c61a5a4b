r"""Entities in text, by RE2 patterns over whole columns and validators on what they pick out. Called by the entities check.

What it misses, by design: text that hides an entity on purpose (spelt out, encoded, split over cells), phone numbers and social
security numbers without separators, names and places, an id inside a longer word. Bare digits of national ids are `chance`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.gate import validators
from airlock.gate.buffers import text_buffers
from airlock.gate.normal import as_text, plain_text, whole_text
from airlock.policy.pictures import picture

__all__ = ["FLOOR", "SCANNERS", "Hit", "Scanner", "scan_text"]


@dataclass(frozen=True, slots=True)
class Scanner:
    """How one entity is found.

    Attributes:
        pattern: What a candidate looks like.
        validator: What else it must be; None where the pattern says it all.
        trigger: A cheap pattern that every candidate's text matches; empty: the pattern itself.
    """

    entity: str
    pattern: str
    validator: validators.Validator | None = None
    trigger: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """How many values hold an entity, and the picture of the first."""

    count: int
    picture: str

    def __add__(self, other: Hit) -> Hit:
        return Hit(self.count + other.count, self.picture or other.picture)


_SSN_FORM = r"\b\d{3}-\d{2}-\d{4}\b|\b\d{3} \d{2} \d{4}\b|\b\d{3}\.\d{2}\.\d{4}\b"
_TLD = "com|org|net|edu|gov|mil|info|biz|io|co\\.uk"
_AT = r"(?:@|%(?:25)*40|&#(?:0*64|[xX]0*40);|&commat;|\\u0040)"
"""As it is, and as it stands in queries (RFC 3986), HTML and JSON."""
_GAP = r"[ \t./-]{1,3}"
_LIKE = (r"[ \t]{1,3}", r"[ \t]?\.[ \t]?", r"[ \t]?-[ \t]?", r"[ \t]?/[ \t]?")
"""What stands between the groups of a number: anything, or the same throughout, for dates and times mix what phone numbers don't."""


def _alike(form: str) -> tuple[str, ...]:
    return tuple(form.replace("~", gap) for gap in _LIKE)


_PHONES = (
    rf"(?:(?:\+?1|\b001)[ \t./-]{{0,3}})?(?:\([2-9]\d{{2}}\)[ \t./-]{{0,3}}|\b[2-9]\d{{2}}{_GAP})[2-9]\d{{2}}{_GAP}\d{{4}}",
    r"\+[1-9](?:[ \t()./-]{0,3}\d){7,14}",
    r"\b00[1-9]\d{0,2}(?: \(0\))?(?:[ \t]{1,3}\d+|-\d+){2,6}",
    r"\(0\d{1,5}\)(?:[ \t./-]{0,3}\d{2,8}){1,4}",
    rf"\b0\d{{2,4}}{_GAP}\d{{3,4}} ?\d{{3,5}}\b",
    *_alike(r"\b0\d{2,4}~\d{2,4}(?:~\d{2,5}){1,3}\b"),
    *_alike(r"\b0[1-9](?:~\d{2}){4}\b"),
)
_PHONE_TRIGGER = (
    rf"\+[1-9][0-9 \t()./-]{{7}}|\([02-9]\d{{1,5}}\)|\b[2-9]\d{{2}}{_GAP}\d{{3}}{_GAP}\d{{4}}|\b00[1-9]\d{{0,2}}[ \t-]{{1,3}}[\d(]"
    rf"|\b0\d{{2,4}}{_GAP}\d{{2}}|\b0[1-9](?:{_GAP}\d{{2}}){{4}}"
)
_ISSUED = r"4\d{12}(?:\d{3}){0,2}|5[0-58]\d{14,17}|2(?:[2-7]\d{14}|20[0-4]\d{13,15})|3(?:[47]\d{13}|[0689]\d{12}|[05689]\d{14}|5\d{17})|6[02-57]\d{14,17}"
_CARDS = (
    # Digits after a decimal point or a hyphen after digits are parts of longer numbers: half of all floats would stop here.
    rf"(?:\A|[^\w.-]|(?:\A|\D)[.-])({_ISSUED})\b",
    rf"\b[A-Za-z]+_?({_ISSUED})(?:\b|_)",
    rf"\b([2-6]\d{{3}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{3}})?)\b",
    rf"\b(3\d{{3}}{_GAP}\d{{6}}{_GAP}\d{{4,5}})\b",
)
_COUNTRIES = (
    "A[DELTZ]|B[AEGHIRY]|C[HRYZ]|D[EJKO]|E[EGS]|F[IKOR]|G[BEILRT]|H[NRU]|I[ELQST]|JO|K[WZ]|L[BCITUVY]|M[CDEKNRTU]|N[ILO]|OM|P[KLST]"
    "|QA|R[OSU]|S[ACDEIKMOTV]|T[LNR]|UA|V[AG]|XK|YE"
)
_IBANS = "|".join(
    (
        rf"(?:{_COUNTRIES})\d{{2}}(?:[ .-]?[A-Za-z0-9]){{11,32}}",
        rf"(?i:{_COUNTRIES})\d{{2}}(?: ?[A-Za-z0-9]){{11,32}}",
        rf"(?i:{_COUNTRIES})\d{{2}}(?:[ \t.-]{{1,3}}[A-Za-z0-9]{{4}}){{2,7}}(?:[ \t.-]{{1,3}}[A-Za-z0-9]{{1,3}})?",
    )
)
_IBAN = rf"(?:\A|[^\w-]|(?:\A|[^0-9A-Fa-f])-)({_IBANS})"
"""Not after a hexadecimal digit and a hyphen: that is the inside of a UUID, and every thirtieth one would stop here."""

_ALL = (
    Scanner(
        "EMAIL_ADDRESS",
        rf"""[\p{{L}}\p{{M}}\p{{N}}"!#$%&'+/=?^_{{|}}~-]{_AT}(?:[\p{{L}}\p{{N}}][\p{{L}}\p{{M}}\p{{N}}-]*\.)+\p{{L}}[\p{{L}}\p{{M}}\p{{N}}-]+""",
        trigger=rf"[^\s@]{_AT}[^\s@]+\.",
    ),
    Scanner("PHONE_NUMBER", "|".join(_PHONES), validators.phone, _PHONE_TRIGGER),
    Scanner("CREDIT_CARD", "|".join(_CARDS), validators.card),
    Scanner(
        "IBAN_CODE",
        _IBAN,
        validators.account,
        rf"\b(?i:{_COUNTRIES})\d{{2}}[ \t.-]{{0,3}}[A-Za-z0-9]{{4}}[ \t.-]{{0,3}}[A-Za-z0-9]{{4}}",
    ),
    Scanner(
        "IP_ADDRESS",
        r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
        validators.ip_v4,
        r"\d\.\d{1,3}\.\d{1,3}\.\d",
    ),
    Scanner(
        "IP_ADDRESS",
        r"(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|[0-9A-Fa-f:]*::[0-9A-Fa-f:.]*",
        validators.ip_v6,
        r"::|(?:[0-9A-Fa-f]+:){7}",
    ),
    Scanner("US_SSN", _SSN_FORM, validators.STANDARD["US_SSN"]),
    Scanner("US_ITIN", _SSN_FORM, validators.STANDARD["US_ITIN"]),
    Scanner("UK_NHS", r"\b\d{3} \d{3} \d{4}\b", validators.STANDARD["UK_NHS"]),
    Scanner("UK_NINO", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", validators.national_insurance),
    Scanner("ES_NIF", r"\b(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z]\b", validators.STANDARD["ES_NIF"]),
    Scanner(
        "IT_FISCAL_CODE",
        r"(?i)\b[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]\b",
        validators.STANDARD["IT_FISCAL_CODE"],
        r"\b[A-Za-z]{6}[0-9L-NP-Vl-np-v]{2}[A-Za-z][0-9L-NP-Vl-np-v]{2}[A-Za-z]",
    ),
    Scanner("FR_NIR", r"\b[12] \d{2} \d{2} \d[0-9AB] \d{3} \d{3} \d{2}\b", validators.STANDARD["FR_NIR"]),
    Scanner("BR_CPF", r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", validators.STANDARD["BR_CPF"]),
    Scanner("CH_AHV", r"\b756\.\d{4}\.\d{4}\.\d{2}\b", validators.STANDARD["CH_AHV"]),
    Scanner(
        "URL", rf"(?i)\b(?:https?|ftps?|s3|file)://[^\s/]|\bwww\.[a-z0-9-]+\.[a-z]|\b[a-z0-9-]+\.(?:{_TLD})\b", validators.url
    ),
    Scanner("MAC_ADDRESS", r"(?i)\b[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}\b", validators.mac),
    Scanner("CRYPTO", r"\b(?:bc1[a-z0-9]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b", validators.crypto),
)

SCANNERS: dict[str, tuple[Scanner, ...]] = {
    entity: tuple(scanner for scanner in _ALL if scanner.entity == entity)
    for entity in dict.fromkeys(scanner.entity for scanner in _ALL)
}
"""How each entity that the gate can find is found."""

FLOOR = (*(entity for entity in SCANNERS if entity not in ("URL", "MAC_ADDRESS", "CRYPTO")), "DE_TAX_ID", "PL_PESEL")
"""What no policy can allow: contacts, accounts, addresses of machines and national ids."""


def scan_text(values: pa.Array, entities: Sequence[str]) -> dict[str, Hit]:
    """The entities found in text or binary values (no nulls): how many values hold each.

    Example:
        >>> found = scan_text(pa.array(["call 212-555-0147", "ORD-2026-000123456", "10.5"]), ("PHONE_NUMBER", "US_SSN"))
        >>> found
        {'PHONE_NUMBER': Hit(count=1, picture='999-999-9999')}
    """
    scanners = tuple(scanner for entity in entities for scanner in SCANNERS.get(entity, ()))
    if pa.types.is_dictionary(values.type):
        return _scan_dictionary(values, scanners)
    text = as_text(values)
    return _summed(_row_hits(text, scanners), np.ones(len(text), np.int64)) if scanners else {}


def _scan_dictionary(values: pa.DictionaryArray, scanners: tuple[Scanner, ...]) -> dict[str, Hit]:
    uses = np.bincount(np.asarray(values.indices), minlength=len(values.dictionary))
    used = uses > 0
    text = as_text(values.dictionary.filter(pa.array(used)))
    return _summed(_row_hits(text, scanners), uses[used]) if scanners else {}


Found = dict[str, tuple[np.ndarray, str]]


def _summed(found: Found, uses: np.ndarray) -> dict[str, Hit]:
    return {entity: Hit(int(uses[mask].sum()), drawn) for entity, (mask, drawn) in found.items() if mask.any()}


def _row_hits(text: pa.Array, scanners: tuple[Scanner, ...]) -> Found:
    found: Found = {}
    _search(text, np.arange(len(text)), scanners, found)
    for plain, again in ((pc.string_is_ascii(text), plain_text), (_unbroken(text), whole_text)):
        rows = np.flatnonzero(~np.asarray(plain))
        if len(rows):
            _search(again(text.take(pa.array(rows))), rows, scanners, found)
    return {entity: (_mask(rows, len(text)), drawn) for entity, (rows, drawn) in found.items()}


def _unbroken(text: pa.Array) -> np.ndarray:
    """True where a text has no NUL: bytes that are UTF-16 have one beside each letter."""
    if text_buffers(text)[1].min(initial=1):
        return np.ones(len(text), bool)
    return ~np.asarray(pc.match_substring(text, "\0"))


def _mask(rows: np.ndarray, length: int) -> np.ndarray:
    mask = np.zeros(length, bool)
    mask[rows] = True
    return mask


def _search(text: pa.Array, rows: np.ndarray, scanners: tuple[Scanner, ...], found: Found) -> None:
    """Add to `found` the rows (of `text`, numbered by `rows`) that hold each entity."""
    triggered = np.asarray(pc.match_substring_regex(text, _any_trigger(scanners)))
    if not triggered.any():
        return
    near, near_rows = text.filter(pa.array(triggered)), rows[triggered]
    for scanner in scanners:
        matched = np.asarray(pc.match_substring_regex(near, scanner.pattern))
        if matched.any():
            hit, drawn = _validated(near.filter(pa.array(matched)), scanner)
            known, known_picture = found.get(scanner.entity, (np.zeros(0, np.int64), ""))
            found[scanner.entity] = (np.concatenate([known, near_rows[matched][hit]]), known_picture or drawn)


def _validated(candidates: pa.Array, scanner: Scanner) -> tuple[np.ndarray, str]:
    """Which candidates hold the entity, and the picture of the first that does."""
    if scanner.validator is None:
        shown = validators.first_valid([candidates[0].as_py()], scanner.pattern, lambda *_: True)[0]
        return np.ones(len(candidates), bool), picture(shown or "")
    encoded = candidates.dictionary_encode()
    matches = validators.first_valid(encoded.dictionary.to_pylist(), scanner.pattern, scanner.validator)
    valid = np.array([match is not None for match in matches])
    drawn = next((picture(match) for match in matches if match is not None), "")
    return valid[np.asarray(encoded.indices)], drawn


@cache
def _any_trigger(scanners: tuple[Scanner, ...]) -> str:
    return "|".join(dict.fromkeys(f"(?:{scanner.trigger or scanner.pattern})" for scanner in scanners))
