"""Policy times schema: what a plan reads, writes and asks keys for."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from airlock.errors import (
    ChangedTypeError,
    MissingColumnError,
    OperatorTypeError,
    PolicyError,
    UnclassifiedColumnError,
)
from airlock.keys import KeyRequest
from airlock.plan.bind import bind_policy
from airlock.plan.compile import INNER_REQUESTS, Plan, compile_plan

ID_ONLY = [("id", pa.int64())]
NAME = pa.struct([("first", pa.string())])
DROP_NAME = "name: {type: struct, class: direct_identifier, drop: {}}"
ZIP = "zip: {type: string, class: quasi_identifier, truncate: 3}"


@pytest.fixture
def compiled(policy_file):
    def of(*rules, files=(), partitions=(), **rest):
        schemas = [None if file is None else pa.schema([*ID_ONLY, *file]) for file in files]
        return compile_plan(bind_policy(policy_file(*rules, **rest)), schemas, partitions)

    return of


def test_a_plan_writes_the_policys_columns_in_its_order(compiled):
    plan = compiled(DROP_NAME, ZIP, files=[[("zip", pa.string()), ("name", NAME)]])
    assert plan.schema == pa.schema([("id", pa.string()), ("zip", pa.string())])
    assert plan.reading.schema == pa.schema([("id", pa.int64()), ("zip", pa.string())])


def test_a_plan_asks_for_each_key_once(compiled):
    plan = compiled("other: {type: int64, class: direct_identifier, pseudonymize: person}", files=[[("other", pa.int64())]])
    asked = set(plan.requests) - set(INNER_REQUESTS.values())
    assert asked == {KeyRequest("pseudonymize", "aes-cmac", "person")}
    assert len(plan.requests) == len(set(plan.requests)) == 1 + len(INNER_REQUESTS)


def test_a_plan_survives_the_way_to_an_executor(compiled):
    rules = [DROP_NAME, ZIP, "note: {type: string, class: sensitive, redact_entities: {entities: [URL], known_values: [name.first]}}",
             "pay: {type: 'decimal128(9, 2)', class: sensitive, generalize_number: {width: 0.05, top: 90}}",
             "at: {type: 'timestamp[ms, tz=Europe/Berlin]', class: sensitive, generalize_date: month}"]  # fmt: skip
    source = [
        ("name", NAME),
        ("zip", pa.string()),
        ("note", pa.string()),
        ("pay", pa.decimal128(9, 2)),
        ("at", pa.timestamp("ms", "Europe/Berlin")),
    ]
    plan = compiled(*rules, files=[source])
    there = Plan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert there == plan
    assert there.digest == plan.digest
    assert there.policy.digest == plan.policy.digest


def test_the_digest_is_of_policy_and_schemas(compiled):
    one = compiled(ZIP, files=[[("zip", pa.string())]]).digest
    assert compiled(ZIP, files=[[("zip", pa.string())]] * 2).digest == one
    assert compiled(ZIP.replace("3", "2"), files=[[("zip", pa.string())]]).digest != one
    assert compiled(ZIP.replace("string", "[string, large_string]"), files=[[("zip", pa.string())]]).digest != one


def test_drift_of_any_file_is_drift(compiled):
    good, bad = [("zip", pa.string())], [("zip", pa.string()), ("mother", pa.string())]
    with pytest.raises(UnclassifiedColumnError, match="does not describe 'raw/people': 1 difference"):
        compiled(ZIP, files=[good, bad])
    with pytest.raises(MissingColumnError, match="'zip'"):
        compiled(ZIP, files=[good, []])
    with pytest.raises(ChangedTypeError, match="'zip' is int8; the policy says string"):
        compiled(ZIP, files=[good, [("zip", pa.int8())]])


def test_older_files_may_have_another_listed_type(compiled):
    rule = "n: {type: [int32, int64], class: sensitive, generalize_number: {width: 10}}"
    plan = compiled(rule, files=[[("n", pa.int32())], [("n", pa.int64())]])
    assert plan.reading.schema.field("n").type == plan.schema.field("n").type == pa.int64()
    rule = "n: {type: [int64, string], class: sensitive, truncate: 1}"
    assert compiled(rule, files=[[("n", pa.int64())], [("n", pa.string())]]).schema.field("n").type == pa.string()


def test_a_subtree_may_grow_from_file_to_file(compiled):
    grown = pa.struct([("first", pa.string()), ("last", pa.string())])
    keep = "note: {type: string, class: sensitive, keep: a reason}"
    note = ("note", pa.string())
    plan = compiled(DROP_NAME, keep, files=[[("name", NAME), note], [("name", grown), note]])
    assert plan.reading.schema.field("name").type == grown


def test_files_that_disagree_inside_a_subtree_are_named(compiled):
    other = pa.struct([("first", pa.list_(pa.int8()))])
    with pytest.raises(ChangedTypeError, match="files of 'raw/people' disagree on what is inside 'name'"):
        compiled(DROP_NAME, files=[[("name", NAME)], [("name", other)]])


def test_an_optional_column_may_be_in_no_file(compiled):
    plan = compiled(ZIP.replace("class", "optional: true, class"), files=[[]])
    assert plan.schema.field("zip").type == pa.string()


def test_hive_columns_have_the_policys_type(compiled):
    plan = compiled("dt: {type: date32, class: insensitive, keep: a day}", files=[[]], partitions=["dt"])
    assert plan.reading.schema.field("dt").type == pa.date32()
    with pytest.raises(UnclassifiedColumnError, match="no rule for 'dt'"):
        compiled(files=[[]], partitions=["dt"])


def test_csv_has_the_policys_types(compiled):
    as_text = [("zip", pa.string()), ("born", pa.string())]
    plan = compiled(
        ZIP, "born: {type: date32, class: quasi_identifier, generalize_date: year}", files=[as_text], source_format="csv"
    )
    assert plan.reading.schema.field("born").type == pa.date32()
    with pytest.raises(UnclassifiedColumnError, match="'born'"):
        compiled(ZIP, files=[as_text], source_format="csv")


def test_json_has_the_policys_types(compiled):
    rules = [
        "tags[]: {type: string, class: sensitive, truncate: 1}",
        "m{key}: {type: string, class: insensitive, keep: r}",
        "m{value}: {type: int64, class: sensitive, redact: {}}",
    ]
    with pytest.raises(OperatorTypeError, match="'redact' does not take column"):
        compiled(*rules, files=[None], source_format="jsonl")
    plan = compiled(*rules[:2], rules[2].replace("int64", "string"), files=[None], source_format="jsonl")
    assert plan.schema.field("m").type == pa.map_(pa.string(), pa.string())


def test_every_operator_that_does_not_take_its_type_is_named(compiled):
    rules = ["a: {type: date32, class: sensitive, truncate: 1}", "b: {type: string, class: sensitive, generalize_date: year}"]
    with pytest.raises(OperatorTypeError, match=r"people\.yaml") as caught:
        compiled(*rules, files=[[("a", pa.date32()), ("b", pa.string())]])
    assert "column 'a'" in str(caught.value)
    assert "column 'b'" in str(caught.value)


def test_something_must_be_written(compiled):
    with pytest.raises(PolicyError, match="writes no column"):
        compiled("id: {type: int64, class: direct_identifier, drop: {}}", files=[[]])


def test_an_excluded_subject_is_read_even_if_it_is_dropped(compiled, policy_file):
    drop = "id: {type: int64, class: direct_identifier, drop: {}}"
    path = policy_file(drop, ZIP)
    path.write_text(path.read_text().replace("{path: people, format", "{path: people, exclude: gone.txt, format"))
    plan = compile_plan(bind_policy(path), [pa.schema([*ID_ONLY, ("zip", pa.string())])], ())
    assert plan.reading.schema.names == ["id", "zip"]
    assert plan.schema.names == ["zip"]
