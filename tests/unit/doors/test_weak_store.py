"""Neither door writes to a store that lets two publishers win."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid

import pytest
from tests.servers import careless

from airlock.doors.anonymize import anonymize
from airlock.doors.release import release
from airlock.doors.shard import Shard, check_shard
from airlock.errors import WeakStoreError
from airlock.storage import open_store


@pytest.fixture(scope="module")
def forgetful(require):
    require("moto")
    with careless.running("--lost=If-None-Match", "--lost=If-Match") as served:
        yield served


@pytest.fixture
def elsewhere(make_project, forgetful, tmp_path):
    """Makes a project with one zone in that store; returns the project, its flags and the zone's store."""

    def make(zone):
        place = forgetful.zone(tmp_path, f"{zone}-{uuid.uuid4().hex}")
        flags = {
            f"zones.{zone}.{name}": value
            for name, value in zip(("uri", "endpoint", "identity"), (place.uri, place.endpoint, place.identity), strict=True)
        }
        return make_project(files=1), flags, open_store(place)

    return make


@pytest.mark.parametrize("zone", ["private", "staging"])
def test_the_inner_door_writes_nothing(elsewhere, zone):
    project, flags, weak = elsewhere(zone)
    with pytest.raises(WeakStoreError, match="two publishers could both win"):
        anonymize(project.policy(), project.settings(**flags))
    assert list(weak.list(hidden=True)) == []
    assert not (project.root / "staging").exists() or project.files("staging") == []


def _check(project, run, **flags):
    check_shard(project.policy(), project.settings(**flags), Shard(0, 1), run_id=run)


def _release(project, run, **flags):
    release(project.policy(), project.settings(**flags), run_id=run)


@pytest.mark.parametrize("door", [_check, _release])
def test_the_outer_door_writes_nothing(elsewhere, door):
    project, flags, sanitized = elsewhere("sanitized")
    run = anonymize(project.policy(), project.settings()).run
    before = project.files("staging")
    with pytest.raises(WeakStoreError, match="two publishers could both win"):
        door(project, run, **flags)
    assert list(sanitized.list(hidden=True)) == []
    assert project.files("staging") == before


def test_the_command_says_it_and_ends_with_2(elsewhere):
    project, flags, _ = elsewhere("sanitized")
    anonymize(project.policy(), project.settings())
    variables = {f"AIRLOCK_{name.upper().replace('.', '_').removesuffix('_URI')}": value for name, value in flags.items()}
    command = [sys.executable, "-m", "airlock", "--config", str(project.config), "release", str(project.policy())]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 2
    assert json.loads(done.stdout)["results"][0]["code"] == "store-conditions"
    assert "Take a store that enforces If-None-Match and If-Match" in done.stderr
