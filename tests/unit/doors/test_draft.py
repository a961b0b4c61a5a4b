"""`draft`: a policy from a sample, with no raw value in it."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.doors.draft import draft_policy, draft_update, write_draft
from airlock.doors.plan import plan_policy
from airlock.errors import ConfigError, NotFoundError, PolicyError, PolicyFileError
from airlock.plan.bind import bind_policy
from airlock.settings import load_settings

NOWHERE = load_settings(environment={}, flags={})


def canary(column, row):
    """A value that no draft may quote."""
    return f"canary{column}{row:05}"


TABLE = pa.table(
    {
        "customer_id": [canary("id", row) for row in range(300)],
        "name": [{"first": canary("first", row), "last": canary("last", row)} for row in range(300)],
        "email": [f"{canary('mail', row)}@example.org" for row in range(300)],
        "tags": pa.array(
            [[(canary("key", row % 5), canary("value", row))] for row in range(300)], pa.map_(pa.string(), pa.string())
        ),
        "phones": [[f"+49 30 {row:07}"] for row in range(300)],
        "city": [canary("city", row % 4) for row in range(300)],
        "notes": [f"{canary('note', row)} wrote from {canary('mail', row)}@example.org today" for row in range(300)],
    }
)


def write(folder, source_format):
    folder.mkdir(parents=True)
    rows = TABLE.to_pylist()
    if source_format == "parquet":
        pq.write_table(TABLE, folder / "a.parquet")
    elif source_format == "jsonl":
        lines = (json.dumps(row | {"tags": dict(row["tags"])}) for row in rows)
        (folder / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    else:
        lines = [f"{row['customer_id']},{row['email']},{row['notes']}" for row in rows]
        (folder / "a.csv").write_text("\n".join(["customer_id,email,notes", *lines]))


@pytest.mark.parametrize("source_format", ["parquet", "csv", "jsonl"])
def test_no_raw_value_is_in_a_draft(tmp_path, source_format):
    write(tmp_path / "People 1", source_format)
    draft = draft_policy(str(tmp_path / "People 1"), NOWHERE)
    assert "canary" not in draft.text
    assert "example.org" not in draft.text
    assert (draft.dataset, draft.rows) == ("people-1", 300)
    assert f"format: {source_format}" in draft.text


@pytest.mark.parametrize("source_format", ["parquet", "csv"])
def test_a_draft_binds_as_it_is(tmp_path, source_format):
    write(tmp_path / "raw" / "people", source_format)
    settings = load_settings(environment={}, flags={"zones.raw.uri": str(tmp_path / "raw")})
    write_draft(draft_policy("raw/people", settings), tmp_path / "people.yaml")
    assert bind_policy(tmp_path / "people.yaml").policy.source.path == "people"
    report = plan_policy(tmp_path / "people.yaml", settings)
    assert "canary" not in json.dumps(report.to_dict())


@pytest.mark.parametrize("name", ["customers", "orders", "tickets"])
def test_the_demos_tables_can_be_drafted(project, settings, untouched, name):
    draft = draft_policy(f"raw/crm/{name}", settings())
    assert f"source: {{path: crm/{name}, " in draft.text
    assert draft.dataset == name
    assert "customer_id" in draft.rules


def test_a_folder_inside_zone_raw_is_named_relative_to_it(project, settings):
    draft = draft_policy(str(project / "raw" / "crm" / "orders"), settings())
    assert "path: crm/orders" in draft.text


def test_one_file_can_be_drafted(project):
    file = next((project / "raw" / "crm" / "orders").glob("*.parquet"))
    draft = draft_policy(str(file), NOWHERE, dataset="orders", rows=50)
    assert draft.rows == 50
    assert f"path: {file.name}" in draft.text


def test_raw_is_a_folders_name_where_no_zone_is_configured(project, monkeypatch):
    monkeypatch.chdir(project)
    assert "path: orders" in draft_policy("raw/crm/orders", NOWHERE).text


def test_what_is_not_there(project, settings, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="no data file at 'crm/none'"):
        draft_policy("raw/crm/none", settings(), source_format="parquet")
    with pytest.raises(NotFoundError, match="there is no 'raw/x' here and zone 'raw' is not configured"):
        draft_policy("raw/x", NOWHERE)
    with pytest.raises(NotFoundError, match="there is no 'elsewhere/x' here"):
        draft_policy("elsewhere/x", settings())
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "_SUCCESS").touch()
    (tmp_path / "bare" / "_temporary").mkdir()
    (tmp_path / "bare" / "_temporary" / "half.csv").touch()
    for path in ("bare", "raw/crm/none"):
        with pytest.raises(NotFoundError, match=f"there is no data file at '{path.removeprefix('raw/')}'"):
            draft_policy(path, settings())


def test_what_cant_be_told_must_be_said(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "data.bin").write_text("id\n1\n")
    with pytest.raises(ConfigError, match="Say --format"):
        draft_policy(str(tmp_path / "x"), NOWHERE)
    assert draft_policy(str(tmp_path / "x"), NOWHERE, source_format="csv").rules == ("id",)
    (tmp_path / "東京.csv").write_text("id\n1\n")
    with pytest.raises(ConfigError, match="Say --dataset"):
        draft_policy(str(tmp_path / "東京.csv"), NOWHERE)
    with pytest.raises(ConfigError, match="one row or more"):
        draft_policy(str(tmp_path / "x"), NOWHERE, source_format="csv", rows=0)


def test_nothing_is_overwritten(tmp_path, project, settings):
    draft = draft_policy("raw/crm/orders", settings())
    write_draft(draft, tmp_path / "orders.yaml")
    before = (tmp_path / "orders.yaml").read_bytes()
    with pytest.raises(PolicyError, match="already there and is not overwritten"):
        write_draft(draft, tmp_path / "orders.yaml")
    assert (tmp_path / "orders.yaml").read_bytes() == before
    with pytest.raises(PolicyError, match="can't be written"):
        write_draft(draft, tmp_path / "orders.yaml" / "orders.yaml")
    write_draft(draft, tmp_path / "policies" / "crm" / "orders.yaml")
    assert (tmp_path / "policies" / "crm" / "orders.yaml").read_bytes() == before


# --- update -----------------------------------------------------------------------------------------------------------


def without(policy, *columns):
    lines = policy.read_text().splitlines(keepends=True)
    policy.write_text("".join(line for line in lines if not line.startswith(tuple(f"  {column}:" for column in columns))))


def test_missing_rules_are_appended_and_all_else_stays(project, settings):
    policy = project / "policies" / "orders.yaml"
    without(policy, "amount", "ip")
    before = policy.read_text()
    draft = draft_update(policy, settings())
    assert draft.rules == ("amount", "ip")
    write_draft(draft, policy, replace=True)
    after = policy.read_text()
    assert [line for line in after.splitlines() if line in before.splitlines()] == before.splitlines()
    assert "keep" not in "".join(line for line in after.splitlines() if line not in before.splitlines())
    assert plan_policy(policy, settings()).source.rows == 900
    assert not list(policy.parent.glob(".*"))


def test_a_complete_policy_stays_as_it_is(project, settings):
    policy = project / "policies" / "customers.yaml"
    draft = draft_update(policy, settings())
    assert draft.rules == ()
    assert draft.text == policy.read_text()


def test_no_raw_value_is_appended(project, settings):
    folder = project / "raw" / "crm" / "orders"
    for file in folder.glob("*.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.append_column("secret", pa.array([canary("secret", row) for row in range(table.num_rows)])), file)
    draft = draft_update(project / "policies" / "orders.yaml", settings())
    assert draft.rules == ("secret",)
    assert "canary" not in draft.text


def test_a_faulty_policy_is_not_updated(project, settings):
    policy = project / "policies" / "orders.yaml"
    policy.write_text(policy.read_text().replace("epoch:", "epcoh:"))
    with pytest.raises(PolicyFileError, match="epcoh"):
        draft_update(policy, settings())
