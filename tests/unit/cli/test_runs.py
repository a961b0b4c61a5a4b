"""path and runs: what stands on stdout, what on stderr, and the exit codes. On two real releases."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import pytest

from airlock.cli import _csv, main
from airlock.cli._run_looks import size
from airlock.doors.anonymize import anonymize
from airlock.doors.diff import Difference, RunDiff
from airlock.doors.release import release
from airlock.doors.runs import KnownRun


@pytest.fixture
def made(project):
    """A project with two releases; their runs."""
    place = project(files=1, rows=30)
    runs = []
    for _ in range(2):
        runs.append(anonymize(place.policy(), place.settings()).run)
        release(place.policy(), place.settings())
    return place, runs


@pytest.fixture
def said(made, capsys, monkeypatch):
    """Run one command on it: (exit code, stdout, stderr). No output ever holds a cell value."""
    monkeypatch.setenv("COLUMNS", "120")
    capsys.readouterr()

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["--config", str(made[0].config), *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Canary" not in captured.out + captured.err
        return done.value.code, captured.out, captured.err

    return run


def test_path_is_one_line(said, made):
    place, (_, second) = made
    folder = place.root / "sanitized" / "people"
    for named in ("sanitized/people", folder):
        assert said("path", named) == (0, f"{folder}/data/{second}\n", "")


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_reader_needs_a_public_key_and_the_folder_alone(made, tmp_path, by):
    """No airlock.yaml, no home of the project, no other variable."""
    place, (_, second) = made
    reader = tmp_path / "reader"
    shutil.copytree(place.root / "sanitized" / "people", reader / "people")
    shutil.copy(place.root / "trust" / "release.pub", reader / "release.pub")
    given = ["--trust", "release.pub"] if by == "flag" else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
    environment |= {"HOME": str(reader / "home")} | ({} if given else {"AIRLOCK_TRUST": "release.pub"})

    def read(verb, **others):
        command = [sys.executable, "-m", "airlock", verb, "people", *given]
        return subprocess.run(command, cwd=reader, env=environment | others, capture_output=True, text=True)

    path = read("path")
    assert (path.returncode, path.stdout) == (0, f"people/data/{second}\n"), path.stderr
    assert read("verify").returncode == 0
    if by == "environment":
        assert read("path", AIRLOCK_TRUST="").returncode == 3


def test_path_says_nothing_where_the_release_does_not_hold(said, made):
    place, (_, second) = made
    (file,) = (place.root / "sanitized" / "people" / "data" / second).iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    code, out, err = said("path", "sanitized/people")
    assert (code, out) == (3, "")
    assert "DigestMismatchError" in err
    assert said("path", "sanitized/nobody")[:2] == (2, "")


def test_the_table_marks_the_current_release(said, made):
    _, (first, second) = made
    code, out, err = said("runs", "list")
    assert (code, err) == (0, "")
    head, names, old, new = out.splitlines()
    assert head.split() == ["people", "for", "tests,", "sanitized/people"]
    assert names.split() == ["run", "state", "seq", "rows", "files", "size", "signed,", "UTC", "policy"]
    assert old.split()[:5] == [first, "superseded", "1", "30", "1"]
    assert new.split()[:6] == ["●", second, "released", "2", "30", "1"]
    assert max(map(len, out.splitlines())) <= 120


def test_csv_and_json_have_every_field(said, made):
    _, (first, second) = made
    code, out, _ = said("runs", "list", "people", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, [(row["run"], row["state"], row["current"], row["sequence"]) for row in rows]) == (
        0,
        [(first, "superseded", "false", "1"), (second, "released", "true", "2")],
    )
    assert {"policy_sha256", "signed_at", "separation", "isolation", "data", "problem"} <= rows[0].keys()
    assert json.loads(said("runs", "list", "--format", "json")[1])[1]["rows"] == 30


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
def test_a_narrow_table_leaves_columns_out_and_never_cuts_an_id(said, made, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    _, runs = made
    _, out, _ = said("runs", "list")
    assert max(map(len, out.splitlines())) <= width
    assert all(any(run in line.split() for line in out.splitlines()) for run in runs)
    assert ("policy" in out, "network" in out) == (width >= 114, width >= 136)


EVIL = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1", " =1", "\uff1d1"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_cell_runs_as_a_formula(capsys, evil):
    _csv.runs([KnownRun(dataset="people", run="one", state="revoked", sequence=-7, reason=evil)])
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["reason"], row["sequence"], row["state"], row["rows"]) == (f"'{evil}", "-7", "revoked", "")
    differences = (Difference("policy", "owner", evil, "a=b"),)
    _csv.diff(RunDiff("people", "one", "two", stable=False, outputs=False, volatile=(), differences=differences))
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row == {"part": "policy", "name": "owner", "one": f"'{evil}", "two": "a=b"}


def test_one_run_and_a_difference_as_csv(said, made):
    place, (first, second) = made
    code, out, err = said("runs", "show", second, "--format", "csv")
    rows = {(row["part"], row["name"]): row["value"] for row in csv.DictReader(io.StringIO(out))}
    assert (code, err) == (0, "")
    assert rows["run", "run"] == rows["manifest", "run"] == second
    assert rows["manifest", "totals.rows_out"] == "30"
    assert rows["manifest", "columns.id.operator"] == "pseudonymize"
    assert rows["gate", "entities.passed"] == "true"
    assert rows["gate", "not_proven.PERSON"] == "no name is kept"
    assert rows["private", "inputs.0.path"] == "people/000.parquet"
    said_of_both = said("runs", "diff", first, second, "--format", "csv")[1]
    assert said_of_both == f"part,name,{first},{second}\nrelease,state,superseded,released\n"
    place.policy().write_text(place.policy().read_text().replace("owner: data@example.org", 'owner: "=2+5"'))
    third = anonymize(place.policy(), place.settings()).run
    release(place.policy(), place.settings())
    code, out, _ = said("runs", "diff", second, third, "--format", "csv")
    (row,) = [row for row in csv.DictReader(io.StringIO(out)) if row["name"] == "owner"]
    assert (code, row[second], row[third]) == (0, "data@example.org", "'=2+5")


@pytest.mark.parametrize("output", ["table", "csv", "json"])
def test_evidence_that_fails_makes_3(said, made, output):
    place, (first, second) = made
    gate = place.root / "sanitized" / "people" / "evidence" / first / "gate.json"
    gate.write_bytes(gate.read_bytes() + b" ")
    code, out, err = said("runs", "list", "--format", output)
    assert code == 3
    assert second in out
    assert f"digest-mismatch: people/{first}: 'evidence/{first}/gate.json' has SHA-256" in err
    assert said("runs", "show", first)[0] == 3


def test_a_run_in_full(said, made):
    place, (_, second) = made
    code, out, err = said("runs", "show", second)
    assert (code, err) == (0, "")
    assert out.startswith(f"people  {second}  released, current\n")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "rows 30 in = 30 out + 0 suppressed + 0 rejected" in lines
    assert any(line.startswith("id pseudonymize person/tests/1:") for line in lines)
    assert "✓ entities" in lines
    assert "! not proven PERSON: no name is kept" in lines
    assert any(line.endswith("30 30 0 0 people/000.parquet") for line in lines)
    found = json.loads(said("runs", "show", second, "--format", "json")[1])
    assert found["private"]["manifest"]["inputs"][0]["path"] == "people/000.parquet"
    assert found["manifest"]["run"] == second
    place.config.write_text(place.config.read_text().replace("private: {uri: private}, ", ""))
    assert json.loads(said("runs", "show", second, "--format", "json")[1])["private"] is None


def test_rejected_rows_are_listed_without_their_values(said, made):
    place, (_, second) = made
    (split,) = json.loads(said("runs", "show", second, "--format", "json")[1])["private"]["manifest"]["splits"]
    failure = {"split": split["name"], "files": split["inputs"], "column": "born", "code": "not-a-date", "rows": 3}
    (place.root / "private" / "people" / second / "failures.jsonl").write_text(
        json.dumps(failure, sort_keys=True, separators=(",", ":")) + "\n"
    )
    lines = [" ".join(line.split()) for line in said("runs", "show", second)[1].splitlines()]
    assert f"3 born not-a-date {split['name'][:12]} people/000.parquet" in lines


def test_what_became_of_a_run(said, made):
    place, (first, second) = made
    for run, state in ((first, "superseded"), (second, "released")):
        code, out, err = said("runs", "outcome", place.policy(), "--run", run)
        (result,) = json.loads(out)["results"]
        assert (code, err, result["run"], result["state"], result["current"]) == (0, "", run, state, second)
    code, out, err = said("runs", "outcome", place.policy(), "--launch", "never")
    assert (code, json.loads(out)["results"][0]["code"]) == (75, "not-released")
    assert err.startswith("NotReleasedError: run ")
    code, out, _ = said("runs", "outcome", place.policy(), "--launch", "never", "--staged-by", "2026-01-01T00:00:00")
    assert (code, json.loads(out)["results"][0]["state"]) == (0, "overtaken")


@pytest.mark.parametrize("named", [(), ("--run", "a", "--launch", "b")])
def test_an_outcome_is_of_one_run(said, made, named):
    code, _, err = said("runs", "outcome", made[0].policy(), *named)
    assert code == 2
    assert "Give one of them" in err


def test_two_runs_side_by_side(said, made):
    _, (first, second) = made
    code, out, err = said("runs", "diff", first, second)
    assert (code, err) == (0, "")
    assert out.startswith(f"people  {first}  →  {second}\n")
    assert "the files are byte-equal" in out
    assert "one run reproduces the other" in " ".join(out.split())
    assert json.loads(said("runs", "diff", first, second, "--format", "json")[1])["stable"] is True
    assert said("runs", "diff", first, "zz")[:2] == (2, "")


def test_prune_says_what_went(said, made):
    place, _ = made
    dead = place.root / "staging" / "people" / "dead" / "data" / "x"
    dead.parent.mkdir(parents=True)
    dead.write_bytes(b"half")
    code, out, err = said("runs", "prune", "--dry-run")
    assert code == 0
    assert "would go" in err
    planned = json.loads(out)["results"]
    code, out, err = said("runs", "prune", "people")
    assert [one["removed"] for one in json.loads(out)["results"]] == [one["removed"] for one in planned]
    assert "judged or dead runs" in err
    assert said("runs", "prune")[2] == "nothing to remove\n"
    assert said("runs", "prune", "nobody")[0] == 2
    (place.root / "sanitized" / "people" / "history" / "00000001.json").unlink()
    code, out, err = said("runs", "prune")
    assert [one["exit_code"] for one in json.loads(out)["results"]] == [0, 3]
    assert code == 3
    assert "Find out who changed the history" in err


def test_prune_names_a_sink_that_holds_no_latest_run(said, made):
    place, (_, second) = made
    staged = anonymize(place.policy(), place.settings()).run
    code, out, err = said("runs", "prune", "--superseded")
    assert code == 0
    inner, outer = json.loads(out)["results"]
    assert "latest_run" not in inner
    assert (outer["sink"], outer["current_run"], outer["latest_run"]) == ("people", second, staged)
    assert f"warning: sink 'people' still holds run '{second}' of 'people', though run '{staged}' finished later" in err
    release(place.policy(), place.settings())
    code, out, err = said("runs", "prune")
    assert (code, "warning" in out + err) == (0, False)


def test_prune_goes_on_beside_what_is_broken(said, made):
    """The raw side of this dataset is refused; what else there is to prune is pruned, and the summary says both."""
    place, _ = made
    manifest, *_ = sorted((place.root / "private" / "people").glob("*/manifest.json"))
    manifest.write_text("{")
    code, out, _ = said("runs", "prune", "people")
    results = {bool(result.get("sink")): result["exit_code"] for result in json.loads(out)["results"]}
    assert (code, results) == (3, {False: 3, True: 0})


def test_prune_without_a_zone_to_prune_is_no_success(said, made):
    """Who prunes because somebody asked to be forgotten must not be told that all is well."""
    place, _ = made
    text = place.config.read_text()
    place.config.write_text(text.replace("private: {uri: private}, ", "").replace(", sanitized: {uri: sanitized}", ""))
    code, out, err = said("runs", "prune", "--superseded")
    assert (code, out) == (2, "")
    assert "setting 'zones.sanitized.uri' is not set" in err
    place.config.write_text(text.replace("staging: {uri: staging}, ", ""))
    code, out, err = said("runs", "prune", "--superseded")
    assert (code, out) == (2, "")
    assert "setting 'zones.staging.uri' is not set" in err


def test_revoke_then_read_then_release_again(said, made):
    place, (_, second) = made
    code, out, err = said("runs", "revoke", "people", "--reason", "[bold]wrong[/] rule")
    assert (code, json.loads(out)["results"][0]["state"]) == (0, "revoked")
    assert f"revoked people/{second}: sequence 3, data deleted, the inner side is told" in err
    for command in (("path", "sanitized/people"), ("verify", place.root / "sanitized" / "people")):
        code, out, err = said(*command)
        assert code == 3
        assert "RevokedError" in err
    assert f"{second}  revoked: [bold]wrong[/] rule" in said("runs", "list")[1]
    run = anonymize(place.policy(), place.settings()).run
    release(place.policy(), place.settings())
    assert said("path", "sanitized/people")[1].endswith(f"/{run}\n")
    assert said("runs", "revoke", "people")[0] == 2


def test_nothing_known_is_said(said, made):
    place, _ = made
    for zone in ("private", "staging", "sanitized"):
        shutil.rmtree(place.root / zone)
    assert said("runs", "list") == (0, "no run is known in these zones\n", "")


@pytest.mark.parametrize(
    ("count", "text"), [(None, ""), (0, "0 B"), (1023, "1023 B"), (10 * 1024, "10 KiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes_in_words(count, text):
    assert size(count) == text
