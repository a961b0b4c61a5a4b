"""Packs: what a regulation asks of a whole policy, as data and pure checks. Called by `plan` and, by itself, by the gate.

`hipaa-safe-harbor` is 45 CFR 164.514(b)(2): the eighteen kinds of identifiers of the individual and of relatives, employers and
household members are removed, or written as the rule allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal, DecimalException
from typing import Any, NamedTuple

from airlock.errors import PolicyError
from airlock.policy.coarse import areas_of
from airlock.policy.formats import is_reversible, leaf_specs
from airlock.policy.model import HIPAA_KINDS, ColumnRule, OperatorSpec, Pack, Policy
from airlock.policy.zip3 import zip_table
from airlock.types import Classification

__all__ = ["PackFault", "pack_faults"]

_OLDEST = 90
"""All ages over 89 are one category, 90 or older (b)(2)(i)(C)."""

_GONE = ("drop", "null", "redact")
_CODES = ("hmac", "pseudonymize")
"""One-way codes; a ciphertext is `capable of being translated so as to identify the individual` (164.514(c)(1))."""

_PARTS = ("keep_first", "keep_last", "keep_domain")
"""What lets a part of the value stand beside a code."""

_YEARS = ("year", "decade")


class PackFault(NamedTuple):
    """What of a policy does not meet its pack: the column (None: the policy as a whole), and why."""

    column: str | None
    message: str


def pack_faults(policy: Policy, *, today: date) -> Iterator[PackFault]:
    """Everything in a policy that its pack does not allow; nothing without a pack.

    Args:
        policy: Resolved.
        today: What ages are counted up to where the pack says no `as_of`.

    Example:
        >>> from airlock.policy.model import ColumnRule
        >>> rule = ColumnRule.model_validate({"type": "string", "class": "direct_identifier", "identifier": "ssn", "mask": {"keep_last": 4}})
        >>> next(_column_faults("ssn", rule, Pack(name="hipaa-safe-harbor"), date(2026, 1, 1)))
        "is ssn (G): 'mask' may keep part of it; drop, null or redact it, or mask all of it"
    """
    pack = policy.pack
    if pack is None:
        return
    for name, rule in policy.columns.items():
        for message in _column_faults(name, rule, pack, pack.as_of or today):
            yield PackFault(name, f"pack {pack.name}: {message}")
    yield from (PackFault(None, f"pack {pack.name}: {message}") for message in _coverage_faults(policy, pack))
    if pack.as_of is not None and pack.as_of < _a_year_before(today):
        yield PackFault(
            None,
            f"pack {pack.name}: as_of {pack.as_of} is more than a year ago: who was 89 then is not now. Say a later day, or none",
        )


def _coverage_faults(policy: Policy, pack: Pack) -> Iterator[str]:
    there = {rule.identifier for rule in policy.columns.values() if rule.identifier is not None}
    missing = [f"{kind} ({letter})" for kind, letter in HIPAA_KINDS.items() if kind not in there | pack.absent.keys()]
    if missing:
        yield (
            f"nothing is said of {', '.join(missing)}: name the column that holds it (`identifier: KIND`), or say under pack.absent why "
            "the source has none"
        )
    both = sorted(there & pack.absent.keys())
    if both:
        yield f"{', '.join(both)} stands under pack.absent, yet a column is of this kind"
    unknown = sorted(pack.codes.keys() - policy.columns.keys())
    if unknown:
        yield f"pack.codes names {', '.join(unknown)}, which has no rule"


def _column_faults(name: str, rule: ColumnRule, pack: Pack, as_of: date) -> Iterator[str]:
    kind = rule.identifier
    if kind is None:
        yield f"'{name}' needs `identifier`: one of {', '.join(HIPAA_KINDS)}, free_text, or none"
        return
    if kind == "none":
        yield from _none_faults(name, rule)
        return  # kept or generalized values are reviewed for uniqueness by the gate, which takes no waiver under this pack
    for spec in leaf_specs(rule.operator):
        fault = _fault(name, kind, spec, pack, as_of)
        if fault is not None:
            letter = HIPAA_KINDS.get(kind)
            yield f"is {kind}{f' ({letter})' if letter else ''}: {fault}"


def _none_faults(name: str, rule: ColumnRule) -> Iterator[str]:
    if rule.classification is Classification.DIRECT_IDENTIFIER:
        yield f"'{name}' is a direct_identifier, so `identifier` is not none: say which of {', '.join(HIPAA_KINDS)}"
    if any(spec.name == "redact_entities" for spec in leaf_specs(rule.operator)):
        yield f"'{name}' is text that redact_entities reads, so `identifier` is free_text"


def _fault(name: str, kind: str, spec: OperatorSpec, pack: Pack, as_of: date) -> str | None:
    if spec.name in _GONE or (spec.name == "mask" and _masks_all(spec)):
        return None
    if spec.name == "mask":
        return "'mask' may keep part of it; drop, null or redact it, or mask all of it"
    if kind == "dates":
        return _dates(spec, as_of)
    if kind in _KINDS:
        return _judged(_KINDS[kind], spec.name, spec)
    return _code(name, spec, pack)


def _code(name: str, spec: OperatorSpec, pack: Pack) -> str | None:
    if spec.name not in _CODES or is_reversible(spec):
        return f"'{spec.name}' does not remove it, or can be turned back; drop, null or redact it"
    if any(spec.mapping("domain").get(key) not in (None, 0) for key in _PARTS):
        return f"'{spec.name}' leaves a part of it readable: take out {', '.join(_PARTS)}"
    if name in pack.codes:
        return None
    return (
        f"'{spec.name}' derives a code from it, which 164.514(c) allows where nobody can turn it back: say why that is so under "
        f"pack.codes.{name}, or drop it"
    )


def _text(spec: OperatorSpec) -> str:
    return f"'{spec.name}' can't prove that names are gone from text; drop, null or redact it"


def _masks_all(spec: OperatorSpec) -> bool:
    arguments = spec.mapping(None)
    return not {"keep_first", "keep_last", "classes", "pattern"} & arguments.keys()


def _geography(spec: OperatorSpec) -> str | None:
    if spec.name == "zip3":
        # With a table of its own, too: the rule asks for the current census.
        shown = sorted(zip_table(None).restricted & set(areas_of(spec.mapping(None))))
        return (
            f"'zip3' would show {', '.join(shown)}: few live there; take the newest table, or add them to `restricted`"
            if shown
            else None
        )
    return f"'{spec.name}' keeps what is smaller than a state; use zip3, or drop it (a state or country is `identifier: none`)"


_KINDS: dict[str, Callable[[OperatorSpec], str | None]] = {"free_text": _text, "geography": _geography}


def _dates(spec: OperatorSpec, as_of: date) -> str | None:
    judge = _DATES.get(spec.name)
    if judge is None:
        return f"'{spec.name}' keeps more than the year; use generalize_date to year with `bottom`, or age"
    return _judged(judge, spec.name, spec.mapping({"age": "at", "generalize_date": "to"}.get(spec.name)), as_of)


def _judged(judge: Callable[..., str | None], name: str, *arguments: object) -> str | None:
    try:
        return judge(*arguments)
    except (AttributeError, DecimalException, KeyError, TypeError, ValueError, PolicyError):
        return f"the arguments of '{name}' can't be read"


def _years(arguments: Mapping[str, Any], as_of: date) -> str | None:
    if arguments.get("to") not in _YEARS:
        return "'generalize_date' keeps more than the year"
    bottom = arguments.get("bottom")
    first = as_of.year - _OLDEST
    found = date.fromisoformat(str(bottom)).year if bottom is not None else None
    if found is None or found < first:
        return f"a birth year before {first} would tell an age over 89: say bottom: {first}-01-01, or later"
    return None


def _age(arguments: Mapping[str, Any], as_of: date) -> str | None:
    if date.fromisoformat(str(arguments["at"])) < _a_year_before(as_of):
        return f"'age' is counted up to a day more than a year before {as_of}, so that it would tell an age over 89: say at: {as_of}"
    if Decimal(str(arguments.get("top", _OLDEST))) > _OLDEST:
        return f"'age' would tell an age over 89: say top: {_OLDEST}"
    return None


def _within(name: str) -> Callable[[Mapping[str, Any], date], str | None]:
    def judge(arguments: Mapping[str, Any], as_of: date) -> str | None:
        del as_of
        top, bottom = (arguments.get(end) for end in ("top", "bottom"))
        if top is None or not Decimal(str(top)) <= _OLDEST:
            return f"'{name}' would tell an age over 89: say top: {_OLDEST}"
        # Days before 1970 are negative numbers, and years before Christ no ages.
        if bottom is None or not Decimal(str(bottom)) >= 0:
            return f"'{name}' would tell what is no age, such as days before 1970: say bottom: 0"
        return None

    return judge


def _breaks(arguments: Mapping[str, Any], as_of: date) -> str | None:
    del as_of
    breaks = [Decimal(str(value)) for value in arguments["breaks"]]
    if not max(breaks) <= _OLDEST:
        return f"'interval' would tell an age over 89: the last break is {max(breaks)}, at most {_OLDEST}"
    return None if min(breaks) >= 0 else "'interval' would tell what is no age, such as days before 1970: no break is below 0"


def _a_year_before(day: date) -> date:
    return day - timedelta(days=366)


_DATES: dict[str, Callable[[Mapping[str, Any], date], str | None]] = {
    "age": _age,
    "clamp": _within("clamp"),
    "generalize_date": _years,
    "generalize_number": _within("generalize_number"),
    "interval": _breaks,
}
"""What may become of a date or an age."""
