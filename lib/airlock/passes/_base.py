"""What a pass is: a frozen step that needs more than one row. Operators and policies name them, `engines` carry them out.

A pass over row groups works on what is about to be written. One over the dataset reads only its columns a first time, split by
split; what it concludes from all of them turns its operator into one that looks at single rows again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import pyarrow as pa

from airlock.keys import SubKeys
from airlock.policy.path import ColumnPath

__all__ = ["DatasetPass", "Leaf", "Pass", "RowGroupPass"]


class Leaf(NamedTuple):
    """A leaf's flat values in a batch, nulls included, and the row of each (both of one length)."""

    values: pa.Array
    rows: pa.Array


class Pass(ABC):
    """A step over several rows. Subclasses are frozen dataclasses: what they do follows from their fields, and they hold no key."""

    scope: ClassVar[Literal["row group", "dataset"]]
    """How many rows it needs to see."""

    @property
    @abstractmethod
    def reads(self) -> tuple[ColumnPath, ...]:
        """The leaves that it looks at."""

    @property
    @abstractmethod
    def writes(self) -> tuple[ColumnPath, ...]:
        """The leaves whose values it changes; each leaf has one pass at most."""


class RowGroupPass(Pass):
    """A pass over the written rows of one row group."""

    scope: ClassVar[Literal["row group", "dataset"]] = "row group"
    min_rows: int = 0
    """Fewest rows that it may be given; the writer sees to it as far as a split has as many."""

    @abstractmethod
    def carry_out(self, group: pa.Table, place: str, keys: SubKeys) -> pa.Table:
        """The group anew: as many rows, the same schema, other columns untouched.

        Args:
            group: As it would be written.
            place: Names the group: the split's keyed name and the group's number. Two groups of one dataset never share it.
            keys: Have the pass's subkey.

        Raises:
            FewRowsError: The group has fewer than `min_rows` rows.
        """


class DatasetPass(Pass):
    """A pass that needs all rows of the dataset before it can say what becomes of one.

    `merge` is associative and commutative, and `summarize` of two batches together gives what merging their summaries gives: the
    conclusion depends neither on how a dataset is cut nor on the order of its parts.
    """

    scope: ClassVar[Literal["row group", "dataset"]] = "dataset"

    @abstractmethod
    def summarize(self, leaves: Sequence[Leaf]) -> pa.Table:
        """What must be known of a batch; `leaves` are those of `reads`. Its size is capped by the engine, so it had better be small."""

    @abstractmethod
    def merge(self, summaries: Sequence[pa.Table]) -> pa.Table:
        """The summary of all of them, one or more; equal summaries are equal tables."""

    @abstractmethod
    def conclude(self, summary: pa.Table, *, spare: int = 0) -> pa.Table:
        """What `carry_out` needs to know, from the whole dataset's summary.

        Args:
            summary: Of every split.
            spare: How many rows may yet be rejected; what is concluded must hold without them.
        """

    @abstractmethod
    def nothing(self, types: Sequence[pa.DataType]) -> pa.Table:
        """The conclusion from no row at all, over leaves of these types: with it, nothing of a value is let through."""

    @abstractmethod
    def carry_out(self, columns: Sequence[pa.Array], concluded: pa.Table, keys: SubKeys | None) -> list[pa.Array]:
        """The leaves of `writes` anew, flat and as long as they came; looks at one row at a time."""
