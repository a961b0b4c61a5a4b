"""Preflight's verdict while a run lasts: from a file and from a pod, of now, run out, taken back, or not there."""

from __future__ import annotations

import json
import pickle
import socket
import threading
import time
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta

import pytest
from tests.conftest import quickest

from airlock.doors import _served
from airlock.doors._served import served
from airlock.doors.keys import create_one_key
from airlock.errors import (
    ConfigError,
    IntegrityError,
    IsolationDriftError,
    IsolationUnwatchedError,
    PermitError,
    SignatureError,
    StorageUnavailableError,
)
from airlock.evidence.canonical import time_text
from airlock.evidence.preflighted import Preflighted, held_verdict
from airlock.evidence.standing import Standing
from airlock.evidence.trust import Trust
from airlock.keys.signing import load_signer

NOW = datetime.now(UTC)


@pytest.fixture
def place(tmp_path):
    """(standing verdict of node a and run-1, function that signs another one)."""
    private, public = create_one_key(tmp_path / "keys", "preflight", trust=tmp_path / "trust")
    public.write_text(json.dumps({**json.loads(public.read_text()), "not_before": "2020-01-01T00:00:00Z"}))
    file = tmp_path / "verdict"

    def sign(ends=60.0, **changed):
        now = datetime.now(UTC)
        values = {
            "run": "run-1", "nodes": ("a",), "namespaces": ("pii-raw",), "flows_sha256": "0" * 64, "objects_sha256": "1" * 64,
            "probes_sha256": {"a": "2" * 64}, "checks": ("probes",), "watched": True, "since": time_text(now), "signed_at": time_text(now),
            "expires_at": time_text(now + timedelta(seconds=ends)),
        }  # fmt: skip
        envelope = Preflighted(**{**values, **changed}).to_envelope(load_signer(private))
        file.write_bytes(envelope)
        return envelope

    return Standing(str(file), Trust.load(tmp_path / "trust").of_role("preflight"), "run-1", "a"), sign


def test_it_travels_to_executors_and_each_sees_it_as_its_own_node(place):
    standing, sign = place
    envelope = sign()
    elsewhere = pickle.loads(pickle.dumps(standing))
    assert elsewhere.demand()[1] == envelope
    with pytest.raises(PermitError, match="this is node 'b', and the verdict of preflight is for: a"):
        elsewhere.on("b").await_fresh()
    with pytest.raises(PermitError, match=r"isolation\.node is not set"):
        elsewhere.on(None).await_fresh()


def test_one_that_ran_out_is_waited_for_in_a_run_and_refused_before_it(place):
    standing, sign = place
    sign(ends=-1)
    with pytest.raises(PermitError, match="ran out at"):
        standing.demand()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            sign()

    assert standing.await_fresh(sleep=sleep)[0].run == "run-1"
    assert len(slept) == 3
    sign(ends=-1)
    with pytest.raises(IsolationUnwatchedError, match="so it was for 0 s: nobody watches the zone"):
        standing.await_fresh(0)


def test_one_that_is_taken_back_while_it_is_waited_for_is_not_waited_for(place):
    standing, sign = place
    sign(ends=-1)
    with pytest.raises(IsolationDriftError, match="objects: one policy more"):
        standing.await_fresh(sleep=lambda _: sign(withdrawn=("objects: one policy more",)))


def answering(document):
    """An answer to whichever run asks."""
    return lambda _: document


def test_a_pod_that_is_for_every_run_is_told_which_one_asks(place):
    standing, sign = place
    with served("127.0.0.1:0") as at:
        at.answer = lambda run: sign(run=run or "none")
        for run in ("run-1", "run-2", None):
            asked = Standing(f"http://127.0.0.1:{at.port}/", standing.keys, run, "a")
            assert asked.demand()[0].run == (run or "none")
        at.ready = lambda: False
        assert Standing(f"http://127.0.0.1:{at.port}/", standing.keys, "run-1", "a").demand()
        with pytest.raises(StorageUnavailableError, match="answered with 503"):
            Standing(f"http://127.0.0.1:{at.port}/", standing.keys, None, "a").demand()
        for path in ("a/b", "%2e", "x" * 200, ".hidden"):
            with pytest.raises(StorageUnavailableError, match="answered with 404"):
                Standing(f"http://127.0.0.1:{at.port}", standing.keys, path, "a").demand()


def test_a_pod_serves_it(place):
    standing, sign = place
    with served("127.0.0.1:0") as at:
        asked = Standing(f"http://127.0.0.1:{at.port}", standing.keys, "run-1", "a")
        with pytest.raises(StorageUnavailableError, match="answered with 503"):
            asked.demand()
        at.answer = answering(sign())
        assert asked.demand()[1] == at.answer(None)
        at.answer = answering(sign(withdrawn=("pods: a stranger",)))
        with pytest.raises(IsolationDriftError, match="pods: a stranger"):
            asked.await_fresh()
        at.answer = answering(sign().replace(b"a", b"b"))
        with pytest.raises(SignatureError):
            asked.await_fresh()
        at.answer = answering(b"x" * 70_000)
        with pytest.raises(StorageUnavailableError, match="65537 bytes"):
            asked.demand()
    with pytest.raises(IsolationUnwatchedError, match=r"can't be asked: .* does not answer: ConnectionRefusedError"):
        asked.await_fresh(0)


@pytest.mark.parametrize(
    "address",
    [
        "https://preflight:7080/",
        "http:///verdict",
        "http://user@host/",
        "ftp://host/",
        "http://[::1",
        "http://host:x/",
        "http://höst/",
    ],
)
def test_an_address_that_is_none(place, address):
    with pytest.raises(ConfigError, match=r"expected http://HOST:PORT"):
        Standing(address, place[0].keys, "run-1", "a").demand()


@pytest.mark.parametrize("address", ["7080", "127.0.0.1:x", "127.0.0.1:99999", "no.such.host.invalid:0"])
def test_nothing_is_served_at_what_is_no_address(address):
    with pytest.raises(ConfigError, match="--serve"), served(address):
        pass


def test_what_stands_in_a_manifest_is_of_its_run_and_of_its_time(place):
    standing, sign = place
    trust, now = Trust(standing.keys), datetime.now(UTC)
    held = sign().decode()
    assert held_verdict(held, run="run-1", at=now, trust=trust).nodes == ("a",)
    assert held_verdict(held, run="run-1", at=now - timedelta(seconds=30), trust=trust).nodes == ("a",)
    for changed, run, at, said in (
        ({}, "run-2", now, "is of run 'run-1'"),
        ({"withdrawn": ("x",)}, "run-1", now, "was taken back"),
        ({}, "run-1", now + timedelta(hours=1), "which is not when the run was staged"),
        ({}, "run-1", now - timedelta(hours=1), "which is not when the run was staged"),
    ):
        with pytest.raises(IntegrityError, match=said):
            held_verdict(sign(**changed).decode(), run=run, at=at, trust=trust)
    with pytest.raises(SignatureError):
        held_verdict(held.replace("a", "b"), run="run-1", at=now, trust=trust)


class Odd:
    """A server that answers as it likes."""

    def __init__(self, *parts, pause=0.0):
        self.parts, self.pause = parts, pause
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                taken = self.server.accept()[0]
                with taken, suppress(OSError):
                    taken.recv(1000)
                    for part in self.parts:
                        taken.sendall(part)
                        time.sleep(self.pause)

    def __enter__(self):
        return f"http://127.0.0.1:{self.server.getsockname()[1]}/"

    def __exit__(self, *_):
        self.server.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x00\xff",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{}",
    ],
)
def test_whatever_answers_it_is_an_answer_or_none(place, answer):
    with Odd(answer) as url, pytest.raises(StorageUnavailableError):
        Standing(url, place[0].keys, "run-1", "a").read()


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "], ids=["body", "head"]
)
def test_an_answer_that_trickles_is_none(place, head):
    def asked():
        began = time.monotonic()
        with (
            Odd(head, *(b"x" for _ in range(60)), pause=0.5) as url,
            pytest.raises(StorageUnavailableError, match="does not answer"),
        ):
            Standing(url, place[0].keys, "run-1", "a").read()
        return time.monotonic() - began

    quickest(8, asked)


def asked(port):
    """What a request is answered at first; b"" where it is turned away."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        with suppress(ConnectionError):
            one.sendall(b"GET /run-1 HTTP/1.0\r\n\r\n")
            return one.recv(100)[:12]
        return b""


def test_who_comes_when_all_places_are_taken_is_turned_away_and_not_kept(monkeypatch):
    """Requests are taken in their order, so that those before it have their places."""
    monkeypatch.setattr(_served, "_MOST", 2)
    monkeypatch.setattr(_served, "_SECONDS", 60)
    with served("127.0.0.1:0") as made, ExitStack() as silent:
        made.answer = lambda run: b"{}"
        for _ in range(2):
            silent.enter_context(socket.create_connection(("127.0.0.1", made.port)))
        assert asked(made.port) == b""


def test_who_asks_and_says_no_more_has_its_time_and_leaves_its_place_to_the_next(monkeypatch):
    monkeypatch.setattr(_served, "_MOST", 1)
    monkeypatch.setattr(_served, "_SECONDS", 1)
    with served("127.0.0.1:0") as made:
        made.answer = lambda run: b"{}"
        with socket.create_connection(("127.0.0.1", made.port), timeout=30) as silent:
            assert silent.recv(100) == b""  # its time was up
        assert asked(made.port) == b"HTTP/1.0 200"


def test_who_gets_no_thread_is_not_answered_and_leaves_its_place_to_the_next(monkeypatch, capfd):
    """As on a machine that lends no more of them for a while."""
    monkeypatch.setattr(_served, "_MOST", 1)
    start, refused = threading.Thread.start, []

    def start_later(thread):
        if thread.name.endswith("(process_request_thread)") and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_later)
    with served("127.0.0.1:0") as made:
        made.answer = lambda run: b"{}"
        assert [asked(made.port) for _ in range(2)] == [b"", b"HTTP/1.0 200"]
    assert len(refused) == 1
    assert "can't start new thread" in capfd.readouterr().err
