"""Free text: a small pool of harmless remarks, and now and then one with the person's own facts. Called by the tables.

Few different texts, because entity search costs milliseconds for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo import facts
from airlock.demo.columns import blank, joined
from airlock.demo.draws import Index, Mask
from airlock.demo.people import People

__all__ = ["REMARKS", "SUBJECTS", "TextPlan", "free_texts"]

_OPENINGS = (
    "Asked about", "Complained about", "Wants to know more about", "Was pleased with", "Could not find", "Called twice about",
    "Sent a photo of", "Was told the rules for", "Needs a reminder about", "Got a voucher because of",
)  # fmt: skip
_TOPICS = (
    "the late parcel", "the broken lamp", "the new catalogue", "the return label", "a missing invoice", "the loyalty points",
    "the opening hours", "the wrong colour", "a double charge", "the warranty", "the delivery window", "the gift wrapping",
    "the size chart", "the cancelled order", "the newsletter", "the spare parts", "the bonus programme", "the pick-up point",
    "the payment reminder", "the assembly guide",
)  # fmt: skip

REMARKS = tuple(f"{opening} {topic}." for opening in _OPENINGS for topic in _TOPICS)
"""200 texts without a personal fact."""

SUBJECTS = tuple(topic.removeprefix("the ").removeprefix("a ").capitalize() for topic in _TOPICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlan:
    """What share of texts is null, and what share carries personal facts. `purpose` keys the draws."""

    purpose: str
    nulls: float
    personal: float


def free_texts(people: People, index: Index, plan: TextPlan, row: Index) -> pa.Array:
    """One text for each `row`, about person `index`: null, a remark, or a sentence with the person's own facts."""
    draws = people.draws
    remark = draws.below(row, f"{plan.purpose}/remark", len(REMARKS), skew=1.5)
    none = draws.happens(row, f"{plan.purpose}/null", plan.nulls)
    texts = pa.array(REMARKS).take(pa.array(remark, mask=none))
    personal = draws.happens(row, f"{plan.purpose}/personal", plan.personal)
    if not personal.any():
        return texts
    return _replaced(texts, personal, _personal(people, index[personal], row[personal], plan.purpose))


def _replaced(texts: pa.Array, where: Mask, by: pa.Array) -> pa.Array:
    return pc.replace_with_mask(texts, pa.array(where), by)


def _personal(people: People, index: Index, row: Index, purpose: str) -> pa.Array:
    """A sentence a row; null where the fact that it needs is null."""
    kind = people.draws.below(row, f"{purpose}/kind", len(_SENTENCES))
    made = pa.nulls(len(index), pa.string())
    for which, parts in enumerate(_SENTENCES):
        chosen = kind == which
        made = _replaced(made, chosen, joined(*parts(people, index[chosen], row[chosen])))
    return made


def _own_phone(people: People, index: Index) -> pa.Array:
    numbers = people.phone(index, np.zeros(len(index), dtype=np.int64))
    return pc.if_else(pa.array(people.phone_counts(index) > 0), numbers, pa.scalar(None, pa.string()))


# A text tells only what its row tells elsewhere too: nothing else could be known to be a name or a street.
def _own_name(people: People, index: Index) -> pa.Array:
    return blank(people.first_names(index), people.unnamed(index))


def _own_street(people: People, index: Index) -> pa.Array:
    return blank(people.streets(index), people.area(index) < 0)


_SENTENCES: tuple[Callable[[People, Index, Index], tuple[object, ...]], ...] = (
    lambda people, index, _: ("Please confirm by mail to ", people.emails(index), ", thank you."),
    lambda people, index, _: ("Called back on ", _own_phone(people, index), ", no answer."),
    lambda people, index, _: (_own_name(people, index), " ", people.last_names(index), " asked for a call in the evening."),
    lambda people, _, row: ("Paid with card ", facts.cards(people.draws, row, "text/card"), ", refund pending."),
    lambda people, _, row: ("Refund goes to account ", facts.ibans(people.draws, row, "text/iban"), ", as agreed."),
    lambda people, _, row: ("Gave social security number ", facts.ssns(people.draws, row, "text/ssn"), ", must be deleted."),
    lambda people, _, row: ("Locked out since a login from ", facts.ips(people.draws, row, "text/ip"), " last night."),
    lambda people, _, row: ("Opened the invoice at ", facts.urls(people.draws, row, "text/url"), " and has a question."),
    lambda people, index, _: ("Letter to ", _own_street(people, index), " came back."),
    lambda people, index, _: (
        _own_name(people, index), " wrote from ", people.emails(index), " and wants a call on ", _own_phone(people, index), ".",
    ),
)  # fmt: skip
