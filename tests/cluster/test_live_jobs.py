"""Whole runs on a real cluster, launched each way its users do: preflight, driver, executors, outer door, and a reader in another namespace."""

from __future__ import annotations

import pytest
from tests.cluster.conftest import one_round, only_applied
from tests.cluster.site import Site

ROWS = 200_000


@pytest.fixture(scope="module")
def site(cluster, require, folder, tmp_path_factory):
    require("cluster_image")
    require("cluster_site_images")
    with only_applied():
        made = None
        try:
            made = Site(tmp_path_factory.mktemp("site"), folder, one_round(folder), rows=ROWS)
            yield made
        finally:
            if made is not None:
                made.remove()


@pytest.fixture(scope="module")
def submitted(site):
    """A run by spark-submit from a pod, and what the outer door made of it."""
    inner = site.run_job(site.objects["submit-customers"], 400)
    return inner, site.release("release-1")


def test_spark_submit_stages_and_the_outer_door_publishes(site, submitted):
    inner, outer = submitted
    assert (inner["container"], inner["results"][0]["state"], inner["results"][0]["rows"]) == (0, "staged", ROWS)
    assert (outer["container"], outer["results"][0]["state"]) == (0, "released")
