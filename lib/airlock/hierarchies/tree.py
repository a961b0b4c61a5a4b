"""A generalization tree as arrays: which label each leaf has at each level, and which label stands above which. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from airlock.policy.tree_file import read_tree

__all__ = ["Tree", "climb"]


@dataclass(frozen=True, slots=True)
class Tree:
    r"""Levels of labels above leaves; level 0 are the leaves.

    Attributes:
        labels: The distinct labels of each level, in the order of their first leaf.
        levels: For each level, the number of each leaf's label in `labels`: int32, as long as there are leaves.

    Example:
        >>> tree = Tree.read(b"flu,lung,any\nasthma,lung,any\nulcer,gut,any\n")
        >>> tree.labels[1].to_pylist(), tree.levels[1].tolist(), tree.parents(1).tolist()
        (['lung', 'gut'], [0, 0, 1], [0, 0])
    """

    labels: tuple[pa.StringArray, ...]
    levels: tuple[NDArray[np.int32], ...]

    @classmethod
    def read(cls, data: bytes) -> Tree:
        """From a CSV file's bytes. Raises ValueError where it holds no tree."""
        coded = [level.dictionary_encode() for level in read_tree(data)]
        return cls(tuple(level.dictionary for level in coded), tuple(level.indices.to_numpy() for level in coded))

    def parents(self, level: int) -> NDArray[np.int32]:
        """For each label of a level, the number of the label above it.

        Raises:
            IndexError: It is the root's level, or there is no such level.
        """
        above = np.empty(len(self.labels[level]), np.int32)
        above[self.levels[level]] = self.levels[level + 1]
        return above


def climb(values: pa.Array, leaves: pa.Array, labels: pa.Array) -> pa.Array:
    """Each value's label; null where it is no leaf, or null.

    Args:
        values: Text.
        leaves: Distinct texts of the same type.
        labels: As long as `leaves`.

    Example:
        >>> climb(pa.array(["flu", "?", None]), pa.array(["ulcer", "flu"]), pa.array(["gut", "lung"])).to_pylist()
        ['lung', None, None]
    """
    return labels.take(pc.index_in(values, value_set=leaves))
