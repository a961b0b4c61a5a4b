"""Intervals as a policy writes them, and their labels: what the operator `interval` writes and the gate expects."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal, DecimalException
from itertools import pairwise

__all__ = ["Break", "interval_labels", "read_break"]

Break = Decimal | dt.date

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def read_break(value: object) -> Break:
    """One end of an interval: a finite number or a date, also as text.

    Raises:
        ValueError: It is something else.

    Example:
        >>> read_break("0.50"), read_break("2024-02-29")
        (Decimal('0.50'), datetime.date(2024, 2, 29))
    """
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        return dt.date.fromisoformat(value)
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else None
    except DecimalException:
        number = None
    if number is None or not number.is_finite():
        raise ValueError("a break is a number or a date (YYYY-MM-DD)")
    return number


def interval_labels(breaks: Sequence[Break], labels: Sequence[str] | None) -> tuple[str, ...]:
    """One label an interval, from below: the given ones, or `<18`, `[18, 65)`, `>=65`.

    Raises:
        ValueError: The breaks do not rise or are of two kinds, or the labels are not one more, each another.

    Example:
        >>> interval_labels([Decimal(18), Decimal("65.0")], None)
        ('<18', '[18, 65)', '>=65')
    """
    if not breaks or len({isinstance(each, Decimal) for each in breaks}) > 1:
        raise ValueError("breaks are numbers, or all dates")
    if any(low >= high for low, high in pairwise(breaks)):  # type: ignore[operator]
        raise ValueError("breaks must rise")
    if labels is None:
        ends = [_text(each) for each in breaks]
        return (f"<{ends[0]}", *(f"[{low}, {high})" for low, high in pairwise(ends)), f">={ends[-1]}")
    if len(labels) != len(breaks) + 1 or len(set(labels)) != len(labels):
        raise ValueError(f"labels must be {len(breaks) + 1}, one more than breaks, each another")
    return tuple(labels)


def _text(end: Break) -> str:
    """The shortest form: 65.0 and 65 are one."""
    if isinstance(end, dt.date):
        return end.isoformat()
    return f"{end.normalize():f}"
