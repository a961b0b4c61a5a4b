"""Looks go on while a block runs, end with it, and hurt nothing."""

from __future__ import annotations

import threading

import pytest

from airlock.doors import _pulse
from airlock.doors._pulse import pulse


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(_pulse, "_EVERY", 0.001)


def test_it_looks_until_the_block_ends():
    enough, looks = threading.Event(), []

    def look():
        looks.append(1)
        if len(looks) == 3:
            enough.set()

    with pulse(look):
        assert enough.wait(30)
    count = len(looks)
    assert "pulse" not in {thread.name for thread in threading.enumerate()}
    assert len(looks) == count


def test_a_look_that_fails_does_not_end_it():
    again, looks = threading.Event(), []

    def look():
        looks.append(1)
        if len(looks) > 1:
            again.set()
        raise OSError("the terminal is gone")

    with pulse(look):
        assert again.wait(30)


def test_the_blocks_own_error_comes_through():
    with pytest.raises(ZeroDivisionError), pulse(lambda: None):
        _ = 1 / 0
