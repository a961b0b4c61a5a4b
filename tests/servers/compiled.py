"""Servers for tests that Go compiles, once: kept in ~/.cache/airlock under a name that follows from their sources."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
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
        wanted = part in os.environ.get("AIRLOCK_REQUIRE", "").split(",")
        if shutil.which("go") is None:
            return "it is not compiled, and there is no Go to compile it"
        if not wanted:
            return f"it is not compiled; AIRLOCK_REQUIRE={part} compiles it (Go modules, {self.takes})"
        self.build()
        return None

    def build(self) -> Path:
        """Compile; of several processes one does."""
        CACHE.mkdir(parents=True, exist_ok=True)
        with (CACHE / f"{self.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = self.program()
            if not made.exists():
                fresh = made.with_suffix(".new")
                command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(fresh), self.package]
                subprocess.run(command, cwd=self.source, check=True)
                fresh.replace(made)
        return made
