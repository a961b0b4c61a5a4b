"""`make bench-cluster`: what a run costs on a real cluster, as ratios of runs that take turns. Prints figures, asserts that they can be measured.

What was learned: most of a small run is Spark's start (driver, then executors, each a JVM; then each executor's Python, which loads Arrow and the
operators): on two shared cores 21 s to the first task of a CronJob's Job, 1.6 times that by `airlock submit`, whose pod starts a JVM of its own first.
Encryption costs no more than runs differ (1.01 and 1.06). Rows never leave the executor that read them but as staged files, so that what driver and executors say to each
other does not grow with the data.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from datetime import datetime
from typing import NamedTuple

import pytest
from tests.cluster.conftest import one_round, only_applied
from tests.cluster.live import done, kubectl
from tests.cluster.remains import PODS, processes_of
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


class Run(NamedTuple):
    """Seconds from the Job to its first executor, to its first task (a Python worker), to its first split, from that to its last one; how many there
    are; bytes by pair of roles.
    """

    executor: float
    task: float
    first: float
    rest: float
    splits: int
    told: Counter


class Runs:
    """Runs by CronJob's Job under several confs."""

    def __init__(self, site):
        self.site, self.number, self.roles, self.started, self.worked = site, 0, {}, {}, {}

    def run(self, conf, submit):
        """One from nothing, by CronJob's Job or by `airlock submit`: what it took, and bytes by pair of roles."""
        self.site.forget()
        self.number += 1
        self.started, self.worked = {}, {}
        name = f"bench-{self.number}"
        self.site.config(RAW, f"inner-{name}", self.site.inner(conf))
        job = self.site.job(name) if submit else self.site.from_cron("anonymize-customers", name)
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
        made = _seconds(json.loads(done(kubectl("get", "job", name, "-n", RAW, "-o", "json")))["metadata"]["creationTimestamp"])
        records = sorted(file.stat().st_mtime for file in self._private("customers/splits").glob("*.json"))
        told = Counter()
        for (source, target), count in pairs.items():
            if source in self.roles and target in self.roles:
                told[self.roles[source], self.roles[target]] += count
        begun = (min(self.started.values()) - made, min(self.worked.values()) - made)
        return Run(*begun, records[0] - made, records[-1] - records[0], len(records), told)

    def _private(self, folder):
        """A folder of the private bucket, on the node's disk."""
        uid = self.site.pod("raw-store-0")["metadata"]["uid"]
        return PODS / uid / "volumes" / "kubernetes.io~empty-dir" / "data" / "private" / folder

    def _learn(self, over):
        """Which address is whose: executors come and go."""
        while not over.wait(0.5):
            for one in json.loads(done(kubectl("get", "pods", "-A", "-o", "json")))["items"]:
                role = one["metadata"].get("labels", {}).get("airlock.dev/role")
                if role and one["status"].get("podIP"):
                    self.roles[one["status"]["podIP"]] = role
                for state in one["status"].get("containerStatuses", ()) if role == "executor" else ():
                    if "running" in state["state"]:
                        self.started.setdefault(one["metadata"]["name"], _seconds(state["state"]["running"]["startedAt"]))
                        if processes_of(one["metadata"]["uid"], "python"):
                            self.worked.setdefault(one["metadata"]["name"], time.time())


def _seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_figures(site):
    runs = Runs(site)
    one = "spark.executor.instances 1\n"
    confs = {"two executors": "", "two executors, nothing encrypted": PLAIN, "one executor": one, "two executors by submit": ""}
    found = {name: [] for name in confs}
    for _ in range(TURNS):
        for name, conf in confs.items():
            found[name].append(runs.run(SITE_CONF + conf, submit="submit" in name))
    best = {
        name: {part: min(getattr(one, part) for one in made) for part in ("executor", "task", "first", "rest")}
        for name, made in found.items()
    }
    two, plain, one, submitted = (best[name] for name in confs)
    told = found["two executors"][-1].told
    raw = sum(file.stat().st_size for file in (site.project / "raw").rglob("*.parquet") if "customers" in str(file))
    staged = sum(one["Size"] for one in site.listed("staging", "staging") if one["Key"].endswith(".parquet"))
    from_raw = told["raw-store", "executor"] + told["raw-store", "driver"]
    between = sum(told[one, other] for one in ("driver", "executor") for other in ("driver", "executor"))
    assert from_raw > 0.2 * raw
    assert told["executor", "staging-store"] > staged
    assert between < 0.05 * raw, "raw rows are shuffled"
    figures = {
        "rows": ROWS,
        "splits": found["two executors"][-1].splits,
        "job to first executor, s": round(two["executor"], 1),
        "job to first task, s": round(two["task"], 1),
        "job to first split, s": round(two["first"], 1),
        "submit to first task, s": round(submitted["task"], 1),
        "submit / job, to first task": round(submitted["task"] / two["task"], 2),
        "to first task / whole run": round(two["task"] / (two["first"] + two["rest"]), 2),
        "first to last split, s": round(two["rest"], 1),
        "encrypted / plain, first to last split": round(two["rest"] / plain["rest"], 2),
        "encrypted / plain, job to first split": round(two["first"] / plain["first"], 2),
        "one executor / two, first to last split": round(one["rest"] / two["rest"], 2),
        "raw bytes": raw,
        "from the raw store / raw bytes": round(from_raw / raw, 3),
        "to the staging store / staged bytes": round(
            (told["executor", "staging-store"] + told["driver", "staging-store"]) / staged, 3
        ),
        "between driver and executors / raw bytes": round(between / raw, 4),
        "between executors / raw bytes": round(told["executor", "executor"] / raw, 5),
    }
    print("\n" + json.dumps(figures, indent=2))  # noqa: T201 - what it is for
