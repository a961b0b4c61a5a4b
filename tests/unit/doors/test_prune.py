"""What pruning removes, and what it must leave."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from airlock.doors._sinks import _due
from airlock.doors._zones import open_zone
from airlock.doors.anonymize import anonymize
from airlock.doors.prune import prune_jobs, sinks_behind
from airlock.doors.revoke import revoke
from airlock.doors.verify import verify
from airlock.errors import IntegrityError, LeaseHeldError, NotFoundError
from airlock.evidence.canonical import time_text
from airlock.evidence.pointer import Pointer
from airlock.policy.model import Retain
from airlock.storage.lease import Lease
from airlock.types import RunState, Zone

EMPTY = "00000000-0000-7000-8000-000000000000"
LATER = "ffffffff-0000-7000-8000-000000000000"


def test_a_dry_run_says_what_would_go_and_writes_nothing(place, first, second):
    (place.root / "staging" / "people" / EMPTY).mkdir()
    (place.root / "staging" / "people" / EMPTY / "part").write_text("never signed")
    before = {path: path.stat().st_mtime_ns for path in place.root.rglob("*")}
    assert place.prune(dry_run=True)
    assert {path: path.stat().st_mtime_ns for path in place.root.rglob("*")} == before
    assert place.prune() == {("staging", "judged or dead runs"): 1}
    assert place.prune() == {}
    assert place.states() == {first: "superseded", second: "released"}


def test_what_killed_doors_left_goes(place, second):
    for folder in ("sanitized/team/people/data", "sanitized/team/people/evidence", "staging/people", "private/people"):
        (place.root / folder / EMPTY).mkdir()
        (place.root / folder / EMPTY / "run.json").write_text("{}")
    assert place.known(EMPTY).state == "leftover"
    gone = place.prune()
    assert gone["sanitized", "runs never published"] == 1
    assert gone["staging", "judged or dead runs"] == 1
    assert gone["private", "dead runs"] == 1
    assert EMPTY not in place.states()
    assert verify(place.sink, place.settings()).run == second


def test_split_records_stay_while_a_run_may_use_them(place, people):
    import pyarrow.parquet as pq

    splits = place.root / "private" / "people" / "splits"
    old = {file.name for file in splits.iterdir()}
    pq.write_table(people(41), place.root / "raw" / "people" / "part.parquet")
    waiting = place.stage()
    new = {file.name for file in splits.iterdir()} - old
    assert place.prune()["private", "split files"] == len(old)
    assert {file.name for file in splits.iterdir()} == new
    pq.write_table(people(42), place.root / "raw" / "people" / "part.parquet")
    place.stage()
    newest = {file.name for file in splits.iterdir()} - new
    assert ("private", "split files") not in place.prune()
    assert place.publish(waiting) == waiting
    assert place.prune()["private", "split files"] == len(new)
    assert {file.name for file in splits.iterdir()} == newest


def test_an_unfinished_run_may_go_on_with_records_that_no_manifest_names(place):
    splits = place.root / "private" / "people" / "splits"
    (splits / f"{'a' * 32}.json").write_text("{}")
    (place.root / "private" / "people" / LATER).mkdir()
    (place.root / "private" / "people" / LATER / "run.json").write_text("{}")
    assert ("private", "split files") not in place.prune()
    shutil.rmtree(place.root / "private" / "people" / LATER)
    assert place.prune()["private", "split files"] == 1


def test_nothing_goes_while_a_run_holds_the_lease_or_pointers_do_not_hold(place, first):
    with (
        Lease.acquire(open_zone(place.settings(), Zone.SANITIZED), "team/people/.lease.json", owner="another"),
        pytest.raises(LeaseHeldError, match="another"),
    ):
        place.prune()
    (place.sink / "history" / "00000001.json").unlink()
    with pytest.raises(IntegrityError, match="is not what follows"):
        place.prune()
    assert (place.sink / "evidence" / first).is_dir()


def test_only_known_datasets_are_pruned(place):
    assert {(job.dataset, job.sink) for job in prune_jobs(["people"], place.settings())} == {
        ("people", ""),
        ("people", "team/people"),
    }
    with pytest.raises(NotFoundError, match="no run of 'nobody' is known here; there are people"):
        prune_jobs(["nobody"], place.settings())


def test_superseded_data_goes_with_a_later_release(place, first, second):
    third = place.run()
    assert [place.known(run).data for run in (first, second, third)] == ["pruned", "present", "present"]
    assert place.known(first).problem == ""


@pytest.fixture
def slow(place):
    """The same with an hour of grace time for readers."""
    config = place.root / "airlock.yaml"
    config.write_text(config.read_text() + "grace_minutes: 60\n")
    return place


def test_superseded_releases_go_whatever_retain_says_after_the_grace_time(slow, first, second):
    assert ("sanitized", "superseded or revoked data") not in slow.prune(superseded=True)
    assert slow.prune(superseded=True, now=True, dry_run=True)["sanitized", "superseded or revoked data"] == 1
    assert (slow.sink / "data" / first).is_dir()
    assert slow.prune(superseded=True, now=True)["sanitized", "superseded or revoked data"] == 1
    assert [slow.known(run).data for run in (first, second)] == ["pruned", "present"]
    assert verify(slow.sink, slow.settings()).run == second


def test_without_superseded_retain_holds_and_the_grace_time_may_be_left_out(slow, first, second):
    third = slow.run()
    assert ("sanitized", "superseded or revoked data") not in slow.prune()
    assert slow.prune(now=True)["sanitized", "superseded or revoked data"] == 1
    assert [slow.known(run).data for run in (first, second, third)] == ["pruned", "present", "present"]


def test_what_the_latest_run_replaces_goes_from_the_raw_side_too(place, people):
    import pyarrow.parquet as pq

    waiting = place.stage()
    pq.write_table(people(41), place.root / "raw" / "people" / "part.parquet")
    latest = place.stage()
    place.prune()
    splits = place.root / "private" / "people" / "splits"
    assert len(list(splits.iterdir())) == 4
    (place.root / "private" / "people" / LATER).mkdir()
    (place.root / "private" / "people" / LATER / "run.json").write_text("{}")
    (splits / f"{'a' * 32}.json").write_text("{}")
    assert place.prune() == {}
    gone = place.prune(superseded=True)
    assert gone["staging", "superseded runs"] == 1
    assert gone["private", "dead runs"] == 1
    assert gone["private", "split files"] == 3
    assert len(list(splits.iterdir())) == 2
    assert waiting not in {path.name for path in (place.root / "staging" / "people").iterdir()}
    assert place.publish() == latest


def test_the_latest_run_is_the_one_that_ended_last_whatever_its_id(place, people):
    import pyarrow.parquet as pq

    def stage(run, rows):
        pq.write_table(people(rows), place.root / "raw" / "people" / "part.parquet")
        return anonymize(place.policy, place.settings(), run_id=run).run

    splits = place.root / "private" / "people" / "splits"
    before = {file.name for file in splits.iterdir()}
    stage("zzz", 41)
    place.publish("zzz")
    old = {file.name for file in splits.iterdir()} - before
    stage("aaa", 42)
    place.publish("aaa")
    assert place.prune()["private", "split files"] == len(before | old)
    assert len(list(splits.iterdir())) == 2


def behind(place, *without):
    return {(one.sink, one.run, one.latest) for one in sinks_behind("people", place.settings(*without))}


def test_a_sink_that_the_policy_left_is_named(place, second):
    assert behind(place) == set()
    place.policy.write_text(place.policy.read_text().replace("path: team/people", "path: people"))
    third = place.run()
    assert behind(place) == behind(place, Zone.PRIVATE, Zone.STAGING) == {("team/people", second, third)}
    revoke("team/people", place.settings(), reason="moved")
    assert behind(place) == set()


def test_a_sink_whose_latest_run_is_not_released_yet_is_named(place, second):
    waiting = place.stage()
    assert behind(place) == behind(place, Zone.PRIVATE) == {("team/people", second, waiting)}
    place.refuse(waiting, "RESIDUAL_ENTITY")
    assert behind(place) == {("team/people", second, waiting)}
    (place.root / "staging" / "people" / waiting / "manifest.json").write_text("{")
    assert behind(place, Zone.PRIVATE) == set()
    (place.root / "private" / "people" / waiting / "manifest.json").write_text("{")
    assert behind(place) == set()


NOW = datetime(2026, 11, 22, tzinfo=UTC)


def _chain(*steps):
    return [
        Pointer(dataset="d", recipient="r", sink="d", run=run, sequence=at, previous=None, manifest="a" * 64, state=state, fence=at,
                published_at=time_text(NOW - timedelta(days=days)))
        for at, (run, state, days) in enumerate(steps, start=1)
    ]  # fmt: skip


RELEASED, REVOKED = RunState.RELEASED, RunState.REVOKED


@pytest.mark.parametrize(
    ("steps", "keep", "grace", "gone"),
    [
        ([("a", RELEASED, 9)], (1, 0), 0, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5)], (1, 0), 0, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5)], (0, 0), 0, ["a"]),
        ([("a", RELEASED, 9), ("b", RELEASED, 5)], (0, 0), 6, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5)], (0, 7), 0, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5), ("c", RELEASED, 2)], (1, 0), 0, ["a"]),
        ([("a", RELEASED, 9), ("b", RELEASED, 5), ("c", RELEASED, 2)], (1, 6), 0, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5), ("c", RELEASED, 2)], (1, 0), 6, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5), ("c", RELEASED, 2)], None, 0, []),
        ([("a", RELEASED, 9), ("a", REVOKED, 1)], (1, 30), 0, ["a"]),
        ([("a", RELEASED, 9), ("a", REVOKED, 1)], None, 2, []),
        ([("a", RELEASED, 9), ("b", RELEASED, 5), ("b", REVOKED, 4), ("c", RELEASED, 2)], (1, 0), 0, ["b"]),
    ],
)
def test_what_may_go(steps, keep, grace, gone):
    retain = None if keep is None else Retain(releases=keep[0], days=keep[1])
    assert list(_due(_chain(*steps), retain, now=NOW, grace=timedelta(days=grace))) == gone
