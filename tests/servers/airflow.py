"""Airflow for tests: the environment that `airflow_dags/requirements.txt` locks, with a migrated database, kept in ~/.cache/airlock.

It takes a minute or two, once, and 700 MB. Without it the tests that need it are skipped, unless AIRLOCK_REQUIRE lists `airflow`: then it is
made. `python -m tests.servers.airflow` makes it too. Airlock itself is not in it: tests run it from this clone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers.compiled import CACHE

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "airflow_dags" / "requirements.txt"
INSIDE = ROOT / "tests" / "airflow" / "_inside.py"


def environment() -> Path:
    """Where it is, or would be."""
    return CACHE / f"airflow-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


def missing() -> str | None:
    """Why it is not there; None where it is, or where it must be made."""
    if environment().exists():
        return None
    if "airflow" not in os.environ.get("AIRLOCK_REQUIRE", "").split(","):
        return "it is not installed; AIRLOCK_REQUIRE=airflow installs it (a minute or two, 700 MB)"
    build()
    return None


def build() -> Path:
    """Install it and make its database; of several processes one does."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "airflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = environment()
        if not made.exists():
            # What has its name is whole. Scripts of a moved environment would not start; `python -m` does.
            fresh = made.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", fresh], check=True)
            python = fresh / "bin" / "python"
            # The lock is whole; without --no-deps pip asks for a hash of "fastapi", of which it locks "fastapi[...]".
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", LOCK], check=True)
            home = fresh / "home"
            home.mkdir()
            command = [python, "-m", "airflow", "db", "migrate"]
            subprocess.run(command, env=_environment(home, home), check=True, stdout=subprocess.DEVNULL)
            fresh.replace(made)
        return made


def _environment(home: Path, dags: Path) -> dict[str, str]:
    """What a process of Airflow sees: no settings of whoever runs the tests, examples or network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AIRLOCK", "COV"))}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT / "lib"),
    }


class Airflow:
    """A process of that Airflow with a home of its own, which answers questions: see `tests/airflow/_inside.py`."""

    def __init__(self, home: Path) -> None:
        self.dags = home / "dags"
        self.dags.mkdir(parents=True)
        (self.dags / "airflow_dags").symlink_to(ROOT / "airflow_dags")
        shutil.copy(environment() / "home" / "airflow.db", home / "airflow.db")
        self._log = home / "log.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [environment() / "bin" / "python", INSIDE],
                env=_environment(home, self.dags),
                cwd=home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self, question: str, site: dict[str, str], environment: dict[str, str] | None = None, **arguments: Any) -> None:
        """Ask; `answer` waits for what it says.

        Args:
            question: Name of a function of `_inside.py`.
            site: Of section `[airlock]`; replaces what was set before.
            environment: Other variables, until the next question.
            arguments: JSON.
        """
        assert self._process.stdin is not None
        order = {"question": question, "site": site, "environment": environment or {}, "arguments": arguments}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        """What it says; RuntimeError with its log where it said nothing."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(self.log[-4_000:])
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(f"{said['error']}\n{self.log[-2_000:]}")
        return said["answer"]

    def ask(self, question: str, site: dict[str, str], environment: dict[str, str] | None = None, **arguments: Any) -> Any:
        """Ask and wait."""
        self.start(question, site, environment, **arguments)
        return self.answer()

    @property
    def log(self) -> str:
        """All that it wrote so far."""
        return self._log.read_text()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


if __name__ == "__main__":
    build()
