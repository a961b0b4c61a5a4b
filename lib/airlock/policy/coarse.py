"""Shapes of what was made coarser, numbers, dates and codes, and the closed lists of such texts, from operators' arguments.

Called by `formats`, which says which operator writes which.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from airlock.policy.intervals import interval_labels, read_break
from airlock.policy.listed import listed_text
from airlock.policy.shapes import Shape
from airlock.policy.zip3 import NO_AREA, shown_prefixes

__all__ = [
    "GEOHASH",
    "Between",
    "Geohash",
    "MultipleOf",
    "PeriodStart",
    "areas_of",
    "between",
    "labels_of",
    "multiples",
    "otherwise_of",
    "period",
    "replaced",
]

_CHECK_DIGIT = 10
"""Below this width a rounded number keeps its check digit, or one of few."""

_FEW = 10_000
"""So many numbers are no ids."""

GEOHASH = "0123456789bcdefghjkmnpqrstuvwxyz"
"""The alphabet, in order: five bits a character."""

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between(Shape):
    """A number not below `low` and not above `high` (where they are given); of a floating type, the nearest ends count, or NaN."""

    low: Decimal | None
    high: Decimal | None
    closed = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MultipleOf(Shape):
    """A number that is a whole multiple of `width`; of a floating type, the value of that type nearest to one, or NaN. It lies
    between `low` and `high` where they are given.
    """

    width: Decimal
    low: Decimal | None = None
    high: Decimal | None = None

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """A number that lost its last digit carries no check digit; what else it may tell, the gate counts by column. Where few
        numbers are possible, none of them is anything else.
        """
        few = self.low is not None and self.high is not None and self.high - self.low <= _FEW * self.width
        return few or self.width >= _CHECK_DIGIT


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStart(Shape):
    """A date or timestamp that is the first moment of its `unit` (year, quarter, month, week, day, hour, decade), of none before
    that of `earliest` where it is given.

    Weeks begin on Monday, decades in years that ten divides. A timestamp with a zone is the first moment of the local period:
    the earlier one where the local time comes twice, the end of the gap where it does not exist.
    """

    unit: str
    earliest: dt.date | None = None
    parsed: bool = False
    zone: str | None = None

    @property
    def written(self) -> pa.DataType | None:  # type: ignore[override]
        """What was read from texts or numbers (`parsed`) is a date, or for hours a timestamp in `zone`."""
        if not self.parsed:
            return None
        return pa.timestamp("s", tz=self.zone or "UTC") if self.unit == "hour" else pa.date32()


@dataclass(frozen=True, slots=True, kw_only=True)
class Geohash(Shape):
    """Exactly `length` characters of the geohash alphabet."""

    length: int


def between(arguments: Arguments) -> Between:
    """Of `clamp`."""
    return Between(low=_number(arguments.get("bottom")), high=_number(arguments.get("top")))


def multiples(width: object, low: object, high: object) -> MultipleOf:
    """Of numbers as a policy has them."""
    return MultipleOf(width=Decimal(str(width)), low=_number(low), high=_number(high))


def period(arguments: Arguments) -> PeriodStart:
    """Of `generalize_date`."""
    earliest, parsed = _date(arguments.get("bottom")), arguments.get("parse") is not None
    return PeriodStart(unit=arguments["to"], earliest=earliest, parsed=parsed, zone=arguments.get("zone"))


def labels_of(arguments: Arguments) -> tuple[str, ...]:
    """What `interval` writes."""
    labels = arguments.get("labels")
    texts = None if labels is None else [listed_text(label) for label in labels]
    return interval_labels([read_break(each) for each in arguments["breaks"]], texts)


def replaced(arguments: Arguments) -> tuple[str, ...]:
    """What `replace` writes with `map`."""
    return tuple(dict.fromkeys([*map(listed_text, arguments["map"].values()), *otherwise_of(arguments)]))


def areas_of(arguments: Arguments) -> tuple[str, ...]:
    """What `zip3` writes."""
    shown = shown_prefixes(_date(arguments.get("as_of")), arguments.get("restricted"))
    return tuple(dict.fromkeys([*shown, NO_AREA, *otherwise_of(arguments)]))


def otherwise_of(arguments: Arguments) -> tuple[str, ...]:
    """The text for what an operator does not transform; none where it rejects the row, or writes null."""
    text = arguments.get("otherwise", "reject")
    return () if text in (None, "reject") else (str(text),)


def _number(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _date(value: object) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(listed_text(value))
