"""A proxy that takes the place of named hosts: it answers CONNECT, shows a certificate for the host, and passes what comes on to a server
of the loopback. So a library that insists on a service's own https address is talked to for real.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.servers.certificate import Certificate
from tests.servers.serving import serving


@dataclass(frozen=True)
class Intercepted:
    """A running proxy.

    Attributes:
        address: For HTTPS_PROXY.
        hosts: That were asked for.
    """

    address: str
    hosts: list[str] = field(default_factory=list)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65_536):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def running(certificate: Certificate, port: int) -> Iterator[Intercepted]:
    """Pass on to a port of the loopback."""
    hosts: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    class Handler(socketserver.StreamRequestHandler):
        rbufsize = 0  # what follows the blank line is TLS

        def handle(self):
            hosts.append(self.rfile.readline().decode().split()[1])
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with (
                context.wrap_socket(self.connection, server_side=True) as inside,
                socket.create_connection(("127.0.0.1", port)) as behind,
            ):
                back = threading.Thread(target=_pass_on, args=(behind, inside))
                back.start()
                _pass_on(inside, behind)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with serving(Server(("127.0.0.1", 0), Handler)) as server:
        yield Intercepted(f"http://127.0.0.1:{server.server_address[1]}", hosts)
