"""A line to a server on TCP that a test can cut, and mend again."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_BLOCK = 1 << 16


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Line:
    """Passes bytes on, both ways, while it is whole."""

    def __init__(self, to: tuple[str, int]) -> None:
        self.to, self.whole = to, True
        self.held: set[socket.socket] = set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """End what is under way, and take nothing more."""
        self.whole = False
        for one in list(self.held):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Pass on again."""
        self.whole = True

    def close(self) -> None:
        self.cut()
        self.server.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            if not self.whole:
                near.close()
                continue
            far = socket.create_connection(self.to)
            for one, other in ((near, far), (far, near)):
                self.held.add(one)
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(_BLOCK):
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.held.discard(one)
        one.close()
