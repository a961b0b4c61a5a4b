import gzip
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from airlock.errors import PolicyError, UnreadableSourceError
from airlock.storage.sources.csv import cut_places, quote_aware_ends, read_header

CSV = {"path": "c", "format": "csv"}
AB = pa.schema([("a", pa.int64()), ("b", pa.string())])


def test_cells_get_the_schemas_types_in_its_order(raw):
    raw.put("c/1.csv", b"b,n,d,t,o,x,y\nhi,1.50,2024-02-29,2024-02-29T12:00:00Z,07:30:00,true,0.5\n")
    schema = pa.schema([
        ("y", pa.float64()), ("x", pa.bool_()), ("o", pa.time32("s")), ("t", pa.timestamp("us", "UTC")),
        ("d", pa.date32()), ("n", pa.decimal128(12, 2)), ("b", pa.string()),
    ])  # fmt: skip
    (batch,) = raw.batches(schema, source=CSV)
    assert batch.batch.schema == schema
    (row,) = batch.batch.to_pylist()
    assert row["t"] == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert {**row, "t": None} == {
        "y": 0.5, "x": True, "o": time(7, 30), "t": None, "d": date(2024, 2, 29), "n": Decimal("1.50"), "b": "hi",
    }  # fmt: skip


def test_an_empty_cell_is_null_for_typed_columns_and_empty_text_for_text(raw):
    raw.put("c/1.csv", b'a,b\n,\n"",""\n')
    assert raw.rows(AB, source=CSV) == [{"a": None, "b": ""}] * 2


def test_words_that_mean_null_elsewhere_are_text_here(raw):
    raw.put("c/1.csv", b"b\nNULL\nNA\nnan\n")
    assert raw.rows(pa.schema([("b", pa.string())]), source=CSV) == [{"b": "NULL"}, {"b": "NA"}, {"b": "nan"}]


def test_quoted_line_ends_quotes_and_delimiters_stay_in_their_cell(raw):
    raw.put("c/1.csv", b'a;b\n1;"x\ny;""z"""\r\n2;w')
    assert raw.rows(AB, source=CSV | {"delimiter": ";"}) == [{"a": 1, "b": 'x\ny;"z"'}, {"a": 2, "b": "w"}]


def test_a_bom_is_no_part_of_the_first_name(raw):
    raw.put("c/1.csv", b"\xef\xbb\xbfa,b\n1,x\n")
    assert raw.list(**CSV).files[0].schema.names == ["a", "b"]
    assert raw.rows(AB, source=CSV) == [{"a": 1, "b": "x"}]


def test_columns_go_by_name_and_absent_ones_are_null(raw):
    raw.put("c/1.csv", b"b,secret,a\nx,s,1\n")
    raw.put("c/2.csv", b"b\ny\n")
    assert raw.rows(AB, source=CSV) == [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]


def test_gzip_is_unpacked_and_may_have_several_members(raw):
    raw.put("c/1.csv.gz", gzip.compress(b"a,b\n1,x\n") + gzip.compress(b"2,y\n"))
    assert raw.rows(AB, source=CSV) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_a_truncated_gzip_file_is_unreadable(raw):
    raw.put("c/1.csv.gz", gzip.compress(b"a,b\n" + b"1,canary\n" * 100_000)[:-200])
    with pytest.raises(UnreadableSourceError, match=r"c/1\.csv\.gz") as caught:
        raw.rows(AB, source=CSV)
    assert "canary" not in str(caught.value)


def test_faulty_rows_are_rejected_each_with_its_raw_line_and_the_rest_is_read(raw):
    raw.put("c/1.csv", b'a,b\n1,x\n"two",y\n3\n4,\xff\n\n5,z,z\nsix,"u\nv"\n7,w\n')
    (batch,) = raw.batches(AB, source=CSV)
    assert batch.batch.to_pylist() == [{"a": 1, "b": "x"}, {"a": 7, "b": "w"}]
    assert [(rows.code, rows.column, rows.raw, rows.count) for rows in batch.rejected] == [
        ("invalid-utf8", None, b"4,\xff\n", 1),
        ("cell-count", None, b"3\n5,z,z\n", 2),
        ("not-a-number", "a", b'"two",y\nsix,"u\nv"\n', 2),
    ]
    assert batch.rows_in == 7


def test_a_row_with_two_faults_is_rejected_once(raw):
    raw.put("c/1.csv", b"a,d\nx,y\n1,y\n")
    schema = pa.schema([("a", pa.int64()), ("d", pa.date32())])
    assert raw.rejects(schema, source=CSV) == [("not-a-number", "a", b"x,y\n", 1), ("not-a-date", "d", b"1,y\n", 1)]


@pytest.mark.parametrize(
    ("cell", "wanted", "code"),
    [
        (b"1.5", pa.int64(), "not-a-number"),
        (b" 1", pa.int64(), "not-a-number"),
        (b"300", pa.int8(), "not-a-number"),
        (b"1.505", pa.decimal128(5, 2), "not-a-number"),
        (b"2024-1-1", pa.date32(), "not-a-date"),
        (b"2024-01-01T00:00:00Z", pa.timestamp("us"), "not-a-timestamp"),
        (b"2024-01-01T00:00:00", pa.timestamp("us", "UTC"), "not-a-timestamp"),
        (b"25:00:00", pa.time64("us"), "not-a-time"),
        (b"yes", pa.bool_(), "not-a-boolean"),
    ],
)
def test_nothing_is_converted_with_loss(raw, cell, wanted, code):
    raw.put("c/1.csv", b"v\n" + cell + b"\n")
    assert raw.rejects(pa.schema([("v", wanted)]), source=CSV) == [(code, "v", cell + b"\n", 1)]


def test_rejected_rows_never_show_their_content_in_a_repr(raw):
    raw.put("c/1.csv", b"a,b\ncanary,x\n")
    assert "canary" not in repr(raw.batches(AB, source=CSV))


def test_the_values_that_were_asked_for_alone_are_read(raw):
    raw.put("c/1.csv", b"a,b\n1,x\n")
    schema = pa.schema([("gone", pa.string())])
    assert raw.rows(schema, source=CSV) == [{"gone": None}]


def test_a_file_with_nothing_but_its_header_has_no_rows(raw):
    raw.put("c/1.csv", b"a,b")
    raw.put("c/2.csv", b"a,b\n")
    assert raw.rows(AB, source=CSV) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "header row is missing"),
        (b"\n1,2\n", "header row is missing"),
        (b"a,,b\n", "has no name"),
        (b"canary,canary\n", "names a column twice"),
        (b"\xff\xfea\x00\n", "not UTF-8"),
        (b'"canary,b\n1,2\n', "not UTF-8 text in RFC 4180 form"),
        (b'"canary"x,b\n1,2\n', "closing quote"),
    ],
)
def test_a_header_that_names_no_columns_makes_the_file_unreadable(raw, data, why):
    raw.put("c/1.csv", data)
    with pytest.raises(UnreadableSourceError, match=why) as caught:
        raw.list(**CSV)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'a,b\n1,5" canary\n', "quote stands inside"),
        (b'a,b\n1,"x"canary\n', "closing quote"),
        (b'a,b\n1,"canary\n2,y\n', "never closed"),
        (b"a,b\n1,canary\r2,y\n3,z\n", "carriage return"),
    ],
)
def test_quotes_and_line_ends_that_could_be_read_in_two_ways_refuse_the_file(raw, data, why):
    raw.put("c/1.csv", data)
    with pytest.raises(UnreadableSourceError, match=why) as caught:
        raw.rows(AB, source=CSV)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("delimiter", ['"', "\n", "é"])
def test_a_delimiter_that_is_none_is_a_policy_error(raw, delimiter):
    raw.put("c/1.csv", b"a,b\n1,x\n")
    with pytest.raises(PolicyError, match="one ASCII character"):
        raw.list(**CSV, delimiter=delimiter)


@pytest.mark.parametrize("wanted", [pa.list_(pa.string()), pa.duration("s"), pa.struct([("x", pa.int64())])])
def test_types_that_no_cell_can_hold_are_a_policy_error(raw, wanted):
    raw.put("c/1.csv", b"v\n1\n")
    with pytest.raises(PolicyError, match="column 'v': a CSV cell can't be read as"):
        raw.rows(pa.schema([("v", wanted)]), source=CSV)


def test_a_large_file_is_cut_at_line_ends_outside_quotes(raw):
    body = b"".join(b'%d,"line\nline %d"\n' % (at, at) for at in range(2000))
    raw.put("c/1.csv", b"a,b\n" + body)
    size = len(body) + 4
    places = cut_places(raw.store, "c/1.csv", ",", size=size, target=1000)
    assert places[0] == 4
    assert places[-1] == size
    assert len(places) > 30
    assert all((b"a,b\n" + body)[place : place + 1].isdigit() for place in places[:-1])
    assert [row["a"] for row in raw.rows(AB, source=CSV, target_bytes=1000)] == list(range(2000))


def test_long_header_rows_are_read_whole_and_endless_ones_refused(raw):
    names = [f"column_{at}" for at in range(20_000)]
    raw.put("c/1.csv", ",".join(names).encode() + b"\n")
    assert read_header(raw.store, "c/1.csv", ",") == (tuple(names), len(",".join(names)) + 1)
    raw.put("c/2.csv", b"a" * (2 << 20))
    with pytest.raises(UnreadableSourceError, match="longer than 1 MiB"):
        read_header(raw.store, "c/2.csv", ",")


def test_ends_see_a_return_only_when_its_line_feed_may_have_come():
    assert quote_aware_ends(",")(b"a\r\nb\r").tolist() == [3]


def test_batches_are_bounded_in_rows(raw):
    raw.put("c/1.csv", b"a,b\n" + b"1,x\n" * 1000 + b"y,x\n")
    batches = raw.batches(AB, source=CSV, max_rows=300)
    assert [batch.batch.num_rows for batch in batches] == [300, 300, 300, 100]
    assert [batch.rows_in for batch in batches] == [301, 300, 300, 100]
