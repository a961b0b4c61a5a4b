"""Leases: one holder, fences that only grow, takeover of the dead and the late, with real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time

import pytest

from airlock.errors import IntegrityError, LeaseHeldError, StorageUnavailableError
from airlock.storage import LocalStore, _disk, open_store
from airlock.storage._disk import locked_folder
from airlock.storage.lease import Holder, Lease

CONTEXT = multiprocessing.get_context("fork")
PATH = "customers/lease.json"


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "zone")


def _file(store):
    return json.loads(store.read(PATH))


def test_fences_grow_and_outlive_the_release(store):
    last = 0
    for number in range(1, 5):
        with Lease.acquire(store, PATH, owner=f"run-{number}") as lease:
            assert lease.fence > last
            lease.check()
        last = lease.fence
        assert _file(store) == {"fence": last, "holder": None}


def test_fences_go_on_growing_when_the_lease_file_is_lost(store):
    before = Lease.acquire(store, PATH, owner="run-1")
    before.release()
    store.delete(PATH)
    time.sleep(0.002)
    assert Lease.acquire(store, PATH, owner="run-2").fence > before.fence


@pytest.mark.parametrize("ahead", [0, 1, 86_400_000])
def test_fences_grow_by_one_while_the_clock_is_behind(store, ahead):
    """Because it went back, or stood still."""
    fence = time.time_ns() // 1_000_000 + 3_600_000 + ahead
    store.create(PATH, json.dumps({"fence": fence, "holder": None}).encode())
    for number in range(1, 4):
        with Lease.acquire(store, PATH, owner=f"run-{number}") as lease:
            assert lease.fence == fence + number
            lease.check()


def test_a_small_fence_of_old_is_followed_by_the_clock(store):
    store.create(PATH, b'{"fence":7,"holder":null}')
    before = time.time_ns() // 1_000_000
    assert before <= Lease.acquire(store, PATH, owner="run-1").fence <= time.time_ns() // 1_000_000


def test_held_names_the_holder_and_the_next_step(store):
    with (
        Lease.acquire(store, PATH, owner="run-1", ttl=60),
        pytest.raises(LeaseHeldError, match=r"held by run 'run-1' on .* since 20.*Z, until 20.*Z\. Wait") as caught,
    ):
        Lease.acquire(store, PATH, owner="run-2")
    assert caught.value.facts["owner"] == "run-1"


def test_an_expired_lease_is_taken_over_and_the_late_holder_knows(store):
    late = Lease.acquire(store, PATH, owner="run-1", ttl=0.2)
    time.sleep(0.3)
    with pytest.raises(LeaseHeldError, match=r"run 'run-1' has lost .* \(fence [0-9]+\).*run again"):
        late.check()
    with Lease.acquire(store, PATH, owner="run-2") as lease:
        assert lease.fence > late.fence
        late.release()
        lease.check()
        with pytest.raises(LeaseHeldError, match="has lost"):
            late.check()


def test_losing_is_final(store):
    late = Lease.acquire(store, PATH, owner="run-1", ttl=0.2)
    time.sleep(0.3)
    with pytest.raises(LeaseHeldError, match="has lost"):
        late.check()
    late._renew()
    with pytest.raises(LeaseHeldError, match="has lost"):
        late.check()


def test_released_is_no_longer_held(store):
    lease = Lease.acquire(store, PATH, owner="run-1")
    lease.release()
    with pytest.raises(LeaseHeldError, match="has lost"):
        lease.check()


def test_a_removed_lease_file_is_a_lost_lease(store):
    lease = Lease.acquire(store, PATH, owner="run-1")
    store.delete(PATH)
    with pytest.raises(LeaseHeldError, match="has lost"):
        lease.check()


def test_keep_alive_outlives_the_ttl(store):
    with Lease.acquire(store, PATH, owner="run-1", ttl=6) as lease:
        lease.keep_alive()
        lease.keep_alive()
        time.sleep(6.5)
        lease.check()
        with pytest.raises(LeaseHeldError, match="is held by"):
            Lease.acquire(store, PATH, owner="run-2")
    assert _file(store)["holder"] is None


def _hold(uri, told, asked, ttl):
    lease = Lease.acquire(open_store(uri), PATH, owner="child", ttl=ttl)
    lease.keep_alive()
    told.put(lease.fence)
    while True:
        if asked.empty():
            time.sleep(0.02)
            continue
        asked.get()
        try:
            lease.check()
        except LeaseHeldError:
            os._exit(7)
        os._exit(0)


def _holder(store, ttl):
    # Two queues: a child that is stopped just after it spoke still holds its own queue's lock.
    told, asked = CONTEXT.SimpleQueue(), CONTEXT.SimpleQueue()
    child = CONTEXT.Process(target=_hold, args=(store.uri, told, asked, ttl))
    child.start()
    return child, asked, told.get()


def test_a_killed_holder_is_replaced_at_once(store):
    child, _, fence = _holder(store, ttl=3600)
    with pytest.raises(LeaseHeldError, match="run 'child'"):
        Lease.acquire(store, PATH, owner="run-2")
    os.kill(child.pid, signal.SIGKILL)
    # Not waited for on purpose: a zombie is dead too. Its state changes a moment after the signal.
    deadline = time.monotonic() + 5
    while not Holder(**_file(store)["holder"]).gone():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with Lease.acquire(store, PATH, owner="run-2") as lease:
        assert lease.fence > fence
    child.join()


@pytest.mark.parametrize("taken_over", [True, False])
def test_a_stopped_holder_that_wakes_late_has_lost(store, taken_over):
    child, queue, fence = _holder(store, ttl=3)
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(LeaseHeldError, match="run 'child'"):
        Lease.acquire(store, PATH, owner="run-2")
    time.sleep(3.2)
    other = Lease.acquire(store, PATH, owner="run-2") if taken_over else None
    queue.put("check")
    os.kill(child.pid, signal.SIGCONT)
    child.join(10)
    assert child.exitcode == 7
    if other:
        assert other.fence > fence
        other.check()


def test_a_stopped_holder_that_wakes_in_time_still_holds(store):
    child, queue, _ = _holder(store, ttl=20)
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(0.2)
    queue.put("check")
    os.kill(child.pid, signal.SIGCONT)
    child.join(10)
    assert child.exitcode == 0


@pytest.mark.parametrize("change", [{"boot": "another"}, {"namespace": "pid:[1]"}])
def test_a_holder_on_another_machine_keeps_it_until_it_expires(store, change):
    lease = Lease.acquire(store, PATH, owner="run-1")
    state = _file(store)
    state["holder"] |= {"pid": 2**22 + 1, **change}
    store.replace(PATH, json.dumps(state).encode(), store.stat(PATH).version)
    with pytest.raises(LeaseHeldError, match="is held by"):
        Lease.acquire(store, PATH, owner="run-2")
    state["holder"]["expires"] = state["holder"]["since"]
    store.replace(PATH, json.dumps(state).encode(), store.stat(PATH).version)
    assert Lease.acquire(store, PATH, owner="run-2").fence > lease.fence


def test_a_process_id_used_again_is_another_process(store):
    first = Lease.acquire(store, PATH, owner="run-1", ttl=3600)
    state = _file(store)
    state["holder"]["started"] -= 1
    store.replace(PATH, json.dumps(state).encode(), store.stat(PATH).version)
    assert Lease.acquire(store, PATH, owner="run-2").fence > first.fence


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"fence":"1","holder":null}',
        b'{"fence":0,"holder":null}',
        b'{"fence":1,"holder":{"owner":"x"}}',
        b"\xff",
    ],
)
def test_a_malformed_lease_file_is_refused(store, text):
    store.create(PATH, text)
    with pytest.raises(IntegrityError, match=r"is not a lease file.*no run is active"):
        Lease.acquire(store, PATH, owner="run-1")


def _compete(uri, barrier, queue):
    barrier.wait()
    try:
        lease = Lease.acquire(open_store(uri), PATH, owner="run", ttl=3600)
        queue.put(lease.fence)
    except LeaseHeldError:
        queue.put(0)
    barrier.wait()


def test_one_of_many_gets_it(store):
    barrier, queue = CONTEXT.Barrier(12, timeout=60), CONTEXT.SimpleQueue()
    children = [CONTEXT.Process(target=_compete, args=(store.uri, barrier, queue)) for _ in range(12)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [bool(fence) for fence in sorted(queue.get() for _ in children)] == [False] * 11 + [True]


def test_what_fails_after_the_lease_is_lost_fails_for_that_reason(store):
    def slow() -> None:
        with Lease.acquire(store, PATH, owner="run-1", ttl=0.05):
            time.sleep(0.06)
            raise FileNotFoundError

    with pytest.raises(LeaseHeldError, match="has lost"):
        slow()


def test_what_fails_under_the_lease_keeps_its_own_reason(store):
    with pytest.raises(FileNotFoundError), Lease.acquire(store, PATH, owner="run-1"):
        raise FileNotFoundError
    assert _file(store)["holder"] is None


def test_a_store_that_does_not_answer_is_not_asked_whose_the_lease_is(store):
    asked = []

    class Down:
        """A store that went away after the lease was taken."""

        def read_versioned(self, path):
            asked.append(path)
            raise StorageUnavailableError("no answer to a read")

        def replace(self, path, data, expected):
            asked.append(path)
            raise StorageUnavailableError("no answer to a write")

    def work():
        lease = Lease.acquire(store, PATH, owner="run-1")
        lease._store = Down()
        with lease:
            raise StorageUnavailableError("no answer to the work")

    with pytest.raises(StorageUnavailableError, match="to the work"):
        work()
    assert asked == [PATH]  # to give it back


def test_a_folder_whose_lock_is_held_by_a_stopped_process_is_temporary(store, monkeypatch):
    monkeypatch.setattr(_disk, "_PATIENCE", 0.05)
    Lease.acquire(store, PATH, owner="run-1").release()
    with (
        locked_folder(store.root / "customers"),
        pytest.raises(StorageUnavailableError, match="timed out"),
    ):
        Lease.acquire(store, PATH, owner="run-2")
