"""Requests that are under way at once: in order, never more than a window of them, and none lost when one fails."""

from __future__ import annotations

import threading
import time

import pytest

from airlock.storage import LocalStore
from airlock.storage.at_once import at_once


class Elsewhere(LocalStore):
    def local_path(self, path):
        return None


@pytest.fixture
def store(tmp_path):
    return Elsewhere(tmp_path)


def test_results_come_in_order(store):
    def act(number):
        time.sleep(0.002 * (number % 3))
        return number

    assert list(at_once(store, act, range(50))) == list(range(50))


def test_no_more_than_a_window_is_held(store):
    begun = []
    results = at_once(store, begun.append, range(100), most=4)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 5
    assert len(list(results)) == 99


def test_the_first_failure_ends_it(store):
    done = []

    def act(number):
        if number == 3:
            raise ValueError("third")
        done.append(number)

    with pytest.raises(ValueError, match="third"):
        list(at_once(store, act, range(1000)))
    assert len(done) < 100


def test_on_a_disk_there_are_no_threads(tmp_path):
    seen = list(at_once(LocalStore(tmp_path), lambda _: threading.current_thread(), range(3)))
    assert seen == [threading.main_thread()] * 3
