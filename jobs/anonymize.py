"""The inner door under spark-submit: `spark-submit jobs/anonymize.py POLICY... [options of 'airlock anonymize']`."""

from __future__ import annotations

import sys

from airlock.cli import main

if __name__ == "__main__":
    main(["anonymize", "--engine", "spark", *sys.argv[1:]])
