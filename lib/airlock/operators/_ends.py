"""The first and last characters of texts, on a column's bytes. Called by `mask`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from airlock.crypto.columns import ByteColumn

__all__ = ["Ends"]

Places = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FURTHER = -64
"""As signed numbers, the bytes behind a character's first are below it (RFC 3629, section 3)."""

_MOST_FURTHER = 3


class Ends(NamedTuple):
    """How many bytes the readable characters at each end of each text have; none where the text is not longer than these.

    Attributes:
        first: Bytes at the start.
        last: Bytes at the end.
        sizes: Bytes of the text if each of its other characters had one.
    """

    first: Places
    last: Places
    sizes: Places

    @classmethod
    def of(cls, column: ByteColumn, first: int, last: int) -> Ends:
        """Of the first and the last so many characters (code points).

        Args:
            column: UTF-8, offsets from zero.
            first: Characters.
            last: Characters.

        Example:
            >>> import pyarrow as pa
            >>> Ends.of(ByteColumn.of(pa.array(["aöü", "ö"])).compact(), 1, 1).sizes.tolist()
            [4, 1]
        """
        offsets, data = column
        starts, stops = offsets[:-1], offsets[1:]
        further = data.view(np.int8) < _FURTHER
        if not further.any():
            longer = np.diff(offsets) > first + last
            return cls(first * longer, last * longer, np.diff(offsets))
        further = np.append(further, False)
        length = np.diff(offsets) - np.diff(np.concatenate([[0], np.cumsum(further)])[offsets])
        longer = length > first + last
        # Texts that show nothing are walked through like the others, from where there surely are as many characters.
        ahead = _walked(further, starts, first, 1) - starts
        behind = stops - _walked(further, stops, last, -1)
        ahead, behind = ahead * longer, behind * longer
        return cls(ahead, behind, length + (ahead - first * longer) + (behind - last * longer))

    def copy(self, column: ByteColumn, offsets: Places, to: NDArray[np.uint8]) -> None:
        """Write these bytes of the column's texts to both ends of others, which begin at `offsets`."""
        for number in range(int(self.first.max(initial=0))):
            rows = _more(self.first, number)
            to[offsets[:-1][rows] + number] = column.data[column.offsets[:-1][rows] + number]
        for number in range(int(self.last.max(initial=0))):
            rows = _more(self.last, number)
            to[offsets[1:][rows] - number - 1] = column.data[column.offsets[1:][rows] - number - 1]


def _more(counts: Places, number: int) -> Places | slice:
    found = counts > number
    return slice(None) if found.all() else np.flatnonzero(found)


def _walked(further: Flags, places: Places, characters: int, step: int) -> Places:
    """So many characters on from, or back from, where one begins; any place inside the bytes where there are not so many."""
    last = len(further) - 1
    for _ in range(characters):
        places = np.clip(places + step, 0, last)
        for _ in range(_MOST_FURTHER):
            places = np.clip(places + step * further[places], 0, last)
    return places
