"""The outer door in shards as real processes: side by side, killed before every step, stopped and woken too late."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from airlock.doors.verify import verified_data, verify

MOST_STEPS = 150


def rows_of(project):
    folder = Path(verified_data(project.root / "sanitized" / "people", project.settings()))
    return ds.dataset(folder, format="parquet").count_rows()


def pending(project):
    return [name for name in project.files("sanitized") if name.startswith(".pending/")]


def check_sanitized(project):
    """Data and evidence of every run that was ever pointed at, and of no other; nothing half-written, nothing pending."""
    files = project.files("sanitized")
    assert not [name for name in files if ".new-" in name or name.startswith(".pending/")]
    runs = {kind: {name.split("/")[2] for name in files if name.startswith(f"people/{kind}/")} for kind in ("data", "evidence")}
    assert runs["data"] == runs["evidence"]
    assert len(runs["data"]) == len([name for name in files if name.startswith("people/history/")])


def check_all(nursery, project, of, run):
    return [nursery.run("shard", project, run=run, shard=f"{number}/{of}") for number in range(of)]


def test_the_commands_side_by_side_give_what_one_gives(project, airlock):
    alone = project(files=4)
    staged = airlock("anonymize", alone.policy(), "--run", "one", project=alone)
    assert staged.code == 0, staged.err
    made = alone.copy(alone.root.parent / "sharded")
    for number, of in ((0, 3), (1, 3)):
        done = airlock("release", made.policy(), "--run", "people=one", "--shard", f"{number}/{of}", project=made)
        assert done.code == 0, done.err
        (result,) = done.summary["results"]
        assert (result["state"], result["shard"]) == ("checked", f"{number}/{of}")
    early = airlock("release", made.policy(), "--run", "one", "--finish", "3", project=made)
    assert early.code == 75
    assert "1 of 3 shards have left no verdict: 2." in early.err
    assert airlock("release", made.policy(), "--run", "one", "--shard", "2/3", project=made).code == 0
    done = airlock("release", made.policy(), "--run", "one", "--finish", "3", project=made)
    plain = airlock("release", alone.policy(), "--run", "one", project=alone)
    assert (done.code, plain.code) == (0, 0), done.err + plain.err
    assert done.summary == plain.summary
    assert airlock("verify", made.root / "sanitized" / "people", project=made).code == 0
    assert contents(made) == contents(alone)
    again = airlock("release", made.policy(), "--run", "one", "--finish", "3", project=made)
    assert (again.code, again.summary) == (0, done.summary)
    check_sanitized(made)


def contents(project):
    """Every published byte, and what of the evidence is not volatile."""
    base = project.root / "sanitized" / "people"
    data = {path.name: path.read_bytes() for path in (base / "data").rglob("*.parquet")}
    manifest = json.loads((base / "evidence" / "one" / "manifest.json").read_bytes())
    return (
        data,
        {name: value for name, value in manifest.items() if name != "created_at"},
        (base / "evidence" / "one" / "gate.json").read_bytes(),
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "0/2"), "--run ID"),
        (("--finish", "2"), "--run ID"),
        (("--run", "one", "--shard", "2/2"), "I from 0 to N-1"),
        (("--run", "one", "--shard", "0/2", "--finish", "2"), "Finish when all shards are done"),
        (("--run", "one", "--finish", "0"), "Usage"),
    ],
)
def test_usage(project, airlock, arguments, said):
    made = project(files=1)
    done = airlock("release", made.policy(), *arguments, project=made)
    assert done.code == 2
    assert said in done.err


def test_shards_started_together_need_no_lease_of_each_other(project, nursery):
    made = project(files=4)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    # Each twice, and one of them while a release of the dataset is stopped half-way.
    other = nursery.start("release", made, run="one", place=r"link .*/sanitized/people/data/", signal="SIGSTOP")
    assert other.wait()["stopped"]
    children = [nursery.start("shard", made, run="one", shard=f"{number % 3}/3") for number in range(6)]
    assert [child.wait()["exit"] for child in children] == [0] * 6
    assert len([name for name in pending(made) if name.endswith(".json")]) == 3
    late = nursery.run("release", made, run="one", shards=3)
    assert (late["exit"], late["error"]) == (75, "LeaseHeldError")
    assert other.go_on()["exit"] == 0
    done = nursery.run("release", made, run="one", shards=3)
    assert (done["exit"], done["result"]["rows"]) == (0, 80)
    check_sanitized(made)


@pytest.mark.slow
def test_a_shard_killed_at_every_step(project, nursery):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    assert nursery.run("shard", made, run="one", shard="1/2")["exit"] == 0
    died = 0
    for step in range(1, MOST_STEPS):
        copy = made.copy(made.root.parent / f"step-{step}")
        ended = nursery.run("shard", copy, run="one", shard="0/2", at=step)
        if not ended["signal"]:
            break
        died += 1
        assert ended["signal"] == signal.SIGKILL
        assert [name for name in copy.files("sanitized") if not name.startswith(".pending/")] == []
        early = nursery.run("release", copy, run="one", shards=2)
        assert early["exit"] in {0, 75}, early
        again = nursery.run("shard", copy, run="one", shard="0/2")
        assert (again["exit"], again["result"]["state"]) == (0, "released" if early["exit"] == 0 else "checked")
        done = nursery.run("release", copy, run="one", shards=2)
        assert (done["exit"], done["result"]["state"], done["result"]["rows"]) == (0, "released", 40)
        assert rows_of(copy) == 40
        check_sanitized(copy)
    assert died > 6
    assert ended["exit"] == 0


@pytest.mark.slow
def test_finishing_killed_at_every_step(project, people, nursery):
    made = project(files=2)
    before, died, pointed = 0, 0, set()
    for step in range(1, MOST_STEPS):
        made.write(people(20 + step), "000.parquet")
        rows, run = 40 + step, f"run-{step:03}"
        assert nursery.run("anonymize", made, run=run)["exit"] == 0
        assert {one["exit"] for one in check_all(nursery, made, 2, run)} == {0}
        ended = nursery.run("release", made, run=run, shards=2, at=step)
        if not ended["signal"]:
            break
        died += 1
        if (made.root / "sanitized" / "people" / "current.json").exists():
            stands = rows_of(made)
            assert stands in {before, rows}
            pointed.add(stands == rows)
        # By turns it is finished by another process, and given up for a release without shards.
        again = nursery.run("release", made, run=run, **({"shards": 2} if step % 2 else {}))
        assert (again["exit"], again["result"]["state"]) == (0, "released"), again
        assert rows_of(made) == rows
        check_sanitized(made)
        assert nursery.run("release", made, run=run, shards=2)["result"]["state"] == "released"
        before = rows
    assert died > 15
    assert ended["exit"] == 0
    assert pointed == {True, False}
    assert verify(made.root / "sanitized" / "people", made.settings()).sequence == died + 1


@pytest.mark.parametrize(
    "place", [r"link .*\.pending/.*/part-00000", r"link .*\.pending/.*/counts\.arrow", r"link .*\.pending/.*/0\.json"]
)
def test_a_shard_that_slept_while_another_attempt_was_faster_changes_nothing(project, nursery, place):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    walker = nursery.start("shard", made, run="one", shard="0/2", place=place, signal="SIGSTOP")
    assert walker.wait()["stopped"]
    assert {one["exit"] for one in check_all(nursery, made, 2, "one")} == {0}
    before = {name for name in pending(made) if name.endswith(".json")}
    assert walker.go_on()["exit"] == 0
    assert {name for name in pending(made) if name.endswith(".json")} == before
    assert len({name.split("/")[4] for name in pending(made)} - {name.split("/")[4] for name in before}) == 2
    assert nursery.run("release", made, run="one", shards=2)["result"]["rows"] == 40
    check_sanitized(made)


@pytest.mark.parametrize(
    "place", [r"link .*\.pending/.*/part-00000", r"link .*\.pending/.*/counts\.arrow", r"link .*\.pending/.*/0\.json"]
)
@pytest.mark.parametrize("newer", [False, True])
def test_a_shard_that_slept_past_the_end_of_its_run_leaves_nothing(project, people, nursery, place, newer):
    made = project(files=2)
    assert nursery.run("anonymize", made, run="one")["exit"] == 0
    walker = nursery.start("shard", made, run="one", shard="0/2", place=place, signal="SIGSTOP")
    assert walker.wait()["stopped"]
    if newer:
        made.write(people(30), "000.parquet")
        assert nursery.run("anonymize", made, run="two")["exit"] == 0
    assert nursery.run("release", made, run="two" if newer else "one")["exit"] == 0
    woken = walker.go_on()
    assert woken["exit"] == (3 if newer else 0), woken
    check_sanitized(made)
    assert rows_of(made) == (50 if newer else 40)
