"""A line that swallows packets: no refusal, no reset, nothing. A door tells of it in bounded time, with 75, instead of hanging."""

from __future__ import annotations

import os
from threading import Event

import pytest
from tests.conftest import make_people
from tests.e2e._buckets import faultless, site
from tests.servers.namespace import entered
from tests.servers.proxy import at

FILES = {f"{number:03}.parquet": make_people(20, first=number * 1_000) for number in range(2)}
TEMPORARY = 75


@pytest.fixture
def network(require):
    for part in ("s3", "nft"):
        require(part)
    with entered(f"airlock-{os.getpid()}") as made:
        yield made


@pytest.mark.slow
def test_a_line_that_is_silent_from_the_start(tmp_path, network):
    with site(tmp_path, "silent", files=1) as here:
        network.swallow(here.line.address)
        for ended in [door.wait() for door in [here.start(verb) for verb in ("anonymize", "release")]]:
            assert ended.code == TEMPORARY, ended
            assert "did not answer" in ended.said, ended
            assert ended.seconds < 60
        network.heal()
        assert here.run("anonymize").code == here.run("release").code == 0


@pytest.mark.slow
def test_a_line_that_falls_silent_at_the_pointer(tmp_path, network):
    """The swap is carried out, and its answer never comes. The next door finds out."""
    with site(tmp_path, "silent", files=2) as here:
        assert here.run("anonymize", "--run", "one").code == 0
        swallowed = Event()

        def swallow():
            network.swallow(here.line.address)
            swallowed.set()

        here.line.rule = at(r"^PUT \S+current\.json", swallow)
        ended = here.run("release")
        assert swallowed.is_set()
        assert ended.code == TEMPORARY, ended
        assert "did not answer" in ended.said, ended
        network.heal()
        assert here.published().num_rows == 40
        assert here.signed() == ["one"]
        released = here.run("release", "--run", "one")
        assert (released.code, released.result["sequence"], released.result["state"]) == (0, 1, "released"), released
        here.check(faultless(here, FILES))
