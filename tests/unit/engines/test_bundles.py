"""Spark tasks carry out many small splits, and no core stays idle for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airlock.engines.bundles import LEAST_TASKS, bundled


@given(sizes=st.lists(st.integers(0, 500), max_size=300), target=st.integers(0, 2000), data=st.data())
def test_each_split_is_in_one_bundle_and_bundles_are_bounded(sizes, target, data):
    indexes = data.draw(st.lists(st.sampled_from(range(len(sizes))), unique=True)) if sizes else []
    made = bundled(indexes, sizes, target=target)
    assert [index for bundle in made for index in bundle] == indexes
    assert all(len(bundle) == 1 or sum(sizes[index] for index in bundle) <= target for bundle in made)
    total = sum(sizes[index] for index in indexes)
    assert len(indexes) < LEAST_TASKS or total < LEAST_TASKS or len(made) >= LEAST_TASKS


def test_many_small_splits_are_few_tasks():
    sizes = [8 << 20] * 2_000
    assert len(bundled(range(2_000), sizes, target=128 << 20)) == 125
