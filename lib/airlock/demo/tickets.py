"""The support tickets, as JSON lines: one for every hundred customers and some, a third of them with personal facts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo.columns import dates, digits, joined
from airlock.demo.draws import Index
from airlock.demo.people import People
from airlock.demo.texts import SUBJECTS, TextPlan, free_texts

__all__ = ["json_lines", "ticket_count", "tickets"]

_CHANNELS = pa.array(["mail", "phone", "chat", "letter"])
_FROM, _DAYS = 19_723, 1_050  # 2024-01-01


def ticket_count(rows: int) -> int:
    """How many tickets there are for so many customers."""
    return rows // 100 + 20


def tickets(people: People, number: Index) -> pa.Table:
    """The tickets with these numbers, counted from 0."""
    draws = people.draws
    writer = draws.below(number, "writer", people.rows, skew=1.3).astype(np.uint64)
    plan = TextPlan(purpose="body", nulls=0.02, personal=0.3)
    requester = [people.first_names(writer), people.last_names(writer), people.streets(writer)]
    return pa.table(
        {
            "ticket_id": joined("TIC-", digits(number, 7)),
            "customer_id": pa.array(people.ids(writer)),
            "opened_on": dates(_FROM + draws.below(number, "opened", _DAYS)),
            "channel": _CHANNELS.take(pa.array(draws.below(number, "channel", len(_CHANNELS), skew=1.5))),
            "requester": pa.StructArray.from_arrays(requester, ["first", "last", "street"]),
            "subject": pa.array(SUBJECTS).take(pa.array(draws.below(number, "subject", len(SUBJECTS), skew=1.5))),
            "body": free_texts(people, writer, plan, number),
        }
    )


def json_lines(table: pa.Table) -> pa.Array:
    """One JSON object a row, as text, whole columns at a time; texts, integers, dates and structs of them."""
    return _json(table.to_struct_array().combine_chunks())


def _json(array: pa.Array) -> Any:
    if pa.types.is_struct(array.type):
        fields = [joined(f'"{name}":', _json(field)) for name, field in zip(array.type.names, array.flatten(), strict=True)]
        return joined("{", pc.binary_join_element_wise(*fields, ","), "}")
    text = array.cast(pa.string())
    if not pa.types.is_integer(array.type):
        escaped = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
        text = joined('"', escaped, '"')
    return pc.fill_null(text, "null")
