from __future__ import annotations

import base64
import datetime as dt
import io
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.errors import IntegrityError, KnownValueError, RejectedRowsError, RowAccountingError, SchemaMismatchError
from airlock.evidence.canonical import canonical_json
from airlock.evidence.manifest import Counts
from airlock.evidence.schema import schema_fields
from airlock.gate.canonical import clean_schema
from airlock.gate.inspect import FilePartial, ManifestFacts, decide, inspect_file

CANARY = "zxqcanaryqxz"


def footer(ran, number=0, partition=()) -> pq.FileMetaData:
    return pq.ParquetFile(pa.BufferReader(ran.outputs[number, partition].getvalue())).metadata


def test_what_goes_in_comes_out_in_order(gate, column):
    columns = {
        "n": column("int64", keep="r"),
        "s": column("string", keep="r"),
        "l": column("large_string", keep="r"),
        "t": column("timestamp[us, tz=Europe/Berlin]", keep="r"),
        "d": column("decimal128(12, 2)", keep="r"),
        "p[].k": column("string", keep="r"),
        "m{key}": column("string", keep="r"),
        "m{value}": column("date32", keep="r"),
    }
    table = pa.table(
        {
            "n": [3, None, 1],
            "s": ["b", "a", None],
            "l": pa.array(["x", None, "y"], pa.large_string()),
            "t": pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 3, pa.timestamp("us", tz="Europe/Berlin")),
            "d": pa.array([None, 1, 2], pa.decimal128(12, 2)),
            "p": [[{"k": "x"}, {"k": None}], None, []],
            "m": pa.array([[("a", dt.date(2020, 1, 1))], [], None], pa.map_(pa.string(), pa.date32())),
        }
    )
    ran = gate(columns, table)
    assert ran.failed == []
    ran.verdict.raise_first()
    assert ran.table().equals(table)
    assert ran.partials[0].outputs == (((), 3),)
    assert ran.verdict.published_schema == schema_fields(ran.table().schema) == schema_fields(table.schema)


def test_no_metadata_of_the_staged_file_survives(column, rules_of, ran, as_parquet):
    rules = rules_of({"a": column("string", keep="r"), "p.q": column("int8", keep="r")})
    inner = pa.struct([pa.field("q", pa.int8(), metadata={"k": CANARY})])
    schema = pa.schema(
        [pa.field("a", pa.string(), metadata={"k": CANARY}), pa.field("p", inner)], metadata={"pandas": CANARY, "k": CANARY}
    )
    table = pa.table({"a": ["x", "x"], "p": pa.array([{"q": 1}, None], inner)}, schema=schema)
    data = as_parquet(table)
    assert CANARY.encode() in data
    made = ran(rules, [data])
    assert made.failed == []
    written = made.outputs[0, ()].getvalue()
    assert CANARY.encode() not in written
    assert set(footer(made).metadata) == {b"ARROW:schema"}
    stored = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(footer(made).metadata[b"ARROW:schema"])))
    assert stored.equals(clean_schema(schema), check_metadata=True)


def test_dictionaries_hold_only_what_rows_use(gate, column):
    columns = {"a": column("string", keep="r"), "n": column("int64", keep="r")}
    unused = pa.DictionaryArray.from_arrays(pa.array([0, 0, None, 0] * 50, pa.int32()), pa.array(["x", CANARY]))
    ran = gate(columns, pa.table({"a": unused, "n": pa.array([7] * 200).dictionary_encode()}))
    assert ran.failed == []
    assert CANARY.encode() not in ran.outputs[0, ()].getvalue()
    assert ran.table()["a"].to_pylist() == ["x", "x", None, "x"] * 50
    assert ran.table().schema == pa.schema({"a": pa.string(), "n": pa.int64()})


def test_values_under_null_parents_do_not_survive(gate, column, tmp_path):
    columns = {"p.q": column("string", keep="r"), "l[]": column("string", keep="r")}
    hidden = pa.array(["x", CANARY])
    mask = pa.array([False, True])
    table = pa.table(
        {
            "p": pa.StructArray.from_arrays([hidden], names=["q"], mask=mask),
            "l": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), hidden, mask=mask),
        }
    )
    ran = gate(columns, table)
    assert ran.failed == []
    assert CANARY.encode() not in ran.outputs[0, ()].getvalue()
    assert ran.table().to_pylist() == [{"p": {"q": "x"}, "l": ["x"]}, {"p": None, "l": None}]


def test_the_free_bits_of_a_nan_do_not_survive(gate, column, as_parquet):
    columns = {path: column("double", keep="r") for path in ("x", "s.x", "l[]", "m{value}")} | {
        "m{key}": column("string", keep="r")
    }
    strange = pa.array(
        np.array([1.5, 0, 0, 2.5]).view(np.uint64) + np.array([0, 0x7FF8_0000_DEAD_BEEF, 0xFFF8_0000_DEAD_BEEF, 0], "u8")
    )
    floats = strange.view(pa.float64())
    table = pa.table(
        {
            "x": floats,
            "s": pa.StructArray.from_arrays([floats], ["x"], mask=pa.array([True, False, False, False])),
            "l": pa.ListArray.from_arrays(pa.array([0, 1, 1, None, 4], pa.int32()), floats),
            "m": pa.MapArray.from_arrays([0, 1, 2, 3, 4], pa.array(list("abcd")), floats),
        }
    )
    hidden = bytes.fromhex("efbeadde")
    assert hidden in as_parquet(table, use_dictionary=False, compression="none")
    ran = gate(columns, table, table.slice(1))
    assert ran.failed == []
    for number, given in enumerate((table, table.slice(1))):
        again = as_parquet(ran.table(number), use_dictionary=False, compression="none")
        assert hidden not in again
        assert str(ran.table(number).to_pylist()) == str(given.to_pylist())


def test_statistics_only_where_the_policy_names_them(gate, column):
    columns = {"a": column("int64", keep="r"), "b": column("string", keep="r")}
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    for named in ([], ["a"]):
        group = footer(gate(columns, table, sink={"statistics": named})).row_group(0)
        assert [group.column(number).is_stats_set for number in range(2)] == ["a" in named, False]
        assert [group.column(number).has_column_index for number in range(2)] == [False, False]


def test_one_output_for_each_partition_and_the_column_left_out(gate, column):
    columns = {"dt": column("date32", keep="r"), "a": column("int64", keep="r"), "c": column("string", keep="r")}
    days = [dt.date(2026, 1, 1), dt.date(2026, 1, 2)]
    rows = [(days[number % 2], number, "x" if number % 3 else None) for number in range(12)]
    table = pa.table({"dt": [row[0] for row in rows], "a": [row[1] for row in rows], "c": [row[2] for row in rows]})
    ran = gate(columns, table, table, sink={"partition_by": ["dt", "c"]})
    first = (("dt", "2026-01-01"), ("c", "x"))
    assert ran.failed == []
    assert ran.table(0, first).to_pydict() == {"a": [2, 4, 8, 10]}
    assert ran.table(1, (("dt", "2026-01-02"), ("c", "__HIVE_DEFAULT_PARTITION__"))).to_pydict() == {"a": [3, 9]}
    assert dict(ran.partials[0].outputs)[first] == 4
    assert sum(count for _, count in ran.partials[0].outputs) == 12
    assert ran.verdict.published_schema == schema_fields(pa.schema({"a": pa.int64()}))


def test_small_parts_are_gathered_and_large_groups_are_cut(column, rules_of, ran, as_parquet):
    rules = rules_of({"p": column("string", keep="r"), "a": column("string", keep="r")}, sink={"partition_by": ["p"]})
    values = [f"v{number % 50}" for number in range(2000)]
    data = as_parquet(pa.table({"p": ["x", "y"] * 1000, "a": values}), row_group_size=100)
    made = ran(rules, [data])
    assert made.failed == []
    assert footer(made, 0, (("p", "x"),)).num_row_groups == 1
    assert made.table(0, (("p", "y"),))["a"].to_pylist() == values[1::2]
    rules = rules_of({"a": column("int8", keep="r")})
    made = ran(rules, [as_parquet(pa.table({"a": pa.array([1] * 300_000, pa.int8())}), row_group_size=300_000)])
    assert [footer(made).row_group(number).num_rows for number in range(3)] == [100_000] * 3


def test_the_same_bytes_give_the_same_bytes(column, rules_of, ran, as_parquet, tmp_path):
    rules = rules_of({"a": column("string", keep="r")})
    data = as_parquet(pa.table({"a": ["x", "y"] * 500}))
    path = tmp_path / "staged.parquet"
    path.write_bytes(data)
    made = [ran(rules, [each]).outputs[0, ()].getvalue() for each in (data, pa.py_buffer(data), path)]
    assert made[0] == made[1] == made[2]


def test_an_empty_file_writes_nothing(gate, column):
    ran = gate({"a": column("int64", keep="r")}, pa.table({"a": pa.array([], pa.int64())}))
    assert (ran.failed, ran.outputs, ran.partials[0].outputs) == ([], {}, ())


def test_partials_are_picklable_and_merge_in_any_order(column, rules_of, ran, as_parquet, counts):
    columns = {
        "id": column("int64", pseudonymize={"domain": "d"}),
        "z": column("string", kind="quasi_identifier", truncate=3),
        "n": column("string", keep="r"),
    }
    rules = rules_of(columns, privacy={"k_anonymity": {"k": 3, "count": "subjects"}})
    files = [
        as_parquet(
            pa.table(
                {"id": [f"{number:032x}", f"{number + 1:032x}"], "z": ["941", "1234"], "n": ["x", f"a{number}@example.org"]}
            )
        )
        for number in range(12)
    ]
    made = ran(rules, files)
    assert made.failed == ["shapes", "entities"]
    sent = [pickle.loads(pickle.dumps(partial)) for partial in reversed(made.partials)]
    assert decide(sent, rules, counts(24)).to_dict() == made.verdict.to_dict()


@pytest.mark.parametrize("broken", [b"", b"PAR1", b"not parquet" * 100])
def test_what_is_not_parquet_is_refused(column, rules_of, broken):
    with pytest.raises(SchemaMismatchError, match=r"can't be decoded as Parquet \("):
        inspect_file(broken, rules_of({"a": column("int8", keep="r")}), lambda _: io.BytesIO())


def test_a_damaged_page_and_text_that_is_not_utf8_are_refused(column, rules_of, as_parquet):
    rules = rules_of({"a": column("string", keep="r")})
    data = as_parquet(pa.table({"a": [CANARY * 20] * 3}), compression="zstd")
    damaged = data[:30] + bytes(40) + data[70:]
    binary = pa.array([b"\xff" + CANARY.encode()])
    foreign = as_parquet(pa.table({"a": pa.Array.from_buffers(pa.string(), 1, binary.buffers())}))
    for bad in (damaged, foreign):
        with pytest.raises(SchemaMismatchError, match=r"Nothing was released") as raised:
            inspect_file(bad, rules, lambda _: io.BytesIO())
        assert CANARY not in str(raised.value)
        assert raised.value.__cause__ is None


def test_no_value_in_any_message_or_evidence(gate, column):
    columns = {
        "id": column("int64", pseudonymize={"domain": "d"}),
        "mail": column("string", pseudonymize={"domain": "e"}),
        "zip": column("string", kind="quasi_identifier", truncate=3),
        "note": column("string", keep="r"),
        "part": column("string", keep="r"),
    }
    secret = f"{CANARY}@example.org"
    table = pa.table(
        {
            "id": [CANARY] * 200,
            "mail": [secret] * 200,
            "zip": [CANARY] * 200,
            "note": [f"{n} {secret}" for n in range(200)],
            "part": [secret] * 200,
        }
    )
    ran = gate(columns, table, sink={"partition_by": ["part"]}, privacy={"k_anonymity": {"k": 500}})
    assert set(ran.failed) == {"names", "shapes", "entities", "frequency", "uniqueness", "classes"}
    for result in ran.verdict.results:
        assert CANARY not in result.message + repr(result)
    told = canonical_json(ran.verdict.to_dict())
    assert CANARY.encode() not in told
    assert json.loads(told)["passed"] is False


def test_the_evidence_of_a_pass(gate, column, rules_of):
    ran = gate({"a": column("int64", keep="r")}, pa.table({"a": [1]}), gate={"not_proven": {"PERSON": "r"}})
    told = ran.verdict.to_dict()
    assert (told["passed"], told["rows"], told["not_proven"]) == (True, 1, {"PERSON": "r"})
    assert [check["check"] for check in told["checks"]] == [
        "schema", "names", "shapes", "entities", "frequency", "rare", "uniqueness", "classes", "rows", "rejects", "known_values",
    ]  # fmt: skip
    assert json.loads(canonical_json(told)) == told


# --- what the manifest says -------------------------------------------------------------------------------------------


def test_rows_must_add_up(column, rules_of):
    rules = rules_of({"a": column("int64", keep="r")})
    good = Counts(10, 8, 1, 1)
    for splits, totals, rows in (
        ((Counts(10, 8, 1, 0),), Counts(10, 8, 1, 0), 8),
        ((good,), Counts(11, 9, 1, 1), 8),
        ((good,), good, 9),
        ((), Counts(0, 0, 0, 0), 8),
    ):
        facts = ManifestFacts(splits=splits, totals=totals, known_checked=True, known_found={})
        verdict = decide([FilePartial(parts={}, rows=rows)], rules, facts)
        (result,) = [each for each in verdict.results if each.check == "rows"]
        assert not result.passed
        assert result.error is RowAccountingError


def test_rejects_and_known_values(column, rules_of, counts):
    columns = {"a": column("int64", keep="r")}
    with pytest.raises(RejectedRowsError, match=r"3 of 3 rows of 'people' were rejected, gate.max_rejects allows 2"):
        decide([], rules_of(columns, gate={"max_rejects": 2}), counts(0, rejected=3)).raise_first()
    decide([], rules_of(columns, gate={"max_rejects": 3}), counts(0, rejected=3)).raise_first()
    with pytest.raises(KnownValueError, match=r"did not look for direct identifiers in the text of every row"):
        decide([], rules_of(columns), counts(0, checked=False)).raise_first()
    with pytest.raises(KnownValueError, match=r"found direct identifiers of the same row in text: 4 cells of 'a'\."):
        decide([], rules_of(columns), counts(0, found={"a": 4})).raise_first()
    # A name that the policy does not have is the inner door's own word, and not said on.
    with pytest.raises(KnownValueError, match=r"in text: 1 cells of 'another column'\."):
        decide([], rules_of(columns), counts(0, found={"ann@example.org": 1})).raise_first()


def test_a_check_that_did_not_run_refuses(column, rules_of, counts):
    with pytest.raises(IntegrityError, match=r"check 'schema' did not run on 1 of 1 staged files"):
        decide([FilePartial(parts={}, rows=0)], rules_of({"a": column("int64", keep="r")}), counts(0)).raise_first()
