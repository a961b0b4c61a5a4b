"""The packaged policies are valid, cover the generated tables exactly, and join where they should."""

from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from airlock.demo import POLICIES, write_project
from airlock.errors import ConfigError
from airlock.policy.arrow import type_text
from airlock.policy.model import Policy
from airlock.policy.path import ELEMENT, KEY, VALUE, ColumnPath


@pytest.fixture
def policies(tmp_path: Path) -> dict[str, Policy]:
    paths = write_project(tmp_path)
    return {path.stem: Policy.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8"))) for path in paths}


def leaves(path: ColumnPath, of: pa.DataType) -> dict[ColumnPath, str]:
    if pa.types.is_struct(of):
        return {k: v for field in of for k, v in leaves(path.child(field.name), field.type).items()}
    if pa.types.is_map(of):
        return leaves(path.child(KEY), of.key_type) | leaves(path.child(VALUE), of.item_type)
    if pa.types.is_list(of):
        return leaves(path.child(ELEMENT), of.value_type)
    return {path: type_text(of)}


def schema(folder: Path, name: str) -> pa.Schema:
    if name == "tickets":
        read = pj.read_json(folder / "crm" / "tickets" / "part-00000.jsonl").schema
        return read.set(read.get_field_index("opened_on"), pa.field("opened_on", pa.date32()))  # JSON has no dates
    part = "dt=2026-11-22" if name == "customers" else "."
    return pq.read_schema(folder / "crm" / name / part / "part-00000.parquet")


def test_the_project_is_the_three_policies(tmp_path):
    assert [path.name for path in write_project(tmp_path)] == ["customers.yaml", "orders.yaml", "tickets.yaml"]
    assert [path.stem for path in sorted((tmp_path / "policies").iterdir())] == list(POLICIES)


def test_writing_again_changes_nothing_and_an_edited_file_is_kept(tmp_path):
    first, *_ = write_project(tmp_path)
    write_project(tmp_path)
    first.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="differs"):
        write_project(tmp_path)
    assert first.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", POLICIES)
def test_every_generated_leaf_has_a_rule_of_its_type(policies, demo_folder, name):
    policy = policies[name]
    assert policy.dataset == name
    rules = policy.rules()
    partitions = {ColumnPath.parse(column) for column in policy.sink.partition_by}
    found = {k: v for field in schema(demo_folder, name) for k, v in leaves(ColumnPath((field.name,)), field.type).items()}
    for path, written in found.items():
        covering = [rule for at, rule in rules.items() if at.covers(path)]
        assert len(covering) == 1, str(path)
        assert covering[0].type[0] in {written, "struct"}
    unused = [str(at) for at in rules if at not in partitions and not any(at.covers(path) for path in found)]
    assert unused == []


def test_domains_join_by_one_recipient_epoch_and_form(policies):
    assert {policy.keys.recipient for policy in policies.values()} == {"analytics"}
    assert {policy.keys.epoch for policy in policies.values()} == {1}
    assert len({policy.keys.domains["customer"] for policy in policies.values()}) == 1
    assert policies["customers"].keys.domains["email"] == policies["orders"].keys.domains["email"]


@pytest.mark.parametrize("name", ["orders", "tickets"])
def test_references_point_to_the_customers(policies, name):
    assert policies[name].columns["customer_id"].references == "customers.customer_id"


def test_known_values_name_columns_of_the_table(policies):
    for policy in policies.values():
        for rule in policy.columns.values():
            for known in (
                (rule.operator.arguments or {}).get("known_values", ()) if rule.operator.name == "redact_entities" else ()
            ):
                assert any(at.covers(ColumnPath.parse(known)) for at in policy.rules()), known
