"""A run's own deadline: what hangs is ended and can go on; what is done in time is left alone."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest
from tests.unit.doors.test_guard import RECORDS, ordered  # noqa: F401 - a fixture

from airlock.doors._deadline import within
from airlock.doors.anonymize import anonymize
from airlock.errors import RunDeadlineError, TransientError


def test_a_task_that_hangs_is_ended_and_the_run_goes_on_later(make_project, ordered, monkeypatch):  # noqa: F811
    made = make_project(files=2)
    ordered({"do": "hang", "place": RECORDS})
    began = time.monotonic()
    with pytest.raises(RunDeadlineError, match=r"not done within 6 s \(run_seconds\)") as caught:
        anonymize(made.policy(), made.settings(run_seconds="6"), run_id="one")
    assert caught.value.exit_code == 75
    assert time.monotonic() - began < 30
    assert multiprocessing.active_children() == []
    monkeypatch.delenv("WORKER_ORDERS")
    assert anonymize(made.policy(), made.settings(run_seconds="600"), run_id="one").rows_out == 40


def test_work_is_told_again_until_it_ends():
    stopped = threading.Semaphore(0)

    def work():
        with within(0.03, stopped.release):
            assert [stopped.acquire(timeout=5), stopped.acquire(timeout=5)] == [True, True]
            raise TransientError("ended")

    with pytest.raises(RunDeadlineError):
        work()


def test_what_was_done_all_the_same_is_done():
    stopped = threading.Event()
    with within(0.03, stopped.set):
        assert stopped.wait(5)


def test_what_fails_by_itself_says_so():
    with pytest.raises(TransientError, match="its own"), within(60, lambda: pytest.fail("stopped")):
        raise TransientError("its own")


def test_without_one_nothing_is_stopped():
    with within(0, lambda: pytest.fail("stopped")):
        assert threading.active_count() >= 1
