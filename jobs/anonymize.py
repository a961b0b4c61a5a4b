"""The inner door under spark-submit: `spark-submit jobs/anonymize.py POLICY... [options of 'airlock anonymize']`."""

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
    main(["anonymize", "--engine", "spark", *sys.argv[1:]])
