"""Kustomize for tests, compiled from its Go module: what builds the folders of `k8s/`.

Go compiles it in a minute, once; the program is kept in ~/.cache/airlock. Without it the tests that need it are skipped, unless
AIRLOCK_REQUIRE lists `kustomize`: then it is made. `python -m tests.servers.kustomize` makes it too.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.servers.compiled import Compiled

KUSTOMIZE = Compiled(
    "kustomize", Path(__file__).parent / "kustomize", ("go.mod", "go.sum"), "sigs.k8s.io/kustomize/kustomize/v5", "a minute"
)


def missing() -> str | None:
    """Why there is no Kustomize; None where there is one, or where one must be made."""
    return KUSTOMIZE.missing("kustomize")


def build(folder: Path) -> str:
    """The objects of a folder as YAML."""
    made = subprocess.run([str(KUSTOMIZE.program()), "build", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"kustomize build {folder}: {made.stderr.strip()}")
    return made.stdout


if __name__ == "__main__":
    KUSTOMIZE.build()
