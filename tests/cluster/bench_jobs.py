"""`make bench-cluster`: what a run costs on a real cluster, as ratios of runs that take turns. Prints figures, asserts that they can be measured.

What was learned: most of a small run is Spark's start (driver, then executors, each a JVM); rows never leave the executor that read them but as
staged files, so that what driver and executors say to each other does not grow with the data.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime

import pytest
from tests.cluster.conftest import one_round, only_applied
from tests.cluster.live import done, kubectl
from tests.cluster.site import RAW, SITE_CONF, Site
from tests.cluster.traffic import counted

ROWS = 1_000_000
TURNS = 2
PLAIN = """\
spark.authenticate false
spark.network.crypto.enabled false
spark.io.encryption.enabled false
"""


@pytest.fixture(scope="module")
def site(cluster, require, folder, tmp_path_factory):
    require("cluster_image")
    require("cluster_site_images")
    with only_applied():
        made = Site(tmp_path_factory.mktemp("site"), folder, one_round(folder), rows=ROWS)
        try:
            yield made.stand()
        finally:
            made.remove()


class Runs:
    """Runs by CronJob's Job under several confs."""

    def __init__(self, site):
        self.site, self.number, self.roles = site, 0, {}

    def run(self, conf):
        """One from nothing: (seconds from Job to first task, seconds of the stage, bytes by pair of roles)."""
        self.site.forget()
        self.number += 1
        name = f"bench-{self.number}"
        self.site.config(RAW, f"inner-{name}", self.site.inner(conf))
        job = self.site.from_cron("anonymize-customers", name)
        for volume in job["spec"]["template"]["spec"]["volumes"]:
            if volume["name"] == "config":
                volume["configMap"]["name"] = f"inner-{name}"
        with counted() as traffic:
            over = threading.Event()
            watch = threading.Thread(target=self._learn, args=(over,))
            watch.start()
            try:
                status = self.site.run_job(job, 600)
            finally:
                over.set()
                watch.join()
            pairs = traffic.pairs()
        assert status["container"] == 0, status
        lines = [
            json.loads(line)
            for line in done(kubectl("logs", status["pod"], "-n", RAW)).splitlines()
            if line.startswith('{"dataset')
        ]
        steps = [_seconds(one["timestamp"]) for one in lines if one["event"] == "progress"]
        made = _seconds(json.loads(done(kubectl("get", "job", name, "-n", RAW, "-o", "json")))["metadata"]["creationTimestamp"])
        told = Counter()
        for (source, target), count in pairs.items():
            if source in self.roles and target in self.roles:
                told[self.roles[source], self.roles[target]] += count
        return steps[0] - made, steps[-1] - steps[0], told

    def _learn(self, over):
        """Which address is whose: executors come and go."""
        while not over.wait(0.5):
            for one in json.loads(done(kubectl("get", "pods", "-A", "-o", "json")))["items"]:
                role = one["metadata"].get("labels", {}).get("airlock.dev/role")
                if role and one["status"].get("podIP"):
                    self.roles[one["status"]["podIP"]] = role


def _seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_figures(site):
    runs = Runs(site)
    base = SITE_CONF.replace("spark.executor.instances 2\n", "")
    confs = {"two executors": "", "two executors, nothing encrypted": PLAIN, "one executor": "spark.executor.instances 1\n"}
    found = {name: [] for name in confs}
    for _ in range(TURNS):
        for name, conf in confs.items():
            found[name].append(runs.run(base + conf))
    begun = {name: min(one[0] for one in made) for name, made in found.items()}
    stage = {name: min(one[1] for one in made) for name, made in found.items()}
    told = found["two executors"][-1][2]
    raw = sum(file.stat().st_size for file in (site.project / "raw").rglob("*.parquet") if "customers" in str(file))
    staged = sum(one["Size"] for one in site.listed("staging", "staging") if one["Key"].endswith(".parquet"))
    from_raw = told["raw-store", "executor"] + told["raw-store", "driver"]
    between = sum(told[one, other] for one in ("driver", "executor") for other in ("driver", "executor"))
    assert from_raw > 0.2 * raw
    assert told["executor", "staging-store"] > staged
    figures = {
        "rows": ROWS,
        "job made to first task, s": round(begun["two executors"], 1),
        "stage, s": round(stage["two executors"], 1),
        "encrypted / plain, stage": round(stage["two executors"] / stage["two executors, nothing encrypted"], 2),
        "encrypted / plain, to first task": round(begun["two executors"] / begun["two executors, nothing encrypted"], 2),
        "one executor / two, stage": round(stage["one executor"] / stage["two executors"], 2),
        "raw bytes": raw,
        "from the raw store / raw bytes": round(from_raw / raw, 3),
        "to the staging store / staged bytes": round(
            (told["executor", "staging-store"] + told["driver", "staging-store"]) / staged, 3
        ),
        "between driver and executors / raw bytes": round(between / raw, 4),
        "between executors / raw bytes": round(told["executor", "executor"] / raw, 5),
    }
    print("\n" + json.dumps(figures, indent=2))  # noqa: T201 - what it is for
