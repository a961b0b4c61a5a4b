"""Numbers that look random and follow from (seed, purpose, row): any row of any table can be made alone, in any order.

Called by every module of the demo. Not for secrets: the mixer is SplitMix64 (Steele, Lea, Flood 2014, figure 15).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Draws", "Floats", "Index", "Mask"]

Index = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class Draws:
    """Draws keyed by a seed. Every method takes row numbers and a purpose; equal arguments give equal draws.

    Example:
        >>> rows = np.arange(3, dtype=np.uint64)
        >>> bool((Draws(7).whole(rows, "zip") == Draws(7).whole(rows, "zip")).all())
        True
    """

    seed: int

    def whole(self, index: Index, purpose: str) -> Index:
        """64 bits a row."""
        digest = hashlib.blake2b(f"{self.seed}/{purpose}".encode(), digest_size=8).digest()
        mixed = (index + np.uint64(int.from_bytes(digest))) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
        return mixed ^ (mixed >> np.uint64(31))

    def share(self, index: Index, purpose: str) -> Floats:
        """A number in [0, 1) a row."""
        return (self.whole(index, purpose) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(
        self, index: Index, purpose: str, size: int | npt.NDArray[np.int64], *, skew: float = 1.0
    ) -> npt.NDArray[np.int64]:
        """A whole number in [0, size) a row; `skew` above 1 prefers small ones, as a Zipf law does."""
        return np.floor(self.share(index, purpose) ** skew * size).astype(np.int64)

    def happens(self, index: Index, purpose: str, probability: float) -> Mask:
        """True in about this share of the rows."""
        return self.share(index, purpose) < probability
