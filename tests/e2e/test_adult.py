"""The census table: CSV, typed by the policy alone, k-anonymous by generalization, refused where that is too fine."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import Haystack

from airlock.doors.anonymize import StagedRelease, anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.doors.verify import verified_data, verify
from airlock.errors import ChangedTypeError, RejectedRowsError, RunBoundError, SmallGroupError, UnclassifiedColumnError
from airlock.settings import Settings, load_settings

ADULT = Path(__file__).parents[3] / "shared" / "data" / "adult.csv"
POLICY = Path(__file__).parent / "policies" / "adult.yaml"
ZONES = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
AGES = "generalize_number: {width: 20}"

pytestmark = pytest.mark.skipif(
    not ADULT.is_file(), reason="needs adult.csv in shared/data beside the project (UCI Adult, CC BY 4.0)"
)


@dataclass(frozen=True)
class Made:
    folder: Path
    settings: Settings
    raw: list[dict[str, str]]
    staged: StagedRelease
    released: Release
    table: pa.Table


def project(folder: Path, *edits: tuple[str, str]) -> tuple[Path, Settings]:
    """A project with the table and its policy, edited."""
    (folder / "raw").mkdir()
    shutil.copy(ADULT, folder / "raw")
    policy = folder / "policies" / "adult.yaml"
    policy.parent.mkdir()
    shutil.copy(POLICY, policy)
    edit(policy, *edits)
    more = create_keys(folder / "keys").settings(folder) + "policies: policies\nworkers: 2\nsplit_mib: 1\nstate: state.json\n"
    (folder / "airlock.yaml").write_text(ZONES + more, encoding="utf-8")
    return policy, load_settings(file=folder / "airlock.yaml", environment={})


def edit(policy: Path, *edits: tuple[str, str]) -> None:
    text = policy.read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    policy.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("adult")
    policy, settings = project(folder)
    with ADULT.open(encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))
    staged = anonymize(policy, settings, engine="local")
    released = release(policy, settings)
    return Made(folder, settings, raw, staged, released, pq.read_table(verified_data(folder / "sanitized" / "adult", settings)))


def test_every_row_is_released_from_several_splits_and_verifies(made):
    rows = len(made.raw)
    assert rows == 32_561
    assert made.staged.splits > 1
    assert (made.staged.rows_in, made.staged.rows_out, made.staged.rejected) == (rows, rows, 0)
    assert (made.released.state, made.released.rows) == ("released", rows)
    assert verify(made.folder / "sanitized" / "adult", made.settings).rows == made.table.num_rows == rows


def test_rows_are_the_raw_rows_as_the_policy_transforms_them(made):
    """Every column of every row, computed again in plain Python; the order of rows is not theirs."""

    def expected(row: dict[str, str]) -> tuple[object, ...]:
        return (
            int(row["age"]) // 20 * 20, row["workclass"], "[occupation]", row["sex"],
            Decimal(row["capital-gain"]) // 5000 * 5000, float(row["capital-loss"]) // 1000 * 1000,
            int(row["hours-per-week"]) // 10 * 10, None, row["income"],
        )  # fmt: skip

    names = [
        "age",
        "workclass",
        "occupation",
        "sex",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
        "native-country",
        "income",
    ]
    assert made.table.schema.names == names
    released = list(zip(*(made.table[name].to_pylist() for name in names), strict=True))
    assert Counter(released) == Counter(map(expected, made.raw))
    assert released != list(map(expected, made.raw))


def test_types_are_those_of_the_policy(made):
    types = {field.name: str(field.type) for field in made.table.schema}
    assert types["age"] == "int64"
    assert types["capital-gain"] == "decimal128(9, 2)"
    assert types["capital-loss"] == "double"
    assert types["hours-per-week"] == "int32"
    assert types["workclass"] == "string"


def test_every_class_has_k_rows_as_published(made):
    classes = Counter(zip(made.table["age"].to_pylist(), made.table["sex"].to_pylist(), strict=True))
    assert len(classes) == 10
    assert min(classes.values()) >= 25
    assert min(Counter((int(row["age"]), row["sex"]) for row in made.raw).values()) == 1, (
        "raw, the same columns single people out"
    )


def test_statistics_stand_for_the_listed_column_alone(made):
    for file in (made.folder / "sanitized").rglob("*.parquet"):
        metadata = pq.read_metadata(file)
        group = metadata.row_group(0)
        have = {group.column(at).path_in_schema for at in range(metadata.num_columns) if group.column(at).is_stats_set}
        assert have == {"workclass"}


def test_dropped_cells_are_not_in_the_folder(made):
    hay = Haystack.of(made.folder / "sanitized")
    for name in ("marital-status", "occupation", "native-country"):
        values = {row[name] for row in made.raw if len(row[name]) > 1}
        assert len(values) > 5
        # Columns' own names are no cells.
        assert [value for value in hay.found(values) if value.casefold() not in ("relationship", "occupation")] == []


def test_a_gzipped_file_gives_the_same_rows(made, tmp_path):
    policy, settings = project(tmp_path, ("adult.csv", "adult.csv.gz"))
    raw = tmp_path / "raw" / "adult.csv"
    (tmp_path / "raw" / "adult.csv.gz").write_bytes(gzip.compress(raw.read_bytes()))
    raw.unlink()
    anonymize(policy, settings, engine="local")
    assert release(policy, settings).rows == len(made.raw)
    table = pq.read_table(verified_data(tmp_path / "sanitized" / "adult", settings))
    assert Counter(map(tuple, _rows(table))) == Counter(map(tuple, _rows(made.table)))


def _rows(table: pa.Table) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


# --- refusals ---------------------------------------------------------------------------------------------------------------


def test_a_finer_generalization_is_refused_and_the_release_before_it_stays(tmp_path):
    policy, settings = project(tmp_path)
    first = anonymize(policy, settings, engine="local")
    release(policy, settings)
    before = _files(tmp_path / "sanitized")
    edit(policy, (AGES, "generalize_number: {width: 5}"))
    second = anonymize(policy, settings, engine="local")
    with pytest.raises(
        SmallGroupError, match=r"\(age, .*sex.*\): smallest equivalence class has 3 rows, policy asks k >= 25"
    ) as caught:
        release(policy, settings)
    assert caught.value.exit_code == 3
    assert not _quotes_a_cell(str(caught.value))
    assert _files(tmp_path / "sanitized") == before
    assert verify(tmp_path / "sanitized" / "adult", settings).run == first.run
    with pytest.raises(RunBoundError, match="was refused before"):
        release(policy, settings, run_id=second.run)


def test_a_refused_first_run_publishes_nothing(tmp_path):
    policy, settings = project(tmp_path, (AGES, 'keep: "all of it"'), ("k: 25", "k: 2"))
    anonymize(policy, settings, engine="local")
    with pytest.raises(SmallGroupError, match="smallest equivalence class has 1 rows, policy asks k >= 2"):
        release(policy, settings)
    assert [path for path in _files(tmp_path / "sanitized") if not path.startswith(".")] == []


def test_one_more_quasi_identifier_is_refused(tmp_path):
    policy, settings = project(
        tmp_path, ("race:           {type: string, class: quasi_identifier, drop: {}}", 'race: {type: string, class: quasi_identifier, keep: "why not"}')
    )  # fmt: skip
    anonymize(policy, settings, engine="local")
    with pytest.raises(SmallGroupError, match=r"race.*smallest equivalence class has 1 rows"):
        release(policy, settings)


def test_a_new_column_stops_the_run(tmp_path):
    policy, settings = project(tmp_path)
    raw = tmp_path / "raw" / "adult.csv"
    head, *lines = raw.read_text(encoding="utf-8").splitlines()
    raw.write_text("\n".join([f"{head},mother", *(f"{line},Ada" for line in lines)]) + "\n", encoding="utf-8")
    with pytest.raises(UnclassifiedColumnError, match="mother") as caught:
        anonymize(policy, settings, engine="local")
    assert caught.value.exit_code == 3
    assert "Ada" not in str(caught.value)


def test_text_where_a_number_is_declared_is_a_rejected_row(tmp_path):
    policy, settings = project(tmp_path)
    raw = tmp_path / "raw" / "adult.csv"
    with raw.open("a", encoding="utf-8", newline="") as file:
        file.write("forty,Private,9,Divorced,Sales,Unmarried,White,Male,0,0,40,Peru,<=50K\n")
    staged = anonymize(policy, settings, engine="local")
    assert (staged.rows_in, staged.rows_out, staged.rejected) == (32_562, 32_561, 1)
    with pytest.raises((RejectedRowsError, ChangedTypeError)) as caught:
        release(policy, settings)
    assert caught.value.exit_code == 3
    assert "forty" not in str(caught.value)


def _quotes_a_cell(message: str) -> bool:
    with ADULT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts = {value for row in rows for value in row.values() if not value.isdigit() and len(value) > 1}
    return any(text in message for text in texts - {"Other"})


def _files(folder: Path) -> dict[str, bytes]:
    """Published files with their bytes; leases and scratch begin with a dot."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
