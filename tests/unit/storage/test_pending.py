"""Pending files: in a folder that is its owner's alone and that no listing shows; half-written ones swept when nobody writes them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import time

import pytest

from airlock.storage import LocalStore, open_store
from airlock.storage.pending import pending_folder

CONTEXT = multiprocessing.get_context("fork")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "zone")


def test_pending_files_are_in_no_listing_but_their_own(store):
    folder = pending_folder("team/people")
    store.create(f"{folder}/1-one/part", b"1")
    store.create("team/people/current.json", b"2")
    assert [entry.path for entry in store.list()] == ["team/people/current.json"]
    assert [entry.path for entry in store.list(folder)] == [".pending/team%2Fpeople/1-one/part"]
    assert list(store.list(pending_folder("team"))) == []


@pytest.mark.parametrize("write", ["create", "open_output"])
def test_the_folder_is_private_whatever_the_umask(store, write):
    before = os.umask(0)
    try:
        if write == "create":
            store.create(f"{pending_folder('people')}/x", b"")
        else:
            with store.open_output(f"{pending_folder('people')}/x"):
                pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((store.root / ".pending").stat().st_mode) == 0o700


def _write_and_wait(uri, queue):
    with open_store(uri).open_output(f"{pending_folder('people')}/half") as half:
        half.write(b"half")
        half.flush()
        queue.put("ready")
        time.sleep(60)


def _half_written(store):
    return [path.name for path in store.root.rglob(".new-*")]


def test_sweep_takes_only_what_nobody_writes(store):
    queue = CONTEXT.SimpleQueue()
    writer = CONTEXT.Process(target=_write_and_wait, args=(store.uri, queue))
    writer.start()
    queue.get()
    with store.open_output("folder/being-written") as out:
        out.write(b"alive")
        assert store.sweep(grace=0) == 0
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        (store.root / ".new-0123").write_bytes(b"left by a crash")
        assert store.sweep() == 0  # too new: their writers might not hold their locks yet
        assert store.sweep("folder", grace=0) == 0
        assert store.sweep(grace=0) == 2
        assert store.sweep(grace=0) == 0
    assert _half_written(store) == []
    assert store.read("folder/being-written") == b"alive"


def test_sweep_of_an_absent_zone(store):
    assert store.sweep() == 0
