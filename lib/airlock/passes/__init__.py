"""Passes: what needs more than one row, frozen like operators."""

from airlock.passes._base import DatasetPass, Leaf, Pass, RowGroupPass
from airlock.passes.permutation import ORDER, PERMUTE, Permutation, RowOrder
from airlock.passes.top_values import TopValues

__all__ = ["ORDER", "PERMUTE", "DatasetPass", "Leaf", "Pass", "Permutation", "RowGroupPass", "RowOrder", "TopValues"]
