"""The design's example policy, word for word, through both doors on generated data."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import Haystack

from airlock.demo.generate import generate_example
from airlock.doors.anonymize import StagedRelease, anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.doors.verify import verified_data, verify
from airlock.settings import Settings, load_settings

EXAMPLE = Path(__file__).parent / "policies" / "example.yaml"
DESIGN = Path(__file__).parents[3] / "shared" / "design" / "policy.md"
DAY = date(2026, 11, 22)
ROWS = 20_000
QUASI = ("address.zip", "address.country", "birth_date", "sex")


@dataclass(frozen=True)
class Made:
    folder: Path
    settings: Settings
    staged: StagedRelease
    released: Release
    raw: pa.Table
    table: pa.Table


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("example")
    generate_example(folder / "raw", rows=ROWS)
    (folder / "policies").mkdir()
    policy = folder / "policies" / "customers.yaml"
    policy.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    keys = create_keys(folder / "keys")
    zones = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
    more = "policies: policies\nworkers: 2\nstate: state.json\n"
    (folder / "airlock.yaml").write_text(zones + keys.settings(folder) + more, encoding="utf-8")
    settings = load_settings(file=folder / "airlock.yaml", environment={})
    staged = anonymize(policy, settings, engine="local")
    released = release(policy, settings)
    raw = ds.dataset(folder / "raw" / "crm" / "customers", partitioning="hive").to_table(filter=ds.field("dt") == str(DAY))
    table = pq.read_table(verified_data(folder / "sanitized" / "customers", settings))
    return Made(folder, settings, staged, released, raw, table)


def test_committed_copy_is_the_designs_example_word_for_word():
    if not DESIGN.is_file():
        pytest.skip(f"needs {DESIGN.parent.parent.name}/design/policy.md beside the project: the design's own text")
    block = re.search(r"```yaml\n(.*?)```", DESIGN.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert block[1] == EXAMPLE.read_text(encoding="utf-8")


def test_every_row_of_the_day_is_released_and_verifies(made):
    rows = made.raw.num_rows
    assert 0 < rows < ROWS
    assert (made.staged.rows_in, made.staged.rows_out, made.staged.rejected) == (rows, rows, 0)
    assert (made.released.state, made.released.rows, made.table.num_rows) == ("released", rows, rows)
    verified = verify(made.folder / "sanitized" / "customers", made.settings)
    assert (verified.rows, verified.sequence, verified.dataset) == (rows, 1, "customers")


def test_every_class_has_five_subjects(made):
    keys = [_leaf(made.table, path).to_pylist() for path in QUASI]
    subjects = made.table["customer_id"].to_pylist()
    classes = defaultdict(set)
    for *key, subject in zip(*keys, subjects, strict=True):
        classes[tuple(key)].add(subject)
    assert len(classes) > 100
    assert min(map(len, classes.values())) >= 5


def test_written_columns_are_those_of_the_policy_and_no_others(made):
    assert set(made.table.schema.names) == {
        "dt", "customer_id", "email", "phones", "address", "birth_date", "sex", "signup_at", "lifetime_value", "attributes", "notes"
    }  # fmt: skip
    assert set(made.table.schema.field("address").type.names) == {"street", "zip", "country"}


def test_tokens_are_one_to_one_with_persons(made):
    """By the domains' canonical forms: spaces around an e-mail address and its case make no other person."""
    emails = pa.array(
        [text and unicodedata.normalize("NFC", text.strip()).casefold() for text in made.raw["email"].to_pylist()]
    )
    raw = pa.table({"customer_id": made.raw["customer_id"], "email": emails})
    for names in (["customer_id"], ["email"], ["customer_id", "email"]):
        assert made.table.group_by(names).aggregate([]).num_rows == raw.group_by(names).aggregate([]).num_rows
    assert raw.group_by("email").aggregate([]).num_rows < pc.count_distinct(made.raw["email"]).as_py()


def test_each_column_has_the_form_that_its_rule_declares(made):
    table = made.table
    assert set(table["dt"].to_pylist()) <= {DAY, str(DAY)}
    assert all(re.fullmatch(r"cus_[a-z2-7]{26}", token) for token in table["customer_id"].to_pylist())
    assert all(re.fullmatch(r"[0-9a-f]{32}", token) for token in table["email"].drop_null().to_pylist())
    assert set(pc.unique(_leaf(table, "address.street").drop_null()).to_pylist()) == {"[street]"}
    assert pc.max(pc.utf8_length(_leaf(table, "address.zip"))).as_py() == 3
    assert {(day.month, day.day) for day in table["birth_date"].drop_null().to_pylist()} == {(1, 1)}
    assert {(at.day, at.hour, at.microsecond) for at in table["signup_at"].to_pylist()} == {(1, 0, 0)}
    assert all(value % 100 == 0 for value in table["lifetime_value"].drop_null().to_pylist())
    phones = [phone for row in table["phones"].to_pylist() for phone in row or ()]
    assert {phone["kind"] for phone in phones} == {"home", "work", "mobile"}
    assert all(re.fullmatch(r"\*+[0-9]{2}", phone["number"]) for phone in phones)
    attributes = [pair for row in table["attributes"].to_pylist() for pair in row or ()]
    assert {key for key, _ in attributes} == {"plan", "channel"}
    assert {value for _, value in attributes} == {"[removed]"}


def test_nested_values_keep_their_places(made):
    def sizes(table: pa.Table, name: str) -> list[int | None]:
        return sorted(-1 if row is None else len(row) for row in table[name].to_pylist())

    assert sizes(made.table, "phones") == sizes(made.raw, "phones")
    assert sizes(made.table, "attributes") == sizes(made.raw, "attributes")
    assert made.table["address"].null_count == made.raw["address"].null_count


def test_no_raw_identifier_is_left(made):
    hay = Haystack.of(made.folder / "sanitized", tokens="cus_[a-z2-7]{26}")
    raw = made.raw
    facts = {
        "email": raw["email"],
        "id": pc.cast(raw["customer_id"], pa.string()),
        "first and last": pc.binary_join_element_wise(_leaf(raw, "name.first"), _leaf(raw, "name.last"), " "),
        "phone": pa.array([phone["number"] for row in raw["phones"].to_pylist() for phone in row or ()], pa.string()),
        "street": _leaf(raw, "address.street"),
        "ip": raw["signup_ip"],
    }
    for what, values in facts.items():
        distinct = pc.unique(values.drop_null()).to_pylist()
        assert len(distinct) > 100, what
        assert len(hay.found(distinct)) == 0, what


def test_the_search_finds_what_is_there(made):
    part = min((made.folder / "raw" / "crm" / "customers" / f"dt={DAY}").glob("*.parquet"))
    emails = pq.read_table(part, columns=["email"], partitioning=None)["email"].drop_null().to_pylist()
    few = pq.read_table(part, partitioning=None).slice(0, 50)
    (made.folder / "few").mkdir()
    pq.write_table(few, made.folder / "few" / "part.parquet", compression="zstd")
    assert len(Haystack.of(made.folder / "few").found(emails[:50])) == len(set(emails[:50]))


def test_notes_say_as_much_as_before_but_for_facts(made):
    notes = made.table["notes"]
    assert notes.null_count == made.raw["notes"].null_count
    text = "\n".join(notes.drop_null().to_pylist())
    assert "<EMAIL_ADDRESS>" in text or "<KNOWN_VALUE>" in text
    unchanged = set(made.raw["notes"].drop_null().to_pylist()) & set(notes.drop_null().to_pylist())
    assert unchanged, "texts without a fact stay as they are"


def _leaf(table: pa.Table, path: str) -> pa.ChunkedArray:
    column, *fields = path.split(".")
    values = table[column]
    return pc.struct_field(values, fields) if fields else values
