"""Doors as real processes: in forked children that die or stop at a chosen step, and as commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import make_people
from tests.servers import s3
from tests.servers.project import BucketProject, bucket_project


@dataclass
class Child:
    """A door at work."""

    nursery: Nursery
    pid: int
    report_file: Path

    def wait(self) -> dict[str, Any]:
        """Until it has stopped or ended: how, and what the door reported, if it could."""
        ended = self.nursery.order(do="wait", pid=self.pid)
        report = json.loads(self.report_file.read_text()) if self.report_file.exists() and not ended["stopped"] else {}
        return ended | report

    def go_on(self) -> dict[str, Any]:
        os.kill(self.pid, signal.SIGCONT)
        return self.wait()


@dataclass
class Nursery:
    """The program `nursery.py`, and its children."""

    folder: Path
    children: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.program = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def _line(self) -> dict[str, Any]:
        line = self.program.stdout.readline()
        assert line, "the nursery ended"
        return json.loads(line)

    def order(self, **what: Any) -> dict[str, Any]:
        self.program.stdin.write(json.dumps(what) + "\n")
        self.program.stdin.flush()
        return self._line()

    def start(self, door: str, project: Any, **what: Any) -> Child:
        report = self.folder / f"report-{len(self.children)}.json"
        policy = what.pop("policy", project.policy())
        made = self.order(
            do="start", door=door, config=str(project.config), policy=str(policy), report=str(report), tmp=str(self.folder),
            log=str(self.folder / "log.txt"), **what,
        )  # fmt: skip
        self.children.append(made["pid"])
        return Child(self, made["pid"], report)

    def run(self, door: str, project: Any, **what: Any) -> dict[str, Any]:
        return self.start(door, project, **what).wait()

    def close(self) -> None:
        self.program.stdin.close()
        self.program.wait(timeout=60)
        self.program.stdout.close()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory):
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.out.strip().splitlines()[-1])


@pytest.fixture
def airlock():
    """Run the command line in a process of its own."""

    def run(*arguments: Any, project: Any = None, env: dict[str, str] | None = None) -> Done:
        config = ["--config", str(project.config)] if project else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")} | (env or {})
        done = subprocess.run(
            [sys.executable, "-m", "airlock", *config, *map(str, arguments)], capture_output=True, text=True, env=environment
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def gateway(require: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Gateway]:
    """A real S3 gateway."""
    require("s3")
    with s3.running(tmp_path_factory.mktemp("gateway")) as served:
        yield served


@pytest.fixture
def make_buckets(gateway: s3.Gateway, tmp_path: Path) -> Callable[..., BucketProject]:
    """Makes a project in buckets of their own: `make_buckets(files=3, rows=20)` has three objects of twenty people each."""

    def make(*, files: int, rows: int) -> BucketProject:
        made = bucket_project(tmp_path / "project", gateway, name=f"p{uuid.uuid4().hex[:12]}")
        made.write_policy()
        for number in range(files):
            made.write(make_people(rows, first=number * 1_000), f"{number:03}.parquet")
        return made

    return make
