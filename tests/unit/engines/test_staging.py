"""How a split's staged files are encoded: tokens plain, the rest with dictionaries; no statistics; nested columns compressed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.engines import staging
from airlock.engines.groups import GroupPasses
from airlock.engines.staging import SplitWriter
from airlock.errors import FewRowsError
from airlock.passes import ORDER, PERMUTE, Permutation, RowOrder
from airlock.storage import open_store
from airlock.testing import unsafe_subkeys

SCHEMA = pa.schema(
    [("id", pa.string()), ("city", pa.string()), ("phones", pa.list_(pa.struct([("number", pa.string())])))],
)
KEYS = unsafe_subkeys([ORDER, PERMUTE])
SHUFFLED = GroupPasses((RowOrder(),), KEYS)
ROWS = pa.record_batch(
    [[f"{n:032x}" for n in range(1000)], ["Lima", "Oslo"] * 500, [[{"number": f"{n}"}] for n in range(1000)]], schema=SCHEMA
)


def writer(folder, regroup=SHUFFLED, *, codec="none", tokens=frozenset()):
    return SplitWriter(open_store(str(folder)), "data", "split", schema=SCHEMA, codec=codec, tokens=tokens, regroup=regroup)


@pytest.mark.parametrize(("codec", "of_tokens"), [("snappy", "UNCOMPRESSED"), ("zstd", "ZSTD"), ("none", "UNCOMPRESSED")])
def test_codecs_and_dictionaries(tmp_path, codec, of_tokens):
    with writer(tmp_path, codec=codec, tokens=frozenset({"id", "phones[].number"})) as made:
        made.write(ROWS)
    (file,) = made.files
    group = pq.read_metadata(tmp_path / "data" / file.name).row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    usual = "UNCOMPRESSED" if codec == "none" else codec.upper()
    assert {name: column.compression for name, column in columns.items()} == {
        "id": of_tokens,
        "city": usual,
        "phones.list.element.number": usual,
    }
    assert {name: column.has_dictionary_page for name, column in columns.items()} == {
        "id": False,
        "city": True,
        "phones.list.element.number": False,
    }
    assert not any(column.is_stats_set for column in columns.values())
    read = pq.read_table(tmp_path / "data" / file.name)
    assert read.num_rows == file.rows == 1000
    assert read != pa.Table.from_batches([ROWS])
    assert read.sort_by("id") == pa.Table.from_batches([ROWS])


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("finished", [False, True])
def test_an_error_leaves_no_file_not_even_a_full_one(tmp_path, monkeypatch, full, finished):
    if full:
        monkeypatch.setattr(staging, "_FILE_BYTES", staging.GROUP_BYTES + 1)
    monkeypatch.setattr(staging, "GROUP_ROWS", 1_000)
    with pytest.raises(ZeroDivisionError), writer(tmp_path) as made:  # noqa: PT012 - the body is what is tested
        for _ in range(3):
            made.write(ROWS)
        assert len(made.files) == 3 * full == len([path for path in files_in(tmp_path) if path.suffix == ".parquet"])
        if finished:
            made.finish()
        1 / 0  # noqa: B018 - as a demand refuses
    assert files_in(tmp_path) == made.files == []


def test_an_error_of_the_last_group_leaves_no_file(tmp_path, monkeypatch):
    """Its rows are buffered until the end: a pass may refuse them then."""
    monkeypatch.setattr(staging, "_FILE_BYTES", staging.GROUP_BYTES + 1)
    monkeypatch.setattr(staging, "GROUP_ROWS", 1_000)
    with pytest.raises(FewRowsError), writer(tmp_path, GroupPasses((Permutation(column="id", min_rows=2),), KEYS)) as made:  # noqa: PT012 - as above
        made.write(ROWS)
        made.write(ROWS)
        assert made.files
        made._buffered, made._rows = [ROWS.slice(0, 1)], 1
    assert files_in(tmp_path) == []
