"""Doors killed and stopped at work on buckets, two at once, and a source that changes under them."""

from __future__ import annotations

import random
import signal
import time
from threading import Event

import pytest
from tests.conftest import make_people
from tests.e2e._buckets import faultless, site
from tests.servers.proxy import Fault, at

TEMPORARY = 75
ROUNDS = 2
LARGE = 1_000_000
"""Rows whose staged file is uploaded in parts."""


@pytest.fixture(autouse=True)
def gateway_is_there(require):
    require("s3")


def killed_at(here, pattern, verb, *arguments, count=1):
    """A door that is killed, with whatever it started, at a request of its; the request is lost with it."""
    started, doors = Event(), []

    def kill():  # before there is any answer: a door that lives on tries again
        assert started.wait(60)
        doors[0].kill()

    here.line.rule = at(pattern, kill, count=count, fault=Fault.CUT)
    doors.append(here.start(verb, *arguments))
    started.set()
    ended = doors[0].wait()
    here.line.clear()
    return ended


@pytest.mark.slow
def test_both_doors_killed_at_any_request(tmp_path):
    """By turns the same run is carried on, and given up for a new one."""
    seed = 20_261
    dice = random.Random(seed)
    with site(tmp_path, "killed", files=2) as here:
        files = {f"{number:03}.parquet": make_people(20, first=number * 1_000) for number in range(2)}
        assert here.run("anonymize", "--run", "first").code == here.run("release").code == 0
        for turn in range(ROUNDS):
            before, rows = here.published().num_rows, 50 + turn
            files["000.parquet"] = make_people(rows - 20)
            here.put(files["000.parquet"], "000.parquet")
            ended = killed_at(here, r"", "anonymize", "--run", f"run-{turn}", count=dice.randrange(10, 75))
            assert ended.code == -signal.SIGKILL, (seed, ended)
            assert here.published().num_rows == before
            run = f"run-{turn}" if turn % 2 or f"run-{turn}" in here.signed() else f"run-{turn}-again"
            staged = here.run("anonymize", "--run", run)
            assert (staged.code, staged.result["rows_out"]) == (0, rows), (seed, staged)
            ended = killed_at(here, r"", "release", count=dice.randrange(5, 55))
            assert ended.code == -signal.SIGKILL, (seed, ended)
            assert here.published().num_rows in {before, rows}, seed
            again = here.run("release")
            assert again.code == 0, (seed, again)
            assert again.result["state"] == "nothing new" or again.result["run"] == run, (seed, again)
            here.check_clean()
            assert here.published().num_rows == rows
        here.check(faultless(here, files))


@pytest.mark.slow
def test_uploads_of_the_killed_are_swept_by_the_next_door(tmp_path):
    with site(tmp_path, "parts", files=0) as here:
        here.put(make_people(LARGE), "000.parquet")
        killed_at(here, r"^POST /\S+-staging/\S+uploadId", "anonymize", "--run", "dead")
        assert [key.split("/")[1] for key in here.uploads()] == ["dead"]
        assert here.made.files("staging") == []
        assert here.run("anonymize", "--run", "alive").code == 0
        assert here.uploads() == []
        killed_at(here, r"^POST /\S+-sanitized/\S+uploadId", "release")
        assert [key.split("/")[0] for key in here.uploads()] == [".pending"]
        assert not [name for name in here.made.files("sanitized") if "lease" not in name]
        assert here.run("release").code == 0
        here.check_clean()
        assert here.published().num_rows == LARGE


def test_doors_started_together_stage_and_publish_once(tmp_path):
    with site(tmp_path, "together", files=2) as here:
        staged = [door.wait() for door in [here.start("anonymize", "--run", "one") for _ in range(3)]]
        assert {ended.code for ended in staged} <= {0, TEMPORARY}, staged
        assert [ended.result["continued"] for ended in staged if ended.code == 0].count(False) == 1
        assert here.signed() == ["one"]
        released = [door.wait() for door in [here.start("release") for _ in range(3)]]
        assert {ended.code for ended in released} <= {0, TEMPORARY}, released
        assert [ended.result.get("state") for ended in released].count("released") == 1
        assert [name for name in here.made.files("sanitized") if "/history/" in name] == ["people/history/00000001.json"]
        files = {f"{number:03}.parquet": make_people(20, first=number * 1_000) for number in range(2)}
        here.check(faultless(here, files))


@pytest.mark.slow
def test_a_door_that_slept_over_its_swap_while_another_published(tmp_path):
    """Its request is under way when it falls asleep; the store carries it out after the other's."""
    with site(tmp_path, "asleep", files=2, lease_seconds="8") as here:
        assert here.run("anonymize", "--run", "one").code == 0
        reached, go_on = Event(), Event()
        here.line.rule = at(r"^PUT \S+current\.json", lambda: (reached.set(), go_on.wait(300)))
        sleeper = here.start("release")
        assert reached.wait(60)
        sleeper.signal(signal.SIGSTOP)
        time.sleep(8.2)
        here.put(grown := make_people(33), "000.parquet")
        assert here.run("anonymize", "--run", "two").code == 0
        late = here.run("release", "--run", "two")
        assert (late.code, late.result["state"]) == (0, "released"), late
        go_on.set()
        sleeper.signal(signal.SIGCONT)
        woken = sleeper.wait()
        assert woken.code == TEMPORARY, woken
        assert here.run("release").result["state"] == "nothing new"
        assert here.published().equals(faultless(here, {"000.parquet": grown, "001.parquet": make_people(20, first=1_000)}))


CHANGES = [
    (r"^PUT /\S+-staging/\S+/data/", 1, "replaced"),
    (r"^GET /\S+-raw/people/001", 5, "replaced"),
    (r"^GET /\S+-raw/people/001", 5, "gone"),
]


@pytest.mark.slow
def test_a_raw_object_that_changes_under_the_inner_door(tmp_path):
    """Before it is read, and in the midst of it: the run is not staged; the next one takes the source as it is then."""
    with site(tmp_path, "drift", files=2) as here:
        files = {"000.parquet": make_people(20), "001.parquet": make_people(20, first=1_000)}
        for turn, (place, count, change) in enumerate(CHANGES):
            other = make_people(25 + turn, first=2_000 + turn * 100)
            act = {"gone": lambda: here.drop("001.parquet"), "replaced": lambda other=other: here.put(other, "001.parquet")}
            here.line.rule = at(place, act[change], count=count)
            ended = here.run("anonymize", "--run", f"run-{turn}")
            assert (ended.code, "source-changed" in ended.said) == (TEMPORARY, True), (place, change, ended.said)
            assert here.signed() == []
            assert here.uploads() == []
            if change == "gone":
                here.put(other, "001.parquet")
            files["001.parquet"] = other
        assert here.run("anonymize").code == here.run("release").code == 0
        here.check(faultless(here, files))
