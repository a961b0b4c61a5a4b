"""The design's example policy on JSON lines: an object is read as the map `attributes`. Both doors."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from tests.e2e._search import Haystack

from airlock.demo.generate import generate_example
from airlock.doors.anonymize import StagedRelease, anonymize
from airlock.doors.keys import create_keys
from airlock.doors.release import Release, release
from airlock.doors.verify import verified_data
from airlock.errors import RejectedRowsError
from airlock.settings import Settings, load_settings

EXAMPLE = Path(__file__).parent / "policies" / "example.yaml"
DAY = "2026-11-22"
ROWS = 20_000


@dataclass(frozen=True)
class Made:
    folder: Path
    policy: Path
    settings: Settings
    staged: StagedRelease
    released: Release
    raw: list[dict]
    table: pa.Table


def as_json(row: dict) -> str:
    """A row as a service would log it: maps are objects."""
    attributes = None if row["attributes"] is None else dict(row["attributes"])
    return json.dumps(
        row | {"attributes": attributes}, default=lambda value: value.isoformat() if isinstance(value, date) else str(value)
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("example-json")
    generate_example(folder / "generated", rows=ROWS)
    source = ds.dataset(folder / "generated" / "crm" / "customers", partitioning="hive").to_table(filter=ds.field("dt") == DAY)
    raw = source.drop_columns(["dt"]).to_pylist()
    target = folder / "raw" / "crm" / "customers" / f"dt={DAY}"
    target.mkdir(parents=True)
    half = len(raw) // 2
    for number, part in enumerate((raw[:half], raw[half:])):
        (target / f"part-{number}.jsonl").write_text("".join(as_json(row) + "\n" for row in part), encoding="utf-8")
    (folder / "policies").mkdir()
    policy = folder / "policies" / "customers.yaml"
    text = EXAMPLE.read_text(encoding="utf-8")
    assert "format: parquet" in text
    policy.write_text(text.replace("format: parquet", "format: jsonl"), encoding="utf-8")
    keys = create_keys(folder / "keys")
    zones = "zones: {raw: {uri: raw}, private: {uri: private}, staging: {uri: staging}, sanitized: {uri: sanitized}}\n"
    more = "policies: policies\nworkers: 2\nstate: state.json\n"
    (folder / "airlock.yaml").write_text(zones + keys.settings(folder) + more, encoding="utf-8")
    settings = load_settings(file=folder / "airlock.yaml", environment={})
    staged = anonymize(policy, settings, engine="local")
    released = release(policy, settings)
    table = pq.read_table(verified_data(folder / "sanitized" / "customers", settings))
    return Made(folder, policy, settings, staged, released, raw, table)


def test_every_row_passes_both_doors(made):
    rows = len(made.raw)
    assert rows > 1_000
    assert (made.staged.rows_in, made.staged.rows_out, made.staged.rejected) == (rows, rows, 0)
    assert (made.released.state, made.released.rows, made.table.num_rows) == ("released", rows, rows)


def test_objects_are_maps_with_the_keys_of_the_policy_in_their_order(made):
    assert pa.types.is_map(made.table.schema.field("attributes").type)
    keys = Counter(None if row is None else tuple(key for key, _ in row) for row in made.table["attributes"].to_pylist())
    assert keys == Counter(
        None if row["attributes"] is None else tuple(key for key, _ in row["attributes"]) for row in made.raw
    )
    assert len(keys) > 2
    assert {value for row in made.table["attributes"].to_pylist() for _, value in row or ()} == {"[removed]"}


def test_no_value_of_a_map_and_no_identifier_is_left(made):
    hay = Haystack.of(made.folder / "sanitized", tokens="cus_[a-z2-7]{26}")
    emails = {row["email"] for row in made.raw if row["email"]}
    streets = {row["address"]["street"] for row in made.raw if row["address"] and row["address"]["street"]}
    values = {value for row in made.raw for _, value in row["attributes"] or () if value and len(value) >= 6}
    assert len(emails) > 100
    assert len(streets) > 100
    assert hay.found([*emails, *streets, *values]) == []


def test_maps_that_can_not_be_read_are_rejected_rows_and_counted(made):
    file = made.folder / "raw" / "crm" / "customers" / f"dt={DAY}" / "part-2.jsonl"
    row = json.loads(as_json(made.raw[0]))
    wrong = json.dumps(row | {"attributes": {"plan": 7}})
    twice = json.dumps(row | {"attributes": {"plan": "canary"}}).replace('"plan": "canary"', '"plan": "canary", "plan": "gold"')
    file.write_text(f"{wrong}\n{twice}\n", encoding="utf-8")
    try:
        staged = anonymize(made.policy, made.settings, engine="local")
        assert (staged.rows_in, staged.rows_out, staged.rejected) == (len(made.raw) + 2, len(made.raw), 2)
        with pytest.raises(RejectedRowsError) as refused:
            release(made.policy, made.settings, run_id=staged.run)
        assert "canary" not in str(refused.value)
        said = (made.folder / "private" / "customers" / staged.run / "failures.jsonl").read_text()
        assert '"repeated-key"' in said
        assert '"wrong-type"' in said
        assert "canary" not in said
    finally:
        file.unlink()
