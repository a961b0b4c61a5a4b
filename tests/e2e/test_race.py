"""Two at once, and the dead who walk: whoever lost the lease ends with 75 and changes nothing that counts."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from tests.conftest import Project

from airlock.doors.verify import verified_data

SHORT = 4


def released(made):
    """(run, rows) of the verified current release."""
    folder = Path(verified_data(made.root / "sanitized" / "people", made.settings()))
    return folder.name, ds.dataset(folder, format="parquet").count_rows()


def manifest(made, run):
    return json.loads((made.root / "staging" / "people" / run / "manifest.json").read_text())


def hasty(made):
    """The same project, as a door sees it whose lease ends soon."""
    config = made.root / "hasty.yaml"
    if not config.exists():
        config.write_text(made.config.read_text() + f"lease_seconds: {SHORT}\n")

    class Hasty(Project):
        config = made.root / "hasty.yaml"

    return Hasty(made.root)


def stop(nursery, made, door, place, **what):
    """A door stopped before a step, its lease run out."""
    child = nursery.start(door, hasty(made), place=place, signal="SIGSTOP", **what)
    assert child.wait()["stopped"], f"{door} never came to {place}"
    time.sleep(SHORT + 0.2)
    return child


@pytest.mark.parametrize(
    "place",
    [
        r"link .*/staging/people/walker/data/",
        r"link .*/private/people/splits/.*\.json",
        r"link .*/private/people/walker/manifest\.json",
        r"link .*/staging/people/walker/manifest\.json",
        r"link .*/staging/people/walker/manifest\.intoto\.json",
    ],
)
def test_an_inner_door_that_slept_past_its_lease_stages_nothing(project, people, nursery, place):
    made = project(files=2)
    walker = stop(nursery, made, "anonymize", place, run="walker")
    made.write(people(30), "000.parquet")
    assert nursery.run("anonymize", made, run="alive")["exit"] == 0
    assert nursery.run("release", made, run="alive")["exit"] == 0
    before = [name for name in made.files("staging") if not name.startswith("people/walker/")]
    woken = walker.go_on()
    assert (woken["exit"], woken["error"]) == (75, "LeaseHeldError"), woken
    assert [name for name in made.files("staging") if not name.startswith("people/walker/")] == before
    assert "people/walker/manifest.intoto.json" not in made.files("staging")
    assert nursery.run("release", made)["result"]["state"] == "nothing new"
    assert released(made) == ("alive", 50)


@pytest.mark.parametrize(
    "place",
    [
        r"link .*/staging/people/one/data/",
        r"link .*/private/people/splits/.*\.parquet",
        r"link .*/private/people/splits/.*\.json",
        r"link .*/staging/people/one/manifest\.intoto\.json",
    ],
)
def test_a_second_driver_carries_the_same_run_on(project, nursery, place):
    made = project(files=2)
    walker = stop(nursery, made, "anonymize", place, run="one")
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    before = manifest(made, "one")
    woken = walker.go_on()
    assert (woken["exit"], woken["error"]) == (75, "LeaseHeldError"), woken
    assert manifest(made, "one") == before
    assert before["totals"]["rows_out"] == 40
    assert nursery.run("release", made)["result"]["rows"] == 40
    assert released(made) == ("one", 40)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "newer"),
    [
        (r"link .*\.pending/.*/part-00001", False),
        (r"link .*/sanitized/people/data/second/part-00001", False),
        (r"link .*/sanitized/people/data/second/part-00001", True),
        (r"link .*/sanitized/people/evidence/second/manifest\.json", False),
        (r"remove .*/evidence/second/", False),
        (r"link .*/sanitized/people/history/", False),
        (r"link .*/sanitized/people/history/", True),
    ],
)
def test_an_outer_door_that_slept_past_its_lease_publishes_nothing(project, people, nursery, place, newer):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="first")["exit"] == nursery.run("release", made)["exit"] == 0
    made.write(people(30), "000.parquet")
    assert nursery.run("anonymize", made, run="second")["exit"] == 0
    if newer:
        made.write(people(35), "000.parquet")
        assert nursery.run("anonymize", made, run="third")["exit"] == 0
    walker = stop(nursery, made, "release", place, run="second")
    run, rows = ("third", 55) if newer else ("second", 50)
    assert nursery.run("release", made, run=run)["exit"] == 0
    woken = walker.go_on()
    assert woken["exit"] == 75, woken
    assert released(made) == (run, rows)
    made.write(people(40), "000.parquet")
    assert nursery.run("anonymize", made, run="fourth")["exit"] == 0
    assert nursery.run("release", made, run="fourth")["exit"] == 0
    assert released(made) == ("fourth", 60)
    data = {name.split("/")[2] for name in made.files("sanitized") if name.startswith("people/data/")}
    assert data == {"first", "fourth", run}
    assert not [name for name in made.files("sanitized") if name.startswith(".pending/")]


def test_a_swap_that_comes_after_another_door_has_pruned_is_taken_back(project, people, nursery):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="first")["exit"] == nursery.run("release", made)["exit"] == 0
    made.write(people(30), "000.parquet")
    assert nursery.run("anonymize", made, run="second")["exit"] == 0
    walker = stop(nursery, made, "release", r"link .*/sanitized/people/history/", run="second")
    assert "runs never published" in nursery.run("prune", made)["result"]["removed"]
    woken = walker.go_on()
    assert (woken["exit"], woken["error"]) == (75, "LeaseHeldError"), woken
    assert json.loads((made.root / "sanitized" / "people" / "current.json").read_text())
    assert nursery.run("prune", made)["exit"] == 0
    assert released(made) == ("first", 40)
    assert nursery.run("release", made)["result"]["run"] == "second"
    assert released(made) == ("second", 50)


@pytest.mark.parametrize("runs", [("one", "one"), ("one", "two")], ids=["one run id", "two runs"])
def test_two_inner_doors_at_once(project, nursery, runs):
    made = project(files=2)
    first = nursery.start("anonymize", made, run=runs[0], place=r"link .*/staging/.*\.parquet", signal="SIGSTOP")
    assert first.wait()["stopped"]
    second = nursery.run("anonymize", made, run=runs[1])
    assert (second["exit"], second["error"]) == (75, "LeaseHeldError")
    assert "run 'one' on" in second["message"]
    assert first.go_on()["exit"] == 0
    assert manifest(made, "one")["totals"]["rows_out"] == 40
    staged = [name for name in made.files("staging") if name.endswith("manifest.intoto.json")]
    assert staged == ["people/one/manifest.intoto.json"]
    assert nursery.run("release", made)["exit"] == 0
    assert released(made) == ("one", 40)


def test_two_outer_doors_at_once(project, nursery):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    first = nursery.start("release", made, place=r"link .*/sanitized/people/data/", signal="SIGSTOP")
    assert first.wait()["stopped"]
    second = nursery.run("release", made)
    assert (second["exit"], second["error"]) == (75, "LeaseHeldError")
    assert first.go_on()["exit"] == 0
    assert released(made) == ("one", 40)


def test_inner_doors_started_together_stage_once(project, nursery):
    made = project(files=4)
    children = [nursery.start("anonymize", made, run="one") for _ in range(4)]
    ended = [child.wait() for child in children]
    assert {one["exit"] for one in ended} <= {0, 75}
    assert [one["result"]["continued"] for one in ended if one["exit"] == 0].count(False) == 1
    files = manifest(made, "one")["outputs"]
    assert sorted(path.name for path in (made.root / "staging" / "people" / "one" / "data").iterdir()) == sorted(
        file["path"] for file in files
    )
    assert sum(file["rows"] for file in files) == 80


def test_an_older_staged_run_never_replaces_a_newer_release(project, people, nursery):
    made = project(files=1)
    assert nursery.run("anonymize", made, run="older")["exit"] == 0
    made.write(people(30), "000.parquet")
    assert nursery.run("anonymize", made, run="newer")["exit"] == 0
    assert nursery.run("release", made, run="newer")["exit"] == 0
    late = nursery.run("release", made, run="older")
    assert (late["exit"], late["error"]) == (3, "RollbackError")
    assert released(made) == ("newer", 30)
    again = nursery.run("release", made, run="older")
    assert (again["exit"], again["error"]) == (3, "RunBoundError")
    assert nursery.run("release", made)["result"]["state"] == "nothing new"
    bound = nursery.run("anonymize", made, run="older")
    assert (bound["exit"], bound["error"]) == (3, "RunBoundError")
