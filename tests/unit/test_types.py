"""Names that every layer shares."""

from __future__ import annotations

import pytest

from airlock.types import label_of


@pytest.mark.parametrize("name", ["Nightly", "a_b", "x" * 60, "-a", "a-", "a.b", "ä"])
def test_what_is_not_fit_for_a_label_is_told_by_its_digest(name):
    made = label_of(name)
    assert len(made) == 20
    assert label_of(made) == made
    assert made != label_of(name + "x")
