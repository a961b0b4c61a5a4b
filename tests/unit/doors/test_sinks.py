"""A sink's chain: what was put back, lost, copied elsewhere or swapped by a door that had lost its lease."""

from __future__ import annotations

import json
import shutil

import pyarrow.parquet as pq
import pytest

from airlock.doors.prune import Extent, prune, prune_jobs
from airlock.doors.revoke import revoke
from airlock.doors.verify import verified_data, verify
from airlock.errors import BoundaryError, IntegrityError, LeaseHeldError, PolicyError, RollbackError
from airlock.storage import LocalStore


def folders(place, kind="data"):
    return {path.name for path in (place.sink / kind).iterdir()}


def forget(place):
    (place.root / "state.json").unlink(missing_ok=True)


@pytest.fixture
def third(place):
    return place.run()


# --- history ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [1, 2])
def test_an_older_pointer_beside_a_longer_history_is_refused_everywhere(place, third, sequence):
    shutil.copy(place.sink / "history" / f"{sequence:08d}.json", place.sink / "current.json")
    forget(place)
    before = place.sink.joinpath("current.json").read_bytes(), folders(place), folders(place, "evidence")
    waiting = place.stage()
    for act in (
        lambda: verify(place.sink, place.settings()),
        lambda: verified_data(place.sink, place.settings()),
        lambda: place.publish(waiting),
        lambda: place.prune(now=True),
        lambda: place.prune(dry_run=True),
        lambda: revoke("people", place.settings(), reason="wrong rule"),
    ):
        with pytest.raises(
            RollbackError, match=rf"has sequence {sequence}, but 'history/' holds pointer 3.* restores current\.json"
        ):
            act()
    assert (place.sink.joinpath("current.json").read_bytes(), folders(place), folders(place, "evidence")) == before
    shutil.copy(place.sink / "history" / "00000003.json", place.sink / "current.json")
    assert verify(place.sink, place.settings()).run == third
    assert place.publish(waiting) == waiting


def test_a_lost_pointer_brings_no_superseded_run_back(place, first, second, tmp_path):
    staged = place.root / "staging" / "people"
    waiting = place.stage()
    shutil.copytree(staged / waiting, tmp_path / "copy")
    place.publish(waiting)
    revoke("people", place.settings(grace_minutes="5"), reason="wrong rule")
    (place.sink / "current.json").unlink()
    shutil.rmtree(staged / waiting)
    shutil.copytree(tmp_path / "copy", staged / waiting)
    before = folders(place), folders(place, "evidence")
    for act in (
        lambda: place.publish(waiting),
        lambda: place.prune(now=True),
        lambda: verify(place.sink, place.settings()),
    ):
        with pytest.raises(RollbackError, match=r"there is no current\.json, but 'history/' holds pointer 4"):
            act()
    assert not (place.sink / "current.json").exists()
    assert (folders(place), folders(place, "evidence")) == before


# --- a swap after the lease was lost ----------------------------------------------------------------------------------


@pytest.fixture
def stall(monkeypatch, place):
    """Let somebody else prune between a door's last look at its lease and its swap."""

    def arrange():
        swap, calls = LocalStore.replace, []

        def late(self, path, data, expected):
            if path.endswith("/current.json") and not calls:
                calls.append(path)
                (place.sink / ".lease.json").unlink()
                for job in prune_jobs((), place.settings()):
                    if job.sink:
                        calls.extend(one.what for one in prune(job, place.settings(), Extent(now=True)))
            return swap(self, path, data, expected)

        monkeypatch.setattr(LocalStore, "replace", late)
        return calls

    return arrange


def test_a_late_swap_is_no_success_and_is_taken_back(place, second, stall):
    waiting = place.stage()
    calls = stall()
    with pytest.raises(LeaseHeldError):
        place.publish(waiting)
    assert "runs never published" in calls
    with pytest.raises(IntegrityError, match="is missing from the release"):
        verify(place.sink, place.settings())
    place.prune(now=True)
    assert verify(place.sink, place.settings()).run == second
    assert place.publish() == waiting
    assert verify(place.sink, place.settings()).sequence == 3


def test_a_late_first_swap_is_taken_back_by_the_next_door(place, stall):
    shutil.rmtree(place.sink)
    waiting = place.stage()
    calls = stall()
    with pytest.raises(LeaseHeldError):
        place.publish(waiting)
    assert "runs never published" in calls
    assert (place.sink / "current.json").exists()
    assert place.publish() == waiting
    assert (verify(place.sink, place.settings()).run, verify(place.sink, place.settings()).sequence) == (waiting, 1)


def test_a_swap_whose_door_died_before_it_confirmed_stands(place, second):
    (place.sink / "history" / "00000002.json").unlink()
    place.prune()
    assert (place.sink / "history" / "00000002.json").read_bytes() == (place.sink / "current.json").read_bytes()
    assert verify(place.sink, place.settings()).run == second


# --- places -----------------------------------------------------------------------------------------------------------


def test_a_release_counts_in_its_own_folder_alone(place, second, tmp_path):
    copy = place.root / "sanitized" / "team" / "customers"
    shutil.copytree(place.sink, copy)
    for look in (verify, verified_data):
        with pytest.raises(IntegrityError, match="'team/customers' holds the release of sink 'team/people'"):
            look(copy, place.settings())
    deeper = place.root / "sanitized" / "copies" / "team" / "people"
    shutil.copytree(place.sink, deeper)
    with pytest.raises(IntegrityError, match="'copies/team/people' holds the release of sink 'team/people'"):
        verify(deeper, place.settings())
    shutil.copytree(place.sink, tmp_path / "mirror" / "team" / "people")
    assert verify(tmp_path / "mirror" / "team" / "people", place.settings()).run == second
    with pytest.raises(IntegrityError, match="holds the release of sink 'team/people'"):
        place.prune()


@pytest.mark.parametrize("sink", ["team", "team/people/more"])
def test_no_sink_lies_in_another(place, people, sink):
    pq.write_table(people(41), place.root / "raw" / "people" / "part.parquet")
    place.policy.write_text(place.policy.read_text().replace("path: team/people", f"path: {sink}"))
    place.stage()
    with pytest.raises(PolicyError, match=f"sink.path '{sink}' and the sink 'team/people', which holds releases") as caught:
        place.publish()
    assert caught.value.exit_code == 2
    assert not (place.root / "sanitized" / sink / ".lease.json").exists()


# --- pending files ----------------------------------------------------------------------------------------------------


def test_a_pending_folder_that_others_could_read_is_closed(place):
    pending = place.root / "sanitized" / ".pending"
    pending.mkdir(exist_ok=True)
    pending.chmod(0o755)
    place.run()
    assert pending.stat().st_mode & 0o777 == 0o700


def test_a_pending_folder_that_is_a_link_is_refused(place, tmp_path):
    pending = place.root / "sanitized" / ".pending"
    shutil.rmtree(pending, ignore_errors=True)
    pending.symlink_to(place.root / "raw")
    waiting = place.stage()
    with pytest.raises(BoundaryError, match="is no folder but a link or a file"):
        place.publish(waiting)


@pytest.mark.parametrize("stray", ["lease-x/f", "lease-²/f", "lease-9999999999999", "context", "", ".."])
def test_a_stray_among_pending_files_holds_no_run_up(place, stray):
    waiting = place.stage()
    fence = json.loads((place.root / "staging" / "people" / waiting / "manifest.json").read_text())["fence"]
    work = place.root / "sanitized" / ".pending" / "team%2Fpeople" / f"{fence}-{waiting}"
    file = work.parent if stray == ".." else work / stray
    if stray == ".." and file.exists():
        shutil.rmtree(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x")
    assert place.publish(waiting) == waiting
    assert not file.is_file()
