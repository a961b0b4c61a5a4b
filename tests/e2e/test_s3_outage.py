"""The store goes away while a door is at work, falls silent, or is full: 75, nothing lost, and the same command goes on from there."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from tests.conftest import make_people
from tests.e2e._buckets import faultless, site
from tests.servers.proxy import at

FILES = {f"{number:03}.parquet": make_people(20, first=number * 1_000) for number in range(3)}
TEMPORARY = 75
TOLD = 60
"""Seconds within which a door says that the store is down."""


@pytest.fixture(autouse=True)
def gateway_is_there(require):
    require("s3")


def fails(ended, *, within=TOLD):
    assert ended.code == TEMPORARY, ended
    assert "did not answer" in ended.said, ended
    assert ended.seconds < within
    return ended


INNER = [
    (r"^GET /\S+-raw\?list", 1),
    (r"^GET /\S+-raw/people/001", 5),
    (r"^PUT /\S+-staging/people/one/data", 1),
    (r"^PUT /\S+-private/people/splits/\w+\.json", 1),
    (r"^PUT /\S+-staging/\S+intoto", 1),
]
"""Where the server stops: before which request, at its how-manieth time."""


@pytest.mark.slow
def test_the_server_stops_under_the_inner_door(tmp_path):
    with site(tmp_path, "stops", files=3) as here:
        here.gateway.stop()
        fails(here.run("anonymize", "--run", "one"))
        here.gateway.start()
        for pattern, count in INNER:
            here.line.rule = at(pattern, here.gateway.stop, count=count)
            fails(here.run("anonymize", "--run", "one"))
            here.gateway.start()
            assert here.signed() == []
            assert here.uploads() == []
        staged = here.run("anonymize", "--run", "one")
        assert (staged.code, staged.result["rows_out"], staged.result["reused"]) == (0, 60, 3), staged
        assert here.run("release").code == 0
        here.check(faultless(here, FILES))


OUTER = [
    (r"^GET /\S+-staging/people/one/data", 2, False),
    (r"^PUT /\S+-sanitized/\.pending", 2, False),
    (r"^PUT /\S+-sanitized/people/data", 2, False),
    (r"^PUT \S+evidence/one/gate", 1, False),
    (r"^PUT \S+current\.json", 1, False),
    (r"^PUT \S+history", 1, True),
    (r"^PUT \S+verdict", 1, True),
    (r"^DELETE /\S+-staging/people/one/data", 2, True),
]
"""The same, and whether the release is out by then."""


@pytest.mark.slow
def test_the_server_stops_under_the_outer_door(tmp_path):
    with site(tmp_path, "stops", files=3) as here:
        assert here.run("anonymize", "--run", "one").code == 0
        expected = faultless(here, FILES)
        here.gateway.stop()
        fails(here.run("release"))
        here.gateway.start()
        for pattern, count, out in OUTER:
            here.line.rule = at(pattern, here.gateway.stop, count=count)
            fails(here.run("release"))
            here.gateway.start()
            assert here.published() == (expected if out else None)
        again = here.run("release", "--run", "one")
        assert (again.code, again.result["state"], again.result["rows"], again.result["sequence"]) == (0, "released", 60, 1), (
            again
        )
        here.check(expected)
        assert here.run("release").result["state"] == "nothing new"


@pytest.mark.slow
def test_a_server_that_is_back_soon_is_waited_for(tmp_path):
    """Restarted while both doors are at work: they notice nothing but the wait."""

    def restart():
        here.gateway.stop()
        time.sleep(1)  # longer than botocore's own five tries last
        here.gateway.start()

    with site(tmp_path, "back", files=3) as here:
        here.line.rule = at(INNER[2][0], restart)
        assert here.run("anonymize", "--run", "one").code == 0
        here.line.rule = at(OUTER[1][0], restart)
        assert here.run("release").code == 0
        here.check(faultless(here, FILES))


@pytest.fixture
def little_disk(tmp_path, require):
    """A file system of a few MiB."""
    require("mount")
    place = tmp_path / "little"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def leave(place, free):
    """Fill a file system but for so many bytes."""
    status = os.statvfs(place)
    (place / "filler").write_bytes(bytes(max(0, status.f_bavail * status.f_frsize - free)))


@pytest.mark.slow
def test_the_server_is_full(tmp_path, little_disk):
    with site(tmp_path, "full", files=3, data=little_disk) as here:
        here.put(big := make_people(20_000, first=50_000), "009.parquet")
        for verb, room in (("anonymize", 0), ("anonymize", 200_000), ("release", 0), ("release", 200_000)):
            leave(little_disk, room)
            ended = here.run(verb, *(["--run", "one"] if verb == "anonymize" else []))
            assert ended.code == TEMPORARY, ended
            assert "is full" in ended.said, ended
            assert "Make room there, then run again" in ended.said
            assert here.published() is None
            assert here.uploads() == []
            (little_disk / "filler").unlink()
            if verb == "anonymize" and room:
                assert here.signed() == []
                staged = here.run("anonymize", "--run", "one")
                assert (staged.code, staged.result["rows_out"], staged.result["reused"]) == (0, 20_060, 3), staged
        assert here.run("release").code == 0
        here.check(faultless(here, FILES | {"009.parquet": big}))
