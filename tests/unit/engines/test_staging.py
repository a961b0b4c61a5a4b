"""How a split's staged files are encoded: tokens plain, the rest with dictionaries; no statistics; nested columns compressed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.engines.groups import GroupPasses
from airlock.engines.staging import SplitWriter
from airlock.passes import ORDER, RowOrder
from airlock.storage import open_store
from airlock.testing import unsafe_subkeys

SCHEMA = pa.schema(
    [("id", pa.string()), ("city", pa.string()), ("phones", pa.list_(pa.struct([("number", pa.string())])))],
)
SHUFFLED = GroupPasses((RowOrder(),), unsafe_subkeys([ORDER]))
ROWS = pa.record_batch(
    [[f"{n:032x}" for n in range(1000)], ["Lima", "Oslo"] * 500, [[{"number": f"{n}"}] for n in range(1000)]], schema=SCHEMA
)


@pytest.mark.parametrize(("codec", "of_tokens"), [("snappy", "UNCOMPRESSED"), ("zstd", "ZSTD"), ("none", "UNCOMPRESSED")])
def test_codecs_and_dictionaries(tmp_path, codec, of_tokens):
    store = open_store(str(tmp_path))
    with SplitWriter(
        store, "data", "split", schema=SCHEMA, codec=codec, tokens=frozenset({"id", "phones[].number"}), regroup=SHUFFLED
    ) as writer:
        writer.write(ROWS)
    (file,) = writer.files
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
