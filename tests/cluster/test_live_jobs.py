"""Whole runs on a real cluster, launched each way its users do: preflight, driver, executors, outer door, and a reader in another namespace."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cluster.conftest import one_round, only_applied
from tests.cluster.faults import FAULTS, IN_CI, executors_held
from tests.cluster.launchers import LAUNCHERS
from tests.cluster.live import IMAGE, done, kubectl
from tests.cluster.remains import Remains
from tests.cluster.site import RAW, SITE_CONF, Site
from tests.cluster.waiting import terminated, until

from airlock.errors import RunDeadlineError
from airlock.types import run_id_of

ROWS = 200_000
ALL = "AIRLOCK_ALL_FAULTS"
READER = """
import socket, subprocess, sys
def reached(address):
    try:
        socket.create_connection(address.split(":"), timeout=3).close()
    except OSError:
        return "shut"
    return "open"
code = subprocess.run(["airlock", "verify", "s3://sanitized/customers", "--require-isolation", "--require-separation"], stdout=subprocess.DEVNULL).returncode
print("verified", code, *(reached(address) for address in sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def site(cluster, require, folder, tmp_path_factory):
    require("cluster_image")
    require("cluster_site_images")
    with only_applied():
        file = one_round(folder)
        made = Site(tmp_path_factory.mktemp("site"), folder, file, rows=ROWS)
        try:
            yield made.stand()
        finally:
            made.remove()


@pytest.fixture(scope="module")
def remains(site):
    """Watches runs for e-mail addresses and streets of the raw data."""
    files = [pq.ParquetFile(file) for file in sorted((site.project / "raw").rglob("*.parquet"))]
    tables = [file.read(["email", "address"]) for file in files if {"email", "address"} <= set(file.schema_arrow.names)]
    emails = [one for table in tables for one in table["email"].slice(0, 100).to_pylist() if one]
    streets = [one["street"] for table in tables for one in table["address"].slice(0, 100).to_pylist() if one and one["street"]]
    canaries = {one for one in (*emails, *streets) if len(one) > 8}
    assert len(canaries) > 200
    controls = {
        "environments": "AIRLOCK_STATUS",
        "objects": "anonymize.py",
        "logs": '"rows_out": 200000',
        "scratch": "airlock.dev/role",
    }
    return Remains(sorted(canaries), controls)


@pytest.fixture(scope="module")
def submitted(site, remains):
    """The closed status of a run by spark-submit from a pod, and of what the outer door made of it."""
    with remains.watched():
        inner = site.run_job(site.job("submit-customers"), 300)
        return inner, site.release("release-submitted")


def test_spark_submit_stages_and_the_outer_door_publishes(submitted):
    inner, outer = submitted
    staged = {"dataset": "customers", "state": "staged", "rows": ROWS, "exit_code": 0}
    assert inner["container"] == 0
    assert staged.items() <= inner["results"][0].items()
    assert (outer["container"], outer["results"][0]["state"], outer["results"][0]["run"]) == (
        0,
        "released",
        inner["results"][0]["run"],
    )


def test_what_the_release_says_of_itself(site, submitted):
    manifest = site.manifest(submitted[0]["results"][0]["run"])
    assert manifest["isolation"] == "proven"
    assert manifest["image_digest"] == os.environ["AIRLOCK_TRIAL_IMAGE"].partition("@")[2]
    totals = manifest["totals"]
    assert totals["rows_in"] == totals["rows_out"] + totals["suppressed"] + totals["rejected"] == ROWS


def test_driver_and_its_policy_are_what_they_are_said_to_be(site, submitted):
    run = submitted[0]["results"][0]["run"]
    pod = site.pods(f"airlock.dev/run={run},airlock.dev/role=driver")[0]
    assert pod["metadata"]["annotations"]["airlock.dev/run"] == run
    policy = next(one["configMap"]["name"] for one in pod["spec"]["volumes"] if one["name"] == "policy")
    config_map = json.loads(done(kubectl("get", "configmap", policy, "-n", RAW, "-o", "json")))
    digest = site.manifest(run)["policy_sha256"]
    assert (config_map["immutable"], policy) == (True, f"policy-{digest[:32]}")
    assert pod["metadata"]["annotations"]["airlock.dev/policy"] == f"sha256:{digest}"
    assert pod["metadata"]["labels"]["airlock.dev/policy"] == digest[:16]
    node = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert node == [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [pod["spec"]["nodeName"]]}]}]


def test_two_executors_did_it(remains, submitted, require):
    require("cluster_node")
    run = submitted[0]["results"][0]["run"]
    assert {1, 2} <= {
        number for number in (1, 2) if any(f"{run}-exec-{number}_pii-raw_" in name for name in remains.seen["logs"])
    }


def test_kubectl_get_says_where_a_run_stands(submitted):
    run = submitted[0]["results"][0]["run"]
    columns = "airlock.dev/role,airlock.dev/dataset,airlock.dev/run,airlock.dev/policy"

    def shown():
        return done(kubectl("get", "pods", "-n", RAW, "-l", f"airlock.dev/run={run}", "-L", columns)).splitlines()

    head, *lines = until(lambda: len(shown()) == 2 and shown(), 90, lambda: str(shown()))  # its executors are gone
    assert head.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "ROLE", "DATASET", "RUN", "POLICY"]
    (words,) = map(str.split, lines)
    assert (words[2], words[5:8]) == ("Completed", ["driver", "customers", run])
    assert done(kubectl("get", "jobs", "submit-customers", "-n", RAW, "--no-headers")).split()[1:3] == ["Complete", "1/1"]


def test_nothing_of_the_raw_data_remains(remains, submitted, require):
    del submitted
    assert remains.found == set()
    assert all(remains.controls.values()), remains.controls
    require("cluster_node")
    assert min(len(names) for kind, names in remains.seen.items() if kind != "launchers") > 2, remains.seen


def test_a_reader_in_another_namespace_reads_the_release_and_reaches_nothing_else(site, submitted):
    del submitted
    said = site.read_as_team(READER)
    assert said == "verified 0 open shut shut shut"


def test_the_same_job_again_is_the_same_run_and_does_nothing(site, submitted):
    before = site.published()
    done(kubectl("delete", "job", "submit-customers", "-n", RAW, "--wait=true"))
    again = site.run_job(site.job("submit-customers"), 200)
    assert again["container"] == 0
    assert again["results"][0]["run"] == submitted[0]["results"][0]["run"]
    assert site.release("release-again")["results"][0]["state"] == "nothing new"
    assert site.published() == before


@pytest.fixture
def watched(remains, tmp_path):
    """While the test runs, and at what launchers outside of the zones left in its folder."""
    with remains.watched():
        yield
    remains.look_below(tmp_path)
    assert remains.found == set()


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_each_launcher_makes_the_same_bytes_and_meets_the_same_gate(site, submitted, require, tmp_path, launcher):
    """With nothing left of the first run on the inner side."""
    site.forget()
    with LAUNCHERS[launcher](site, require, tmp_path) as run:
        outer = site.release(f"release-{launcher}")
        assert outer["results"][0]["run"] == site.published()["run"] == run != submitted[0]["results"][0]["run"]
    first, second = site.manifest(submitted[0]["results"][0]["run"]), site.manifest(run)
    assert second["isolation"] == "proven"
    assert second["totals"] == first["totals"]
    assert [(one["path"], one["sha256"]) for one in first["outputs"]] == [
        (one["path"], one["sha256"]) for one in second["outputs"]
    ]
    assert site.gate(run) == site.gate(submitted[0]["results"][0]["run"])


def test_the_command_line_alone_makes_the_same_rows(site, submitted, tmp_path):
    """On this machine, of the same raw data, policy and keys. In the same bytes only where Python is the same, too: versions are part of the
    program, whose keyed digest orders files and rows.
    """
    project = tmp_path / "project"
    shutil.copytree(site.project, project)
    command = [sys.executable, "-m", "airlock", "--config", str(project / "airlock.yaml"), "run", "--engine", "local"]
    given = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
    made = subprocess.run(
        [*command, str(project / "policies" / "customers.yaml")], capture_output=True, text=True, env=given, check=False
    )
    assert made.returncode == 0, made.stderr
    here = _rows(file.read_bytes() for file in (project / "sanitized").rglob("*.parquet"))
    assert here.num_rows == ROWS
    assert here.equals(_rows(site.released(submitted[0]["results"][0]["run"])))


def _rows(files):
    """All rows, in the pseudonyms' order."""
    return pa.concat_tables([pq.ParquetFile(pa.BufferReader(one)).read() for one in files]).sort_by("customer_id")


@pytest.mark.parametrize("pod", ["preflight-0", "raw-store-0"])
def test_airflows_worker_deletes_no_pod_that_it_may_not_make(site, pod):
    del site
    made = kubectl("delete", "pod", pod, "-n", RAW, "--dry-run=server", user="system:serviceaccount:airflow:airflow-worker")
    assert made.returncode == 1
    assert "that it may not create" in made.stderr


def test_cron_jobs_of_both_doors_go_by_themselves(site, submitted):
    """Their controller makes the Jobs: one stages, the other, which polls, finds that and publishes it."""
    site.forget()
    before = site.published()["run"]
    anonymize, release = (deepcopy(site.objects[name]) for name in ("anonymize-customers", "release"))
    site.with_policies(anonymize["spec"]["jobTemplate"]["spec"]["template"]["spec"], anonymize)
    for one in (anonymize, release):
        one["spec"]["schedule"] = "* * * * *"
    try:
        site.create(anonymize)
        made = until(lambda: _jobs_of("anonymize-customers"), 180)
        done(kubectl("patch", "cronjob", "anonymize-customers", "-n", RAW, "-p", '{"spec": {"suspend": true}}'))
        site.create(release)
        run = run_id_of("customers", made[0])
        until(lambda: site.published()["run"] == run, 240, lambda: f"{site.published()['run']} {made}")
    finally:
        for one in (anonymize, release):
            kubectl(
                "delete", "cronjob", one["metadata"]["name"], "-n", one["metadata"]["namespace"], "--wait=true", "--timeout=60s"
            )
    assert run != before
    assert site.manifest(run)["outputs"] == site.manifest(submitted[0]["results"][0]["run"])["outputs"]


def _jobs_of(cron_job):
    """Names of the Jobs that a CronJob's controller made."""
    items = json.loads(done(kubectl("get", "jobs", "-n", RAW, "-o", "json")))["items"]
    owners = {one["metadata"]["name"]: [o["name"] for o in one["metadata"].get("ownerReferences", ())] for one in items}
    return [name for name, names in owners.items() if cron_job in names]


def test_pods_of_an_indexed_job_share_the_checking_of_one_run(site, submitted):
    inner = site.run_job(site.from_cron("anonymize-customers", "cron-shards"), 300)
    run = inner["results"][0]["run"]
    shards, finish = site.release_jobs(run, 2)
    for job in (finish, shards):  # the one that publishes waits for the others
        site.create(job)
    assert site.outcome(shards, 120) == "Complete", site.described(shards)
    assert site.outcome(finish, 120) == "Complete", site.described(finish)
    assert site.published()["run"] == run
    assert site.manifest(run)["outputs"] == site.manifest(submitted[0]["results"][0]["run"])["outputs"]


def test_what_a_policy_gets_wrong_fails_the_job_at_once(site):
    """podFailurePolicy knows our exit codes: 2 and 3 are not tried again."""
    site.config(RAW, "policy-wrong", {"customers.yaml": b"dataset: customers\n"})
    job = site.from_cron("anonymize-customers", "cron-wrong", policy="policy-wrong")
    inner = site.run_job(job, 120)
    assert (inner["container"], inner["exit_code"]) == (2, 2)
    until(
        lambda: (
            "PodFailurePolicy" in kubectl("get", "job", "cron-wrong", "-n", RAW, "-o", "jsonpath={.status.conditions}").stdout
        ),
        30,
    )
    assert len(site.pods("batch.kubernetes.io/job-name=cron-wrong")) == 1


def test_executors_that_can_not_reach_their_driver_do_not_keep_the_run_for_ever(site):
    """They hang without an error: no policy lets them to the port that this driver listens at."""
    site.forget()
    site.config(RAW, "inner-mute", site.inner(f"{SITE_CONF}spark.driver.port 7999\n"))
    job = site.from_cron("anonymize-customers", "cron-mute")
    pod = job["spec"]["template"]["spec"]
    next(one for one in pod["volumes"] if one["name"] == "config")["configMap"]["name"] = "inner-mute"
    next(one for one in pod["containers"][0]["env"] if one["name"] == "AIRLOCK_RUN_SECONDS")["value"] = "45"
    job["spec"]["backoffLimit"] = 0
    inner = site.run_job(job, 180)
    assert (inner["container"], inner["results"][0]["code"]) == (75, RunDeadlineError.code)
    assert site.release("release-mute")["results"][0]["state"] == "nothing new"


def test_the_outer_image_has_no_part_of_the_inner_door(site):
    found = site.in_team(
        [
            "python",
            "-c",
            "import importlib.util as u; print([n for n in ('pyspark', 'presidio_analyzer', 'airlock.operators', 'airlock.engines', 'airlock.gate') if u.find_spec(n)])",
        ]
    )
    assert found == "['airlock.gate']"
    assert "No such command 'anonymize'" in site.in_team(["sh", "-c", "airlock anonymize x 2>&1; true"])
    assert site.in_team(["sh", "-c", "command -v java gcc cc pip; true"]) == ""


def test_the_inner_image_compiles_and_fetches_nothing(site):
    said = site.in_team(["sh", "-c", "command -v java gcc cc make pip curl wget git; true"], os.environ[IMAGE])
    assert Path(said).name == "java"
    denied = site.in_team(["sh", "-c", "touch /opt/airlock/x /usr/x 2>&1; id -u"], os.environ[IMAGE]).splitlines()
    assert [line.rsplit(": ", 1)[1] for line in denied[:-1]] == ["Permission denied"] * 2
    assert denied[-1] == "185"


def test_verify_from_outside(site, submitted, tmp_path):
    """As whoever gets the release may, with public keys alone."""
    del submitted
    config = tmp_path / "airlock.yaml"
    site.write_reader_config(config)
    command = [
        sys.executable,
        "-m",
        "airlock",
        "--config",
        str(config),
        "verify",
        "s3://sanitized/customers",
        "--require-isolation",
    ]
    given = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
    made = subprocess.run(command, capture_output=True, text=True, env=given, check=False)
    assert made.returncode == 0, made.stderr


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_middle_ends_in_a_correct_release_or_in_none(site, submitted, require, fault):
    if fault not in IN_CI and not os.environ.get(ALL):
        pytest.skip(f"{ALL} is not set, as 'make test-cluster-full' sets it")
    require("cluster_node")
    before = site.published()
    job = site.from_cron("anonymize-customers", "fault-" + fault.replace(" ", "-").lower())
    own = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
    site.forget()
    site.create(job)
    until(lambda: site.objects_in("raw", "private", "customers/splits/"), 120, lambda: site.described(job))
    with executors_held(site):
        assert [one for one in site.pods(own) if one["status"]["phase"] == "Running"], "the run was over before the fault"
        FAULTS[fault].do(site)
    outcome = site.outcome(job, 300)
    assert FAULTS[fault].outcome in (outcome, "either"), site.described(job)
    pods = sorted(site.pods(own), key=lambda one: one["metadata"]["creationTimestamp"])
    assert len(pods) >= FAULTS[fault].pods
    assert terminated(pods[0])["exitCode"] in FAULTS[fault].codes, site.described(job)
    if outcome == "Failed":
        assert site.release(job["metadata"]["name"] + "-release")["results"][0]["state"] == "nothing new"
        assert site.published() == before
        done(kubectl("delete", "job", job["metadata"]["name"], "-n", RAW, "--wait=true"))
        site.await_ready("preflight-0", RAW, 180)
        site.create(job)
        assert site.outcome(job, 300) == "Complete", site.described(job)
    run = site.await_job(job, 10)["results"][0]["run"]
    assert run == run_id_of("customers", job["metadata"]["name"])
    assert not FAULTS[fault].resumes or site.said(job)["results"][0]["reused"] > 0
    assert site.release(job["metadata"]["name"] + "-released")["results"][0]["run"] == run
    found, first = site.manifest(run), site.manifest(submitted[0]["results"][0]["run"])
    assert [(one["path"], one["sha256"]) for one in found["outputs"]] == [
        (one["path"], one["sha256"]) for one in first["outputs"]
    ]
    assert found["totals"] == first["totals"]
    assert found["isolation"] == "proven"
