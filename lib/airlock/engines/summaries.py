"""The first reading of dataset-wide passes: what one split gives, kept sealed in zone `private`, and what all of them conclude.

`task` calls `summarize_split` on executors, the inner door the rest. Summaries are raw data: they stand nowhere in the clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from airlock.engines.exclusion import excluded_rows
from airlock.engines.frame import TaskFrame
from airlock.engines.rows import leaf_values, rows_where
from airlock.engines.staging import GROUP_BYTES, GROUP_ROWS
from airlock.engines.tables import pack, unpack
from airlock.errors import ConfigError, IntegrityError, TooManyValuesError
from airlock.keys import SubKeys
from airlock.keys.wrap import seal, unseal
from airlock.passes import DatasetPass, Leaf
from airlock.plan.compile import INNER_REQUESTS, Plan
from airlock.plan.passes import dataset_passes, passes_reading
from airlock.plan.tree import type_at
from airlock.storage import AlreadyExistsError, ConflictError, Store, open_store
from airlock.storage.sources import read_batches

__all__ = ["SUMMARIES", "Gathering", "kept_summaries", "summarize_split", "summary_folder"]

SUMMARIES = "summaries"
"""The folder's name, which no run may have."""

_MOST_VALUES = 1_000_000
_MOST_BYTES = 256 * 1024 * 1024
_MOST_CONCLUDED = 1024 * 1024


def summary_folder(dataset: str) -> str:
    """Where a dataset's summaries stand in zone `private`."""
    return f"{dataset}/{SUMMARIES}"


class _Gathered:
    """One pass's summary as it grows."""

    def __init__(self, one: DatasetPass) -> None:
        self.over = one
        self._parts: list[pa.Table] = []
        self._merged = 0

    def add(self, summary: pa.Table) -> None:
        """Another part; parts are merged when they outgrow what was merged before.

        Raises:
            TooManyValuesError: The summary is too large.
        """
        self._parts.append(summary)
        if sum(part.num_rows for part in self._parts) > 2 * self._merged + GROUP_ROWS:
            self._merge()

    def _merge(self) -> None:
        whole = self.over.merge(self._parts)
        if whole.num_rows > _MOST_VALUES or whole.nbytes > _MOST_BYTES:
            name = str(self.over.reads[0])
            raise TooManyValuesError(
                f"column '{name}' has more than {_MOST_VALUES:,} different values, or they take more than {_MOST_BYTES >> 20} MiB: they are "
                "not counted exactly. Nothing was staged. Generalise it row by row, or drop it",
                column=name,
            )
        self._parts, self._merged = [whole], whole.num_rows

    def whole(self) -> pa.Table | None:
        """The summary of all parts; None of none."""
        if self._parts:
            self._merge()
        return self._parts[0] if self._parts else None


def summarize_split(frame: TaskFrame, index: int, last: Callable[[], None] = lambda: None) -> None:
    """Read a split's columns that passes look at, and keep what they made of them; nothing where it is kept already.

    `last` is called before it is kept; raises where it may not be.
    """
    store, dataset, name = open_store(frame.zones["private"]), frame.plan.policy.dataset, frame.names[index]
    if kept_summaries(store, dataset, name, frame.keys) is not None:
        return
    gathered = [_Gathered(one) for one in dataset_passes(frame.plan)]
    for batch in _batches(frame, index):
        for each in gathered:
            each.add(each.over.summarize([Leaf(*leaf_values(batch, path)) for path in each.over.reads]))
    tables = {str(each.over.writes[0]): whole for each in gathered if (whole := each.whole()) is not None}
    last()
    _write(store, dataset, name, tables, frame.keys)


def _batches(frame: TaskFrame, index: int) -> Iterable[pa.RecordBatch]:
    plan = frame.plan
    reads = read_batches(
        open_store(frame.zones["raw"]),
        frame.splits[index],
        source=plan.policy.source,
        schema=passes_reading(plan, dataset_passes(plan)),
        ignored=None,  # the second reading is the one that refuses
        max_rows=GROUP_ROWS,
        max_bytes=GROUP_BYTES,
    )
    for read in reads:
        if not frame.excluded:
            yield read.batch
            continue
        mask, _ = excluded_rows(read.batch, plan, frame.excluded)
        yield rows_where(read.batch, pc.invert(mask))


class Gathering:
    """The summaries of a dataset's splits, merged one after the other: the driver never holds two large ones."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._gathered = [_Gathered(one) for one in dataset_passes(plan)]

    def take(self, tables: Mapping[str, pa.Table] | None) -> bool:
        """Add a split's kept summaries (`kept_summaries`); false where there are none.

        Raises:
            TooManyValuesError: A summary is too large.
        """
        if tables is None:
            return False
        for each in self._gathered:
            if (table := tables.get(str(each.over.writes[0]))) is not None:
                each.add(table)
        return True

    def conclude(self) -> dict[str, pa.Table]:
        """What each pass concludes from all that was taken, by the leaf that it writes.

        Raises:
            TooManyValuesError: A summary is too large.
            ConfigError: A conclusion is too large for the frame.
        """
        made = {}
        for each in self._gathered:
            (path,), whole = each.over.writes, each.whole()
            if whole is None:
                concluded = each.over.nothing([type_at(self._plan.reading.schema, one) for one in each.over.reads])
            else:
                concluded = each.over.conclude(whole, spare=self._plan.policy.gate.max_rejects)
            if concluded.nbytes > _MOST_CONCLUDED:
                raise ConfigError(f"column '{path}': what stays takes more than {_MOST_CONCLUDED >> 20} MiB. Lower n")
            made[str(path)] = concluded
        return made


def _write(store: Store, dataset: str, name: str, tables: Mapping[str, pa.Table], keys: SubKeys) -> None:
    path = f"{summary_folder(dataset)}/{name}"
    sealed = seal(pack(tables), key=keys[INNER_REQUESTS["summaries"]], context=("summary", dataset, name))
    found = store.read_versioned(path)
    with suppress(AlreadyExistsError, ConflictError):  # another attempt at the same split kept the same
        store.replace(path, sealed, None if found is None else found[1])


def kept_summaries(store: Store, dataset: str, name: str, keys: SubKeys) -> dict[str, pa.Table] | None:
    """A split's summaries by the leaf that each is for; None where there are none that this key made."""
    found = store.read_versioned(f"{summary_folder(dataset)}/{name}")
    if found is None:
        return None
    try:
        return unpack(unseal(found[0], key=keys[INNER_REQUESTS["summaries"]], context=("summary", dataset, name)))
    except IntegrityError:
        return None
