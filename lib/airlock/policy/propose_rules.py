"""Guess one leaf's rule from its name, its type and what its values look like. Called by `propose`.

Nothing is ever kept: what can't be told is dropped, and a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airlock.policy.path import KEY, VALUE
from airlock.policy.profile import ColumnProfile
from airlock.policy.propose_words import (  # fmt: skip
    ADDRESS,
    AGE,
    AMOUNT,
    BIRTH,
    CARD,
    COORDINATE,
    EMAIL,
    ID,
    NAME,
    NET,
    PERSON,
    PHONE,
    PROSE,
    REFERRER,
    SECRET,
    TRAIT,
    US_ZIP,
    ZIP,
    domain_of,
    split_name,
)
from airlock.types import Classification

__all__ = ["ENTITIES", "Proposal", "propose_rule"]

ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS", "URL")
"""What drafts search free text for."""

_DIRECT, _QUASI = Classification.DIRECT_IDENTIFIER, Classification.QUASI_IDENTIFIER
_SENSITIVE = Classification.SENSITIVE

_MOST = 0.5  # of the values: what most of them are, the column is
_FEW = 20  # different values in a hundred or more: codes rather than identities
_PROSE_WORDS = 3.0
_PROSE_LENGTH = 60
_ZIP_DIGITS = 5
_OLDEST = 90
"""Whoever is older is one of few."""

_FLOATING = ("float", "double")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One proposed rule.

    Attributes:
        type: The raw type, as the rule's `type`.
        arguments: The operator's.
        why: What led to it: counts and words of the column's name, never a value. A YAML comment.
        canonical: How the key domain brings values to one form, where the operator is pseudonymize.
        repeated_in_text: Whether the row's free text may repeat the value (a known value of redact_entities).
    """

    type: str
    classification: Classification
    operator: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    canonical: tuple[str, ...] = ()
    repeated_in_text: bool = False


def propose_rule(profile: ColumnProfile) -> Proposal:
    """The rule for one leaf: by what its values are, by its name, by its parents' names, by its type; else drop.

    Example:
        >>> from airlock.policy.path import ColumnPath
        >>> found = propose_rule(
        ...     ColumnProfile(path=ColumnPath.parse("zip"), type="string", rows=9, nulls=0, distinct=4)
        ... )
        >>> found.operator, dict(found.arguments), str(found.classification)
        ('truncate', {'length': 3}, 'quasi_identifier')
    """
    own, *parents = _names(profile)
    found = _first(_BY_VALUE, profile, own) or _first(_BY_NAME, profile, own)
    for words in parents:
        found = found or _first(_BY_PARENT, profile, words)
    found = found or _first(_BY_TYPE, profile, own) or _drop(profile, _SENSITIVE, "undecided; decide what it says of a person")
    return replace(found, why=f"{found.why}; {_counts(profile)}")


_Decider = Callable[[ColumnProfile, frozenset[str]], Proposal | None]


def _first(deciders: tuple[_Decider, ...], profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return next((found for decide in deciders if (found := decide(profile, words)) is not None), None)


def _names(profile: ColumnProfile) -> list[frozenset[str]]:
    """The words of the leaf's name, then of each name around it."""
    names = [step for step in profile.path.steps if isinstance(step, str)]
    return [frozenset(split_name(name)) for name in reversed(names)]


def _counts(profile: ColumnProfile) -> str:
    parts = [f"{profile.values:,} values", f"{profile.nulls:,} null", f"{profile.distinct:,} different"]
    parts += [f"{count:,} {kind}" for kind, count in profile.kinds.items()]
    parts += [f"{count:,} mention {kind}" for kind, count in profile.mentions.items()]
    return ", ".join(parts)


def _is_text(profile: ColumnProfile) -> bool:
    return profile.type in {"string", "large_string", "string_view"}


def _is_integer(profile: ColumnProfile) -> bool:
    return profile.type.startswith(("int", "uint"))


def _is_number(profile: ColumnProfile) -> bool:
    return _is_integer(profile) or profile.type.startswith(("decimal", "float", "double"))


def _is_date(profile: ColumnProfile) -> bool:
    return profile.type.startswith(("date", "timestamp"))


def _make(profile: ColumnProfile, classification: Classification, operator: str, **arguments: Any) -> Proposal:
    return Proposal(type=profile.type, classification=classification, operator=operator, arguments=arguments)


def _drop(profile: ColumnProfile, classification: Classification, why: str, *, repeated: bool = False) -> Proposal:
    found = _make(profile, classification, "drop")
    return replace(found, why=why, repeated_in_text=repeated and _is_text(profile))


# --- by what the values are -------------------------------------------------------------------------------------------


def _mostly_entity(profile: ColumnProfile, _words_of_name: frozenset[str]) -> Proposal | None:
    kind = next((kind for kind in (*ENTITIES, "UUID") if profile.share(kind) >= _MOST), None)
    if kind is None or profile.path.steps[-1] is KEY:
        return None
    why = f"most values look like {kind}"
    if kind == "EMAIL_ADDRESS":
        return _pseudonymize(profile, "email", why)
    if kind == "PHONE_NUMBER":
        return replace(_make(profile, _DIRECT, "mask", keep_last=2), why=why, repeated_in_text=True)
    if kind == "CREDIT_CARD" and _is_text(profile):
        return replace(_make(profile, _DIRECT, "mask", keep_last=4), why=why)
    return _identifier(profile, why) if kind == "UUID" else _drop(profile, _DIRECT, why)


def _prose(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    """Free text by its length, by what it mentions, or by its name."""
    if not _is_text(profile) or profile.path.steps[-1] in {KEY, VALUE} or words & (ADDRESS | NAME):
        return None
    long = profile.words >= _PROSE_WORDS and (profile.max_length or 0) >= _PROSE_LENGTH
    named = bool(words & PROSE) and not words & ID
    if not (long or profile.mentions or named):
        return None
    why = "free text by its name" if named else "free text by its length or by what it mentions"
    return replace(_make(profile, _SENSITIVE, "redact_entities", entities=list(ENTITIES)), why=why)


# --- by name ----------------------------------------------------------------------------------------------------------


def _secret(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return _drop(profile, _DIRECT, "by its name an identity document, account or secret") if words & SECRET else None


def _named_email(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    named = words & EMAIL or {"e", "mail"} <= words
    return _pseudonymize(profile, "email", "by its name an e-mail address") if named and _is_text(profile) else None


def _identified(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return _identifier(profile, "by its name an identifier") if words & ID else None


def _identifier(profile: ColumnProfile, why: str) -> Proposal:
    few = profile.distinct < _FEW and profile.values >= 5 * _FEW
    if few or not (_is_text(profile) or _is_integer(profile)):
        return _drop(profile, _DIRECT, f"{why}, but too few values or not of a type to pseudonymize")
    return _pseudonymize(profile, domain_of(profile.path), why)


def _pseudonymize(profile: ColumnProfile, domain: str, why: str) -> Proposal:
    form = "hex" if domain == "email" else "base32"
    if profile.values and profile.distinct < 0.9 * profile.values:  # the release's own limit
        why += "; values repeat: unless it is the subject, accept_frequency may need a reason"
    found = _make(profile, _DIRECT, "pseudonymize", domain=domain, form=form)
    return replace(found, why=why, canonical=_canonical(profile, domain), repeated_in_text=domain == "email")


def _canonical(profile: ColumnProfile, domain: str) -> tuple[str, ...]:
    if domain == "email":
        return ("trim", "nfc", "casefold")
    if not _is_text(profile) or profile.share("DIGITS") == 1:
        return ("decimal",)
    return ("trim", "nfc")


def _card(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return _drop(profile, _DIRECT, "by its name a payment card") if words & CARD else None


def _phone(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not words & PHONE:
        return None
    if _is_text(profile) and not profile.values:
        return replace(
            _make(profile, _DIRECT, "mask", keep_last=2), why="by its name a telephone number", repeated_in_text=True
        )
    return _drop(profile, _DIRECT, "by its name about a telephone, though most values do not look like one")


def _net(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return _drop(profile, _DIRECT, "by its name a device, network address or place") if words & NET else None


def _born(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not words & BIRTH:
        return None
    why = "by its name a birth date"
    if _is_date(profile):
        return replace(_make(profile, _QUASI, "generalize_date", to="year"), why=why)
    if _is_text(profile) and profile.values and profile.kinds.get("DATE", 0) == profile.values:
        return replace(_make(profile, _QUASI, "truncate", length=4), why=f"{why}, written year first")
    if _is_integer(profile) and "year" in words:
        return replace(_make(profile, _QUASI, "generalize_number", width=10), why="by its name a birth year")
    return _drop(profile, _QUASI, why)


def _zip(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not words & ZIP:
        return None
    why = "by its name a postal code"
    if _looks_american(profile, words):
        why = f"{why}, of the US by name and form; if they are another country's, truncate them"
        return replace(_make(profile, _QUASI, "zip3"), why=why)
    if _is_text(profile):
        return replace(_make(profile, _QUASI, "truncate", length=3), why=why)
    if _is_integer(profile):
        return replace(_make(profile, _QUASI, "generalize_number", width=100), why=why)
    return _drop(profile, _QUASI, why)


def _looks_american(profile: ColumnProfile, words: frozenset[str]) -> bool:
    """Five digits each; of integers fewer, where leading zeros were lost."""
    if not words & US_ZIP:
        return False
    if _is_integer(profile):
        return profile.digits in (_ZIP_DIGITS - 1, _ZIP_DIGITS)
    return _is_text(profile) and profile.share("DIGITS") == 1 and profile.max_length == _ZIP_DIGITS


def _place(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not (words & COORDINATE and profile.type in _FLOATING):
        return None
    return replace(_make(profile, _QUASI, "geo_grid", cell="0.1"), why="by its name a coordinate; cells of 11 km at most")


def _page(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    """Where somebody came from is said by a site; a page of one's own names a person and stays dropped."""
    if not (words & REFERRER and profile.share("URL") >= _MOST and _is_text(profile)):
        return None
    found = _make(profile, _QUASI, "url", to="registered_domain", otherwise="none")
    return replace(found, why="by its name and values the page before: its site alone")


def _age(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if words & AGE and _is_number(profile):
        return replace(_make(profile, _QUASI, "generalize_number", width=10, top=_OLDEST), why="by its name an age")
    return None


def _trait(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not words & TRAIT or (words & AMOUNT and _is_number(profile)):
        return None
    return _drop(profile, _QUASI, "by its name a trait that helps to single people out; keep it only if k counts it")


def _address(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not words & ADDRESS:
        return None
    if _is_text(profile):
        found = _make(profile, _DIRECT, "redact", **{"with": "[address]"})
        return replace(found, why="by its name an address", repeated_in_text=True)
    return _drop(profile, _DIRECT, "by its name an address")


def _name(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    return _drop(profile, _DIRECT, "by its name a name or a person", repeated=True) if words & (NAME | PERSON) else None


def _amount(profile: ColumnProfile, words: frozenset[str]) -> Proposal | None:
    if not (words & AMOUNT and _is_number(profile)):
        return None
    width = 10 ** max((profile.digits or 0) - 2, 1)
    return replace(_make(profile, _SENSITIVE, "generalize_number", width=width), why="by its name an amount")


# --- by type ----------------------------------------------------------------------------------------------------------


def _map_part(profile: ColumnProfile, _words_of_name: frozenset[str]) -> Proposal | None:
    last = profile.path.steps[-1]
    if last not in {KEY, VALUE} or not _is_text(profile):
        return None
    text, why = (
        ("[key]", "name the closed list of keys to keep them") if last is KEY else ("[removed]", "any value may stand here")
    )
    return replace(_make(profile, _SENSITIVE, "redact", **{"with": text}), why=why)


def _moment(profile: ColumnProfile, _words_of_name: frozenset[str]) -> Proposal | None:
    if not _is_date(profile):
        return None
    return replace(_make(profile, _SENSITIVE, "generalize_date", to="month"), why="a date")


def _flag(profile: ColumnProfile, _words_of_name: frozenset[str]) -> Proposal | None:
    return (
        _drop(profile, _SENSITIVE, "a yes or no; keep it with a reason if it is harmless") if profile.type == "bool" else None
    )


def _category(profile: ColumnProfile, _words_of_name: frozenset[str]) -> Proposal | None:
    if not (_is_text(profile) and 0 < profile.distinct <= 5 * _FEW and profile.values >= 2 * profile.distinct):
        return None
    return _drop(
        profile, _SENSITIVE, "a category; keep it with its closed list of values, or as a quasi_identifier that k counts"
    )


_BY_VALUE: tuple[_Decider, ...] = (_page, _mostly_entity, _prose)
_BY_PARENT: tuple[_Decider, ...] = (_secret, _identified, _card, _phone, _net, _address, _name)
_BY_NAME: tuple[_Decider, ...] = (
    _secret, _named_email, _born, _zip, _place, _age, _trait, _identified, _card, _phone, _net, _address, _name, _amount,
)  # fmt: skip
_BY_TYPE: tuple[_Decider, ...] = (_map_part, _moment, _flag, _category)
