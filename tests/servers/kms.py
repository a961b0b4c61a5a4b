"""AWS KMS for tests: moto's server in a process of its own, on a free port of the loopback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Kms:
    """A running server."""

    address: str
    process: subprocess.Popen[str]
    drain: threading.Thread

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.drain.join(10)
        self.process.stderr.close()


@contextmanager
def running(*, open_calls: int | None = None) -> Iterator[Kms]:
    """Serve; after `open_calls` calls only identities that its IAM knows are let in (None: everybody, always)."""
    environment = dict(os.environ)
    if open_calls is not None:
        environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(open_calls)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        raise RuntimeError("moto's server ended before it served")
    # What it logs from now on is nobody's business, but a full pipe would stop it.
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    served = Kms(found.group(), process, drain)
    try:
        yield served
    finally:
        if process.poll() is None:
            served.stop()
