"""Counts of tokens: exact while few, never too high once many, and within the certain bounds that refuse a run."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from airlock.engines.frequency import ColumnCounter, Frequencies, _tells, demand_frequencies
from airlock.engines.records import ColumnCounts, SplitRecord
from airlock.errors import FrequencyError
from airlock.operators import Contract, Operator

BLOCK = 131_072


def tokens(count: int, *, start: int = 0) -> pa.Array:
    return pa.array([f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" for number in range(start, start + count)])


def counted(*batches: pa.Array) -> Frequencies:
    counter = ColumnCounter(bytes(32))
    for batch in batches:
        counter.add(batch)
    return counter.finish()


def record(*frequencies: ColumnCounts) -> SplitRecord:
    return SplitRecord("n", (), 0, 0, 0, (), known_rows=0, known_found=(), frequencies=frequencies)


def refused(*splits: Sequence[pa.Array]) -> str:
    """What is said of one column's splits; '' where it may pass."""
    records = [record(counted(*batches).to_counts("mail")) for batches in splits]
    try:
        demand_frequencies("people", records)
    except FrequencyError as error:
        return str(error)
    return ""


def spread(top: float, rows: int, *, start: int = 0) -> pa.Array:
    """Different tokens, one of them in a share of `top`."""
    made = np.arange(1, rows + 1)
    made[np.random.default_rng(7).permutation(rows)[: round(top * rows)]] = 0
    return tokens(rows + 1, start=start).take(pa.array(made))


def test_few_are_counted_exactly_whatever_the_layout():
    drawn = np.random.default_rng(3).integers(0, 9_000, 40_000)
    values = tokens(9_000).take(pa.array(drawn))
    nulls = pa.concat_arrays([values, pa.nulls(5, pa.string())])
    expected = np.sort(np.unique(drawn, return_counts=True)[1])
    parts = [nulls.slice(start, 777) for start in range(0, len(nulls), 777)]
    for batches in ([nulls], parts, [part.dictionary_encode() for part in parts], [parts[0], *[part.dictionary_encode() for part in parts[1:]]]):  # fmt: skip
        found = counted(*batches)
        assert (found.rows, found.many) == (40_000, False)
        assert np.array_equal(np.sort(found.pairs["count"]), expected)
        assert np.array_equal(found.pairs["print"], np.unique(found.pairs["print"]))
        assert found.top == expected[-1]


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64(), pa.string_view(), pa.large_string()], ids=str)
def test_tokens_of_every_type_are_counted(kind):
    values = pa.array([7, 8, None, 7] * 5_000 + list(range(20_000, 40_000))).cast(pa.string()).cast(kind)
    for batch in (values, values.slice(3), *([values.dictionary_encode()] if kind != pa.string_view() else [])):
        found = counted(batch)
        assert found.many
        assert found.top >= 4_000  # a lower bound of what stands out
    assert sorted(counted(values.slice(0, 4)).pairs["count"].tolist()) == [1, 2]


def test_equal_entries_of_a_dictionary_are_one_token():
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["a", "a", "b"]))
    assert sorted(counted(twice).pairs["count"].tolist()) == [1, 2]
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0, 2]), pa.array(["a", "b", "c"]))
    assert sorted(counted(unused).pairs["count"].tolist()) == [1, 2]
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", None]))
    assert (counted(hidden).rows, counted(hidden).top) == (2, 2)


def test_nothing_is_nothing():
    for batches in ([], [pa.array([], pa.string())], [pa.nulls(3, pa.string())], [pa.array(["a"]).slice(1)]):
        found = counted(*batches)
        assert (found.rows, len(found.pairs), found.top, found.invertible) == (0, 0, 0, False)


@pytest.mark.parametrize("size", [BLOCK, 5_000])
@pytest.mark.parametrize("encode", [False, True])
def test_of_many_what_stands_out_is_counted_and_never_too_high(size, encode):
    whole = spread(0.013, 2 * BLOCK)
    batches = [whole.slice(start, size) for start in range(0, len(whole), size)]
    found = counted(*[batch.dictionary_encode() if encode else batch for batch in batches])
    assert (found.rows, found.many, len(found.pairs)) == (2 * BLOCK, True, 1)
    truth = round(0.013 * 2 * BLOCK)
    assert 0.95 * truth <= found.top <= truth
    assert found.invertible


def test_many_that_do_not_stand_out_leave_nothing():
    found = counted(tokens(BLOCK), tokens(BLOCK, start=BLOCK // 2))
    assert (found.rows, found.many, len(found.pairs), found.invertible) == (2 * BLOCK, True, 0, False)
    assert len(found.to_counts("c").counted) == 0


def test_nulls_among_many_are_no_values():
    found = counted(
        tokens(BLOCK), pa.nulls(BLOCK, pa.string()), pa.concat_arrays([pa.nulls(BLOCK - 900, pa.string()), tokens(900)])
    )
    assert (found.rows, found.many, found.top) == (BLOCK + 900, True, 0)


def test_a_record_holds_fingerprints_under_a_key_and_no_token():
    values = tokens(3)
    said = json.dumps(counted(values).to_counts("mail").counted)
    assert not [value for value in values.to_pylist() if value in said]
    other = ColumnCounter(bytes(31) + b"\1")
    other.add(values)
    assert not set(other.finish().pairs["print"].tolist()) & set(counted(values).pairs["print"].tolist())
    assert len(counted(tokens(9_999)).to_counts("c").counted) < 250_000


def test_a_record_gives_back_what_was_counted():
    found = counted(tokens(50).take(pa.array([0, *range(50)])))
    back = Frequencies.of(found.to_counts("mail"))
    assert (back.rows, back.many, back.top) == (found.rows, found.many, found.top)
    assert np.array_equal(back.pairs, found.pairs)


def test_few_that_repeat_are_refused_within_a_split_and_over_splits():
    assert refused([tokens(500).take(pa.array([*range(500)] * 2))]).startswith(
        "column 'mail' has 500 different tokens in 1,000 values, the most frequent in 2: who knows"
    )
    assert "has 300 different tokens in 900 values, the most frequent in 3" in refused(*[[tokens(300)]] * 3)
    assert refused(*[[tokens(300, start=300 * number)] for number in range(3)]) == ""
    assert refused([tokens(900)], [tokens(100)]) == ""
    assert "Nothing of 'people' was staged" in refused([tokens(899)], [tokens(101)])


def test_ten_thousand_are_enough_wherever_they_are():
    assert "has 9,999 different tokens in 19,998" in refused([tokens(9_999)], [tokens(9_999)])
    assert refused([tokens(10_000)], [tokens(10_000)]) == ""
    assert refused(*[[tokens(3_000, start=2_500 * number)] for number in range(4)], *[[tokens(9_000)]] * 3) == ""


def test_a_token_that_stands_out_is_refused_on_what_is_certain():
    assert "10,000 or more different tokens in 24,000 values, the most frequent in at least 288" in refused(
        [spread(0.012, 24_000)]
    )
    assert refused([spread(0.009, 24_000)]) == ""
    assert "most frequent in at least" in refused(
        [spread(0.012, 30_000)], [spread(0.012, 30_000, start=0)], [spread(0.012, 300)]
    )
    assert refused([spread(0.5, 200)], [tokens(20_000, start=500)]) == ""  # 100 of 20,200
    assert "most frequent in 120" not in refused([tokens(9_000)], [spread(0.012, 10_000)])


@pytest.mark.parametrize(
    ("others", "top", "refuses"), [(9_000, 100, True), (9_000, 99, False), (9_900, 100, False), (9_899, 100, True)]
)
def test_a_hundred_rows_and_over_one_per_cent(others, top, refuses):
    values = pa.concat_arrays([tokens(others), *[tokens(1, start=50_000)] * top])
    assert bool(refused([values])) is refuses


def test_columns_are_judged_apart_and_all_are_named():
    one, other = counted(tokens(1)).to_counts("a"), counted(tokens(2).take(pa.array([0, 1] * 60))).to_counts("b")
    with pytest.raises(FrequencyError, match="'b' has 2 different tokens in 120 values") as caught:
        demand_frequencies("people", [record(one, other), record(one)])
    assert caught.value.facts == {"columns": ["a", "b"]}
    demand_frequencies("people", [record(), record(one)])


@pytest.mark.parametrize(
    ("technique", "keyed", "counts"),
    [
        ("pseudonymization", True, True),
        ("cryptographic: deterministic encryption; suppression: masking", True, True),
        ("randomization: noise addition", True, False),
        ("generalization", False, False),
    ],
)
def test_what_is_keyed_and_deterministic_counts_whoever_made_it(technique, keyed, counts):
    class Another(Operator):
        name = "another"
        contract = Contract(technique=technique, keyed=keyed)
        result_field = kernel = None

    assert _tells(Another()) is counts
