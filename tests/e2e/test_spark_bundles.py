"""Spark tasks carry out several splits; records and files stay one a split."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_many_small_files_are_bundled_for_spark_and_recorded_one_by_one(project, airlock, people, require):
    require("java")
    made = project(files=0, split_mib="1", master="local[2,4]")
    for number in range(140):  # over twice the least number of tasks, each a little above what is packed
        made.write(people(800, first=number * 1_000), f"{number:03}.parquet")
    staged = airlock("anonymize", made.policy(), "--engine", "spark", project=made)
    assert staged.code == 0, staged.err
    (result,) = staged.summary["results"]
    assert (result["rows"], result["splits"]) == (140 * 800, 140)
    assert sum(name.endswith(".json") for name in made.files("private") if name.startswith("people/splits/")) == 140
    released = airlock("release", made.policy(), project=made)
    assert (released.code, released.summary["results"][0]["rows"]) == (0, 140 * 800), released.err
