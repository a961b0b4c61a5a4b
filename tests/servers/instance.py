"""What hands out identities without being asked by name: an instance's metadata service and a container's agent. It records who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers.serving import serving

ROLE = "instance-role"
KEYS = {
    "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "key-of-the-instance", "SecretAccessKey": "secret-of-the-instance",
    "Token": "token-of-the-instance", "Expiration": "2999-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z",
}  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """A running server.

    Attributes:
        asked: Paths, in order.
    """

    address: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def running(*, host: str = "127.0.0.1", port: int = 0) -> Iterator[Instance]:
    """Serve IMDSv2 below /latest and container credentials at /container."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            self._answer("token", {"x-aws-ec2-metadata-token-ttl-seconds": "21600"})

        def do_GET(self):
            names = self.path == "/latest/meta-data/iam/security-credentials/"
            self._answer(ROLE if names else json.dumps(KEYS), {})

        def _answer(self, text, headers):
            asked.append(self.path)
            self.send_response(200)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments):
            pass

    with serving(ThreadingHTTPServer((host, port), Handler)) as server:
        yield Instance(f"http://{host}:{server.server_port}", asked)
