"""A Spark session in the tests' own process, all its places known; and a watch over what its processes show meanwhile."""

from __future__ import annotations

import base64
import gc
import json
import os
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("worker")
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:CICompilerCount=1"
"""For JAVA_TOOL_OPTIONS: a JVM that lives for seconds is not worth compiling well."""


@dataclass(frozen=True)
class Place:
    """Where one session keeps what it writes.

    Attributes:
        session: The session itself.
        folder: Holds `events`, `local` (block and broadcast files) and `log` (driver, executor, workers).
    """

    session: Any
    folder: Path

    @property
    def orders(self) -> Path:
        return self.folder / "orders.json"

    @contextmanager
    def ordered(self, *orders: dict[str, Any]) -> Iterator[None]:
        """Let workers do as `worker/sitecustomize.py` says."""
        for old in self.folder.glob("orders.json*"):
            old.unlink()
        self.orders.write_text(json.dumps(orders))
        yield
        self.orders.unlink()

    def acted(self) -> int:
        """How often an order was carried out."""
        return len(list(self.folder.glob("orders.json.done.*")))

    def go_on(self) -> None:
        """What was ordered to hold goes on."""
        self.orders.with_name(f"{self.orders.name}.go").touch()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def started(folder: Path) -> Iterator[Place]:
    """A session `local[2,4]` with event log, as the inner door starts it; all its processes' words go to one file."""
    from airlock.engines.spark import session

    for part in ("events", "local"):
        (folder / part).mkdir()
    conf = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.dir": (folder / "events").as_uri(),
        "spark.local.dir": str(folder / "local"),
        "spark.log.level": "INFO",
        # As with frames of thousands of splits: what goes to workers takes the way over block files.
        "spark.broadcast.UDFCompressionThreshold": "1024",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "PYSPARK_SUBMIT_ARGS", " ".join(f"--conf {name}={value}" for name, value in conf.items()) + " pyspark-shell"
        )
        patch.setenv("WORKER_ORDERS", str(folder / "orders.json"))
        patch.setenv("PYTHONPATH", str(WORKER))
        patch.setenv("JAVA_TOOL_OPTIONS", QUICK)
        with _words_to(folder / "log"):
            made = session("local[2]")
        assert made.sparkContext.getConf().get("spark.local.dir") == str(folder / "local"), (
            "another session's JVM is still there"
        )
        yield Place(made, folder)
        _end(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def _end(session: Any) -> None:
    """Stop a session and its JVM, which pyspark keeps for the next one: that one would have the environment of the first."""
    from pyspark import SparkContext

    session.stop()
    gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(60)


@contextmanager
def _words_to(file: Path) -> Iterator[None]:
    """Processes that start here speak into `file`."""
    own = [os.dup(number) for number in (1, 2)]
    with file.open("ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    try:
        yield
    finally:
        for number, old in zip((1, 2), own, strict=True):
            os.dup2(old, number)
            os.close(old)


@dataclass
class Watch:
    """Looks for secrets in arguments and environment of this process and all below it, and in a folder's files, while others work.

    Attributes:
        secrets: What must not be seen; may grow.
        controls: What must be seen, to show that the watch sees.
        seen: How many processes and files were read.
    """

    folder: Path
    secrets: list[bytes] = field(default_factory=list)
    controls: list[bytes] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=lambda: {"processes": 0, "files": 0})
    found: set[str] = field(default_factory=set)
    controlled: set[bytes] = field(default_factory=set)

    @contextmanager
    def on(self) -> Iterator[None]:
        stop = threading.Event()
        with ThreadPoolExecutor(1, "watch") as pool:
            looking = pool.submit(self._look_until, stop)
            try:
                yield
            finally:
                stop.set()
                looking.result()

    def _look_until(self, stop: threading.Event) -> None:
        stopped = False
        while not stopped:  # and once more when it is to stop
            stopped = stop.wait(0.1)
            for process in below(os.getpid()):
                self._read("processes", Path(f"/proc/{process}/cmdline"), Path(f"/proc/{process}/environ"))
            # Folders go while they are walked: os.walk passes over them, Path.rglob raises.
            self._read("files", *(Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names))

    def _read(self, kind: str, *files: Path) -> None:
        for file in files:
            with suppress(OSError):
                self.look(str(file), file.read_bytes())
                self.seen[kind] += 1

    def look(self, place: str, data: bytes) -> None:
        """Search `data`, which stands at `place`."""
        self.found.update(place for secret in self.secrets if secret in data)
        self.controlled.update(control for control in self.controls if control in data)


def below(top: int) -> list[int]:
    """A process and all its descendants."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    found = [top]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


def forms(key: bytes) -> list[bytes]:
    """A key as it is, and as texts would hold it."""
    text = [
        key.hex(),
        key.hex().upper(),
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode(),
        repr(key)[2:-1],
    ]
    return [key, *(one.rstrip("=").encode() for one in text)]
