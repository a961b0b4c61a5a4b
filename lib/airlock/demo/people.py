"""The people of the generated data: any fact about customer number i, for any set of rows, in any table.

Orders and tickets ask for the same people, so their texts, e-mails and postal codes agree with the customers table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from airlock.demo import facts
from airlock.demo.cells import AREAS, Cells, fill, make_cells, spread
from airlock.demo.columns import blank, digits, joined
from airlock.demo.draws import Draws, Index, Mask
from airlock.demo.pools import Pools

__all__ = ["DAYS", "People"]

Integers = npt.NDArray[np.int64]

DAYS = ("2026-11-21", "2026-11-22")
"""Load dates: the first tenth of the customers came on the first day."""

_FIRST_ID = 10_000_019  # eight digits: a shorter id would stand in other numbers by chance
_DOMAINS = ("example.com", "mail.example.com", "example.org", "post.example.org", "example.net", "web.example.net")
_EVERY_TWICE = 200


@dataclass(frozen=True)
class People:
    """`rows` people, numbered from 0. All methods take numbers and return one value for each."""

    rows: int
    draws: Draws
    pools: Pools
    dense: bool = False

    @property
    def first_day_rows(self) -> int:
        """How many people are in the first day's partition."""
        return self.rows // 10

    @cached_property
    def _cells(self) -> Cells:
        return make_cells(dense=self.dense)

    @cached_property
    def _ends(self) -> tuple[Integers, Integers]:
        parts = (self.first_day_rows, self.rows - self.first_day_rows)
        first, second = (np.cumsum(fill(self._cells, people)) for people in parts)
        return first, second

    def cell(self, index: Index) -> Integers:
        """Each person's demographic cell. The cells of each day are filled apart, so each day is k-anonymous alone."""
        day1 = np.uint64(self.first_day_rows)
        on_first = index < day1
        first = np.searchsorted(self._ends[0], spread(index, self.first_day_rows), side="right")
        later = np.where(on_first, np.uint64(0), index - day1)
        second = np.searchsorted(self._ends[1], spread(later, self.rows - self.first_day_rows), side="right")
        return np.where(on_first, first, second).astype(np.int64)

    def area(self, index: Index) -> Integers:
        """Place in AREAS; -1: no address."""
        return self._cells.area[self.cell(index)]

    def sex(self, index: Index) -> pa.Array:
        """`female`, `male` or null."""
        return pa.array(["female", "male", None]).take(pa.array(self._cells.sex[self.cell(index)]))

    def birth_days(self, index: Index) -> tuple[Integers, Mask]:
        """Days since 1970-01-01, and where there is no birth date."""
        year = self._cells.year[self.cell(index)]
        year_of_birth = np.maximum(year, 1900) + self.draws.below(index, "birth/year", self._cells.years)
        january = (year_of_birth - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        return january + self.draws.below(index, "birth/day", 365), year == 0

    def ids(self, index: Index) -> Integers:
        """Customer numbers: eight digits, with gaps."""
        return _FIRST_ID + 7 * index.astype(np.int64)

    def countries(self, index: Index) -> pa.Array:
        """ISO 3166-1 alpha-2; null without an address."""
        return self._by_area(index, [area.country for area in AREAS])

    def zips(self, index: Index) -> pa.Array:
        """Postal codes in the form of their country; null without an address."""
        area = self.area(index)
        width = np.array([area.digits for area in AREAS])[area]
        number = self.draws.below(index, "zip", 10**width, skew=1.5)
        tails = pc.utf8_slice_codeunits(digits(number + 10**width), 1)
        heads = self._by_area(index, [area.zip3 + area.middle for area in AREAS])
        return joined(heads, tails, self._by_area(index, [area.tail for area in AREAS]))

    def _by_area(self, index: Index, values: list[str]) -> pa.Array:
        area = self.area(index)
        return pa.array(values).take(pa.array(area, mask=area < 0))

    def _locale(self, index: Index) -> Integers:
        # One in ten has a name from elsewhere.
        home = np.array([area.locale for area in AREAS])[np.maximum(self.area(index), 0)]
        moved = self.draws.happens(index, "moved", 0.1)
        return np.where(moved, self.draws.below(index, "moved/from", len(self.pools.last.sizes)), home)

    def streets(self, index: Index) -> pa.Array:
        """Street and house number, in the script of the country."""
        home = np.array([area.locale for area in AREAS])[np.maximum(self.area(index), 0)]
        return self.pools.street.texts.take(pa.array(self.pools.street.places(self.draws, index, "street", home)))

    def unnamed(self, index: Index) -> Mask:
        """Whose name nobody wrote down: three in a thousand."""
        return self.draws.happens(index, "name/null", 0.003)

    def first_names(self, index: Index) -> pa.Array:
        """First names; one in a hundred is null."""
        names = self._first(index, self.pools.female.texts, self.pools.male.texts)
        return blank(names, self.draws.happens(index, "first/null", 0.01))

    def last_names(self, index: Index) -> pa.Array:
        """Family names."""
        return self.pools.last.texts.take(pa.array(self._last_places(index)))

    def _last_places(self, index: Index) -> Integers:
        return self.pools.last.places(self.draws, index, "last", self._locale(index))

    def _first(self, index: Index, female: pa.Array, male: pa.Array) -> pa.Array:
        is_female = self._cells.sex[self.cell(index)] == 0
        locale = self._locale(index)
        of_women = female.take(pa.array(self.pools.female.places(self.draws, index, "first", locale)))
        of_men = male.take(pa.array(self.pools.male.places(self.draws, index, "first", locale)))
        return pc.if_else(pa.array(is_female), of_women, of_men)

    def emails(self, index: Index) -> pa.Array:
        """E-mail addresses, nearly unique: every 200th person has the one before's, in upper case; some have none."""
        twin = index % np.uint64(_EVERY_TWICE) == np.uint64(_EVERY_TWICE - 1)
        owner = np.where(twin, index - np.uint64(1), index)
        local = self._first(owner, self.pools.ascii_female, self.pools.ascii_male)
        last = self.pools.ascii_last.take(pa.array(self._last_places(owner)))
        domain = pa.array(_DOMAINS).take(pa.array(self.draws.below(owner, "domain", len(_DOMAINS), skew=2.0)))
        made = joined(local, ".", last, digits(owner), "@", domain)
        written = pc.if_else(pa.array(twin), pc.utf8_upper(made), made)
        return blank(written, self.draws.happens(owner, "email/null", 0.015))

    def phone_counts(self, index: Index) -> Integers:
        """How many telephones: 0 to 3."""
        return np.array([1, 2, 0, 3, 1, 1, 2, 1])[self.draws.below(index, "phones", 8)]

    def phone(self, index: Index, slot: Integers) -> pa.Array:
        """The number of telephone `slot` of each person."""
        country = np.array([area.locale for area in AREAS])[np.maximum(self.area(index), 0)]
        # The draw's row is person and slot in one: there are at most four slots.
        return facts.phones(self.draws, index * np.uint64(4) + slot.astype(np.uint64), "phone", country)
