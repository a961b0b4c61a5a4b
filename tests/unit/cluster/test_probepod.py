"""Sinks and sources over real sockets: what gets through is told with its token, what does not by how it ended."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress

import pytest

from airlock.cluster import probepod
from airlock.cluster.probepod import REFUSED, TIMEOUT, Target, run_source

TOKEN, NONCE, OTHER = "tokentokentoken1", "noncenoncenonce1", "noncenoncenonce2"
SERVE = "import sys; from pathlib import Path; from airlock.cluster.probepod import *; run_sink(parse_ports(sys.argv[1]), sys.argv[2], float(sys.argv[3]), '127.0.0.1', Path(sys.argv[4]))"


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def sink(tmp_path):
    """A sink in a process of its own: (TCP port, UDP port, what it reports in the end)."""
    tcp, udp, report = free_port(), free_port(socket.SOCK_DGRAM), tmp_path / "sink"
    made = subprocess.Popen([sys.executable, "-c", SERVE, f"TCP:{tcp},UDP:{udp}", TOKEN, "30", str(report)])
    until = time.monotonic() + 20
    while not (report.exists() and len(json.loads(report.read_text() or "{}").get("alive", ())) == 2):
        assert time.monotonic() < until, "the sink does not answer itself"
        time.sleep(0.1)

    def ended():
        made.terminate()
        assert made.wait(10) == 0
        return json.loads(report.read_text())

    yield tcp, udp, ended
    made.kill()
    made.wait()


def tried(tmp_path, *targets, seconds=20.0):
    report = tmp_path / "source"
    run_source(targets, seconds, report)
    return json.loads(report.read_text())


def test_a_token_comes_back_and_the_nonce_is_written_down(sink, tmp_path):
    tcp, udp, ended = sink
    before = time.time()
    found = tried(tmp_path, Target(1, "TCP", "127.0.0.1", tcp, NONCE), Target(2, "UDP", "127.0.0.1", udp, OTHER))
    assert {number: token for number, (_, token) in found["got"].items()} == {"1": TOKEN, "2": TOKEN}
    assert found["not"] == {}
    said = ended()
    assert (said["kind"], sorted(said["alive"]), sorted(said["seen"]), said["lost"]) == (
        "sink", [f"TCP{tcp}", f"UDP{udp}"], [NONCE, OTHER], 0,
    )  # fmt: skip
    assert said["from"] <= before <= found["from"] <= found["to"] <= said["to"]


def test_a_nonce_that_arrives_is_seen_though_no_answer_comes_back(sink, tmp_path):
    """What goes out by UDP has left, whatever comes back."""
    _, udp, ended = sink
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(NONCE.encode(), ("127.0.0.1", udp))
        one.sendto(b"short", ("127.0.0.1", udp))
    assert ended()["seen"] == [NONCE]


def test_what_does_not_answer_is_tried_to_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(probepod, "_ATTEMPT_SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        targets = [
            Target(1, "TCP", "127.0.0.1", free_port(), NONCE),
            Target(2, "UDP", "127.0.0.1", silent.getsockname()[1], NONCE),
        ]
        found = tried(tmp_path, *targets, seconds=2.5)
        silent.settimeout(1)
        packets = [silent.recv(100) for _ in range(2)]
    assert found["got"] == {}
    assert found["not"] == {REFUSED: [1], TIMEOUT: [2]}
    assert found["to"] - found["from"] >= 2.4
    assert packets == [NONCE.encode()] * 2


def test_what_answers_late_has_answered(tmp_path, monkeypatch):
    """A policy that comes late: the first attempts, or the last ones, get through."""
    port, ends = free_port(), []
    late = subprocess.Popen(
        [sys.executable, "-c", f"input(); {SERVE}", f"TCP:{port}", TOKEN, "60", str(tmp_path / "late")], stdin=subprocess.PIPE
    )

    def attempt(target, usual=probepod._attempt):
        ends.append(usual(target))
        if len(ends) == 1:
            late.stdin.write(b"begin\n")
            late.stdin.flush()
        return ends[-1]

    monkeypatch.setattr(probepod, "_attempt", attempt)
    try:
        found = tried(tmp_path, Target(1, "TCP", "127.0.0.1", port, NONCE))
    finally:
        late.kill()
        late.communicate()
    milliseconds, token = found["got"]["1"]
    assert (token, found["not"]) == (TOKEN, {})
    assert (ends[0], ends[-1]) == (REFUSED, TOKEN)
    assert milliseconds >= 200  # a pause


def test_however_late_a_source_comes_to_it_each_target_is_tried_once(tmp_path):
    found = tried(tmp_path, *(Target(number, "TCP", "127.0.0.1", free_port(), NONCE) for number in range(3)), seconds=-1)
    assert (found["got"], found["not"]) == ({}, {REFUSED: [0, 1, 2]})


def test_who_is_reached_and_says_something_only_later_has_said_it(tmp_path, monkeypatch):
    monkeypatch.setattr(probepod, "_ATTEMPT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as taken:

        def serve():
            taken.enter_context(server.accept()[0])  # and stands still
            second = taken.enter_context(server.accept()[0])
            second.sendall(TOKEN.encode())

        slow = threading.Thread(target=serve)
        slow.start()
        found = tried(tmp_path, Target(1, "TCP", "127.0.0.1", server.getsockname()[1], NONCE))
        slow.join()
    assert found["got"]["1"][1] == TOKEN


def test_a_sink_that_does_not_answer_itself_at_once_tries_again(monkeypatch):
    sink, tries = probepod._Sink([], TOKEN), []
    sink._ports = [("TCP", 1), ("UDP", 2)]

    def attempt(target):
        tries.append(target.port)
        return TOKEN if target.port == 1 or len(tries) > 3 else TIMEOUT

    monkeypatch.setattr(probepod, "_attempt", attempt)
    sink.try_itself("127.0.0.1", threading.Event())
    assert (tries, sink._alive) == ([1, 2, 2, 2], ["TCP1", "UDP2"])


def test_what_has_arrived_when_a_sink_ends_is_written_down(tmp_path):
    tcp, udp, report = free_port(), free_port(socket.SOCK_DGRAM), tmp_path / "sink"
    with closing(probepod._Sink([("TCP", tcp), ("UDP", udp)], TOKEN)) as sink:
        with socket.create_connection(("127.0.0.1", tcp)) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            one.sendall(NONCE.encode())
            other.sendto(OTHER.encode(), ("127.0.0.1", udp))
            sink.finish()
        sink.tell(report, 0.0)
    assert sorted(json.loads(report.read_text())["seen"]) == [NONCE, OTHER]


def test_a_server_that_says_nothing_has_been_reached(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = tried(tmp_path, Target(1, "TCP", "127.0.0.1", server.getsockname()[1], NONCE), seconds=3)
    assert found["got"]["1"][1] == ""


def test_a_name_server_is_asked_in_its_own_words(tmp_path):
    """By RFC 1035: whatever comes back, the question has left."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        code = (
            "import sys; from airlock.cluster import probepod; from pathlib import Path; "
            f"probepod.DNS_PORT = {server.getsockname()[1]}; "
            f"probepod.run_source([probepod.Target(1, 'DNS', '127.0.0.1', name='q.example.org')], 20, Path({str(tmp_path / 'r')!r}))"
        )
        asking = subprocess.Popen([sys.executable, "-c", code])
        server.settimeout(0.2)
        while asking.poll() is None:
            with suppress(TimeoutError):
                question, sender = server.recvfrom(512)
                server.sendto(question[:2] + b"\x81\x83" + question[4:], sender)
        assert asking.wait() == 0
    assert question[12:] == b"\x01q\x07example\x03org\x00\x00\x01\x00\x01"
    assert json.loads((tmp_path / "r").read_text())["got"]["1"][1] == "answered"


def test_more_than_a_message_holds_is_counted(tmp_path):
    tcp, report = free_port(socket.SOCK_DGRAM), tmp_path / "sink"
    made = subprocess.Popen([sys.executable, "-c", SERVE, f"UDP:{tcp}", TOKEN, "20", str(report)])
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.connect(("127.0.0.1", tcp))
            until = time.monotonic() + 15
            number = 0
            while time.monotonic() < until and (
                not report.exists() or json.loads(report.read_text() or '{"lost": 0}')["lost"] == 0
            ):
                for _ in range(20):
                    number += 1
                    try:
                        one.send(f"nonce{number:011}".encode())
                    except ConnectionError:
                        time.sleep(0.05)
                time.sleep(0.02)
    finally:
        made.terminate()
        made.wait()
    text = report.read_text()
    assert json.loads(text)["lost"] > 0
    assert len(text) <= 4096
