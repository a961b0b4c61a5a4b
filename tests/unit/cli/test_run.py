"""Commands that take several policies: what gets into each other's way is refused before anything is done; who waits is named."""

from __future__ import annotations

import json
import shutil

import pytest

from airlock.cli import main
from airlock.doors import policies as gathering
from airlock.doors.policies import gather
from airlock.errors import NotFoundError, PolicyError

ALL = ["plan", "anonymize", "release", "run"]


@pytest.fixture
def made(make_project):
    return make_project(files=1, rows=10)


@pytest.fixture
def said(made, capsys):
    """Run one command on it: (exit code, stdout, stderr)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["--config", str(made.config), *map(str, arguments)])
        captured = capsys.readouterr()
        return done.value.code, captured.out, captured.err

    return run


def another(made, name="others", **changes):
    """A second policy, and what it says differently."""
    path = made.write_policy(name)
    text = path.read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    shutil.copytree(made.root / "raw" / "people", made.root / "raw" / name)
    return path


CLASHES = {
    "one dataset": ({"dataset": ("dataset: others", "dataset: people")}, "are of one dataset, 'people'"),
    "one sink": ({"sink": ("sink: {path: others", "sink: {path: people")}, "have one sink, 'people'"),
    "a sink within": (
        {"sink": ("sink: {path: others", "sink: {path: people/inner")},
        "one lies within the other",
    ),
}


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize("what", CLASHES)
def test_policies_that_get_into_each_others_way_stop_everything(said, made, what, verb):
    changes, message = CLASHES[what]
    other = another(made, **changes)
    before = {zone: made.files(zone) for zone in ("staging", "private", "sanitized")}
    for named in ([made.root / "policies"], [made.policy(), other]):
        code, out, err = said(verb, *named)
        assert (code, out) == (2, "")
        assert "PolicyError" in err
        assert message in err
        assert str(made.policy()) in err
        assert str(other) in err
    assert {zone: made.files(zone) for zone in before} == before == {"staging": [], "private": [], "sanitized": []}


def test_every_clash_is_named_at_once_and_neighbours_are_none(made):
    another(made, "others", sink=("sink: {path: others", "sink: {path: people/x"))
    another(made, "third", sink=("sink: {path: third", "sink: {path: people"))
    another(made, "people-eu")
    with pytest.raises(PolicyError) as caught:
        gather([made.root / "policies"])
    assert len(str(caught.value).splitlines()) == 4  # a head; others and people, others and third, people and third
    assert "people-eu" not in str(caught.value)


def test_a_file_that_is_named_twice_is_one(made, monkeypatch):
    monkeypatch.chdir(made.root)
    assert len(gather([made.policy(), made.root / "policies", made.root / "policies" / ".." / "policies" / "people.yaml"])) == 1


def test_a_policy_with_faults_is_no_clash(said, made):
    (made.root / "policies" / "broken.yaml").write_text("apiVersion: airlock/v1\ndataset: people\n")
    code, out, _ = said("plan", made.root / "policies", "--format", "json")
    assert (code, [report["exit_code"] for report in json.loads(out)]) == (2, [2, 0])


@pytest.mark.parametrize("what", ["iterdir", "read_text"])
def test_what_cant_be_read_is_said(made, monkeypatch, what):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(gathering.Path, what, refuse)
    name = "policies" if what == "iterdir" else r"people\.yaml"
    with pytest.raises(NotFoundError, match=rf"{name}' can't be read: Permission denied\. Check its permissions"):
        gather([made.root / "policies"])


def test_a_run_whose_policy_waits_for_approval_is_named(said, made):
    (waiting,) = json.loads(said("anonymize", made.policy())[1].splitlines()[-1])["results"]
    made.policy().write_text(made.policy().read_text().replace("width: 100", "width: 1000"))
    code, out, _ = said("release", made.policy())
    assert (code, json.loads(out.splitlines()[-1])["results"][0]["code"]) == (3, "unknown-policy")
    said("anonymize", made.policy())
    code, out, err = said("release", made.policy())
    (result,) = json.loads(out.splitlines()[-1])["results"]
    assert (code, result["state"], result["passed_over"]) == (0, "released", [waiting["run"]])
    assert f"passed over: people/{waiting['run']}" in err
    assert said("release", made.policy(), "--run", waiting["run"])[0] == 3


def test_how_many_excluded_ids_matched_is_said_and_summed_up(said, made):
    (made.root / "raw" / "gone.txt").write_text("100003\n0000100004\n900000\n")
    path = made.write_policy(change=lambda text: text.replace("format: parquet}", "format: parquet, exclude: gone.txt}"))
    code, out, err = said("anonymize", path)
    assert (code, "people: 2 of 3 ids of source.exclude matched rows" in err) == (0, True)
    (result,) = json.loads(out.splitlines()[-1])["results"]
    assert (result["excluded_ids"], result["excluded_found"], result["suppressed"]) == (3, 2, 2)


def test_a_launch_and_a_run_are_one_too_many(said, made):
    code, _, err = said("anonymize", made.policy(), "--run", "one", "--launch", "nightly-1")
    assert code == 2
    assert "Give one of them" in err
