"""A real S3 for tests and `make demo-s3`: versitygw, with users and bucket policies, on the loopback over a folder of its own.

Go compiles it in two minutes, once. Without it the tests that need it are skipped, unless AIRLOCK_REQUIRE lists `s3`: then it is
made. `python -m tests.servers.s3` makes it too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.compiled import Compiled

GATEWAY = Compiled(
    "versitygw",
    Path(__file__).parent / "versitygw",
    ("go.mod", "go.sum"),
    "github.com/versity/versitygw/cmd/versitygw",
    "two minutes",
)

READ = ("s3:GetObject", "s3:ListBucket", "s3:GetBucketVersioning")
WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucketMultipartUploads")
ROOT, SECRET = "root", "root-secret-for-tests"


def missing() -> str | None:
    """Why there is no gateway; None where there is one, or where one must be made."""
    return GATEWAY.missing("s3")


@dataclass
class Gateway:
    """A running server over a folder.

    Attributes:
        log: One line for each request.
    """

    endpoint: str
    folder: Path
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    ca: Path | None = None

    @property
    def log(self) -> Path:
        return self.folder / "access.log"

    def client(self, user: str = ROOT, secret: str = SECRET) -> Any:
        """boto3's own client."""
        import boto3  # here, for what compiles the server runs before anything is installed
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2})
        verify = None if self.ca is None else str(self.ca)
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=user, aws_secret_access_key=secret, region_name="us-east-1",
            config=config, verify=verify,
        )  # fmt: skip

    def user(self, name: str) -> str:
        """Make a user whose access key is its name; returns the secret."""
        secret = f"secret-of-{name}-for-tests"
        self._admin("create-user", "--access", name, "--secret", secret, "--role", "user")
        return secret

    def forget(self, name: str) -> None:
        """Take a user away: its credentials are good for nothing."""
        self._admin("delete-user", "--access", name)

    def bucket(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Make a bucket in which each of some users may do what is listed, and nobody else anything."""
        self.client().create_bucket(Bucket=name)
        self.allow(name, grants)

    def allow(self, name: str, grants: Mapping[str, Sequence[str]]) -> None:
        """Replace what users may do in a bucket."""
        arn = f"arn:aws:s3:::{name}"
        statements = []
        for user, actions in grants.items():
            for_bucket = [action for action in actions if "Bucket" in action]
            for_objects = [action for action in actions if "Bucket" not in action]
            for some, resource in ((for_bucket, arn), (for_objects, f"{arn}/*")):
                if some:
                    statements.append({"Effect": "Allow", "Principal": {"AWS": [user]}, "Action": some, "Resource": [resource]})
        if statements:
            self.client().put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))

    def requests(self) -> list[str]:
        """The lines of the log."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stop(self) -> None:
        """End the server; what it serves stays."""
        self.process.terminate()
        self.process.wait(10)

    def start(self) -> None:
        """Serve again, at the same address."""
        self.process = _serve(self.command, self.endpoint)

    def _admin(self, *arguments: str) -> None:
        insecure = ["--allow-insecure"] if self.ca else []
        command = [str(GATEWAY.program()), "admin", *insecure, "-a", ROOT, "-s", SECRET, "-er", self.endpoint, *arguments]
        subprocess.run(command, check=True, capture_output=True)


@contextmanager
def running(
    folder: Path,
    *,
    port: int = 0,
    tls: tuple[Path, Path] | None = None,
    data: Path | None = None,
    log: bool = True,
    options: Sequence[str] = (),
    posix: Sequence[str] = (),
) -> Iterator[Gateway]:
    """Serve a new folder.

    Args:
        folder: For data, users and the log.
        port: Of the loopback; 0 takes a free one.
        tls: Certificate and key.
        data: Where objects are kept, if elsewhere.
        log: Whether requests are logged: that takes as long as some of them.
        options: More of the server's own, before `posix`.
        posix: More of what it keeps on the disk.
    """
    data = folder / "data" if data is None else data
    for part in (data, folder / "iam"):
        part.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    logged = ("--access-log", str(folder / "access.log")) if log else ()
    secure = () if tls is None else ("--cert", str(tls[0]), "--key", str(tls[1]))
    command = (
        str(GATEWAY.program()), "--access", ROOT, "--secret", SECRET, "--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet", "--disable-acl",
        "--iam-dir", str(folder / "iam"), *logged, *secure, *options, "posix", "--io-buffer-size", "65536", *posix, str(data),
    )  # fmt: skip
    endpoint = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    served = Gateway(endpoint, folder, command, _serve(command, endpoint), None if tls is None else tls[0])
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.stop()


_TUNED = {"GOGC": "800"}
"""Requests of 64 KiB would have the server collect garbage for a third of its time."""


def _serve(command: Sequence[str], endpoint: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command, env=os.environ | _TUNED, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    port = int(endpoint.rpartition(":")[2])
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"versitygw ended with code {process.returncode} before it served")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("versitygw does not answer")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    GATEWAY.build()
