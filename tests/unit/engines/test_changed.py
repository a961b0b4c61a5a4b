"""The inner door's comparison of what operators read and wrote, where what they write looks alike."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from airlock.engines.changed import ChangeCounter
from airlock.errors import UnchangedValuesError
from airlock.operators import Contract
from airlock.operators.when import When
from airlock.policy.path import ColumnPath


def counter(chance, *, of="x", passed=None, **flags):
    contract = Contract(
        technique="none", **{"same_form": True, "chance": chance, **{k: v for k, v in flags.items() if k in FLAGS}}
    )
    more = {name: value for name, value in flags.items() if name not in FLAGS}
    operator = SimpleNamespace(contract=contract, pass_over=lambda path: passed, **more)
    return ChangeCounter(SimpleNamespace(operators={ColumnPath.parse(of): operator}))


FLAGS = {"same_form", "partly", "keyed"}


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


def test_a_few_may_by_chance_none_without():
    judge(MANY, [*MANY[:10], *MANY[11:], "x"], 1 / 500)
    judge(MANY, [*MANY[:3], *MANY[4:], "x"], 1 / 600_000)
    with pytest.raises(UnchangedValuesError, match="4 of 5,000"):
        judge(MANY, [*MANY[:4], *MANY[5:], "x"], 1 / 600_000)
    with pytest.raises(UnchangedValuesError, match="1 of 5,000"):
        judge(MANY, [*MANY[:1], *MANY[2:], "x"], 0.0)
    with pytest.raises(UnchangedValuesError, match="1 of 5,000 values came out as they went in, expected about 0"):
        judge(MANY, [*MANY[:1], *[f"x{at}" for at in MANY[1:]]], 1e-14)


def test_values_that_come_out_in_other_rows_are_found_where_chance_is_small():
    turned = [*MANY[1:1_000], "0"] + [f"x{at}" for at in MANY[1_000:]]
    with pytest.raises(UnchangedValuesError, match="1,000 of 5,000 values came out that went in, in these rows or others"):
        judge(MANY, turned, 1e-9)
    judge(MANY, turned, 0.0)  # a shifted date is another row's
    judge(MANY, [f"x{at}" for at in MANY], 1e-9)
    judge(MANY, [*turned[1:], "x"], 1 / 1_000)


def test_a_short_form_meets_itself_by_chance():
    """Seven digits have ten million values: of a thousand in each of five batches, half come out as another one once in a thousand."""
    judge(MANY, [*MANY[1:2], *[f"x{at}" for at in MANY[1:]]], 1e-7)


def test_separators_say_nothing():
    cards = [f"{number:04}-{number + 1:04}" for number in range(5_000)]
    bare = [card.replace("-", "") for card in cards]
    judge(cards, bare, 1e-9)
    with pytest.raises(UnchangedValuesError, match="5,000 of 5,000"):
        judge(cards, bare, 1e-9, ignored=" -")


@pytest.mark.parametrize("after", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize("before", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_layouts_of_text_are_one_type(before, after):
    counted = counter(0.0)
    counted.add(*(pa.record_batch({"x": pa.array(MANY, layout)}) for layout in (before, after)))
    with pytest.raises(UnchangedValuesError, match="5,000 of 5,000"):
        counted.demand()


def test_a_subject_s_value_counts_once_with_each_output():
    """Ages have a hundred values, and noise may be zero for many subjects: what half of them keep is found all the same."""
    ages, subjects = [number % 100 for number in range(10_000)], list(range(10_000))

    def judge_noise(share):
        counted = counter(0.05, subject="s")
        made = [age if at % 100 < share else (age + 1 + at // 100) % 100 for at, age in enumerate(ages)]
        counted.add(pa.record_batch({"x": ages, "s": subjects}), pa.record_batch({"x": made, "s": subjects}))
        counted.demand()

    judge_noise(4)
    with pytest.raises(UnchangedValuesError, match="values came out as they went in, expected about 500"):
        judge_noise(20)


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


def test_keyed_operators_are_compared_whatever_they_write():
    with pytest.raises(UnchangedValuesError, match="5,000 of 5,000"):
        judge(MANY, MANY, same_form=False, keyed=True)


def choice(*operators):
    return When.from_dict(
        {
            "column": "y",
            "null": True,
            "then": {name: dict(more) for name, more in operators[:1]},
            "otherwise": dict(operators[1:]),
        }
    )


FPE, MORE, SECRET, GONE = ("fpe", {"domain": "d"}), ("fpe", {"domain": "e"}), ("pseudonymize", {"domain": "d"}), ("redact", {})


@pytest.mark.parametrize(
    ("operators", "found"),
    [((FPE, MORE), True), ((FPE, SECRET), True), ((FPE, GONE), False), ((SECRET, ("keep", {"reason": "r"})), False)],
)
def test_of_a_choice_all_operators_must_change_the_value(operators, found):
    made = choice(*operators)
    assert made.contract.same_form == (operators == (FPE, MORE))
    counted = ChangeCounter(SimpleNamespace(operators={ColumnPath(("x",)): made}))
    counted.add(pa.record_batch({"x": MANY}), pa.record_batch({"x": MANY}))
    if not found:
        counted.demand()
        return
    with pytest.raises(UnchangedValuesError, match="of 5,000"):
        counted.demand()


@pytest.mark.parametrize("flags", [{"same_form": False}, {"keyed": True, "passed": "a pass over row groups"}])
def test_others_are_not_looked_at(flags):
    judge(MANY, MANY, **flags)
