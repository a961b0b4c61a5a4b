"""Three-digit ZIP code areas and who lives there: what `zip3` may show under HIPAA's rule, for the operator and the gate.

45 CFR 164.514(b)(2)(i)(B): the first three digits of a ZIP code stay if by the current data of the Census Bureau more than 20,000 people
live where all ZIP codes with these digits are; else they become 000.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["NO_AREA", "TABLES", "ZipTable", "prefixes_in_use", "shown_prefixes", "zip_table"]

NO_AREA = "000"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipTable:
    """Prefixes of 20,000 people or fewer by one census.

    Attributes:
        as_of: The census's day.
        source: Where the list stands, or what it was made from.
    """

    as_of: dt.date
    source: str
    restricted: frozenset[str]


def _prefixes(text: str) -> frozenset[str]:
    """`036 059 694-699`: each by itself, ranges with both ends."""
    found: set[str] = set()
    for part in text.split():
        low, _, high = part.partition("-")
        found |= {f"{number:03}" for number in range(int(low), int(high or low) + 1)}
    return frozenset(found)


TABLES = (
    ZipTable(
        as_of=dt.date(2000, 4, 1),
        source="Census 2000 ZCTAs; 67 FR 53182, 53233-53234 (14 August 2002), and HHS's guidance of 2012",
        restricted=_prefixes("036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"),
    ),
    ZipTable(
        as_of=dt.date(2010, 4, 1),
        source="Census 2010 ZCTAs (summary file 1, total population)",
        restricted=_prefixes("036 059 102 202-205 369 556 692 753 772 821 823 878 879 884 893"),
    ),
)
"""By day. A census later than the last one needs a policy's own list (`restricted`)."""

_NOT_IN_USE = _prefixes(
    "000-004 099 213 269 343 345 348 353 419 428 429 517-519 529 533 536 552 568 578 579 589 621 632 642 643 659 663 682 694-699 702 "
    "709 715 732 742 771 817-819 839 848 849 854 858 861 862 866-869 872 876 886-888 892 896 899 909 929 987"
)
"""No ZIP code begins so (as of 2026)."""

_NOBODY_LIVES_THERE = _prefixes("005 055 090-098 192 204 332 340 375 399 459 569 649 733 842 885 889 938 942 962-966")
"""Armed forces' mail (APO, FPO, DPO), agencies, companies and boxes: no census counts people there, so none shows 20,000."""

_INHABITED = _prefixes("000-999") - _NOT_IN_USE - _NOBODY_LIVES_THERE


def zip_table(as_of: dt.date | None) -> ZipTable:
    """The newest table that is not later than a day; the newest of all without one.

    Raises:
        ValueError: There was none yet.

    Example:
        >>> zip_table(dt.date(2008, 7, 1)).as_of.year, zip_table(None).as_of.year
        (2000, 2010)
    """
    found = [table for table in TABLES if as_of is None or table.as_of <= as_of]
    if not found:
        raise ValueError(f"as_of is before the first table ({TABLES[0].as_of})")
    return found[-1]


def prefixes_in_use() -> tuple[str, ...]:
    """All prefixes with which ZIP codes begin, sorted."""
    return tuple(sorted(_prefixes("000-999") - _NOT_IN_USE))


def shown_prefixes(as_of: dt.date | None, restricted: Sequence[str] | None) -> tuple[str, ...]:
    """The prefixes that may stay, sorted.

    Args:
        as_of: The day of the policy's own list, or by which a table is chosen.
        restricted: The policy's own list of prefixes with 20,000 people or fewer; it needs a day.

    Raises:
        ValueError: No such table, or a list without a day or of something else than three digits.

    Example:
        >>> "036" in shown_prefixes(None, None), "037" in shown_prefixes(None, None)
        (False, True)
    """
    if restricted is None:
        return tuple(sorted(_INHABITED - zip_table(as_of).restricted))
    if as_of is None:
        raise ValueError("restricted needs as_of, the day of the census that it is made from")
    if not all(
        isinstance(each, str) and len(each) == len(NO_AREA) and each.isascii() and each.isdigit() for each in restricted
    ):
        raise ValueError('restricted is a list of texts of three digits, such as "036"')
    return tuple(sorted(_INHABITED - set(restricted)))
