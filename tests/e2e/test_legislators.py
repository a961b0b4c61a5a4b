"""Real people in three joined tables of JSON lines: nested names, lists of structs, fields that come, go and change their type."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import LONG, Haystack

from airlock.doors.anonymize import StagedRelease, anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.doors.verify import verified_data, verify
from airlock.errors import ChangedTypeError, RejectedRowsError, UnclassifiedColumnError
from airlock.settings import Settings, load_settings

DATA = Path(__file__).parents[3] / "shared" / "data"
POLICIES = Path(__file__).parent / "policies"
TABLES = ("legislators", "district-offices", "social-media")
TOKEN = "mem_[a-z2-7]{26}"  # a pattern, no secret
# Members are called Thomas and Strong; these are a dropped column, which the manifest names, and opening hours.
OTHER_WORDS = r"\bid\.thomas\b|\bstrongly\b"

pytestmark = pytest.mark.skipif(
    not all((DATA / f"{name}.jsonl").is_file() for name in TABLES),
    reason=f"needs {', '.join(f'{name}.jsonl' for name in TABLES)} in shared/data beside the project (unitedstates/congress-legislators)",
)

ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"


@dataclass(frozen=True)
class Made:
    folder: Path
    settings: Settings
    raw: dict[str, list[dict[str, Any]]]
    staged: dict[str, StagedRelease]
    released: dict[str, Release]
    tables: dict[str, pa.Table]


def project(folder: Path, *names: str) -> Settings:
    """A project with these tables and all policies."""
    (folder / "raw").mkdir()
    (folder / "policies").mkdir()
    for name in names:
        shutil.copy(DATA / f"{name}.jsonl", folder / "raw")
    for name in TABLES:  # they refer to each other
        shutil.copy(POLICIES / f"{name}.yaml", folder / "policies")
    more = create_keys(folder / "keys").settings(folder) + "policies: policies\nworkers: 1\nstate: state.json\n"
    (folder / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
    return load_settings(file=folder / "airlock.yaml", environment={})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("congress")
    settings = project(folder, *TABLES)
    raw, staged, released, tables = {}, {}, {}, {}
    for name in TABLES:
        policy = folder / "policies" / f"{name}.yaml"
        raw[name] = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        staged[name] = anonymize(policy, settings, engine="local")
        released[name] = release(policy, settings)
        tables[name] = pq.read_table(verified_data(folder / "sanitized" / name, settings))
    return Made(folder, settings, raw, staged, released, tables)


@pytest.fixture(scope="module")
def hay(made: Made) -> Haystack:
    return Haystack.of(made.folder / "sanitized", tokens=f"{TOKEN}|{OTHER_WORDS}")


# --- what is released -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_every_row_is_released_none_rejected(made, name):
    rows = len(made.raw[name])
    staged, released = made.staged[name], made.released[name]
    assert (staged.rows_in, staged.rows_out, staged.rejected, staged.suppressed) == (rows, rows, 0, 0)
    assert (released.state, released.rows) == ("released", rows)
    assert verify(made.folder / "sanitized" / name, made.settings).rows == rows
    assert made.tables[name].num_rows == rows


@pytest.mark.parametrize("left", TABLES)
@pytest.mark.parametrize("right", TABLES)
def test_pseudonyms_join_as_raw_keys_do(made, left, right):
    raw = [Counter(row["id"]["bioguide"] for row in made.raw[name]) for name in (left, right)]
    tokens = [Counter(_bioguides(made.tables[name])) for name in (left, right)]
    assert all(None not in counter for counter in tokens)
    assert _cardinalities(*tokens) == _cardinalities(*raw)
    assert sum(tokens[0][key] * tokens[1][key] for key in tokens[0]) >= 500


def test_one_row_of_a_member_stands_beside_the_same_row_in_the_other_tables(made):
    """The joined rows are of one person: sizes of their lists agree, member by member."""
    terms = dict(
        zip(_bioguides(made.tables["legislators"]), map(len, made.tables["legislators"]["terms"].to_pylist()), strict=True)
    )
    offices = dict(
        zip(
            _bioguides(made.tables["district-offices"]),
            map(len, made.tables["district-offices"]["offices"].to_pylist()),
            strict=True,
        )
    )
    raw_terms = {row["id"]["bioguide"]: len(row["terms"]) for row in made.raw["legislators"]}
    raw_offices = {row["id"]["bioguide"]: len(row["offices"]) for row in made.raw["district-offices"]}
    released = Counter((terms.get(key), size) for key, size in offices.items())
    assert released == Counter((raw_terms.get(key), size) for key, size in raw_offices.items())


def test_nested_columns_hold_what_their_rules_say(made):
    rows = made.tables["legislators"].to_pylist()
    assert {row["name"]["first"] for row in rows} == {"[name]"}
    assert {row["name"]["middle"] for row in rows} == {"[name]", None}
    assert {row["name"]["suffix"] for row in rows} == {None}
    assert sum(row["name"]["middle"] is not None for row in rows) == sum(
        "middle" in row["name"] for row in made.raw["legislators"]
    )
    terms = [term for row in rows for term in row["terms"]]
    raw_terms = [term for row in made.raw["legislators"] for term in row["terms"]]
    for name in ("type", "class", "party", "caucus", "state_rank", "how"):
        assert Counter(term[name] for term in terms) == Counter(term.get(name) for term in raw_terms), name
    assert Counter(term["start"].year for term in terms) == Counter(int(term["start"][:4]) for term in raw_terms)
    assert {(term["start"].month, term["start"].day) for term in terms} == {(1, 1)}
    assert set(terms[0]) == {
        "type", "start", "end", "class", "party", "caucus", "state_rank", "how", "address", "phone", "fax"
    }  # fmt: skip


def test_offices_with_numbers_for_texts_are_all_there(made):
    raw = [office for row in made.raw["district-offices"] for office in row["offices"]]
    offices = [office for row in made.tables["district-offices"].to_pylist() for office in row["offices"]]
    assert {type(office.get("suite")) for office in raw} == {str, int, type(None)}
    assert Counter(office["state"] for office in offices) == Counter(office["state"] for office in raw)
    assert Counter(office["zip"] for office in offices) == Counter(
        None if "zip" not in office else office["zip"][:2] for office in raw
    )
    assert sum(office["latitude"] is not None for office in offices) == sum("latitude" in office for office in raw)
    assert set(offices[0]) == {"address", "state", "zip", "latitude", "longitude", "phone", "hours"}


def test_classes_of_decades_have_five_members(made):
    decades = Counter(row["bio"]["birthday"] for row in made.tables["legislators"].to_pylist())
    assert min(decades.values()) >= 5
    assert decades == Counter(date(int(row["bio"]["birthday"][:3]) * 10, 1, 1) for row in made.raw["legislators"])


# --- what is not ------------------------------------------------------------------------------------------------------------


def _facts(made: Made) -> dict[str, set[Any]]:
    members, offices, accounts = (made.raw[name] for name in TABLES)
    every_office = [office for row in offices for office in row["offices"]]
    terms = [term for row in members for term in row["terms"]]
    wanted = ("phone", "fax", "address", "office")
    return {
        "bioguide": {row["id"]["bioguide"] for table in made.raw.values() for row in table},
        "other ids": {str(leaf) for table in made.raw.values() for row in table for name, leaf in _leaves(row["id"]) if name},
        "names": {leaf for row in members for _, leaf in _leaves(row["name"])},
        "relatives": {relative["name"] for row in members for relative in row.get("family", ())},
        "phones and addresses of terms": {term[name] for term in terms for name in wanted if term.get(name)},
        "links": {leaf for term in terms for name, leaf in _leaves(term) if name in ("url", "rss_url", "contact_form")},
        "offices": {
            office[name]
            for office in every_office
            for name in ("id", "phone", "fax", "address", "building", "city")
            if office.get(name)
        },
        "whole zips": {office["zip"] for office in every_office if office.get("zip")},
        "accounts": {str(leaf) for row in accounts for _, leaf in _leaves(row["social"])},
        "places": {office[name] for office in every_office for name in ("latitude", "longitude") if name in office},
    }


@pytest.mark.parametrize(
    "kind",
    [
        "bioguide",
        "other ids",
        "names",
        "relatives",
        "phones and addresses of terms",
        "links",
        "offices",
        "whole zips",
        "accounts",
        "places",
    ],
)
def test_no_raw_value_is_left_in_the_sanitized_folder(made, hay, kind):
    values = _facts(made)[kind]
    assert len(values) > 10
    assert len(hay.found(values)) == 0


def test_no_birthday_is_left(made, hay):
    birthdays = {date.fromisoformat(row["bio"]["birthday"]) for row in made.raw["legislators"]}
    first_days = {day for day in birthdays if day.year % 10 == 0 and (day.month, day.day) == (1, 1)}
    # Who was born on the first day of a decade shares it with everyone of the decade.
    assert len(first_days) <= 1
    assert len(hay.found(birthdays - first_days)) == 0
    assert len(hay.found({day.isoformat() for day in birthdays - first_days})) == 0


@pytest.mark.parametrize("kind", ["bioguide", "names", "phones and addresses of terms", "offices", "places"])
def test_the_search_finds_all_of_it_in_the_raw_rows_as_parquet(made, kind, tmp_path):
    """A search that finds nothing proves something only if it finds what is there."""
    rows = {name: pa.array([json.dumps(row, ensure_ascii=False) for row in table]) for name, table in made.raw.items()}
    for name, lines in rows.items():
        cells = pa.array(sorted({str(leaf) for row in made.raw[name] for _, leaf in _leaves(row)}))
        pq.write_table(pa.table({"cell": cells}), tmp_path / f"{name}.parquet", compression="zstd")
        pq.write_table(pa.table({"line": lines}), tmp_path / f"{name}-lines.parquet", compression="zstd")
    values = _facts(made)[kind]
    assert len(Haystack.of(tmp_path).found(values)) == len(values)


PLANTED = ("Q7 Planted Lane", "Ob4", date(1961, 3, 7))


@pytest.mark.parametrize(
    "place", ["cell", "nested cell", "unused dictionary entry", "file metadata", "column name", "path", "json"]
)
@pytest.mark.parametrize("value", PLANTED, ids=["text", "short text", "date"])
def test_a_planted_value_is_found_wherever_it_can_stand(tmp_path, place, value):
    is_long = isinstance(value, str) and len(value) >= LONG
    if not is_long and place not in ("cell", "nested cell"):
        value = f"{value} and so on"  # short values and dates are looked for as cells, all else as text
    _plant(tmp_path, place, value)
    assert Haystack.of(tmp_path, tokens=TOKEN).found([value]) == [value]
    other = f"{value}x" if isinstance(value, str) else date(1961, 3, 8)
    assert Haystack.of(tmp_path, tokens=TOKEN).found([other]) == []


def test_a_fence_is_a_clocks_number_and_nothing_else_passes_for_one(tmp_path):
    now = time.time_ns() // 1_000_000
    six = str(now)[4:10]
    for fence in (now - 172_800_000, f"{now}", [f"{now} and so on"]):
        (tmp_path / "lease.json").write_text(json.dumps({"fence": fence, "holder": None}))
        assert Haystack.of(tmp_path).found([str(fence)[2:8] if isinstance(fence, int) else six]) != []
    (tmp_path / "lease.json").write_text(json.dumps({"fence": now, "holder": None}))
    assert Haystack.of(tmp_path).found([six]) == []
    (tmp_path / "lease.json").write_text(json.dumps({"fence": now, "rows": int(six)}))
    assert Haystack.of(tmp_path).found([six]) == ([six] if six[0] != "0" else [])


def _plant(folder: Path, place: str, value: Any) -> None:
    nothing = pa.table({"a": ["nothing"]})
    tables = {
        "cell": lambda: pa.table({"a": [value]}),
        "nested cell": lambda: pa.table({"a": [[{"b": value}], None]}),
        "unused dictionary entry": lambda: pa.table({"a": _dictionary(["nothing", value.upper()])}),
        "file metadata": lambda: nothing.replace_schema_metadata({"note": value}),
        "column name": lambda: pa.table({value: ["nothing"]}),
    }
    if place == "json":
        (folder / "evidence.json").write_text(json.dumps({"deep": [{"note": value}]}), encoding="utf-8")
    file = folder / (f"{value}.parquet" if place == "path" else "part.parquet")
    pq.write_table(tables.get(place, lambda: nothing)(), file, compression="zstd")
    if place == "unused dictionary entry":
        assert value.upper() not in pq.read_table(file)["a"].to_pylist()


def _dictionary(values: list[str]) -> pa.DictionaryArray:
    """A column that says its first value twice, and holds the others all the same."""
    return pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(values))


# --- what is refused --------------------------------------------------------------------------------------------------------


def _edited(folder: Path, name: str, old: str, new: str) -> Path:
    policy = folder / "policies" / f"{name}.yaml"
    text = policy.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    policy.write_text(text.replace(old, new), encoding="utf-8")
    return policy


SUITE = "{type: string, class: quasi_identifier, drop: {}, optional: true}"


def test_numbers_where_text_is_declared_are_rejected_rows_and_refused_without_leave(tmp_path):
    settings = project(tmp_path, "district-offices")
    # Read now, to be looked for in the free text: five offices have a number there.
    policy = _edited(tmp_path, "district-offices", SUITE, SUITE.replace("quasi_identifier", "direct_identifier"))
    staged = anonymize(policy, settings, engine="local")
    assert (staged.rows_in, staged.rows_out, staged.rejected) == (536, 531, 5)
    with pytest.raises(RejectedRowsError, match="5 "):
        release(policy, settings)
    assert not list((tmp_path / "sanitized").rglob("current.json"))
    policy = _edited(tmp_path, "district-offices", "  absent:", "  max_rejects: 5\n  absent:")
    anonymize(policy, settings, engine="local")
    assert release(policy, settings).rows == 531


def test_a_field_without_a_rule_stops_the_run_by_name(tmp_path):
    settings = project(tmp_path, "legislators")
    policy = _edited(tmp_path, "legislators", "  terms[].fax: ", "  terms[].telex: ")
    with pytest.raises(UnclassifiedColumnError, match=r"'terms\.fax'|'terms\[\]\.fax'") as caught:
        anonymize(policy, settings, engine="local")
    assert len(_quoted(caught.value, "legislators")) == 0


def test_a_changed_type_stops_the_run(tmp_path):
    settings = project(tmp_path, "social-media")
    raw = tmp_path / "raw" / "social-media.jsonl"
    policy = tmp_path / "policies" / "social-media.yaml"
    rows = [json.loads(line) for line in raw.read_text(encoding="utf-8").splitlines()]
    raw.write_text("".join(json.dumps(row | {"id": row["id"]["bioguide"]}) + "\n" for row in rows), encoding="utf-8")
    staged = anonymize(policy, settings, engine="local")
    assert (staged.rows_out, staged.rejected) == (0, 519)
    with pytest.raises((RejectedRowsError, ChangedTypeError)) as caught:
        release(policy, settings)
    assert caught.value.exit_code == 3
    assert len(_quoted(caught.value, "social-media")) == 0


def _quoted(error: Exception, name: str) -> set[str]:
    """Raw values that a message quotes."""
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return {str(leaf) for row in rows for _, leaf in _leaves(row) if len(str(leaf)) >= LONG and str(leaf) in str(error)}


def _bioguides(table: pa.Table) -> list[str]:
    return [row["bioguide"] for row in table["id"].to_pylist()]


def _cardinalities(left: Counter[str], right: Counter[str]) -> Counter[tuple[int, int]]:
    return Counter((left[key], right[key]) for key in left.keys() | right.keys())


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, name)
    elif value is not None and value != "":
        yield name, value
