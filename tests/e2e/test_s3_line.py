"""A slow line, a store that asks to slow down, answers that are lost: both doors do their work, later."""

from __future__ import annotations

from threading import Lock

import pytest
from tests.conftest import make_people
from tests.e2e._buckets import faultless, site
from tests.servers.proxy import Fault

FILES = {f"{number:03}.parquet": make_people(20, first=number * 1_000) for number in range(2)}


@pytest.fixture(autouse=True)
def gateway_is_there(require):
    require("s3")


@pytest.mark.slow
def test_a_slow_line_outlasts_leases_that_are_kept_alive(tmp_path):
    with site(tmp_path, "slow", files=2, lease_seconds="6") as here:
        here.line.delay, here.line.rate = 0.15, 50_000
        for verb in ("anonymize", "release"):
            here.line.asked.clear()
            ended = here.run(verb)
            assert ended.code == 0, ended
            assert ended.seconds > 7, ended
            renewals = [asked for asked, _ in here.line.asked if asked.startswith("PUT") and asked.endswith("lease.json")]
            assert len(renewals) > 2
        here.check(faultless(here, FILES))


@pytest.mark.slow
def test_a_store_that_asks_to_slow_down(tmp_path):
    with site(tmp_path, "busy", files=2) as here:
        here.line.rule = every(8, Fault.BUSY)
        for verb in ("anonymize", "release"):
            ended = here.run(verb)
            assert ended.code == 0, ended
            assert len(here.line.met(Fault.BUSY)) > 3
            here.line.asked.clear()
        here.check(faultless(here, FILES))


@pytest.mark.slow
def test_no_answer_to_a_write_comes_at_the_first_try(tmp_path):
    """Leases, records, the pointer: each door takes what it wrote for its own, and nobody else's for it."""
    with site(tmp_path, "lost", files=2) as here:
        here.line.rule = first_write_lost()
        for verb in ("anonymize", "release"):
            ended = here.run(verb)
            assert ended.code == 0, ended
            lost = here.line.met(Fault.LOST)
            assert len(lost) > 8
            here.line.asked.clear()
        assert [asked for asked in lost if asked.endswith("current.json")]
        here.check(faultless(here, FILES))


def every(share, fault):
    """The fault befalls every so-many-th request."""
    lock, count = Lock(), [0]

    def rule(_):
        with lock:
            count[0] += 1
            return fault if count[0] % share == 0 else Fault.NONE

    return rule


def first_write_lost():
    """Of each write the first answer; of those to one object every other one."""
    lock, last = Lock(), {}

    def rule(asked):
        if asked.startswith(("GET", "HEAD")):
            return Fault.NONE
        with lock:
            last[asked] = not last.get(asked, False)
            return Fault.LOST if last[asked] else Fault.NONE

    return rule
