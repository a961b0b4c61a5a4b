"""`dag.test()` with launcher `local`, on the demo's data and on a census's; the outer door is another process, which Airflow neither starts nor knows."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from airlock.evidence.manifest import PublicManifest
from airlock.storage import open_store
from airlock.storage.lease import Lease
from airlock.types import run_id_of

FIRST = "2026-11-01T00:00:00+00:00"
TOP = Path(__file__).parents[2]
ADULT = TOP.parent / "shared" / "data" / "adult.csv"
JOB, README = TOP / "jobs" / "anonymize.py", TOP / "airflow_dags" / "README.md"
SUCCESS, FAILED, BLOCKED, SKIPPED = "success", "failed", "upstream_failed", "skipped"

UNSAFE_PROGRAM = """\
import json, pathlib, sys
failing, code, asked = sys.argv[1], int(sys.argv[2]), [word for word in ("plan", "anonymize", "outcome") if word in sys.argv[3:]][0]
command, how = failing.split()
before = pathlib.Path(__file__).with_suffix(f".{asked}")
fails = command == asked and (how == "always" or how == "once" and not before.exists())
before.touch()
names = (
    "dataset run sequence policy_sha256 rows_in rows_out suppressed rejected files verdict waived not_proven separation isolation "
    "signed_at data evidence current"
)
result = dict.fromkeys(names.split(), "") | {"state": "overtaken" if how == "overtaken" else "released"}
print(json.dumps({"results": [{"code": "x"} if fails else result]}))
sys.exit(code if fails else 0)
"""
"""Ends as it is told to: `COMMAND once|always|overtaken` and an exit code."""


def run_of(moment, dataset="customers"):
    return run_id_of(dataset, f"airlock-{dataset}/{moment}/{moment}")


@pytest.fixture
def fly(airflow, demo):
    """Runs the DAG for one data interval; the outer door comes when something is staged."""

    def go(moment, door=None, environment=None, project=demo, **site):
        airflow.start("run", project.site | site, environment, dag_id=f"airlock-{project.dataset}", moment=moment)
        if door is not None:
            wait_for(project.root / "staging" / project.dataset / run_of(moment, project.dataset) / "manifest.intoto.json")
            door()
        return airflow.answer()

    return go


def wait_for(file):
    deadline = time.monotonic() + 180
    while not file.exists():
        assert time.monotonic() < deadline, f"no {file}"
        time.sleep(0.05)


@pytest.fixture
def door(demo):
    """The outer door, which ends with a state or an error code."""

    def release():
        (ended,) = demo.airlock("release", str(demo.policy))["results"]
        return ended.get("state") or ended["code"]

    return release


@pytest.fixture
def census(demo):
    """The project with a table of real people, whose policy is the one that Airflow sees."""
    if not ADULT.is_file():
        pytest.skip("needs adult.csv in shared/data beside the project (UCI Adult, CC BY 4.0)")
    demo.policy.unlink()
    shutil.copy(ADULT, demo.root / "raw")
    for folder in ("flown", "policies"):
        shutil.copy(TOP / "tests" / "e2e" / "policies" / "adult.yaml", demo.root / folder)
    return replace(demo, dataset="adult")


@pytest.fixture
def downstream(airflow, demo):
    """Another team's DAG, as README.md has it: what it is told of."""
    example = airflow.dags / "churn.py"

    def told():
        example.write_text(re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[1])
        return airflow.ask("run", demo.site, dag_id="churn", moment=FIRST)["said"]

    yield told
    example.unlink(missing_ok=True)


def test_raw_data_become_a_release_and_an_event_that_tells_of_it(fly, demo, door, downstream):
    done = fly(FIRST, door)
    assert (done["state"], {state for state, _ in done["tasks"].values()}) == (SUCCESS, {SUCCESS})
    (published,) = demo.published()
    manifest = PublicManifest.from_bytes(published.read_bytes())
    assert manifest.run == run_of(FIRST)
    (told,) = done["events"]
    assert {name: told[name] for name in ("run", "policy_sha256", "rows_in", "rows_out", "suppressed", "rejected")} == {
        "run": manifest.run,
        "policy_sha256": manifest.policy_sha256,
        "rows_in": manifest.totals.rows_in,
        "rows_out": manifest.totals.rows_out,
        "suppressed": manifest.totals.suppressed,
        "rejected": manifest.totals.rejected,
    }
    assert manifest.totals.rows_out == 200
    assert (told["state"], told["sequence"], told["verdict"], told["waived"]) == ("released", 1, "passed", [])
    assert told["not_proven"] == ["LOCATION", "PERSON"]
    assert told["evidence"] == f"file://{published.parent}"
    (verified,) = demo.airlock("verify", str(demo.root / "sanitized" / "customers"))["results"]
    assert (verified["run"], verified["rows"]) == (told["run"], told["rows_out"])

    assert downstream() == {"train": f"{manifest.run}: 200 rows, passed"}

    # The same data interval again: the same run, which is done already. Nothing is staged or released a second time.
    again = fly(FIRST)
    assert (again["state"], again["events"][-1]) == (SUCCESS, told)
    assert door() == "nothing new"
    assert demo.published() == [published]


def test_a_census_of_real_people_becomes_a_release(fly, census):
    done = fly(FIRST, lambda: census.airlock("release", str(census.policy)), project=census)
    assert {state for state, _ in done["tasks"].values()} == {SUCCESS}
    with ADULT.open() as file:
        rows = sum(1 for line in file if line.strip()) - 1
    assert rows > 30_000
    (told,) = done["events"]
    assert (told["run"], told["state"], told["rows_in"]) == (run_of(FIRST, "adult"), "released", rows)
    assert told["rows_in"] == told["rows_out"] + told["suppressed"] + told["rejected"]
    (verified,) = census.airlock("verify", str(census.root / "sanitized" / "adult"))["results"]
    assert (verified["run"], verified["rows"]) == (told["run"], told["rows_out"])


def test_a_refused_run_ends_at_once_where_the_outer_doors_reports_may_be_read(fly, demo, door):
    for policy in (demo.policy, demo.root / "policies" / "customers.yaml"):
        policy.write_text(policy.read_text().replace("{k: 5,", "{k: 5000,"))
    done = fly(FIRST, door, retries="3")
    assert done["tasks"] == {
        "preflight": [SUCCESS, 1],
        "anonymize": [SUCCESS, 1],
        "await_release": [FAILED, 1],
        "announce": [BLOCKED, 0],
    }
    assert (demo.published(), done["events"]) == ([], [])


@pytest.mark.parametrize(
    ("failing", "code", "ended"),
    [
        ("outcome overtaken", 0, {"await_release": [SKIPPED, 1], "announce": [SKIPPED, 0]}),
        ("anonymize once", 75, {"anonymize": [SUCCESS, 2], "announce": [SUCCESS, 1]}),
        ("anonymize once", 1, {"anonymize": [SUCCESS, 2], "announce": [SUCCESS, 1]}),
        ("anonymize always", 3, {"anonymize": [FAILED, 1], "announce": [BLOCKED, 0]}),
        ("anonymize always", 99, {"anonymize": [SKIPPED, 1], "announce": [SKIPPED, 0]}),
        ("outcome once", 75, {"await_release": [SUCCESS, 1], "announce": [SUCCESS, 1]}),
        ("outcome always", 3, {"await_release": [FAILED, 1], "announce": [BLOCKED, 0]}),
        ("outcome always", 75, {"await_release": [FAILED, 1], "announce": [BLOCKED, 0]}),
    ],
)
def test_how_each_task_takes_an_exit_code(fly, demo, failing, code, ended):
    program = demo.root / "program.py"
    program.write_text(UNSAFE_PROGRAM)
    patience = "0.5" if (failing, code) == ("outcome always", 75) else "60"
    site = {"program": f"{sys.executable} {program} '{failing}' {code}", "retries": "2", "release_timeout": patience}
    tasks = fly(FIRST, **site)["tasks"]
    assert {name: tasks[name] for name in ended} == ended


@pytest.mark.parametrize(
    ("change", "code"),
    [(("  signup_ip: ", "  signup_ipx:"), 3), (("{to: decade}", "{to: fortnight}"), 2)],
    ids=["drift", "policy"],
)
def test_what_a_retry_does_not_mend_is_not_retried(fly, demo, airflow, change, code):
    assert change[0] in demo.policy.read_text()
    demo.policy.write_text(demo.policy.read_text().replace(*change))
    done = fly(FIRST, retries="3")
    assert done["tasks"]["preflight"] == [FAILED, 1]
    assert {state for name, (state, _) in done["tasks"].items() if name != "preflight"} == {BLOCKED}
    assert f"exit code {code}, which a retry does not mend" in airflow.log


def test_what_is_temporary_is_retried(fly, demo, airflow):
    with Lease.acquire(open_store(str(demo.root / "private")), "customers/lease.json", owner="another", ttl=600):
        done = fly(FIRST, retries="1")
    assert done["tasks"]["anonymize"] == [FAILED, 2]
    assert "anonymize: lease-held (exit code 75)" in airflow.log


@pytest.fixture
def submitting(demo, require):
    """What launcher `spark-submit` needs to reach a Spark on this machine, and where its job finds policies of its own."""
    require("java")
    import pyspark

    binaries = Path(pyspark.__file__).parent / "bin"
    shutil.copytree(demo.policy.parent, demo.root / "of-the-job")
    connection = {"conn_type": "spark", "host": "local[1]"}
    environment = {
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(connection),
        "AIRLOCK_CONFIG": str(demo.config),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYSPARK_PYTHON": sys.executable,
    }
    site = {"launcher": "spark-submit", "preflight_pod": "", "job_policies": str(demo.root / "of-the-job")}
    return environment, site | {"spark_job": str(JOB)}


def test_spark_submit_starts_the_inner_door(fly, door, submitting):
    environment, site = submitting
    done = fly(FIRST, door, environment, **site)
    assert (done["state"], done["events"][0]["run"]) == (SUCCESS, run_of(FIRST))


def test_what_spark_submits_job_ended_with_counts(fly, demo, submitting):
    environment, site = submitting
    policy = demo.root / "of-the-job" / "customers.yaml"
    policy.write_text(policy.read_text().replace("{to: decade}", "{to: fortnight}"))
    done = fly(FIRST, None, environment, retries="3", **site)
    assert (done["tasks"]["preflight"], done["tasks"]["anonymize"]) == ([SUCCESS, 1], [FAILED, 1])


def test_exit_codes(airflow, demo):
    assert airflow.ask("ends", demo.site, codes=[0, 1, 2, 3, 75, 99, 137]) == {
        "0": None,
        "1": "AirflowException",
        "2": "AirflowFailException",
        "3": "AirflowFailException",
        "75": "AirflowException",
        "99": "AirflowSkipException",
        "137": "AirflowException",
    }
