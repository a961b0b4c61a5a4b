import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.errors import ChangedTypeError, UnreadableSourceError
from airlock.policy.model import Source
from airlock.storage.sources import list_source, sample


def take(raw, rows=10_000, **source):
    source = Source(**source)
    return sample(raw.store, list_source(raw.store, source), source, rows)


def test_parquet_keeps_its_types_and_gets_hive_columns(raw, table):
    for at in range(3):
        pq.write_table(table, raw.path(f"a/dt=2024-01-0{at + 1}/1.parquet"))
    made = take(raw, rows=30, path="a")
    assert made.schema == table.schema.append(pa.field("dt", pa.date32()))
    assert made["id"].to_pylist() == [*range(10)] * 3
    assert set(made["dt"].to_pylist()) == {date(2024, 1, at) for at in (1, 2, 3)}


def test_a_file_without_rows_still_shows_its_columns(raw, table):
    pq.write_table(table.slice(0, 0), raw.path("a/1.parquet"))
    assert take(raw, path="a").schema == table.schema


def test_csv_cells_get_the_narrowest_type_that_loses_nothing(raw):
    raw.put("c/1.csv", b"i,f,zip,card,d,t,b,e,hex\n1,1,02139,41111111111111111111,2024-01-01,2024-01-01T00:00:00Z,true,,0x1F\n")
    raw.put("c/2.csv", b"i,f,zip,card,d,t,b,e,hex\n,2.5,10115,1,2024-01-02,2024-01-01T00:00:00Z,FALSE,,1\n")
    assert dict(zip((made := take(raw, path="c", format="csv")).schema.names, made.schema.types, strict=True)) == {
        "i": pa.int64(), "f": pa.float64(), "zip": pa.string(), "card": pa.string(), "d": pa.date32(),
        "t": pa.timestamp("us", "UTC"), "b": pa.bool_(), "e": pa.string(), "hex": pa.string(),
    }  # fmt: skip


def test_json_text_becomes_dates_and_timestamps_with_their_zone(raw):
    row = {
        "d": "2024-01-01",
        "z": "2024-01-01T00:00:00Z",
        "t": "2024-01-01T00:00:00.5",
        "w": "12",
        "n": 1,
        "p": [{"d": "2024-01-01"}],
    }
    raw.put("j/1.jsonl", json.dumps(row).encode() + b"\n")
    raw.put("j/2.jsonl", b'{"late": true}\n')
    assert take(raw, path="j", format="jsonl").schema == pa.schema([
        ("d", pa.date32()), ("z", pa.timestamp("us", "UTC")), ("t", pa.timestamp("us")), ("w", pa.string()),
        ("n", pa.int64()), ("p", pa.list_(pa.struct([("d", pa.date32())]))), ("late", pa.bool_()),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("form", "data"), [("csv", b'a,b,c\n1,"x\ny",2024-01-01\n,,\n'), ("jsonl", b'{"a":[1],"c":"2024-01-01"}\n{}\n')]
)
def test_what_was_inferred_reads_back_without_a_reject(raw, form, data):
    raw.put("s/1", data)
    made = take(raw, path="s", format=form)
    (batch,) = raw.batches(made.schema, source={"path": "s", "format": form})
    assert (batch.batch.num_rows, batch.rejected) == (2, ())


def test_the_sample_is_bounded_and_spread_over_the_files(raw):
    for at in range(40):
        raw.put(f"c/{at:02}.csv", b"a\n" + b"%d\n" % at * 100)
    made = take(raw, rows=100, path="c", format="csv")
    assert 90 <= made.num_rows <= 120
    assert len(set(made["a"].to_pylist())) == 14


def test_a_field_of_several_types_can_not_be_sampled(raw):
    raw.put("j/1.jsonl", b'{"a": 1}\n{"a": "canary"}\n')
    with pytest.raises(UnreadableSourceError, match="values of several types") as caught:
        take(raw, path="j", format="jsonl")
    assert "canary" not in str(caught.value)


def test_files_that_disagree_on_a_type_can_not_be_sampled(raw):
    pq.write_table(pa.table({"a": [1]}), raw.path("a/1.parquet"))
    pq.write_table(pa.table({"a": ["canary"]}), raw.path("a/2.parquet"))
    with pytest.raises(ChangedTypeError, match="disagree on the type of a column"):
        take(raw, path="a")
