"""The closed status: words of closed lists and rounded counts, within what Kubernetes keeps, whatever became of the command."""

from __future__ import annotations

import json

import pytest

from airlock.cli import main
from airlock.cli._status import closed_status


@pytest.fixture
def command(make_project, tmp_path, monkeypatch):
    """Run one on a project; gives its exit code and what its status file holds."""
    made = make_project(files=2)
    file = tmp_path / "termination-log"
    file.touch()
    monkeypatch.setenv("AIRLOCK_STATUS", str(file))

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["--config", str(made.config), *map(str, arguments)])
        return done.value.code, json.loads(file.read_text())

    run.made = made
    return run


def test_a_run_that_went_well(command):
    code, said = command("anonymize", command.made.policy(), "--run", "one", "--engine", "local")
    assert code == 0
    done = {"dataset": "people", "run": "one", "state": "staged", "exit_code": 0}  # 40 rows of 2 splits: too few to be told
    assert said == {"verb": "anonymize", "exit_code": 0, "results": [done]}


def test_one_that_was_refused_says_the_code_and_no_text(command):
    policy = command.made.policy()
    policy.write_text(policy.read_text().replace("  phone:", "  telephone:"))
    code, said = command("anonymize", policy, "--engine", "local")
    assert code == 3
    assert said["exit_code"] == 3
    assert [set(one) for one in said["results"]] == [{"code", "exit_code"}]
    assert "phone" not in json.dumps(said)


def test_what_ends_before_any_policy_is_told_too(command):
    code, said = command("anonymize", command.made.policy(), "--run", "one", "--launch", "two")
    assert (code, said) == (2, {"verb": "anonymize", "exit_code": 2, "code": "config-invalid", "results": []})


def test_a_file_that_cant_be_written_is_an_error(command, monkeypatch, capsys):
    monkeypatch.setenv("AIRLOCK_STATUS", "/nowhere/at/all")
    with pytest.raises(SystemExit) as done:
        main(["--config", str(command.made.config), "anonymize", str(command.made.policy()), "--engine", "local"])
    assert done.value.code == 2
    assert "AIRLOCK_STATUS: '/nowhere/at/all' can't be written: No such file or directory" in capsys.readouterr().err


def test_counts_are_rounded_and_what_is_no_word_of_ours_stays_out():
    result = {
        "dataset": "a",
        "run": "r",
        "state": "staged",
        "rows": 1_234_567,
        "policy": "secret.yaml",
        "why": "mail a@b.c",
        "exit_code": 0,
    }
    assert json.loads(closed_status("anonymize", 0, [result]))["results"] == [
        {"dataset": "a", "run": "r", "state": "staged", "rows": 1_200_000, "exit_code": 0}
    ]


def test_it_fits_into_a_termination_message():
    results = [
        {"dataset": f"dataset-{number:04}", "run": "r" * 36, "state": "staged", "rows": 1, "exit_code": 0}
        for number in range(200)
    ]
    line = closed_status("anonymize", 0, results)
    said = json.loads(line)
    assert len(line) < 4096
    assert "\n" not in line
    assert len(said["results"]) + said["more"] == 200
    assert len(said["results"]) > 25
