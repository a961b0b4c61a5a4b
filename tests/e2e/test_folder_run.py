"""`airlock run` over a folder of policies: every dataset is done and reported, the worst code wins, each door knows its own side."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.conftest import make_people

from airlock.doors import run as door
from airlock.doors.run import run_both
from airlock.policy.yaml import read_yaml

PEOPLE = "people"


def with_datasets(made, *names):
    for name in names:
        made.write_policy(name)
        made.write(make_people(10), "000.parquet", dataset=name)


@pytest.mark.slow
def test_every_dataset_is_done_and_the_worst_code_wins(project, airlock):
    made = project(files=1)
    with_datasets(made, "drifted", "refused", "absent", "well")
    made.write(make_people(10).append_column("extra", make_people(10).column("city")), "000.parquet", dataset="drifted")
    table = make_people(10)
    leaky = ["Lima"] * 9 + ["canary@example.org"]
    made.write(table.set_column(table.schema.get_field_index("city"), "city", [leaky]), "000.parquet", dataset="refused")
    (made.root / "raw" / "absent" / "000.parquet").unlink()
    done = airlock("run", made.root / "policies", project=made)
    codes = {
        result["policy"]: (result["exit_code"], result.get("code", result.get("state"))) for result in done.summary["results"]
    }
    assert codes["people.yaml"] == codes["well.yaml"] == (0, "released")
    assert codes["drifted.yaml"] == (3, "unclassified-column")
    assert codes["refused.yaml"][0] == 3
    (refused,) = [result for result in done.summary["results"] if result["policy"] == "refused.yaml"]
    assert refused["state"] == "refused"
    assert codes["absent.yaml"][0] in {2, 3}
    assert (done.code, done.summary["exit_code"], done.summary["verb"]) == (3, 3, "run")
    for name in ("people", "drifted", "refused", "absent", "well"):
        assert name in done.err
    assert "canary@" not in done.out + done.err
    assert sorted(path.parent.name for path in (made.root / "sanitized").glob("*/current.json")) == ["people", "well"]

    verified = airlock("verify", made.root / "sanitized", project=made)
    assert (verified.code, len(verified.summary["results"])) == (0, 2)


def test_a_usage_error_beats_temporary_and_unexpected(project, airlock):
    made = project(files=1)
    with_datasets(made, "well")
    (made.root / "policies" / "broken.yaml").write_text("apiVersion: airlock/v1\ndataset: broken\n")
    done = airlock("anonymize", made.root / "policies", project=made)
    assert done.code == 2
    assert [result["exit_code"] for result in done.summary["results"]] == [2, 0, 0]


def test_each_door_gets_a_configuration_without_the_other_side(project, monkeypatch):
    made = project(files=1)
    seen = {}
    original = subprocess.run

    def look(command, **options):
        at = command.index("--config")
        verb = next(word for word in command if word in ("anonymize", "release"))
        text = Path(command[at + 1]).read_text("utf-8")
        seen[verb] = (read_yaml(text, "derived").data, text, options["env"])
        return original(command, **options)

    monkeypatch.setattr(door.subprocess, "run", look)
    monkeypatch.setenv("AIRLOCK_KEYS_ROOT", str(made.root / "keys" / "root.json"))
    (result,) = run_both([made.policy()], made.settings(), run_id="one")
    assert (result["state"], result["run"], result["exit_code"]) == ("released", "one", 0)
    inner, outer = seen["anonymize"], seen["release"]
    assert set(inner[0]["zones"]) == {"raw", "private", "staging"}
    assert set(outer[0]["zones"]) == {"staging", "sanitized"}
    assert set(inner[0]["keys"]) >= {"root", "stage_signing"}
    assert set(outer[0]["keys"]) == {"release_signing"}
    assert outer[0]["separation"] == "none"
    for word in ("root.json", "stage.pem", "/raw", "/private"):
        assert word not in outer[1]
    assert "release.pem" not in inner[1]
    assert "/sanitized" not in inner[1]
    for _, _, environment in seen.values():
        assert not [name for name in environment if name.startswith("AIRLOCK_")]


def test_one_run_id_is_not_for_two_policies(project, airlock):
    made = project(files=1)
    with_datasets(made, "well")
    done = airlock("run", made.root / "policies", "--run", "one", project=made)
    assert done.code == 2
    assert "--run" in done.err
