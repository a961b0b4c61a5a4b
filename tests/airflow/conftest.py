"""One process of Airflow for all tests of a worker, and a demo project with who may look at it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.servers.airflow import Airflow

from airlock.doors.demo import create_demo


@pytest.fixture(scope="session")
def airflow(require: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """A process of Airflow, with a database of its own."""
    require("airflow")
    made = Airflow(tmp_path_factory.mktemp("airflow"))
    yield made
    made.stop()


@dataclass(frozen=True)
class Demo:
    """A demo project, of which Airflow sees one dataset's policy."""

    root: Path
    dataset: str = "customers"

    @property
    def config(self) -> Path:
        return self.root / "airlock.yaml"

    @property
    def policy(self) -> Path:
        return self.root / "flown" / f"{self.dataset}.yaml"

    @property
    def site(self) -> dict[str, str]:
        """Section `[airlock]`."""
        return {
            "policies": str(self.root / "flown"),
            "config": str(self.config),
            "observer": str(self.root / "observer.yaml"),
            "program": f"{sys.executable} -m airlock",
            # One for all tests: Airflow lets an Asset's name have one uri.
            "sanitized": "s3://acme-sanitized",
            "poke_interval": "0.2",
            "retries": "1",
            "retry_delay": "0.1",
        }

    def airlock(self, *arguments: str) -> dict[str, Any]:
        """One command of the outer door's or an auditor's, as a process: its closing JSON line."""
        command = [sys.executable, "-m", "airlock", "--config", str(self.config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    def published(self) -> list[Path]:
        """Manifests in zone sanitized."""
        return sorted((self.root / "sanitized" / self.dataset).glob("evidence/*/manifest.json"))


@pytest.fixture(scope="session")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "demo"
    create_demo(root, rows=200)
    (root / "flown").mkdir()
    (root / "policies" / "customers.yaml").replace(root / "flown" / "customers.yaml")
    shutil.copy(root / "flown" / "customers.yaml", root / "policies")
    # No key and no raw zone: the outer door's pointers, and what it says of runs that it refused.
    (root / "observer.yaml").write_text("zones: {sanitized: {uri: sanitized}}\ntrust: trust\nreports: reports\n")
    return root


@pytest.fixture
def demo(_made: Path, tmp_path: Path) -> Demo:
    """A project of its own for each test."""
    return Demo(Path(shutil.copytree(_made, tmp_path / "demo")))
