"""The inner door's comparison of what operators read and wrote, where what they write looks alike."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from airlock.engines.changed import ChangeCounter
from airlock.errors import UnchangedValuesError
from airlock.operators import Contract
from airlock.policy.path import ColumnPath


def counter(chance, **flags):
    contract = Contract(technique="none", **{"same_form": True, "chance": chance, **flags})
    return ChangeCounter(SimpleNamespace(operators={ColumnPath(("x",)): SimpleNamespace(contract=contract)}))


def judge(before, after, chance=0.0, *, size=1_000, **flags):
    counted = counter(chance, **flags)
    for at in range(0, len(before), size):
        counted.add(*(pa.record_batch({"x": pa.array(values[at : at + size])}) for values in (before, after)))
    counted.demand()


MANY = [str(number) for number in range(5_000)]


@pytest.mark.parametrize("chance", [0.0, 1 / 600_000, 1 / 500])
def test_values_that_come_out_as_they_went_in_are_refused(chance):
    with pytest.raises(UnchangedValuesError, match=r"column 'x': 5,000 of 5,000 values came out as they went in") as caught:
        judge(MANY, MANY, chance)
    assert caught.value.facts == {"column": "x"}


def test_a_few_may_by_chance():
    judge(MANY, [*MANY[:4], *MANY[5:], "x"], 0.0)
    judge(MANY, [*MANY[:10], *MANY[11:], "x"], 1 / 500)
    with pytest.raises(UnchangedValuesError, match="5 of 5,000"):
        judge(MANY, [*MANY[:5], *MANY[6:], "x"], 0.0)


def test_a_frequent_value_that_stays_itself_by_chance_counts_once():
    """James becomes James once in 690 keys; then he does in all his rows."""
    judge(["James"] * 4_000 + MANY[:1_000], ["James"] * 4_000 + MANY[1:1_001], 1 / 690)
    with pytest.raises(UnchangedValuesError, match="4,000 of 5,000"):
        judge(["James"] * 4_000 + MANY[:1_000], ["James"] * 4_000 + MANY[1:1_001], 0.0)


def test_a_value_with_many_outputs_counts_once_with_each():
    """Made of other columns, one town becomes each of 281, itself included."""
    towns = [f"town {number}" for number in range(281)]
    before = [town for town in towns for _ in towns]
    judge(before, towns * 281, 1 / 281, size=100_000)


def test_a_split_s_first_rows_are_told_apart():
    judge([*map(str, range(65_536)), *MANY], [*["y"] * 65_536, *MANY], 1 / 500, size=10_000)
    with pytest.raises(UnchangedValuesError, match="5,000 of 65,536"):
        judge([*MANY, *map(str, range(65_536))], [*MANY, *["y"] * 65_536], 1 / 500, size=10_000)


def test_nulls_and_other_types_are_not_compared():
    judge([None] * 4_999 + ["x"], [None] * 4_999 + ["x"], 1 / 500, size=5_000)
    judge(list(range(5_000)), MANY, 1 / 500)
    judge([], [], 1 / 500)


@pytest.mark.parametrize("flags", [{"same_form": False}, {"partly": True}])
def test_others_are_not_looked_at(flags):
    judge(MANY, MANY, **flags)
