"""Kubeflow's Spark operator, compiled from its own Go module: what carries out a SparkApplication.

Go compiles it once, in minutes, into ~/.cache/airlock. Without it the test that needs it is skipped, unless AIRLOCK_REQUIRE lists
`spark_operator`: then it is compiled. `python -m tests.servers.spark_operator` compiles it too.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.servers.compiled import Compiled, fetched

_MODULE = Path(__file__).parent / "spark_crd"
"""Names the module whose kinds are looked at, too."""


@dataclass(frozen=True)
class OfModule(Compiled):
    """A program of a module that go.mod names, as that module's own go.sum says."""

    def make(self, go: str, fresh: Path) -> None:
        """Fetch the module, and build `package` in a copy of it: a module in Go's cache can't be written to."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "module"
            shutil.copytree(fetched(self.source), copy, copy_function=shutil.copyfile)
            copy.chmod(0o755)
            subprocess.run(
                [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(fresh), self.package], cwd=copy, check=True
            )


SPARK_OPERATOR = OfModule("spark_operator", _MODULE, ("go.mod", "go.sum"), "./cmd/operator", "some 4 minutes")


def kinds() -> list[Path]:
    """Files with the definitions of all its kinds."""
    return sorted((fetched(_MODULE) / "config" / "crd" / "bases").glob("*.yaml"))


def missing() -> str | None:
    """Why there is none; None where there is one, or where one must be compiled."""
    return SPARK_OPERATOR.missing("spark_operator")


if __name__ == "__main__":
    SPARK_OPERATOR.build()
