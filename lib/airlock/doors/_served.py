"""The verdict of preflight as a document over HTTP, to the pods of a run: GET /RUN. Called by the command line.

Anybody may read it: it is signed, and holds no secret. Nothing else is served, and nothing is taken.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from airlock.errors import ConfigError

__all__ = ["Served", "served"]

_SECONDS = 10
_MOST = 32
"""Requests at work: those who ask are a driver and its executors, once in a while."""
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Served:
    """What a run is answered, or who names none; None until there is something. Who names none is answered where `ready` alone."""

    def __init__(self) -> None:
        self.answer: Callable[[str | None], bytes] | None = None
        self.ready: Callable[[], bool] = lambda: True
        self.port = 0


class _Bounded(ThreadingHTTPServer):
    """Takes no more requests than it has room for: who comes then is not answered, and asks again."""

    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._room = threading.BoundedSemaphore(_MOST)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread could be started
            self._room.release()
            raise

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            super().finish_request(request, client_address)
        finally:
            self._room.release()  # before the connection ends: who sees its end finds the place free


@contextmanager
def served(address: str) -> Iterator[Served]:
    """Serve at HOST:PORT until the block ends.

    Raises:
        ConfigError: It is no such address, or is taken.
    """
    host, _, port = address.rpartition(":")
    made = Served()

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_GET(self) -> None:
            run, answer = self.path.removeprefix("/"), made.answer
            status, document = HTTPStatus.SERVICE_UNAVAILABLE, b""
            if run and not _RUN.fullmatch(run):
                status = HTTPStatus.NOT_FOUND
            elif answer is not None and (run or made.ready()):
                status, document = HTTPStatus.OK, answer(run or None)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Nothing is logged: who asks is known."""

    if not host or not port.isdecimal():
        raise ConfigError(f"--serve {address}: expected ADDRESS:PORT, such as 0.0.0.0:7080. Correct it")
    try:
        server = _Bounded((host, int(port)), Handler)
    except OverflowError:
        raise ConfigError(f"--serve {address}: there is no such port. Correct it") from None
    except OSError as error:
        raise ConfigError(f"--serve {address}: {error.strerror}. Take another one") from None
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, name="verdict", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
