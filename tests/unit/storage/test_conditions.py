"""A store that lets two publishers win is refused before anything is written, by talking to such stores."""

from __future__ import annotations

import multiprocessing
import secrets
import time
import uuid
from dataclasses import replace

import pytest
from tests.servers import careless, s3

from airlock.errors import ConfigError, WeakStoreError
from airlock.settings import Location
from airlock.storage import LocalStore, open_store
from airlock.storage.conditions import broken_condition, require_conditions
from airlock.storage.lease import Lease

BROKEN = {
    "--lost=If-None-Match": "8 of 8 writers created one object",
    "--lost=If-Match": "8 of 8 writers replaced one version",
    "--late": "of 8 writers created one object",
}


@pytest.fixture(scope="module", params=BROKEN)
def weak(request, require):
    """A store, and what it lets happen."""
    require("moto")
    with careless.running(request.param) as served:
        yield served, BROKEN[request.param]


@pytest.fixture(scope="module")
def forgetful(require):
    """A store that knows no conditions at all."""
    require("moto")
    with careless.running("--lost=If-None-Match", "--lost=If-Match") as served:
        yield served


@pytest.fixture(scope="module")
def faithful(require):
    require("moto")
    with careless.running() as served:
        yield served


@pytest.fixture(scope="module")
def gateway(require, tmp_path_factory):
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        yield served


def _bucket():
    return f"zone-{uuid.uuid4().hex}"


def _everything(place):
    return [entry.path for entry in open_store(place).list(hidden=True)]


def test_a_store_that_breaks_its_promise_is_told_by_what_it_does(weak, tmp_path):
    served, said = weak
    place = served.zone(tmp_path, _bucket())
    with pytest.raises(WeakStoreError, match=said) as caught:
        require_conditions(open_store(place))
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(
        f"{place.uri} at {served.endpoint}: the store does not hold to the conditions of writes"
    )
    assert _everything(place) == []


def test_a_lease_of_such_a_store_is_not_given_and_nothing_is_written(weak, tmp_path):
    place = weak[0].zone(tmp_path, _bucket())
    with pytest.raises(WeakStoreError, match="two publishers could both win"):
        Lease.acquire(open_store(place), "people/lease.json", owner="run")
    assert _everything(place) == []


def test_why_two_publishers_win_there(forgetful, tmp_path):
    place = forgetful.zone(tmp_path, _bucket())
    one, other = open_store(place), open_store(place)
    version = one.create("people/current.json", b"before")
    first, second = one.read_versioned("people/current.json"), other.read_versioned("people/current.json")
    assert first == second == (b"before", version)
    one.replace("people/current.json", b"one's", first[1])
    other.replace("people/current.json", b"other's", second[1])  # a store with conditions raises ConflictError here
    assert one.read("people/current.json") == b"other's"


def test_a_store_that_keeps_its_promise_is_asked_once(faithful, tmp_path, monkeypatch):
    place = faithful.zone(tmp_path, _bucket())
    assert broken_condition(place) is None
    assert _everything(place) == []
    require_conditions(open_store(place))
    monkeypatch.setattr("airlock.storage.conditions.broken_condition", lambda _: pytest.fail("it was asked again"))
    require_conditions(open_store(place))


def test_an_answer_of_no_is_not_remembered(weak, tmp_path, monkeypatch):
    store = open_store(weak[0].zone(tmp_path, _bucket()))
    with pytest.raises(WeakStoreError, match="conditions"):
        require_conditions(store)
    monkeypatch.setattr("airlock.storage.conditions.broken_condition", lambda _: None)
    require_conditions(store)


def test_a_disk_is_not_asked(tmp_path):
    require_conditions(LocalStore(tmp_path / "zone"))
    assert list(tmp_path.iterdir()) == []


def _probe(place, results):
    results.put(broken_condition(place))


def test_probes_at_the_same_time_do_not_meet(gateway, tmp_path):
    bucket = _bucket()
    gateway.bucket(bucket, {})
    (tmp_path / "root.ini").write_text(f"[default]\naws_access_key_id = {s3.ROOT}\naws_secret_access_key = {s3.SECRET}\n")
    place = Location(f"s3://{bucket}", endpoint=gateway.endpoint, identity=str(tmp_path / "root.ini"))
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    probes = [context.Process(target=_probe, args=(place, results)) for _ in range(6)]
    for probe in probes:
        probe.start()
    for probe in probes:
        probe.join(60)
    assert [probe.exitcode for probe in probes] == [0] * 6
    assert [results.get() for _ in probes] == [None] * 6
    assert _everything(place) == []


def test_what_a_killed_probe_left_goes_with_a_later_one(faithful, tmp_path):
    place = faithful.zone(tmp_path, _bucket())
    store, now = open_store(place), int(time.time())
    for since in (now, now - 7200):
        store.create(f".pending/=probe/{since}-{secrets.token_hex(16)}", b"left")
    store.create(".pending/people/1-run/x", b"another's")
    assert broken_condition(place) is None
    assert [path.partition("-")[0] for path in _everything(place)] == [f".pending/=probe/{now}", ".pending/people/1"]


def test_an_identity_that_may_not_write_is_told_as_that(gateway, tmp_path):
    bucket, user = _bucket(), f"reader-{uuid.uuid4().hex}"
    secret = gateway.user(user)
    gateway.bucket(bucket, {user: s3.READ})
    (tmp_path / "reader.ini").write_text(f"[default]\naws_access_key_id = {user}\naws_secret_access_key = {secret}\n")
    place = Location(f"s3://{bucket}", endpoint=gateway.endpoint, identity=str(tmp_path / "reader.ini"))
    with pytest.raises(ConfigError, match="does not let this identity use") as caught:
        require_conditions(open_store(place))
    assert (type(caught.value), caught.value.facts["denied"]) == (ConfigError, True)
    assert secret not in str(caught.value)


def test_a_store_that_is_down_is_not_called_weak(faithful, tmp_path):
    from airlock.errors import StorageUnavailableError

    place = replace(faithful.zone(tmp_path, _bucket()), endpoint="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailableError, match="did not answer"):
        require_conditions(open_store(place))
