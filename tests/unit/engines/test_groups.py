"""Row groups as they are written: enough rows for what is permuted in them, each column apart, and a check that it was done."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.engines import staging
from airlock.engines.groups import GroupPasses
from airlock.engines.staging import SplitWriter
from airlock.errors import FewRowsError, UnchangedValuesError
from airlock.passes import ORDER, PERMUTE, Permutation, RowOrder
from airlock.storage import open_store
from airlock.testing import unsafe_subkeys

KEYS = unsafe_subkeys([ORDER, PERMUTE])
SCHEMA = pa.schema([("n", pa.int64()), ("a", pa.int64()), ("b", pa.int64())])


def rows(count, first=0):
    numbers = pa.array(range(first, first + count))
    return pa.record_batch([numbers, numbers, numbers], schema=SCHEMA)


def passes(*columns, min_rows=50, order=True):
    return GroupPasses([*(Permutation(column=name, min_rows=min_rows) for name in columns), *([RowOrder()] * order)], KEYS)


def written(folder, groups, *batches, name="split", schema=SCHEMA):
    with SplitWriter(
        open_store(str(folder)), "data", name, schema=schema, codec="none", tokens=frozenset(), regroup=groups
    ) as writer:
        for batch in batches:
            writer.write(batch)
    files = [pq.ParquetFile(folder / "data" / file.name) for file in writer.files]
    return [file.read_row_group(at) for file in files for at in range(file.num_row_groups)]


def test_columns_move_apart_from_the_rows_and_from_each_other(tmp_path):
    (group,) = written(tmp_path, passes("a", "b"), rows(1_000))
    for name in SCHEMA.names:
        assert sorted(group[name].to_pylist()) == list(range(1_000))
    same = [np.equal(group[one], group[other]).sum() for one, other in (("n", "a"), ("n", "b"), ("a", "b"))]
    assert max(same) < 12


def test_the_order_of_rows_tells_nothing_of_a_permuted_column(tmp_path):
    """The permutation of the column is the same whether rows are shuffled or not: neither follows from the other."""
    (kept,) = written(tmp_path, passes("a", order=False), rows(500))
    (shuffled,) = written(tmp_path, passes("a"), rows(500))
    assert kept["n"].to_pylist() == list(range(500))
    assert shuffled.sort_by("n")["a"].to_pylist() == kept["a"].to_pylist()
    (plain,) = written(tmp_path, passes(), rows(500))
    assert shuffled["n"].to_pylist() == plain["n"].to_pylist() != shuffled["a"].to_pylist()


def test_groups_and_splits_have_orders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "GROUP_ROWS", 200)
    groups = written(tmp_path, passes("a", min_rows=2, order=False), rows(200), rows(200, 200), rows(2, 400))
    orders = [np.asarray(group["a"]) - np.asarray(group["n"])[0] for group in groups[:2]]
    assert orders[0][:190].tolist() != orders[1][:190].tolist()
    other = written(tmp_path, passes("a", order=False), rows(200), name="other")
    assert other[0]["a"].to_pylist() != orders[0].tolist()


@pytest.mark.parametrize("sizes", [(1_000, 1), (1_000, 49), (400, 400, 201), (999, 2), (1_000,) * 3, (37,) * 60])
def test_the_last_group_of_a_split_has_enough_rows(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(staging, "GROUP_ROWS", 1_000)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    groups = written(tmp_path, passes("a"), *(rows(size, int(start)) for size, start in zip(sizes, starts, strict=False)))
    assert all(50 <= group.num_rows <= 1_000 for group in groups)
    assert sorted(value for group in groups for value in group["a"].to_pylist()) == list(range(sum(sizes)))
    assert all(sorted(group["a"].to_pylist()) == sorted(group["n"].to_pylist()) for group in groups)


def test_without_permuted_columns_groups_are_as_large_as_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "GROUP_ROWS", 1_000)
    assert [group.num_rows for group in written(tmp_path, passes(), rows(1_000), rows(1, 1_000))] == [1_000, 1]


def test_dictionaries_are_kept_back_too(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "GROUP_ROWS", 100)
    schema = pa.schema([("n", pa.int64()), ("a", pa.string())])
    batches = [
        pa.record_batch([pa.array(range(90)), pa.array([f"{turn}{n % 7}" for n in range(90)]).dictionary_encode()], ["n", "a"])
        for turn in "xyz"
    ]
    groups = written(tmp_path, passes("a", min_rows=20), *batches, schema=schema)
    assert all(group.num_rows >= 20 for group in groups)
    found = sorted(value for group in groups for value in group["a"].to_pylist())
    assert found == sorted(f"{turn}{n % 7}" for turn in "xyz" for n in range(90))


def test_a_split_of_too_few_rows_is_refused(tmp_path):
    with pytest.raises(FewRowsError, match=r"column 'a': a row group of a split has 49 rows.*among 50 or more") as caught:
        written(tmp_path, passes("a"), rows(49))
    assert caught.value.facts["column"] == "a"
    assert written(tmp_path, passes("a")) == []  # no rows at all


TYPES = [
    (pa.string_view(), [f"a{n}" for n in range(60)]),
    (pa.binary_view(), [b"%d" % n for n in range(60)]),
    (pa.decimal32(5, 2), [Decimal(f"{n}.00") for n in range(60)]),
    (pa.float16(), [np.float16(n) for n in range(60)]),
    (pa.float64(), [float("nan"), None, *map(float, range(58))]),
    (pa.bool_(), [True, False] * 30),
    (pa.binary(2), [b"%02d" % n for n in range(60)]),
    (pa.time32("s"), [dt.time(0, n) for n in range(60)]),
    (pa.duration("s"), [dt.timedelta(n) for n in range(60)]),
    (pa.timestamp("us", "UTC"), [dt.datetime(2020, 1, 1 + n % 28, tzinfo=dt.UTC) for n in range(60)]),
    (pa.dictionary(pa.int32(), pa.string()), [f"a{n % 9}" for n in range(60)]),
    (pa.null(), [None] * 60),
]


@pytest.mark.parametrize(("kind", "values"), TYPES, ids=lambda value: str(value) if isinstance(value, pa.DataType) else "")
def test_every_type_can_be_permuted_and_compared(kind, values):
    groups = passes("a", min_rows=2)
    made = groups(pa.table({"a": pa.array(values, kind)}), "split/0")
    groups.demand()
    assert made.schema.field("a").type == kind
    assert sorted(map(str, made["a"].to_pylist())) == sorted(map(str, values))


@pytest.mark.parametrize("share", [1.0, 0.2])
def test_a_permutation_that_leaves_values_where_they_are_is_found(monkeypatch, share):
    def lazy(self, group, place, keys):
        stay = int(group.num_rows * share)
        order = [*range(stay), *reversed(range(stay, group.num_rows))]
        return group.set_column(1, "a", group.column("a").take(pa.array(order, pa.int64())))

    monkeypatch.setattr(Permutation, "carry_out", lazy)
    groups = passes("a", order=False)
    groups(pa.Table.from_batches([rows(500)]), "split/0")
    with pytest.raises(
        UnchangedValuesError, match=f"column 'a': {int(500 * share)} permuted values.*expected about 1 by chance"
    ):
        groups.demand()


def test_equal_values_are_where_they_were_by_chance():
    groups = passes("a", order=False)
    for number in range(40):
        flags = pa.array([None if n % 10 == 0 else int(n % 3 == 0) for n in range(1_000)])
        groups(pa.table({"n": flags, "a": flags}), f"split/{number}")
    groups.demand()
