"""A revoked release is withdrawn for every reader, and nothing else is held up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airlock.doors._verdicts import read_verdict
from airlock.doors._zones import open_zone
from airlock.doors.revoke import revoke
from airlock.doors.verify import verified_data, verify
from airlock.errors import ConfigError, LeaseHeldError, NotFoundError, RevokedError, RunBoundError
from airlock.storage.lease import Lease
from airlock.types import RunState, Zone


def test_a_revoked_release_is_refused_to_every_reader(place, second):
    made = revoke("people", place.settings(), reason="wrong rule for 'city'")
    assert (made.run, made.sequence, made.verdict, made.data) == (second, 3, True, "deleted")
    for read in (verify, verified_data):
        with pytest.raises(RevokedError, match=r"was revoked at .* \(wrong rule for 'city'\)"):
            read(place.sink, place.settings())
    known = place.known(second)
    assert (known.state, known.current, known.sequence, known.data) == ("revoked", True, 2, "pruned")
    assert known.reason == "wrong rule for 'city'"
    staging = open_zone(place.settings(), Zone.STAGING)
    assert read_verdict(staging, f"people/{second}", place.settings()) is RunState.REVOKED


def test_the_next_release_works_and_joins_the_chain(place, second):
    revoke("people", place.settings(), reason="wrong rule")
    third = place.run()
    assert verify(place.sink, place.settings()).sequence == 4
    assert place.states()[second] == "revoked"
    assert place.known(third).current


def test_a_run_that_waited_meanwhile_is_released(place):
    waiting = place.stage()
    revoke("people", place.settings(), reason="wrong rule")
    assert place.publish() == waiting
    assert Path(verified_data(place.sink, place.settings())).name == waiting


def test_a_revoked_run_never_comes_back(place, second):
    third = place.stage()
    staged = place.root / "staging" / "people" / third
    kept = {name: (staged / name).read_bytes() for name in ("manifest.json", "manifest.intoto.json")}
    assert place.publish(third) == third
    second = third
    revoke("people", place.settings(), reason="wrong rule")
    with pytest.raises(RunBoundError, match="was revoked before"):
        place.publish(second)
    shutil.rmtree(staged)
    staged.mkdir()
    for name, data in kept.items():
        (staged / name).write_bytes(data)
    with pytest.raises(RunBoundError, match="was revoked at"):
        place.publish(second)
    assert read_verdict(open_zone(place.settings(), Zone.STAGING), f"people/{second}", place.settings()) is RunState.REVOKED


def test_data_stays_for_the_grace_time(place, second):
    made = revoke("people", place.settings(grace_minutes="5"), reason="wrong rule")
    assert (made.data, made.deleted) == ("kept for 5 min", 0)
    assert place.known(second).data == "present"
    assert place.prune()["sanitized", "superseded or revoked data"] == 1
    assert place.known(second).data == "pruned"


def test_revoking_again_finishes_and_changes_nothing(place):
    once = revoke("people", place.settings(grace_minutes="5"), reason="wrong rule")
    again = revoke("team/people", place.settings(), reason="another reason")
    assert (again.sequence, again.reason, again.data) == (once.sequence, "wrong rule", "deleted")
    assert again.deleted > 0


def test_the_inner_side_is_told_only_where_its_folder_still_is(place, second):
    shutil.rmtree(place.root / "staging" / "people" / second)
    assert not revoke("people", place.settings(), reason="wrong rule").verdict
    assert not (place.root / "staging" / "people" / second).exists()


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 501])
def test_a_reason_is_asked_for(place, reason):
    with pytest.raises(ConfigError, match="one printable line"):
        revoke("people", place.settings(), reason=reason)
    assert verify(place.sink, place.settings()).sequence == 2


def test_what_is_not_there_is_not_revoked(place):
    with pytest.raises(NotFoundError, match="'nobody' has no release in zone 'sanitized'; there are team/people"):
        revoke("nobody", place.settings(), reason="wrong rule")
    with (
        Lease.acquire(open_zone(place.settings(), Zone.SANITIZED), "team/people/.lease.json", owner="another"),
        pytest.raises(LeaseHeldError, match="another"),
    ):
        revoke("people", place.settings(), reason="wrong rule")
    assert verify(place.sink, place.settings()).sequence == 2
