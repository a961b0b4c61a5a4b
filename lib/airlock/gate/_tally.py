"""Counts that checks carry from batch to batch, and how they add up."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Tally", "merge_tallies"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Any)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values of how many, and the picture of the first."""

    count: int = 0
    total: int = 0
    picture: str = ""

    def __add__(self, other: Tally) -> Tally:
        # The smaller picture, not the earlier one: merging must not depend on the order of files.
        pictures = sorted(each for each in (self.picture, other.picture) if each)
        return Tally(self.count + other.count, self.total + other.total, pictures[0] if pictures else "")


def merge_tallies(one: Mapping[K, V], other: Mapping[K, V]) -> dict[K, V]:
    """Two mappings, added key by key.

    Example:
        >>> merge_tallies({"a": 1, "b": 2}, {"b": 3})
        {'a': 1, 'b': 5}
    """
    both = {key: one[key] + other[key] for key in one if key in other}
    return {**one, **other, **both}
