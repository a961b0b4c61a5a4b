"""Pending files: invisible until committed, written by processes, resumed after a kill, swept when nobody owns them."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import signal
import stat
import time
from concurrent.futures import ProcessPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airlock.errors import ConfigError, IntegrityError, LeaseHeldError
from airlock.storage import AlreadyExistsError, LocalStore, open_store
from airlock.storage.pending import PendingFiles, sweep

CONTEXT = multiprocessing.get_context("fork")


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "zone")


def _paths(store):
    return [entry.path for entry in store.list()]


def _names(store):
    return sorted(path.name for path in store.root.iterdir())


def _write(target, path, data):
    with target.open(path) as out:
        out.write(data)
    return out.finish()


def test_files_appear_with_the_commit_only(store):
    with PendingFiles(store, "run-1") as pending:
        files = [_write(pending, f"data/run-1/part-{n}", b"%d" % n) for n in range(3)]
        assert _paths(store) == []
        pending.commit(files)
        assert _paths(store) == [f"data/run-1/part-{n}" for n in range(3)]
    assert files[2].sha256 == hashlib.sha256(b"2").hexdigest()
    assert (files[2].path, files[2].size) == ("data/run-1/part-2", 1)
    assert _names(store) == ["data"]


def test_uncommitted_files_go(store):
    with PendingFiles(store, "run-1") as pending:
        kept, _ = _write(pending, "kept", b"1"), _write(pending, "lost-attempt", b"2")
        pending.commit([kept])
    with PendingFiles(store, "run-2") as pending:
        _write(pending, "other", b"3")
    assert _paths(store) == ["kept"]
    assert _names(store) == ["kept"]


def test_the_folder_is_private(store):
    with PendingFiles(store, "run-1"):
        assert stat.S_IMODE((store.root / ".pending-run-1").stat().st_mode) == 0o700


def test_an_exception_discards_the_file(store):
    pending = PendingFiles(store, "run-1")

    def fail():
        with pending.open("x") as out:
            out.write(b"half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail()
    assert list((store.root / ".pending-run-1").iterdir()) == []
    pending.abort()
    pending.abort()


def test_worker_processes_write(store):
    with (
        PendingFiles(store, "run-1") as pending,
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool,
    ):
        target = pickle.loads(pickle.dumps(pending.target))
        results = list(pool.map(_write, [target] * 4, [f"p{n}" for n in range(4)], [bytes([n]) for n in range(4)]))
        assert _paths(store) == []
        pending.commit(results)
    assert [store.read(f"p{n}") for n in range(4)] == [bytes([n]) for n in range(4)]


def test_parquet_is_hashed_as_written(store):
    table = pa.table({"n": list(range(100_000))})
    with PendingFiles(store, "run-1") as pending:
        with pending.open("t.parquet") as out:
            pq.write_table(table, out)
        pending.commit([out.finish()])
    assert hashlib.sha256(store.read("t.parquet")).hexdigest() == out.finish().sha256
    assert out.finish().size == store.stat("t.parquet").size


def test_a_path_written_again_is_replaced_and_the_first_result_refused(store):
    with PendingFiles(store, "run-1") as pending:
        first, second = _write(pending, "x", b"first"), _write(pending, "x", b"second")
        with pytest.raises(IntegrityError, match="not the one that was written"):
            pending.commit([first])
        pending.commit([second])
    assert store.read("x") == b"second"


def test_commit_is_create_only_and_looks_first(store):
    store.create("b", b"old")
    with PendingFiles(store, "run-1") as pending:
        files = [_write(pending, "a", b"new"), _write(pending, "b", b"new")]
        with pytest.raises(AlreadyExistsError, match="'b' exists"):
            pending.commit(files)
        assert _paths(store) == ["b"]
    assert store.read("b") == b"old"


def test_vanished_and_changed_files_are_refused(store):
    with PendingFiles(store, "run-1") as pending:
        file = _write(pending, "a", b"new")
        (store.root / ".pending-run-1" / "a").write_bytes(b"tam")
        with pytest.raises(IntegrityError, match="not the one that was written"):
            pending.commit([file])
        (store.root / ".pending-run-1" / "a").unlink()
        with pytest.raises(IntegrityError, match="Nothing was committed"):
            pending.commit([file])


def test_paths_and_names_are_checked(store):
    with PendingFiles(store, "run-1") as pending, pytest.raises(ConfigError, match="not a path inside a zone"):
        pending.open("../x")
    for name in ("", "a/b", "..", ".x"):
        with pytest.raises(ConfigError, match="can't name pending files"):
            PendingFiles(store, name)


def _write_and_wait(uri, queue):
    pending = PendingFiles(open_store(uri), "run-1")
    queue.put([_write(pending, f"p{n}", bytes([n])) for n in range(5)])
    half = pending.open("half")
    half.write(b"half")
    time.sleep(60)


def _killed_owner(store):
    queue = CONTEXT.SimpleQueue()
    owner = CONTEXT.Process(target=_write_and_wait, args=(store.uri, queue))
    owner.start()
    files = queue.get()
    return owner, files


@pytest.mark.parametrize("moved", range(6))
@pytest.mark.parametrize("linked", [False, True])
def test_an_interrupted_commit_is_finished_by_another_process(store, moved, linked):
    owner, files = _killed_owner(store)
    with pytest.raises(LeaseHeldError, match="belong to a process that still runs"):
        PendingFiles(store, "run-1")
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()
    # A commit that was killed after `moved` files, between the link and the unlink of the next.
    for file in files[:moved]:
        (store.root / ".pending-run-1" / file.path).rename(store.root / file.path)
    for file in files[moved : moved + linked]:
        os.link(store.root / ".pending-run-1" / file.path, store.root / file.path)
    for _ in range(2):
        with PendingFiles(store, "run-1") as pending:
            pending.commit(files)
    assert [store.read(file.path) for file in files] == [bytes([n]) for n in range(5)]
    assert len(_names(store)) == 5


def test_sweep_takes_only_what_nobody_owns(store):
    owner, files = _killed_owner(store)
    with PendingFiles(store, "mine") as mine, store.open_output("folder/being-written") as out:
        _write(mine, "x", b"1")
        out.write(b"alive")
        assert sweep(store, grace=0) == 0
        os.kill(owner.pid, signal.SIGKILL)
        owner.join()
        (store.root / ".new-0123").write_bytes(b"left by a crash")
        assert sweep(store) == 1  # the folder: its lock tells at once that nobody owns it
        assert sweep(store, grace=0) == 1  # the file, which only time tells of
        assert sweep(store, grace=0) == 0
    assert _names(store) == ["folder"]
    assert store.read("folder/being-written") == b"alive"
    with PendingFiles(store, "run-1") as pending, pytest.raises(IntegrityError, match="not the one"):
        pending.commit(files)


def test_sweep_of_an_absent_zone(store):
    assert sweep(store) == 0
