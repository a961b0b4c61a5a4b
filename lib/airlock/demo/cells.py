"""Who lives where, how old, of which sex: cells of (area, birth period, sex), each filled with at least MINIMUM people.

So the released demographics are k-anonymous by construction, at decades in any size and at years where `dense`. Called by
`people`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from airlock.demo.draws import Index

__all__ = ["AREAS", "MINIMUM", "Area", "Cells", "fill", "make_cells", "spread"]

MINIMUM = 6
"""People in the smallest cell: one more than the demo's k."""

_PEOPLE_A_CELL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """One postal area. A code is `zip3`, `middle`, a number of `digits` digits, `tail`; `locale` counts in `pools.LOCALES`."""

    zip3: str
    country: str
    locale: int
    weight: float
    middle: str = ""
    digits: int = 2
    tail: str = ""


AREAS = (
    Area(zip3="100", country="US", locale=0, weight=0.18),
    Area(zip3="606", country="US", locale=0, weight=0.12),
    Area(zip3="941", country="US", locale=0, weight=0.10),
    Area(zip3="770", country="US", locale=0, weight=0.08),
    Area(zip3="SW1", country="GB", locale=1, weight=0.08, middle="A ", digits=1, tail="AA"),
    Area(zip3="M14", country="GB", locale=1, weight=0.05, middle=" ", digits=1, tail="BX"),
    Area(zip3="101", country="DE", locale=2, weight=0.09),
    Area(zip3="803", country="DE", locale=2, weight=0.06),
    Area(zip3="750", country="FR", locale=3, weight=0.07),
    Area(zip3="00-", country="PL", locale=4, weight=0.05, digits=3),
    Area(zip3="013", country="BR", locale=5, weight=0.05, tail="-000"),
    Area(zip3="150", country="JP", locale=6, weight=0.04, middle="-", digits=4),
)

_NO_ADDRESS_WEIGHT = 0.03
_DECADES = {1940: 0.06, 1950: 0.10, 1960: 0.16, 1970: 0.19, 1980: 0.21, 1990: 0.18, 2000: 0.10}
_YEARS = range(1950, 2005)


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells as parallel arrays, heaviest first.

    Attributes:
        area: Place in AREAS; -1 means no address.
        year: First year of the birth period; 0 means no birth date.
        sex: 0 female, 1 male, 2 not given.
        years: Length of each period in years.
        weight: Share of people.
    """

    area: npt.NDArray[np.int64]
    year: npt.NDArray[np.int64]
    sex: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    years: int


def make_cells(*, dense: bool) -> Cells:
    """All cells: by decade, or with `dense` by single years from 1950 to 2004."""
    periods = dict.fromkeys(_YEARS, 1 / len(_YEARS)) if dense else _DECADES
    areas = [*enumerate(area.weight for area in AREAS), (-1, _NO_ADDRESS_WEIGHT)]
    rows = [(area, year, sex, of * share / 2) for area, of in areas for year, share in periods.items() for sex in (0, 1)]
    # Null quasi-identifiers are values too: they stand in few, well filled cells.
    rows += [(0, 0, sex, 0.004) for sex in (0, 1)] + [(0, year, 2, 0.02 * share) for year, share in periods.items()]
    rows.sort(key=lambda row: -row[3])
    area, year, sex, weight = (np.array(column) for column in zip(*rows, strict=True))
    return Cells(area, year, sex, weight, 1 if dense else 10)


def fill(cells: Cells, people: int) -> npt.NDArray[np.int64]:
    """How many people each cell gets: `people` in all, MINIMUM at least in every cell that has any.

    Example:
        >>> counts = fill(make_cells(dense=False), 900)
        >>> int(counts.sum()), int(counts[counts > 0].min()) >= MINIMUM
        (900, True)
    """
    used = max(1, min(len(cells.weight), people // _PEOPLE_A_CELL))
    share = cells.weight[:used] / cells.weight[:used].sum()
    least = MINIMUM if people >= used * MINIMUM else 0
    counts = least + np.floor((people - least * used) * share).astype(np.int64)
    counts[0] += people - counts.sum()
    return np.pad(counts, (0, len(cells.weight) - used))


def spread(position: Index, people: int) -> Index:
    """A fixed permutation of 0..people-1, so that neighbours do not share a cell."""
    step = max(1, int(people * 0.618))
    while gcd(step, people) != 1:
        step += 1
    return (position * np.uint64(step) + np.uint64(people // 3)) % np.uint64(max(people, 1))
