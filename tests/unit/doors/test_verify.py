"""`verify` as readers use it: what it remembers, whom it trusts and when, and that it needs nothing but the files."""

from __future__ import annotations

import json
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airlock.doors.release import release
from airlock.doors.verify import verified_data, verify
from airlock.errors import BoundaryError, ConfigError, IntegrityError, NotFoundError, RollbackError, SignatureError
from airlock.evidence.canonical import time_text
from airlock.storage import local

NOW = datetime.now(UTC)


@pytest.fixture
def older(place, tmp_path):
    """The sink as it was before its second release."""
    copy = tmp_path / "older" / "team" / "people"
    shutil.copytree(place.sink, copy)
    (copy / "history" / "00000002.json").unlink()
    shutil.copy(copy / "history" / "00000001.json", copy / "current.json")
    return copy


def put_back(place, older):
    shutil.rmtree(place.sink)
    shutil.copytree(older, place.sink)


def key(place, role, **changes):
    """Edit a trusted key's times, as people do."""
    path = place.root / "trust" / f"{role}.pub"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: time_text(at) for name, at in changes.items()}))


# --- rollback ---------------------------------------------------------------------------------------------------------


def test_a_release_that_was_put_back_is_refused_for_good(place, older, first):
    assert verify(older, place.settings()).run == first  # it is a good one: another folder, nothing remembered
    assert verify(place.sink, place.settings()).sequence == 2
    put_back(place, older)
    for look in (verify, verified_data, verify):
        with pytest.raises(RollbackError, match="has sequence 1, but 2 was seen before") as caught:
            look(place.sink, place.settings())
        assert caught.value.exit_code == 3


def test_path_remembers_too_and_a_newer_release_is_taken(place, older, second):
    assert verified_data(place.sink, place.settings()) == f"{place.sink}/data/{second}"
    third = place.run()
    assert verify(place.sink, place.settings()).run == third
    put_back(place, older)
    with pytest.raises(RollbackError, match="but 3 was seen"):
        verified_data(place.sink, place.settings())


def test_required_separation_is_refused_without_it_and_what_failed_is_not_remembered(place):
    place.stage()
    release(place.policy, place.settings(separation="none"))
    with pytest.raises(BoundaryError, match="separation 'none'") as caught:
        verify(place.sink, place.settings(), require_separation=True)
    assert caught.value.exit_code == 3
    assert not (place.root / "state.json").exists()
    assert verify(place.sink, place.settings()).separation == "none"


def test_a_memory_that_is_none_is_refused(place):
    state = place.root / "state.json"
    for text in ("", "[]", '{"a": "x"}', "\x00"):
        state.write_text(text)
        with pytest.raises(IntegrityError, match=r"state\.json' is not what verify wrote"):
            verify(place.sink, place.settings())


def test_a_memory_that_cant_be_kept_is_said(place, monkeypatch):
    with pytest.raises(ConfigError, match=r"can't be used: Is a directory\. Name a file .*AIRLOCK_STATE"):
        verify(place.sink, place.settings(state=str(place.root)))
    with pytest.raises(ConfigError, match=r"can't be used: Not a directory"):
        verify(place.sink, place.settings(state=str(place.root / "airlock.yaml" / "state.json")))
    settings = place.settings()
    settings.values["state"] = None
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(_homeless))
    with pytest.raises(ConfigError, match="no home folder"):
        verify(place.sink, settings)


def _homeless():
    raise RuntimeError("Could not determine home directory.")


# --- trust ------------------------------------------------------------------------------------------------------------


def test_without_a_trusted_key_nothing_is_verified(place):
    settings = place.settings()
    settings.values["trust"] = None
    for look in (verify, verified_data):
        with pytest.raises(SignatureError, match="no trusted key is given") as caught:
            look(place.sink, settings)
        assert caught.value.exit_code == 3


@pytest.mark.parametrize("role", ["release", "stage"])
@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"not_before": NOW + timedelta(days=1)}, "is valid from"),
        ({"not_before": NOW - timedelta(days=9), "not_after": NOW - timedelta(days=2)}, "was valid until"),
        ({"revoked": NOW - timedelta(days=2)}, "was revoked at"),
    ],
    ids=["too early", "too late", "revoked"],
)
def test_a_key_that_was_not_good_when_it_signed_is_not_trusted(place, role, changes, match):
    key(place, role, **changes)
    with pytest.raises(SignatureError, match=match):
        verify(place.sink, place.settings())


@pytest.mark.parametrize("role", ["release", "stage"])
@pytest.mark.parametrize("changes", [{"not_after": NOW + timedelta(days=1)}, {"revoked": NOW + timedelta(days=1)}])
def test_evidence_outlives_its_keys(place, second, monkeypatch, role, changes):
    """Ten years on, its keys expired or revoked since: judged when it was signed."""
    key(place, role, **changes)
    monkeypatch.setattr("time.time", (NOW + timedelta(days=3650)).timestamp)
    assert verify(place.sink, place.settings()).run == second


def test_nothing_but_files_is_asked(place, tmp_path, second, monkeypatch):
    """A copy of the folder and the public key, no network: what an auditor has."""

    def refuse(*_, **__):
        raise AssertionError("verify opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    copy = tmp_path / "audit"
    shutil.copytree(place.sink, copy / "team" / "people")
    shutil.copy(place.root / "trust" / "release.pub", copy / "release.pub")
    for folder in ("private", "staging", "raw", "keys", "sanitized"):
        shutil.rmtree(place.root / folder)
    found = verify(copy / "team" / "people", place.settings(trust=str(copy / "release.pub")))
    assert (found.run, found.staged_signature) == (second, "not checked: no stage key is trusted")


def test_the_stage_key_alone_verifies_no_release(place):
    with pytest.raises(SignatureError):
        verify(place.sink, place.settings(trust=str(place.root / "trust" / "stage.pub")))


def test_a_folder_without_a_release(place):
    with pytest.raises(NotFoundError, match=r"holds no release \(no current\.json\)"):
        verify(place.root / "raw", place.settings())


def test_a_folder_that_cant_be_read_is_said(place, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    settings = place.settings()
    monkeypatch.setattr(local.os, "open", refuse)
    with pytest.raises(ConfigError, match=r"does not let this process use 'current\.json': permission denied"):
        verify(place.sink, settings)
