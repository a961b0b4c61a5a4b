"""The customers table: the columns of the example policy, nested types included. Called by `generate`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo import facts
from airlock.demo.columns import blank, dates, decimals, lists, offsets, timestamps
from airlock.demo.draws import Index
from airlock.demo.people import People
from airlock.demo.texts import TextPlan, free_texts

__all__ = ["customers"]

_SIGNUP_FROM, _SIGNUP_TO = 1_420_070_400_000_000, 1_795_300_000_000_000  # 2015-01-01 to 2026-11-21, microseconds
_KINDS = pa.array(["mobile", "home", "work"])
_PLANS = pa.array(["free", "basic", "pro", "family", "business"])
_CHANNELS = pa.array(["web", "app", "partner", "shop"])


def customers(people: People, index: Index) -> pa.Table:
    """The rows of these people (all columns but the partition's)."""
    draws = people.draws
    days, unborn = people.birth_days(index)
    signup = _SIGNUP_FROM + (draws.share(index, "signup") ** 0.7 * (_SIGNUP_TO - _SIGNUP_FROM)).astype(np.int64)
    return pa.table(
        {
            "customer_id": pa.array(people.ids(index)),
            "email": people.emails(index),
            "name": _names(people, index),
            "phones": _phones(people, index),
            "address": _addresses(people, index),
            "birth_date": blank(dates(days), unborn),
            "sex": people.sex(index),
            "signup_ip": blank(facts.ips(draws, index, "signup_ip"), draws.happens(index, "signup_ip/null", 0.04)),
            "signup_at": timestamps(signup, "us"),
            "lifetime_value": _values(people, index),
            "attributes": _attributes(people, index),
            "notes": free_texts(people, index, _text_plan(people.rows), index),
        }
    )


def _text_plan(rows: int) -> TextPlan:
    # Every text with a fact is a text of its own; past 50,000 rows their share falls, so that the demo stays quick.
    return TextPlan(purpose="notes", nulls=0.7, personal=min(0.02, 0.002 + 900 / rows))


def _names(people: People, index: Index) -> pa.Array:
    first, last = people.first_names(index), people.last_names(index)
    return pa.StructArray.from_arrays([first, last], ["first", "last"], mask=pa.array(people.unnamed(index)))


def _phones(people: People, index: Index) -> pa.Array:
    counts = people.phone_counts(index)
    owner = np.repeat(index, counts)
    slot = np.arange(len(owner), dtype=np.int64) - np.repeat(offsets(counts)[:-1], counts)
    elements = pa.StructArray.from_arrays([_KINDS.take(pa.array(slot)), people.phone(owner, slot)], ["kind", "number"])
    nulls = (counts == 0) & people.draws.happens(index, "phones/null", 0.4)
    return lists(counts, elements, nulls)


def _addresses(people: People, index: Index) -> pa.Array:
    parts = [people.streets(index), people.zips(index), people.countries(index)]
    return pa.StructArray.from_arrays(parts, ["street", "zip", "country"], mask=pa.array(people.area(index) < 0))


def _values(people: People, index: Index) -> pa.Array:
    # Pareto with exponent 1.6: few customers bring most of the money.
    cents = np.minimum(900 * (1 - people.draws.share(index, "value")) ** (-1 / 1.6), 5e8).astype(np.int64)
    return blank(decimals(cents, 12), people.draws.happens(index, "value/null", 0.03))


def _attributes(people: People, index: Index) -> pa.Array:
    draws = people.draws
    counts = np.array([2, 1, 2, 0, 2])[draws.below(index, "attributes", 5)]
    owner = np.repeat(index, counts)
    slot = np.arange(len(owner), dtype=np.int64) - np.repeat(offsets(counts)[:-1], counts)
    plans = _PLANS.take(pa.array(draws.below(owner, "plan", len(_PLANS), skew=2.0)))
    channels = _CHANNELS.take(pa.array(draws.below(owner, "channel", len(_CHANNELS), skew=1.5)))
    is_plan = pa.array(slot == 0)
    keys = pa.array(["plan", "channel"]).take(pa.array(slot))
    return pa.MapArray.from_arrays(pa.array(offsets(counts)), keys, pc.if_else(is_plan, plans, channels))
