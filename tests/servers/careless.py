"""moto's S3 in a process of its own, which keeps every promise, or breaks one: strips conditions, checks them late, has another clock."""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from airlock.settings import Location

CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH")
_ADMIN = "any"
_LATE = 0.6
_SKEW = 900
_SKEWED = b"<?xml version='1.0'?><Error><Code>RequestTimeTooSkewed</Code><Message>too far</Message></Error>"


class Careless:
    """A WSGI application around S3's."""

    def __init__(self, app: Callable[..., Any], *, lost: tuple[str, ...], late: bool, clock: int) -> None:
        self.app, self.lost, self.late, self.clock = app, lost, late, clock
        self.one = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        if abs(self.clock) > _SKEW and f"Credential={_ADMIN}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            start("403 Forbidden", [("Content-Length", str(len(_SKEWED)))])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else _SKEWED]
        if environ["REQUEST_METHOD"] == "PUT":
            if self.late and any(name in environ for name in CONDITIONS):
                if not self._holds(environ):
                    start("412 Precondition Failed", [("Content-Length", "0")])
                    return [b""]
                time.sleep(_LATE)
            environ = {name: value for name, value in environ.items() if name not in self.lost}
        if environ["REQUEST_METHOD"] in {"PUT", "POST"} and any(name in environ for name in CONDITIONS):
            with self.one:  # moto looks first and writes later: of several writers at the same moment some would win
                return [b"".join(self.app(environ, start))]
        return self.app(environ, start)

    def _holds(self, environ: Mapping[str, Any]) -> bool:
        seen: list[Any] = []
        asked = {name: value for name, value in environ.items() if name not in CONDITIONS}
        answer = self.app({**asked, "REQUEST_METHOD": "HEAD", "CONTENT_LENGTH": "0"}, lambda *told: seen.extend(told))
        list(answer)
        found = {name.lower(): value for name, value in seen[1]}.get("etag") if seen[0].startswith("200") else None
        return found is None if "HTTP_IF_NONE_MATCH" in environ else found == environ["HTTP_IF_MATCH"]


@dataclass(frozen=True)
class Served:
    """A running server; it takes every identity."""

    endpoint: str

    def admin(self) -> Any:
        """boto3's own client."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=_ADMIN, aws_secret_access_key="any", region_name="us-east-1"
        )

    def zone(self, folder: Path, bucket: str, *, prefix: str = "zone") -> Location:
        """A new bucket, reached by a credentials file in a folder."""
        self.admin().create_bucket(Bucket=bucket)
        identity = folder / f"{bucket}.ini"
        identity.write_text(f"[default]\naws_access_key_id = {bucket}\naws_secret_access_key = any\n")
        return Location(f"s3://{bucket}/{prefix}", endpoint=self.endpoint, identity=str(identity))


@contextmanager
def running(*options: str) -> Iterator[Served]:
    """Serve on a free port of the loopback. Options: `--lost NAME` (a condition's header), `--late`, `--clock SECONDS`."""
    command = [sys.executable, "-m", "tests.servers.careless", *options]
    here = Path(__file__).parents[2]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=here
    )
    try:
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError("moto's server ended before it served")
        yield Served(line)
    finally:
        process.terminate()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


def _serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    parser = argparse.ArgumentParser()
    parser.add_argument("--lost", action="append", default=[])
    parser.add_argument("--late", action="store_true")
    parser.add_argument("--clock", type=int, default=0)
    chosen = parser.parse_args()
    lost = CONDITIONS if chosen.late else tuple(f"HTTP_{name.upper().replace('-', '_')}" for name in chosen.lost)
    app = Careless(DomainDispatcherApplication(create_backend_app), lost=lost, late=chosen.late, clock=chosen.clock)

    class Handler(WSGIRequestHandler):
        def date_time_string(self, timestamp=None):
            return super().date_time_string(chosen.clock + (time.time() if timestamp is None else timestamp))

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
