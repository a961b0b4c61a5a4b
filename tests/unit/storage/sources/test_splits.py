import gzip
import pickle
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airlock.policy.model import Source
from airlock.storage.sources import Listing, RowGroup, SourceFile, is_cuttable, list_source, plan_splits
from airlock.storage.sources.splits import MOST_PIECES, TINY


def plan(raw, target_bytes=128 << 20, **source):
    source = Source(**source)
    return plan_splits(raw.store, list_source(raw.store, source), source, target_bytes=target_bytes)


def test_small_files_are_packed_and_large_ones_cut_by_row_groups(raw, table):
    for at in range(5):
        pq.write_table(table, raw.path(f"a/{at}.parquet"), row_group_size=100)
    size = pq.read_metadata(raw.root / "a/0.parquet").row_group(0).total_byte_size
    assert [len(split.pieces) for split in plan(raw, path="a")] == [5]
    splits = plan(raw, target_bytes=3 * size + size // 2, path="a/0.parquet")
    assert [piece.row_groups for split in splits for piece in split.pieces] == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert [split.rows for split in splits] == [300, 300, 300, 100]
    assert all(split.bytes <= 3 * size + size // 2 for split in splits)


def test_a_row_group_beyond_the_target_is_a_piece_of_its_own(raw, table):
    pq.write_table(table, raw.path("a/0.parquet"))
    (split,) = plan(raw, target_bytes=10, path="a")
    assert [piece.row_groups for piece in split.pieces] == [(0, 1)]


def test_a_split_has_a_bounded_number_of_pieces(raw):
    for at in range(MOST_PIECES + 1):
        raw.put(f"c/{at:03}.csv", b"a\n1\n")
    sizes = [len(split.pieces) for split in plan(raw, path="c", format="csv")]
    assert sum(sizes) == MOST_PIECES + 1
    assert max(sizes) <= MOST_PIECES


def listed(sizes):
    """Parquet files of these sizes, by name, as a listing shows them."""
    files = (
        SourceFile(f"s/{name}.parquet", size, f"{name}-{size}", None, 1, (RowGroup(1, size),), ())
        for name, size in sizes.items()
    )
    return plan_splits(None, Listing(tuple(files), ()), Source(path="s"), target_bytes=TARGET)


TARGET = 1600  # files of 100 bytes and more have splits of their own


def test_a_file_that_is_not_tiny_has_a_split_of_its_own():
    sizes = {f"{at:03}": 100 + at for at in range(0, 200, 2)}
    before = set(listed(sizes))
    assert len(before) == 100
    for name in ("001", "099", "199"):
        (made,) = set(listed(dict(sorted((sizes | {name: 100}).items())))) - before
        assert [piece.path for piece in made.pieces] == [f"s/{name}.parquet"]


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=150), at=st.integers(0, 149), size=st.integers(1, 300),
    change=st.sampled_from(["add", "remove", "change"]),
)  # fmt: skip
def test_one_file_more_less_or_changed_disturbs_few_splits(sizes, at, size, change):
    files = {f"{2 * number:04}": width for number, width in enumerate(sizes)}
    at %= len(sizes)
    other = dict(files)
    if change == "remove":
        del other[f"{2 * at:04}"]
    else:
        other[f"{2 * at + (change == 'add'):04}"] = size
    before, after = listed(files), listed(dict(sorted(other.items())))
    assert sorted(piece.path for split in after for piece in split.pieces) == [f"s/{name}.parquet" for name in sorted(other)]
    assert all(len(split.pieces) == 1 or split.bytes <= TARGET // TINY for split in after)
    fresh = set(after) - set(before)
    tiny = [split for split in fresh if split.bytes < TARGET // TINY or len(split.pieces) > 1]
    assert len(fresh) - len(tiny) <= 1
    assert len(tiny) <= 12


def test_ten_thousand_tiny_files_are_few_splits():
    assert len(listed({f"{at:05}": 1 for at in range(10_000)})) < 250


@pytest.mark.parametrize("target", [60, 400, 1_000])
def test_a_new_file_disturbs_few_splits(raw, target):
    for at in range(0, 400, 2):
        raw.put(f"c/{at:03}.csv", b"a\n" + b"1\n" * (at % 37))
    before = set(plan(raw, target_bytes=target, path="c", format="csv"))
    assert len(before) > 20
    changed = []
    for at in range(1, 400, 40):
        raw.put(f"c/{at:03}.csv", b"a\n" + b"1\n" * 20)
        after = set(plan(raw, target_bytes=target, path="c", format="csv"))
        changed.append(len(after - before))
        before = after
    assert sum(changed) / len(changed) <= 4
    assert max(changed) <= 12


def test_files_without_rows_are_in_no_split(raw, table):
    pq.write_table(table.slice(0, 0), raw.path("a/0.parquet"))
    assert plan(raw, path="a") == ()


def test_csv_is_cut_by_bytes_gzip_and_json_lines_go_by_file(raw):
    body = b"a,b\n" + b"".join(b"%d,x\n" % at for at in range(1000))
    raw.put("c/1.csv", body)
    raw.put("c/2.csv.gz", gzip.compress(body))
    raw.put("j/1.jsonl", b'{"a": 1}\n' * 1000)
    pieces = [piece for split in plan(raw, target_bytes=1000, path="c", format="csv") for piece in split.pieces]
    ranges = [piece.byte_range for piece in pieces if piece.path == "c/1.csv"]
    assert ranges[0][0] == 4
    assert ranges[-1][1] == len(body)
    assert all(left[1] == right[0] for left, right in pairwise(ranges))
    assert [piece.byte_range for piece in pieces if piece.path == "c/2.csv.gz"] == [None]
    assert [len(split.pieces) for split in plan(raw, target_bytes=1000, path="j", format="jsonl")] == [1]
    assert not is_cuttable(Source(path="j", format="jsonl"), "j/1.jsonl")


def test_the_same_listing_gives_the_same_splits_and_they_pickle(raw, table):
    for at in range(5):
        pq.write_table(table, raw.path(f"a/n={at}/0.parquet"), row_group_size=100)
    splits = plan(raw, target_bytes=10_000, path="a")
    assert splits == plan(raw, target_bytes=10_000, path="a") == pickle.loads(pickle.dumps(splits))
    assert {piece.partition for split in splits for piece in split.pieces} == {(("n", str(at)),) for at in range(5)}


def test_hive_values_are_decoded(raw):
    pq.write_table(pa.table({"v": [1]}), raw.path("a/city=S%C3%A3o%3D/0.parquet"))
    assert plan(raw, path="a")[0].pieces[0].partition == (("city", "São="),)
