"""The looking commands: stdout is data, exit codes, JSON for machines."""

from __future__ import annotations

import json

import pytest

from airlock.cli import main
from airlock.errors import all_errors
from airlock.operators import operator_names
from airlock.plan.catalogue import KINDS
from airlock.plan.schema import policy_schema
from airlock.settings import SETTINGS
from airlock.types import Classification


@pytest.fixture
def said(capsys, monkeypatch, tmp_path):
    """Run one command: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


@pytest.fixture
def project(said, tmp_path):
    code, out, _ = said("demo", "--folder", tmp_path / "demo", "--rows", "200")
    assert code == 0
    assert out == f"airlock --config {tmp_path}/demo/airlock.yaml run {tmp_path}/demo/policies\n"
    return tmp_path / "demo"


def test_a_plan(said, project):
    code, out, err = said("--config", project / "airlock.yaml", "plan", project / "policies" / "customers.yaml")
    assert (code, err) == (0, "")
    assert out.startswith("customers  crm/customers (parquet)  6 files, 1 split, 200 rows")
    assert max(map(len, out.splitlines())) <= 120
    for text in (
        "looked at   name.first, name.last, signup_ip",
        "key         customer/analytics/1:",
        "not proven  PERSON: no name model",
    ):
        assert text in out


def test_a_folder_of_plans_has_a_line_each_and_the_worst_code(said, project):
    broken = project / "policies" / "orders.yaml"
    broken.write_text(broken.read_text().replace("  card:", "  cards:"))
    code, out, err = said("--config", project / "airlock.yaml", "plan", project / "policies")
    assert code == 3
    assert [line.split()[0] for line in out.splitlines()] == ["policy", "customers.yaml", "orders.yaml", "tickets.yaml"]
    assert [line.split()[-1] for line in out.splitlines()] == ["exit", "0", "3", "0"]
    assert "no rule for 'card'" in err


def test_plans_as_json(said, project):
    code, out, _ = said("--config", project / "airlock.yaml", "plan", project / "policies", "--format", "json")
    reports = json.loads(out)
    assert code == 0
    assert [report["dataset"] for report in reports] == ["customers", "orders", "tickets"]
    assert reports[1]["source"]["rows"] == 600
    assert reports[0]["columns"][0]["path"] == "dt"


def test_json_cuts_nothing_and_a_table_does(said, project):
    words = [f"word{at:03}" for at in range(40)]
    policy = project / "policies" / "orders.yaml"
    policy.write_text(policy.read_text().replace("values: [USD,", f"values: [{', '.join(words)}, USD,"))
    _, out, _ = said("--config", project / "airlock.yaml", "plan", policy, "--format", "json")
    (column,) = [column for column in json.loads(out)[0]["columns"] if column["path"] == "currency"]
    assert column["arguments"] == f"reason: closed list, values: [{', '.join(words)}, USD, EUR, GBP, PLN, BRL, JPY]"
    _, out, _ = said("--config", project / "airlock.yaml", "plan", policy)
    assert "…" in out
    assert words[-1] not in out


def test_a_preview(said, project):
    code, out, err = said("--config", project / "airlock.yaml", "preview", project / "policies" / "orders.yaml", "--rows", "2")
    assert (code, err) == (0, "")
    assert "raw, as a shape" in out
    assert "kept as it is" in out
    assert "a shape stands for it: letters are a, digits 9." in out
    assert "The outer door has not looked at these rows." in out


def test_raw_values_go_to_no_file(said, project):
    code, out, err = said("--config", project / "airlock.yaml", "preview", project / "policies" / "orders.yaml", "--show-raw")
    assert (code, out) == (2, "")
    assert "never to a file or pipe" in err


def test_every_setting_with_its_origin(said, project, monkeypatch):
    monkeypatch.setenv("AIRLOCK_WORKERS", "3")
    code, out, _ = said("--config", project / "airlock.yaml", "config", "--format", "json")
    shown = json.loads(out)
    assert code == 0
    assert shown["file"] == str(project / "airlock.yaml")
    assert set(shown["settings"]) == {setting.name for setting in SETTINGS}
    assert shown["settings"]["workers"] == {"value": "3", "origin": "environment"}
    assert shown["settings"]["zones.raw.uri"] == {"value": str(project / "raw"), "origin": "file"}
    _, text, _ = said("--config", project / "airlock.yaml", "config")
    assert all(setting.name in text for setting in SETTINGS)


def test_the_doctors_exit_code(said, project):
    code, out, _ = said("--config", project / "airlock.yaml", "doctor")
    assert code == 0
    assert "0 failed" in out
    (project / "keys" / "root.json").chmod(0o644)
    code, out, _ = said("--config", project / "airlock.yaml", "doctor", "--format", "json")
    assert code == 2
    assert [check["name"] for check in json.loads(out) if check["status"] == "failed"] == ["root"]


def test_every_error_is_explained(said):
    code, out, _ = said("explain", "--format", "json")
    explained = json.loads(out)
    assert code == 0
    assert set(explained) == set(all_errors())
    assert all(entry["meaning"] and entry["remedy"] and entry["acts"] for entry in explained.values())
    _, out, _ = said("explain")
    assert all(name in out for name in explained)


def test_one_error(said):
    code, out, _ = said("explain", "small-group")
    assert code == 0
    assert out.splitlines()[:2] == ["small-group  SmallGroupError, exit code 3", "An equivalence class is smaller than k."]
    code, out, err = said("explain", "none")
    assert (code, out) == (2, "")
    assert "there is no error code 'none'" in err


def test_the_schema_is_json(said):
    code, out, err = said("policy", "schema")
    assert (code, err) == (0, "")
    assert json.loads(out) == policy_schema()


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_operators_by_kind(said, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    code, out, _ = said("operators", "list")
    assert code == 0
    lines = out.splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert [line.split()[0] for line in lines if line[:1].isalpha()][:5] == [*KINDS]
    named = [line.split()[0] for line in lines if line.startswith("    ") and line[4] != " "]
    assert sorted(named) == operator_names()
    assert "  randomization: noise addition  [y ? ?]" in lines


@pytest.mark.parametrize("name", operator_names())
def test_one_operator(said, name):
    code, out, _ = said("operators", "show", name)
    assert code == 0
    assert out.startswith(f"{name}  ")
    for part in ("technique", "remaining risk", "promises", "takes", "in a policy, under `columns`", f"{name}: ", "Guarantee:"):
        assert part in out


def test_what_is_shown_of_an_operator(said):
    _, out, _ = said("operators", "show", "age")
    assert "singling out: no, linkability: yes, inference: yes (WP216)" in out
    assert "a multiple of 5, at least 0, at most 90 (in the example)" in out
    assert [line.split()[:2] for line in out.splitlines() if line.startswith(("at ", "top ", "width "))] == [
        ["at", "needed"],
        ["top", "90"],
        ["width", "1"],
    ]


def test_operators_as_json(said):
    code, out, _ = said("operators", "list", "--format", "json")
    listed = {entry["name"]: entry for entry in json.loads(out)}
    assert (code, sorted(listed)) == (0, operator_names())
    assert listed["encrypt"]["promises"] == ["deterministic", "injective", "reversible", "keyed"]
    code, out, _ = said("operators", "show", "encrypt", "--format", "json")
    shown = json.loads(out)
    assert code == 0
    assert shown["technique"] == "cryptographic: deterministic encryption"
    assert shown["risk"] == {"singling_out": "yes", "linkability": "yes", "inference": "may not"}
    assert shown["classes"] == sorted(Classification)
    assert shown["schema"]["required"] == ["domain"]
    assert shown["takes"] == ["text", "integers", "floats", "dates", "binary"]


def test_an_operator_that_is_not_there(said):
    code, out, err = said("operators", "show", "pseudonimize")
    assert (code, out) == (2, "")
    assert "there is no operator 'pseudonimize'; nearest: pseudonymize" in err
