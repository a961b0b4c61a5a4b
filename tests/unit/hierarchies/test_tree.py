"""A tree as arrays."""

import numpy as np
import pytest

from airlock.hierarchies.tree import Tree

FILE = b"1;young;any\n2;young;any\n70;old;any\n71;old;any\n"


def test_levels_and_parents():
    tree = Tree.read(FILE)
    assert [labels.to_pylist() for labels in tree.labels] == [["1", "2", "70", "71"], ["young", "old"], ["any"]]
    assert [level.tolist() for level in tree.levels] == [[0, 1, 2, 3], [0, 0, 1, 1], [0, 0, 0, 0]]
    assert [tree.parents(level).tolist() for level in (0, 1)] == [[0, 0, 1, 1], [0, 0]]


def test_the_root_has_no_parent():
    with pytest.raises(IndexError):
        Tree.read(FILE).parents(2)


def test_parents_lead_from_level_to_level():
    tree = Tree.read(b"".join(b"%d,%d,%d,x\n" % (n, n // 10, n // 100) for n in range(1_000)))
    for level in range(3):
        assert np.array_equal(tree.parents(level)[tree.levels[level]], tree.levels[level + 1])
