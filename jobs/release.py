"""The outer door under the same launcher: `spark-submit jobs/release.py POLICY...`. It starts no Spark."""

from __future__ import annotations

import sys

from airlock.cli import main

if __name__ == "__main__":
    main(["release", *sys.argv[1:]])
