"""`kill -9` before every single step that changes a folder: the old release or the new one stands, and the next run cleans up.

Steps are counted by the system, not named: the sweep ends with the first run that finishes before its turn to die.
"""

import json
import shutil
import signal
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from airlock.doors.verify import verified_data, verify

MOST_STEPS = 120


def rows_of(project):
    folder = Path(verified_data(project.root / "sanitized" / "people", project.settings()))
    return ds.dataset(folder, format="parquet").count_rows()


def grow(project, people, by):
    """Change the source: `by` rows in its first file."""
    project.write(people(by), "000.parquet")
    return by + 20


def check_sanitized(project):
    """Data and evidence of every run that was ever pointed at, and of no other; nothing half-written."""
    files = project.files("sanitized")
    assert not [name for name in files if "/.new-" in name or name.startswith((".pending/", ".new-"))]
    runs = {kind: {name.split("/")[2] for name in files if name.startswith(f"people/{kind}/")} for kind in ("data", "evidence")}
    assert runs["data"] == runs["evidence"]
    assert len(runs["data"]) == len([name for name in files if name.startswith("people/history/")])


def check_private(project):
    """Every kept file is named by a record."""
    files = project.files("private")
    assert not [name for name in files if ".new-" in name]
    named = set()
    for name in files:
        if name.startswith("people/splits/") and name.endswith(".json"):
            envelope = json.loads((project.root / "private" / name).read_text())
            named |= {f"people/splits/{file['name']}" for file in json.loads(envelope["record"])["files"]}
    assert {name for name in files if name.endswith(".parquet")} == named


def check_staging(project, run):
    """The run at hand with just the files that its manifest names; of all others at most the verdict."""
    files = [name.removeprefix("people/") for name in project.files("staging")]
    manifest = json.loads((project.root / "staging" / "people" / run / "manifest.json").read_text())
    expected = {f"data/{file['path']}" for file in manifest["outputs"]} | {"manifest.json", "manifest.intoto.json"}
    own = {name.removeprefix(f"{run}/") for name in files if name.startswith(f"{run}/")}
    assert own - {"verdict.json"} == expected
    others = {name for name in files if not name.startswith(f"{run}/")}
    assert {name.split("/")[-1] for name in others} <= {"verdict.json"}


@pytest.mark.slow
def test_the_inner_door_killed_at_every_step(project, people, nursery):
    made = project(files=2, rows=20)
    assert nursery.run("anonymize", made)["exit"] == nursery.run("release", made)["exit"] == 0
    before, died = 40, 0
    for step in range(1, MOST_STEPS):
        rows, run = grow(made, people, 20 + step), f"run-{step:03}"
        ended = nursery.run("anonymize", made, run=run, at=step)
        if not ended["signal"]:
            break
        died += 1
        assert ended["signal"] == signal.SIGKILL
        assert rows_of(made) == before
        # By turns the same run is carried on, and given up for a new one; one that was signed is no leftover.
        signed = (made.root / "staging" / "people" / run / "manifest.intoto.json").exists()
        run = run if step % 2 or signed else f"run-{step:03}-again"
        again = nursery.run("anonymize", made, run=run)
        assert again["exit"] == 0, again
        assert again["result"]["rows_out"] == rows
        check_staging(made, run)
        check_private(made)
        if step % 3 == 0:
            released = nursery.run("release", made, run=run)
            assert (released["exit"], released.get("result", {}).get("run")) == (0, run), released
            assert rows_of(made) == rows
            check_sanitized(made)
            before = rows
        else:
            shutil.rmtree(made.root / "staging" / "people" / run)
    assert died > 20
    assert ended["exit"] == 0


@pytest.mark.slow
def test_the_outer_door_killed_at_every_step(project, people, nursery):
    made = project(files=2, rows=20)
    before, died, pointed = 0, 0, set()
    for step in range(1, MOST_STEPS):
        rows, run = grow(made, people, 20 + step), f"run-{step:03}"
        assert nursery.run("anonymize", made, run=run)["exit"] == 0
        ended = nursery.run("release", made, at=step)
        if not ended["signal"]:
            break
        died += 1
        if (made.root / "sanitized" / "people" / "current.json").exists():
            stands = rows_of(made)
            assert stands in {before, rows}
            pointed.add(stands == rows)
        again = nursery.run("release", made)
        assert again["exit"] == 0, again
        assert again["result"]["run"] == run or again["result"]["state"] == "nothing new"
        assert rows_of(made) == rows
        check_sanitized(made)
        # A verdict half-written by the killed is left to the next inner door.
        left = {name.rpartition("/")[2] for name in made.files("staging")}
        assert {name for name in left if not name.startswith(".new-")} == {"verdict.json"}
        assert nursery.run("release", made)["result"]["state"] == "nothing new"
        before = rows
    assert died > 15
    assert ended["exit"] == 0
    assert pointed == {True, False}
    assert verify(made.root / "sanitized" / "people", made.settings()).sequence == died + 1


def test_the_executor_key_of_a_killed_inner_door_goes_with_the_next_run(project, nursery):
    made = project(files=2)
    killed = nursery.run("anonymize", made, run="one", place=r"link .*/private/people/splits/.*\.json")
    assert killed["signal"] == signal.SIGKILL
    (left,) = nursery.folder.glob("airlock-scratch-*")
    assert [path.stat().st_mode & 0o777 for path in (left, *left.rglob("executor.key"))] == [0o700, 0o600]
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    assert not list(nursery.folder.glob("airlock-*"))


def test_a_release_that_was_killed_before_its_verdict_is_not_released_twice(project, people, nursery):
    made = project(files=1)
    assert nursery.run("anonymize", made, run="first")["exit"] == 0
    assert nursery.run("release", made, place=r"link .*/first/verdict\.json")["signal"] == signal.SIGKILL
    grow(made, people, 30)
    assert nursery.run("anonymize", made, run="second")["exit"] == 0
    assert nursery.run("release", made, run="second")["result"]["state"] == "released"
    late = nursery.run("release", made)
    assert (late["exit"], late["result"]["run"], late["result"]["state"]) == (0, "first", "superseded")
    assert nursery.run("release", made)["result"]["state"] == "nothing new"
