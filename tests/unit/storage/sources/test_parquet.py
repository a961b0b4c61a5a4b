import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.errors import ChangedTypeError, UnreadableSourceError
from airlock.storage.sources.parquet import open_parquet, wholly_dictionary

P = {"path": "p"}


def write(raw, table, name="p/1.parquet", **options):
    pq.write_table(table, raw.path(name), **options)


def test_columns_come_in_the_schemas_order_and_absent_ones_as_nulls(raw, table):
    write(raw, table, row_group_size=300)
    schema = pa.schema([("mail", pa.string()), ("gone", pa.list_(pa.date32())), ("id", pa.int64())])
    batches = raw.batches(schema, source=P)
    assert [batch.batch.num_rows for batch in batches] == [300, 300, 300, 100]
    whole = pa.Table.from_batches([batch.batch for batch in batches])
    assert whole.select(["mail", "id"]).equals(table.select(["mail", "id"]))
    assert whole["gone"].null_count == 1000
    assert whole.schema.field("gone").type == pa.list_(pa.date32())


def test_text_with_few_values_comes_dictionary_encoded_and_other_text_plain(raw, table):
    write(raw, table)
    (batch,) = raw.batches(table.schema, source=P)
    assert [str(kind) for kind in batch.batch.schema.types] == [
        "int64", "dictionary<values=string, indices=int32, ordered=0>", "string",
    ]  # fmt: skip
    assert batch.batch["word"].dictionary_decode().equals(table["word"].combine_chunks())


def test_chunks_are_told_apart_by_their_footer(raw):
    few = [f"w{at % 50}" for at in range(200_000)]
    many = [f"value-{at}" for at in range(200_000)]
    long = [f"{at % 30:0>2000}" for at in range(200_000)]
    mixed = few[:100_000] + many[:100_000]
    write(raw, pa.table({"few": few, "many": many, "long": long, "mixed": mixed}), row_group_size=200_000)
    with raw.store.open_input("p/1.parquet") as file:
        group = open_parquet(file).metadata.row_group(0)
        assert [wholly_dictionary(group.column(at)) for at in range(4)] == [True, False, True, False]


def test_a_dictionary_that_saves_nothing_is_not_carried_along(raw):
    table = pa.table({"v": [f"{at}" for at in range(60_000)]})
    write(raw, table)
    batches = raw.batches(table.schema, source=P, max_rows=1000)
    assert {batch.batch.schema.field("v").type for batch in batches} == {pa.string()}


@pytest.mark.parametrize("leaves", [None, ("s.a", "l.list.element.x", "m.key_value.key", "m.key_value.value.c")])
def test_only_the_leaves_asked_for_are_fetched(raw, leaves):
    rows = [
        {"s": {"a": at, "b": f"b{at}"}, "l": [{"x": at, "y": "y"}], "z": "z", "m": [("k", {"c": at, "d": "d"})]}
        for at in range(10)
    ]
    number, text = pa.int64(), pa.string()
    whole = pa.schema([
        ("s", pa.struct([("a", number), ("b", text)])), ("l", pa.list_(pa.struct([("x", number), ("y", text)]))),
        ("z", text), ("m", pa.map_(text, pa.struct([("c", number), ("d", text)]))),
    ])  # fmt: skip
    table = pa.Table.from_pylist(rows, whole)
    write(raw, table)
    # Every byte of the columns not asked for is destroyed: reading one of them would fail.
    data = bytearray((raw.root / "p/1.parquet").read_bytes())
    group = pq.read_metadata(raw.root / "p/1.parquet").row_group(0)
    for at in range(group.num_columns):
        column = group.column(at)
        if column.path_in_schema in {"s.b", "l.list.element.y", "z", "m.key_value.value.d"}:
            start = column.dictionary_page_offset or column.data_page_offset
            data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    raw.put("p/1.parquet", bytes(data))
    schema = pa.schema([
        ("s", pa.struct([("a", number)])), ("l", pa.list_(pa.struct([("x", number)]))),
        ("m", pa.map_(text, pa.struct([("c", number)]))),
    ])  # fmt: skip
    expected = [{"s": {"a": at}, "l": [{"x": at}], "m": [("k", {"c": at})]} for at in range(10)]
    assert raw.rows(schema, source=P, leaves=leaves) == expected
    with pytest.raises(UnreadableSourceError, match=r"p/1\.parquet"):
        raw.rows(table.schema, source=P)


def test_a_column_without_any_leaf_asked_for_is_a_mistake_not_nulls(raw, table):
    write(raw, table, "p/dt=1/1.parquet")
    schema = pa.schema([("id", pa.int64()), ("dt", pa.int64()), ("mail", pa.string())])
    with pytest.raises(ValueError, match=r"columns mail$"):
        raw.rows(schema, source=P, leaves=("id", "mailing"))


def test_nested_dictionaries_are_decoded(raw):
    table = pa.table({"l": pa.array([["x", "x"]] * 9, pa.list_(pa.dictionary(pa.int32(), pa.string())))})
    write(raw, table)
    schema = pa.schema([("l", pa.list_(pa.string()))])
    (batch,) = raw.batches(schema, source=P)
    assert batch.batch.schema == schema


@pytest.mark.parametrize("array", [pa.array([b"x", b"y"] * 500), pa.array(["1.00", "2.00"] * 500).cast(pa.decimal128(20, 2))])
def test_repeated_values_that_are_no_text_come_plain(raw, array):
    write(raw, pa.table({"v": array}))
    schema = pa.schema([("v", array.type)])
    (batch,) = raw.batches(schema, source=P)
    assert batch.batch.schema == schema
    assert batch.batch["v"].equals(array)


def test_types_are_widened_only_where_the_schema_asks(raw):
    rows = [{"i": 1, "s": {"n": 2, "o": "x"}, "l": [3, None], "m": [("k", 4)]}, dict.fromkeys("islm")]
    narrow = pa.schema([
        ("i", pa.int32()), ("s", pa.struct([("n", pa.int32()), ("o", pa.string())])), ("l", pa.list_(pa.int32())),
        ("m", pa.map_(pa.string(), pa.int32())),
    ])  # fmt: skip
    wide = pa.schema([
        ("m", pa.map_(pa.string(), pa.int64())), ("l", pa.list_(pa.int64())), ("i", pa.int64()),
        ("s", pa.struct([("late", pa.date32()), ("n", pa.int64())])),
    ])  # fmt: skip
    write(raw, pa.Table.from_pylist(rows, narrow))
    (batch,) = raw.batches(wide, source=P)
    assert batch.batch.schema == wide
    assert batch.batch.to_pylist() == [
        {"i": 1, "s": {"late": None, "n": 2}, "l": [3, None], "m": [("k", 4)]}, dict.fromkeys("mlis")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array([2**40]), pa.int32()),
        (pa.array(["canary"]), pa.int64()),
        (pa.array([[1]]), pa.int64()),
        (pa.array([{"a": 1}]), pa.list_(pa.int64())),
    ],
)
def test_a_type_that_does_not_fit_is_drift_without_the_value(raw, array, wanted):
    write(raw, pa.table({"v": array}))
    with pytest.raises(ChangedTypeError, match=r"column 'v' of 'p/1\.parquet' can't be read as") as caught:
        raw.rows(pa.schema([("v", wanted)]), source=P)
    assert "canary" not in str(caught.value)
    assert str(2**40) not in str(caught.value)


def test_int96_timestamps_are_microseconds_far_outside_nanoseconds(raw):
    moments = [datetime.fromisoformat("0001-01-01"), datetime.fromisoformat("9999-12-31")]
    table = pa.table({"t": pa.array(moments, pa.timestamp("us"))})
    write(raw, table, use_deprecated_int96_timestamps=True, store_schema=False)
    assert raw.list(**P).files[0].schema == table.schema
    assert raw.rows(table.schema, source=P) == [{"t": moment} for moment in moments]


def test_extension_dictionary_and_large_types_are_listed_and_read_as_plain_ones(raw):
    table = pa.table(
        {
            "u": pa.array([b"0" * 16], pa.uuid()),
            "d": pa.array(["x"]).dictionary_encode(),
            "g": pa.array(["y"], pa.large_string()),
            "n": pa.array([None], pa.decimal256(50, 3)),
            "l": pa.array([["z"]], pa.large_list(pa.large_string())),
        }
    )
    write(raw, table)
    schema = raw.list(**P).files[0].schema
    assert schema.types == [
        pa.binary(16), pa.string(), pa.large_string(), pa.decimal256(50, 3), pa.large_list(pa.large_string())
    ]  # fmt: skip
    expected = [{"u": b"0" * 16, "d": "x", "g": "y", "n": None, "l": ["z"]}]
    assert raw.rows(schema, source=P) == expected
    narrow = pa.schema([("g", pa.string()), ("l", pa.list_(pa.string()))])
    assert raw.rows(narrow, source=P) == [{"g": "y", "l": ["z"]}]


class _Tagged(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.string(), "test.tagged")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        return cls()


def test_registered_extension_types_are_read_as_their_storage_at_every_depth(raw):
    pa.register_extension_type(_Tagged())
    try:
        tagged = pa.ExtensionArray.from_storage(_Tagged(), pa.array(["x", "y"]))
        nested = pa.StructArray.from_arrays([tagged], names=["t"])
        write(raw, pa.table({"e": tagged, "s": nested}))
        schema = raw.list(**P).files[0].schema
        assert schema == pa.schema([("e", pa.string()), ("s", pa.struct([("t", pa.string())]))])
        assert raw.rows(schema, source=P) == [{"e": word, "s": {"t": word}} for word in "xy"]
    finally:
        pa.unregister_extension_type("test.tagged")


def test_hive_columns_have_their_types_and_null_folders_are_null(raw, table):
    write(raw, table.slice(0, 1), "p/dt=2024-01-01/city=S%C3%A3o/1.parquet")
    write(raw, table.slice(1, 1), "p/dt=__HIVE_DEFAULT_PARTITION__/city=x/1.parquet")
    schema = pa.schema([("dt", pa.date32()), ("id", pa.int64()), ("city", pa.string())])
    assert raw.rows(schema, source=P) == [
        {"dt": date(2024, 1, 1), "id": 0, "city": "São"}, {"dt": None, "id": 1, "city": "x"}
    ]  # fmt: skip


def test_a_hive_folder_of_another_type_is_drift(raw, table):
    write(raw, table, "p/dt=canary/1.parquet")
    with pytest.raises(ChangedTypeError, match="hive column 'dt'"):
        raw.rows(pa.schema([("dt", pa.date32()), ("id", pa.int64())]), source=P)


def test_a_file_with_none_of_the_columns_still_has_its_rows(raw, table):
    write(raw, table, "p/dt=1/1.parquet", row_group_size=400)
    batches = raw.batches(pa.schema([("dt", pa.int64()), ("gone", pa.string())]), source=P, max_rows=300)
    assert [batch.rows_in for batch in batches] == [300, 100, 300, 100, 200]
    assert batches[0].batch.slice(0, 1).to_pylist() == [{"dt": 1, "gone": None}]


def test_long_values_make_small_batches(raw):
    table = pa.table({"v": [f"{at:0>10000}" for at in range(4000)]})
    write(raw, table)
    batches = raw.batches(table.schema, source=P, max_bytes=1 << 20)
    assert max(batch.batch.nbytes for batch in batches) < 1.2 * (1 << 20)
    assert sum(batch.rows_in for batch in batches) == 4000


def test_text_that_is_not_utf8_makes_the_file_unreadable(raw):
    table = pa.table({"v": pa.array([b"canary\xff"]).view(pa.string())})
    write(raw, table)
    with pytest.raises(UnreadableSourceError, match="not UTF-8") as caught:
        raw.rows(table.schema, source=P)
    assert "canary" not in str(caught.value)


def test_damaged_pages_make_the_file_unreadable(raw, table):
    write(raw, table, compression="zstd")
    data = bytearray((raw.root / "p/1.parquet").read_bytes())
    data[4:2000] = b"\xff" * 1996
    raw.put("p/1.parquet", bytes(data))
    with pytest.raises(UnreadableSourceError, match=r"p/1\.parquet"):
        raw.rows(table.schema, source=P)


_READ_AND_MEASURE = """
import re, sys
from pathlib import Path
from airlock.policy.model import Source
from airlock.storage.local import LocalStore
from airlock.storage.sources import list_source, plan_splits, read_batches
def peak():
    return int(re.search("VmHWM:\\\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])
store, source = LocalStore(Path(sys.argv[1])), Source(path="p")
listing = list_source(store, source)
(split,) = plan_splits(store, listing, source)
before = peak()
rows = sum(b.rows_in for b in read_batches(store, split, source=source, schema=listing.files[0].schema))
print(rows, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc for a process's own peak memory")
@pytest.mark.parametrize("options", [{"compression": "none", "use_dictionary": False}, {"compression": "zstd"}])
def test_memory_stays_flat_in_one_large_row_group(raw, options):
    rows = 1_500_000
    text = pa.array([f"{at * 2654435761 % 2**64:0>100}" for at in range(rows)])
    write(raw, pa.table({"id": pa.array(range(rows)), "a": text, "b": text}), row_group_size=rows, **options)
    footer = pq.read_metadata(raw.root / "p/1.parquet")
    assert footer.num_row_groups == 1
    assert footer.row_group(0).total_byte_size > 300 << 20
    done = subprocess.run([sys.executable, "-c", _READ_AND_MEASURE, str(raw.root)], capture_output=True, text=True, check=True)
    read, growth = map(int, done.stdout.split())
    assert read == rows
    assert 0 < growth < 150 << 10
