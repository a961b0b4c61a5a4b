"""What needs a network or names of its own: nothing asks the metadata service, and buckets that are a part of the host's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.compiled import CACHE

TOP = Path(__file__).parents[3]


@pytest.fixture
def apart(require, tmp_path):
    """Runs a part of `_apart`, without any identity in the environment."""
    require("s3")
    require("unshare")

    def run(part):
        command = [
            "unshare",
            "--map-root-user",
            "--net",
            "--mount",
            sys.executable,
            "-m",
            "tests.unit.clients._apart",
            part,
            str(tmp_path),
        ]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            command,
            cwd=TOP,
            env=clean | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(CACHE.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_nothing_asks_the_metadata_service_unless_it_is_switched_on(apart):
    found = apart("metadata")
    assert found["files"] == ["big", "x"]
    assert found["named"] == []
    assert (found["off"], found["off, refused"]) == ([], "NoCredentialsError")
    assert found["on"][0] == "/latest/api/token"
    assert found["on, refused"] == "InvalidToken"


def test_a_bucket_may_be_a_part_of_the_hosts_name(apart):
    found = apart("virtual")
    assert found["files"] == ["big", "x"]
    for call in (["PutObject", "x", "/x"], ["GetObject", "x", "/x"], ["HeadObject", "x", "/x"]):
        assert call in found["asked"]
    assert not [path for _, _, path in found["asked"] if path.startswith("/zone")]
