"""A proxy before a test server: what it passes on, answers itself, cuts off or makes late is up to the test, request by request.

It runs in threads of the test's own process, so that a rule may stop the server, kill a door or change an object between two requests.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.servers.serving import serving

__all__ = ["Fault", "Proxy", "at", "running"]

_BUSY = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
_BLOCK = 16_384


class Fault(Enum):
    """What becomes of a request."""

    NONE = auto()
    BUSY = auto()
    """Answered by the proxy: 503, SlowDown. The server never sees it."""
    CUT = auto()
    """The connection ends; the server never sees it."""
    LOST = auto()
    """The server carries it out; the connection ends before its answer."""
    HALF = auto()
    """The connection ends in the middle of the answer."""


Rule = Callable[[str], Fault]
"""By a request, such as `GET /bucket/key?query`."""


def at(pattern: str, act: Callable[[], object], *, count: int = 1, fault: Fault = Fault.NONE) -> Rule:
    """A rule that acts at the `count`-th request that matches, before the server sees it, and never again; other requests pass."""
    lock, left = threading.Lock(), [count]

    def rule(asked: str) -> Fault:
        if not re.search(pattern, asked):
            return Fault.NONE
        with lock:
            left[0] -= 1
            due = left[0] == 0
        if due:
            act()
        return fault if due else Fault.NONE

    return rule


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        rule: Of what happens to a request; may be changed while it runs.
        delay: Seconds before each request is passed on.
        rate: Bytes a second of a connection's bodies, each way; 0: as fast as they come.
        asked: Every request so far, and what became of it.
    """

    address: str
    upstream: tuple[str, int]
    rule: Rule = lambda _: Fault.NONE
    delay: float = 0.0
    rate: int = 0
    asked: list[tuple[str, Fault]] = field(default_factory=list)

    def clear(self) -> None:
        """Pass everything on, at once."""
        self.rule, self.delay, self.rate = lambda _: Fault.NONE, 0.0, 0
        self.asked.clear()

    def met(self, fault: Fault) -> list[str]:
        """The requests that a fault befell."""
        return [asked for asked, what in self.asked if what is fault]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *arguments):
        pass

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream = http.client.HTTPConnection(*self.proxy.upstream, timeout=60)

    def finish(self):
        self.upstream.close()
        with suppress(OSError):
            super().finish()

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:  # whoever was on one of the two ends is gone: so is the connection to the other
            self.close_connection = True

    def do_GET(self):
        proxy, asked = self.proxy, f"{self.command} {self.path}"
        body = self._body()
        fault = proxy.rule(asked)
        proxy.asked.append((asked, fault))
        if fault is Fault.BUSY:
            self._answer(503, [("Content-Type", "application/xml")], _BUSY)
        elif fault is Fault.CUT:
            self.close_connection = True
        else:
            time.sleep(proxy.delay)
            self._pass_on(body, fault)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - http.server asks for these names

    def _pass_on(self, body: bytes, fault: Fault) -> None:
        try:
            self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    self.upstream.putheader(name, value)
            self.upstream.endheaders(body)
            answer = self.upstream.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if fault is Fault.LOST:
            self.close_connection = True
            return
        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in {"transfer-encoding", "connection", "content-length"} or self.command == "HEAD"
        ]
        self._answer(answer.status, headers, content, half=fault is Fault.HALF)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, *, half: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if half:
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.command != "HEAD":
            for start in range(0, len(content), _BLOCK):
                part = content[start : start + _BLOCK]
                self.wfile.write(part)
                self._pause(len(part))

    def _body(self) -> bytes:
        left, parts = int(self.headers.get("Content-Length", 0)), []
        while left:
            part = self.rfile.read(min(left, _BLOCK))
            if not part:
                raise ConnectionResetError("the body ended early")
            parts.append(part)
            left -= len(part)
            self._pause(len(part))
        return b"".join(parts)

    def _pause(self, size: int) -> None:
        if self.proxy.rate:
            time.sleep(size / self.proxy.rate)


@contextmanager
def running(endpoint: str) -> Iterator[Proxy]:
    """Stand before a server that speaks plain HTTP on the loopback."""
    parts = urlsplit(endpoint)
    handler = type("Handler", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.proxy = Proxy(f"http://127.0.0.1:{server.server_port}", (parts.hostname or "", parts.port or 0))
    with serving(server):
        yield handler.proxy
