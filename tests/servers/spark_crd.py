"""The kinds of kubeflow's Spark operator, of its own Go module: what a SparkApplication is held against.

Go fetches the module in seconds, once, and checks it by go.sum; the definition is kept in ~/.cache/airlock. Without it the tests that need it
are skipped, unless AIRLOCK_REQUIRE lists `spark_crd`: then it is fetched. `python -m tests.servers.spark_crd` fetches it too.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.servers.compiled import Compiled, fetched


@dataclass(frozen=True)
class Fetched(Compiled):
    """A file of a Go module, `package` its path there: nothing is compiled."""

    def make(self, go: str, fresh: Path) -> None:
        """Fetch the module that go.mod names; Go refuses one that go.sum does not know."""
        del go
        shutil.copyfile(fetched(self.source) / self.package, fresh)


SPARK_CRD = Fetched(
    "spark_crd", Path(__file__).parent / "spark_crd", ("go.mod", "go.sum"),
    "config/crd/bases/sparkoperator.k8s.io_sparkapplications.yaml", "seconds",
)  # fmt: skip


def missing() -> str | None:
    """Why there is no definition; None where there is one, or where one must be fetched."""
    return SPARK_CRD.missing("spark_crd")


if __name__ == "__main__":
    SPARK_CRD.build()
