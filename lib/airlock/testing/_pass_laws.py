"""The laws of passes. Called by `laws`, whose trials these are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from airlock.passes import DatasetPass, Leaf, RowGroupPass
from airlock.testing._arrays import MANY, plainly, require, same_values

if TYPE_CHECKING:
    from airlock.testing.laws import Trial

__all__ = ["flat_leaf", "passes_hold"]


def passes_hold(trial: Trial) -> None:
    """A pass over row groups moves values and changes none, to other places in another group. A dataset-wide one concludes the same
    however the dataset is cut, and from no dataset that every value is alike.
    """
    over = trial.over
    if isinstance(over, RowGroupPass):
        made, before = trial.written(), trial.run()
        whole = pa.concat_arrays([before] * (len(made) // max(1, len(before))) or [before])
        require(same_values(_in_order(made), _in_order(whole)), "passes_hold", "a pass over row groups must keep every value")
        require(same_values(trial.written(), made), "passes_hold", "a pass must repeat itself")
        if len(pc.unique(plainly(made))) >= MANY:
            require(not same_values(trial.written("trial/1"), made), "passes_hold", "another group must have another order")
    elif isinstance(over, DatasetPass):
        cut = len(trial.column) // 3
        parts = [over.summarize([flat_leaf(part)]) for part in (trial.column.slice(0, cut), trial.column.slice(cut))]
        whole = over.summarize([flat_leaf(trial.column)])
        for some in (parts, parts[::-1], [over.merge(parts[:1]), parts[1]]):
            require(
                over.merge(some).equals(over.merge([whole])),
                "passes_hold",
                "summaries of parts must merge to that of the whole",
            )
        (made,) = over.carry_out([trial.column], over.nothing([trial.field.type]), trial.keys)
        require(len(pc.unique(plainly(made).drop_null())) <= 1, "passes_hold", "from no dataset nothing may stay")


def flat_leaf(values: pa.Array) -> Leaf:
    """One value a row."""
    return Leaf(values, pa.array(np.arange(len(values))))


def _in_order(values: pa.Array) -> pa.Array:
    plain = plainly(values)
    bits = plain.view(getattr(pa, f"int{plain.type.bit_width}")()) if pa.types.is_floating(plain.type) else plain
    return bits.take(pc.sort_indices(bits))
