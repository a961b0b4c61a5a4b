"""The orders table: three orders a customer on average, few customers with many. Called by `generate`."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airlock.demo import facts
from airlock.demo.columns import blank, decimals, digits, joined, lists, offsets, timestamps
from airlock.demo.draws import Index
from airlock.demo.people import People

__all__ = ["ORDERS_A_CUSTOMER", "orders"]

Integers = npt.NDArray[np.int64]

ORDERS_A_CUSTOMER = 3

_CURRENCIES = pa.array(["USD", "EUR", "GBP", "PLN", "BRL", "JPY"])
_SKUS = pa.array([f"{group}-{colour}-{size}" for group in ("LAMP", "DESK", "SOFA", "SHELF", "RUG", "CHAIR")
                  for colour in ("OAK", "SAND", "NAVY", "MOSS", "CLAY") for size in ("S", "M", "L", "XL")])  # fmt: skip
_FROM, _TO = 1_704_067_200_000, 1_795_300_000_000  # 2024-01-01 to 2026-11-21, milliseconds


def orders(people: People, number: Index) -> pa.Table:
    """The orders with these numbers, counted from 0."""
    draws, buyer = people.draws, _buyers(people, number)
    counts = 1 + draws.below(number, "items", 4, skew=2.0)
    items, cents = _items(people, number, counts)
    ordered = _FROM + (draws.share(number, "ordered") * (_TO - _FROM)).astype(np.int64)
    return pa.table(
        {
            "order_id": joined("ORD-2026-", digits(number, 9)),
            "customer_id": digits(people.ids(buyer), 10),
            "email": people.emails(buyer),
            "amount": decimals(cents, 12),
            "currency": _CURRENCIES.take(pa.array(draws.below(number, "currency", len(_CURRENCIES), skew=2.0))),
            "ordered_at": timestamps(ordered, "ms"),
            "ship_zip": people.zips(buyer),
            "items": items,
            "card": blank(facts.cards(draws, buyer, "card"), draws.happens(number, "card/null", 0.2)),
            "ip": blank(facts.ips(draws, number, "ip"), draws.happens(number, "ip/null", 0.05)),
        }
    )


def _buyers(people: People, number: Index) -> Index:
    # Every third order goes round all customers, so each has one; the others prefer few, but nobody has a hundredth of them.
    skew = min(2.2, math.log(people.rows) / math.log(80))
    round_robin = number // np.uint64(ORDERS_A_CUSTOMER) % np.uint64(people.rows)
    favourite = people.draws.below(number, "buyer", people.rows, skew=skew).astype(np.uint64)
    return np.where(number % np.uint64(ORDERS_A_CUSTOMER) == 0, round_robin, favourite)


def _items(people: People, number: Index, counts: Integers) -> tuple[pa.Array, Integers]:
    owner = np.repeat(number, counts)
    starts = offsets(counts)[:-1]
    line = owner * np.uint64(8) + (np.arange(len(owner)) - np.repeat(starts, counts)).astype(np.uint64)
    sku = people.draws.below(line, "sku", len(_SKUS), skew=1.6)
    quantity = 1 + people.draws.below(line, "qty", 5, skew=3.0)
    price = 995 + sku * 500
    fields = [_SKUS.take(pa.array(sku)), pa.array(quantity.astype(np.int32)), decimals(price, 10)]
    elements = pa.StructArray.from_arrays(fields, ["sku", "qty", "price"])
    return lists(counts, elements), np.add.reduceat(quantity * price, starts)
