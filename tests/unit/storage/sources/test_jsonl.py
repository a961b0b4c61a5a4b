import gzip
import json
import re
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from airlock.errors import MissingColumnError, PolicyError, UnclassifiedColumnError, UnreadableSourceError
from airlock.storage.sources import records

JSONL = {"path": "j", "format": "jsonl"}
AN = pa.schema([("a", pa.string()), ("n", pa.int64())])
X = {"a": "x", "n": 1}


def lines(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_types_are_the_schemas_and_text_becomes_dates_at_every_depth(raw):
    row = {"d": "2024-02-29", "m": "12.50", "p": [{"t": "2024-02-29T12:00:00", "n": 1}, None], "f": 1, "s": {"b": True}}
    raw.put("j/1.jsonl", lines(row, {}, {"p": []}))
    schema = pa.schema([
        ("s", pa.struct([("b", pa.bool_())])),
        ("p", pa.list_(pa.struct([("n", pa.int8()), ("t", pa.timestamp("us"))]))),
        ("m", pa.decimal128(12, 2)), ("d", pa.date32()), ("f", pa.float64()),
    ])  # fmt: skip
    (batch,) = raw.batches(schema, source=JSONL)
    assert batch.batch.schema == schema
    nothing = dict.fromkeys("spmdf")
    assert batch.batch.to_pylist() == [
        {
            "s": {"b": True}, "p": [{"n": 1, "t": datetime.fromisoformat("2024-02-29T12:00:00")}, None],
            "m": Decimal("12.50"), "d": date(2024, 2, 29), "f": 1.0,
        },
        nothing,
        nothing | {"p": []},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a": 1}', "wrong-type"),
        (b'{"n": "1"}', "wrong-type"),
        (b'{"n": 1.5}', "wrong-type"),
        (b'{"n": true}', "wrong-type"),
        (b'{"n": 99999999999999999999}', "wrong-type"),
        (b'{"a": {"b": 1}}', "wrong-type"),
        (b'{"a": "canary', "malformed-line"),
        (b'{"a": "x"} junk', "malformed-line"),
        (b'{"a": "x"}{"a": "y"}', "malformed-line"),
        (b'{"a": "x", "a": "y"}', "malformed-line"),
        (b'{"a": "x"} null {}', "malformed-line"),
        (b'{"a": "x"} null', "malformed-line"),
        (b"null", "malformed-line"),
        (b"[1]", "malformed-line"),
        (b"1", "malformed-line"),
        (b'{"a": "\\ud800"}', "wrong-type"),
        (b'{"a": "x\x00y"}', "malformed-line"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed-line"),
        (b'{"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "malformed-line"),
        (b'{"a": "\xff"}', "invalid-utf8"),
    ],
)
def test_a_faulty_line_is_rejected_and_its_neighbours_are_read(raw, line, code):
    raw.put("j/1.jsonl", lines(X, X) + line + b"\n" + lines(X))
    (batch,) = raw.batches(AN, source=JSONL)
    assert batch.batch.to_pylist() == [X] * 3
    assert [(rows.code, rows.raw, rows.count) for rows in batch.rejected] == [(code, line + b"\n", 1)]
    assert batch.rows_in == 4


def test_an_object_over_two_lines_is_two_malformed_lines(raw):
    raw.put("j/1.jsonl", b'{"a":\n"x"}\n{"a": "y"}\n')
    assert raw.rejects(AN, source=JSONL) == [("malformed-line", None, b'{"a":\n"x"}\n', 2)]


def test_text_that_is_no_date_rejects_its_row_and_names_the_column(raw):
    schema = pa.schema([("p", pa.list_(pa.struct([("d", pa.date32())])))])
    good, bad = {"p": [{"d": "2024-01-01"}]}, {"p": [{"d": "2024-01-01"}, {"d": "canary"}]}
    raw.put("j/1.jsonl", lines(good, bad, good, {"p": [{"d": ""}]}))
    (batch,) = raw.batches(schema, source=JSONL)
    assert batch.batch.num_rows == 2
    assert [(rows.code, rows.column, rows.count) for rows in batch.rejected] == [("wrong-type", "p", 2)]


@pytest.mark.parametrize(
    ("row", "path"),
    [
        ({"z": "canary"}, "z"),
        ({"s": {"k": "1", "z": "canary"}}, "s.z"),
        ({"l": [{"k": "1"}, {"z": ["canary"]}]}, "l[].z"),
        ({"z": None}, "z"),
        ({"l": [{"z": [1, "canary"]}]}, "l[].z"),
        ({"m": {"canary": {"k": "1"}, "other": {"k": "1", "z": "canary"}}}, "m{value}.z"),
        ({"\\u007a": "canary"}, "z"),
    ],
)
def test_a_field_that_the_policy_does_not_know_is_drift_at_every_depth(raw, row, path):
    inner = pa.struct([("k", pa.string())])
    raw.put("j/1.jsonl", lines(X, X | row).replace(b"\\\\u", b"\\u"))
    schema = pa.schema([*AN, ("s", inner), ("l", pa.list_(inner)), ("m", pa.map_(pa.string(), inner))])
    with pytest.raises(UnclassifiedColumnError, match=re.escape(f"no rule for '{path}'")) as caught:
        raw.rows(schema, source=JSONL)
    assert "canary" not in str(caught.value)
    assert caught.value.facts == {"columns": (path,)}
    assert raw.rows(schema, source=JSONL, ignored=None)[0] == X | {"s": None, "l": None, "m": None}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "int64"),
        (-1.5, "double"),
        (1e300, "double"),
        (True, "bool"),
        ("x", "string"),
        (None, "string"),
        ({}, "struct"),
        ([], "list"),
    ],
)
def test_the_line_to_paste_has_the_type_that_the_value_seems_to_have(raw, value, kind):
    raw.put("j/1.jsonl", lines({"z": value}))
    with pytest.raises(UnclassifiedColumnError) as caught:
        raw.rows(AN, source=JSONL)
    assert f"  z: {{type: {kind}, class: direct_identifier, drop: {{}}}}" in str(caught.value).splitlines()


def test_keys_that_may_be_data_are_told_by_their_shape_and_few_at_all(raw):
    persons = {f"ann{at}@example.org": 1 for at in range(100)}
    raw.put("j/1.jsonl", lines({"s": persons}, persons))
    with pytest.raises(UnclassifiedColumnError) as caught:
        raw.rows(pa.schema([("s", pa.struct([("k", pa.int64())]))]), source=JSONL)
    text = str(caught.value) + repr(caught.value.facts)
    assert "ann" not in text
    assert "have 200 fields" in text
    assert "of the shape 'aaa9@aaaaaaa.aaa' (int64), 10 times" in text
    assert "- and 180 more" in text
    assert "No line can be given" in text


def test_unlisted_fields_are_left_out_at_every_depth_where_the_policy_says_so(raw):
    inner = pa.struct([("k", pa.string())])
    schema = pa.schema([*AN, ("s", inner), ("l", pa.list_(inner)), ("m", pa.map_(pa.string(), inner))])
    good = X | {"s": {"k": "1"}, "l": [{"k": "1"}], "m": [("a", {"k": "1"})]}
    junk = {"z": [1, "canary", {"y": None}], "ann@example.org": 1}
    row = X | junk | {"s": {"k": "1"} | junk, "l": [{"k": "1"} | junk], "m": {"a": {"k": "1"} | junk}}
    raw.put("j/1.jsonl", lines(row, row))
    (batch,) = raw.batches(schema, source=JSONL, ignored=None)
    assert (batch.batch.to_pylist(), batch.rows_in, batch.rejected) == ([good, good], 2, ())
    raw.put("d/dt=1/1.jsonl", lines(row, row))
    assert raw.rows(pa.schema([("dt", pa.int8())]), source=JSONL | {"path": "d"}, ignored=None) == [{"dt": 1}] * 2


SEEN = ("a", "s.k", "l[].k", "t[]", "m{key}", "m{value}.k", "gone.x")


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        ({}, None),
        ({"a": None, "s": None, "l": [], "t": None, "m": {}, "gone": None}, None),
        ({"a": 1}, None),  # rejected: no good line, nothing to say
        ({"a": "x"}, ("s", "l", "t", "m", "gone")),
        ({"a": "x", "s": {}, "l": [None, {}], "t": [], "m": {"x": {}}, "gone": {}}, ("s.k", "l[].k", "m{value}.k", "gone.x")),
    ],
)
@pytest.mark.parametrize("ignored", [("gone.x",), None])
def test_a_file_without_a_required_field_is_drift(raw, row, missing, ignored):
    inner = pa.struct([("k", pa.string())])
    schema = pa.schema(
        [
            ("a", pa.string()),
            ("s", inner),
            ("l", pa.list_(inner)),
            ("t", pa.list_(pa.int8())),
            ("m", pa.map_(pa.string(), inner)),
        ]
    )
    raw.put("j/1.jsonl", lines(row) if row else b"")
    if missing is None:
        raw.rows(schema, source=JSONL, ignored=ignored, required=SEEN)
        return
    with pytest.raises(MissingColumnError, match="say optional: true") as caught:
        raw.rows(schema, source=JSONL, ignored=ignored, required=SEEN)
    found = caught.value.facts["columns"]
    assert found == missing


def test_one_line_with_the_field_is_enough_and_hive_columns_are_there(raw, monkeypatch):
    monkeypatch.setattr(records, "BLOCK_BYTES", 100)
    raw.put("j/dt=1/1.jsonl", lines(*[{"n": 1}] * 50, {"a": None}, *[{"n": 1}] * 50))
    assert len(raw.rows(pa.schema([*AN, ("dt", pa.int8())]), source=JSONL, required=("a", "n", "dt"))) == 101


M = pa.schema([("m", pa.map_(pa.string(), pa.int64())), ("a", pa.string())])


def test_an_object_is_read_as_a_map_with_its_keys_in_order(raw):
    body = b'{"m": { "b" : 1,"a":null, "\\u00e9\\"{": 3 }, "a": "x"}\r\n{"a": "{}", "m":{}}\n{"m":null}\n{"a":"z"}'
    raw.put("j/1.jsonl", body)
    (batch,) = raw.batches(M, source=JSONL)
    assert batch.batch.schema == M
    assert batch.batch.to_pylist() == [
        {"m": [("b", 1), ("a", None), ('é"{', 3)], "a": "x"}, {"m": [], "a": "{}"}, {"m": None, "a": None}, {"m": None, "a": "z"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"m": {"k": "1"}}', "wrong-type"),
        (b'{"m": {"k": 1.5}}', "wrong-type"),
        (b'{"m": 1}', "wrong-type"),
        (b'{"m": "x"}', "wrong-type"),
        (b'{"m": []}', "wrong-type"),
        (b'{"m": [{"key": "k", "value": 1}]}', "wrong-type"),
        (b'{"m": {"k": {"key": 1}}}', "wrong-type"),
        (b'{"m": {"k": 1, "l": 2, "k": 1}}', "repeated-key"),
        (b'{"m": {"k": 1, "\\u006b": 2}}', "repeated-key"),
        (b'{"m": {"k": 1}, "m": {}}', "malformed-line"),
        (b'{"m": {"k": 1, "l"}}', "malformed-line"),
        (b'{"m": {"k": 1,}}', "malformed-line"),
        (b'{"m": {"k": 1}, "a": 1}', "wrong-type"),
    ],
)
def test_a_line_with_a_faulty_map_is_rejected_and_its_neighbours_are_read(raw, line, code):
    good = {"m": {"k": 1}, "a": "x"}
    raw.put("j/1.jsonl", lines(good, good) + line + b"\n" + lines(good))
    (batch,) = raw.batches(M, source=JSONL)
    assert batch.batch.to_pylist() == [{"m": [("k", 1)], "a": "x"}] * 3
    assert [(rows.code, rows.raw, rows.count) for rows in batch.rejected] == [(code, line + b"\n", 1)]
    assert batch.rows_in == 4


def test_keys_and_values_get_the_policys_types_at_every_depth(raw):
    schema = pa.schema([("l", pa.list_(pa.map_(pa.date32(), pa.map_(pa.int64(), pa.struct([("d", pa.date32())])))))])
    raw.put("j/1.jsonl", lines({"l": [{"2024-01-01": {"7": {"d": "2024-01-02"}}}, None, {}]}, {"l": []}, {"l": [{"x": {}}]}))
    (batch,) = raw.batches(schema, source=JSONL)
    assert batch.batch.to_pylist() == [{"l": [[(date(2024, 1, 1), [(7, {"d": date(2024, 1, 2)})])], None, []]}, {"l": []}]
    assert [rows.code for rows in batch.rejected] == ["wrong-type"]


def test_a_map_that_is_dropped_by_both_its_sides_may_be_anything(raw):
    raw.put("j/1.jsonl", lines(X | {"m": {"k": 1}}, X | {"m": [1]}, X | {"m": 2}))
    assert raw.rows(AN, source=JSONL, ignored=("m{key}", "m{value}")) == [X] * 3


def test_a_list_of_maps_over_many_blocks(raw, monkeypatch):
    monkeypatch.setattr(records, "BLOCK_BYTES", 1000)
    schema = pa.schema([("m", pa.list_(pa.map_(pa.string(), pa.int64())))])
    raw.put("j/1.jsonl", lines(*({"m": [{f"k{at}": at}, {}]} for at in range(500))))
    assert raw.rows(schema, source=JSONL) == [{"m": [[(f"k{at}", at)], []]} for at in range(500)]


def test_an_object_with_very_many_fields_costs_no_more_than_its_bytes(raw):
    """Its names must never become columns."""
    raw.put("j/1.jsonl", lines(*({"a": "x", "n": 1, "gone": {f"k{at}": 1}} for at in range(20_000))))
    assert len(raw.rows(AN, source=JSONL, ignored=("gone",))) == 20_000


def test_dropped_subtrees_may_hold_anything_even_of_changing_type(raw):
    schema = pa.schema([*AN, ("p", pa.list_(pa.struct([("k", pa.string())])))])
    anything = [1, "x", None, {"y": [1, "z", {"k": 1}]}, [], {"y": 2}, True]
    rows = [X | {"name": value, "p": [{"k": "1", "gone": value}]} for value in anything]
    raw.put("j/1.jsonl", lines(*rows))
    assert raw.rows(schema, source=JSONL, ignored=("name", "p[].gone")) == [X | {"p": [{"k": "1"}]}] * len(rows)


def test_a_wrong_value_beside_dropped_subtrees_of_changing_type_is_still_found(raw):
    raw.put("j/1.jsonl", lines({"a": "x", "z": 1}, {"a": 2, "z": "s"}, {"a": "y", "z": {}}))
    (batch,) = raw.batches(AN, source=JSONL, ignored=("z",))
    assert [row["a"] for row in batch.batch.to_pylist()] == ["x", "y"]
    assert [rows.code for rows in batch.rejected] == ["wrong-type"]


def test_a_struct_whose_every_leaf_is_dropped_still_refuses_new_leaves(raw):
    raw.put("j/1.jsonl", lines(X | {"p": {"b": 1}}))
    assert raw.rows(AN, source=JSONL, ignored=("p.b", "p.c")) == [X]
    raw.put("j/2.jsonl", lines(X | {"p": {"b": 1, "d": 1}}))
    with pytest.raises(UnclassifiedColumnError, match=r"'p\.d'"):
        raw.rows(AN, source=JSONL, ignored=("p.b", "p.c"))


def test_a_null_typed_column_takes_nulls_alone(raw):
    raw.put("j/1.jsonl", lines({"v": None}, {}, {"v": 1}))
    (batch,) = raw.batches(pa.schema([("v", pa.null())]), source=JSONL)
    assert (batch.batch.num_rows, [rows.code for rows in batch.rejected]) == (2, ["wrong-type"])


def test_blank_lines_bom_crlf_and_a_missing_last_line_end_are_fine(raw):
    raw.put("j/1.jsonl", b'\xef\xbb\xbf{"a": "x",\r"n": 1}\r\n\n  \t\r\n{"a": "x", "n": 1}')
    (batch,) = raw.batches(AN, source=JSONL)
    assert (batch.batch.to_pylist(), batch.rows_in) == ([X, X], 2)


def test_an_empty_file_has_no_rows(raw):
    raw.put("j/1.jsonl", b"")
    raw.put("j/2.jsonl", b"\n\n")
    assert raw.rows(AN, source=JSONL) == []


def test_gzip_is_unpacked(raw):
    raw.put("j/1.jsonl.gz", gzip.compress(lines(X, X)))
    assert raw.rows(AN, source=JSONL) == [X, X]


def test_a_file_that_is_no_gzip_is_unreadable(raw):
    raw.put("j/1.jsonl.gz", b"canary" * 100)
    with pytest.raises(UnreadableSourceError, match=r"j/1\.jsonl\.gz") as caught:
        raw.rows(AN, source=JSONL)
    assert "canary" not in str(caught.value)


def test_text_may_hold_what_would_be_fatal_between_objects(raw):
    row = {"a": "} null " + "[" * 5000, "n": 1}
    raw.put("j/1.jsonl", lines(row))
    assert raw.rows(AN, source=JSONL) == [row]


@pytest.mark.parametrize(
    "wanted", [pa.map_(pa.string(), pa.duration("s")), pa.map_(pa.duration("s"), pa.string()), pa.duration("s")]
)
def test_types_that_json_does_not_hold_are_a_policy_error(raw, wanted):
    raw.put("j/1.jsonl", lines({}))
    with pytest.raises(PolicyError, match="column 'v': JSON lines can't be read as"):
        raw.rows(pa.schema([("v", pa.list_(wanted))]), source=JSONL)


def test_hive_columns_are_added_and_no_column_at_all_is_needed(raw):
    raw.put("j/dt=2024-01-01/1.jsonl", lines({"gone": 1}, {"gone": 2}))
    schema = pa.schema([("dt", pa.date32())])
    assert raw.rows(schema, source=JSONL, ignored=("gone",)) == [{"dt": date(2024, 1, 1)}] * 2
