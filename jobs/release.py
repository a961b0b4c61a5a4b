"""The outer door under the same launcher: `spark-submit jobs/release.py POLICY...`. It starts no Spark."""

from __future__ import annotations

import sys

try:
    from airlock.cli import main
except ModuleNotFoundError as error:
    # spark-submit took some `python3` of PATH.
    sys.stderr.write(
        f"{sys.executable} has no module '{error.name}'. Set PYSPARK_PYTHON to the Python that airlock is installed in\n"
    )
    sys.exit(2)

if __name__ == "__main__":
    main(["release", *sys.argv[1:]])
