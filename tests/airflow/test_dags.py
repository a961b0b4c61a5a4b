"""What Airflow reads: one DAG a policy, quickly, with all that its operators' rules ask for; and how runs are named."""

from __future__ import annotations

import shutil

import pytest

DAY = {"data_interval_start": "2026-11-02T00:00:00+00:00", "data_interval_end": "2026-11-03T00:00:00+00:00"}


@pytest.fixture
def read(airflow, demo):
    """What Airflow reads, under these settings besides the usual ones."""

    def ask(**site):
        return airflow.ask("parse", demo.site | site)

    return ask


def test_one_dag_a_policy_without_errors(read, demo):
    for name in ("orders", "tickets"):
        shutil.copy(demo.root / "policies" / f"{name}.yaml", demo.policy.parent)
    found = read(schedule="@daily", schedules='{"orders": "0 * * * *", "tickets": "none"}')
    assert (found["errors"], found["warnings"], found["files"]) == ({}, [], ["dags.py"])
    assert {name: dag["schedule"] for name, dag in found["dags"].items()} == {
        "airlock-customers": "@daily",
        "airlock-orders": "0 * * * *",
        "airlock-tickets": None,
    }


def test_a_worker_makes_the_dag_of_its_task_alone(airflow, demo):
    shutil.copy(demo.root / "policies" / "orders.yaml", demo.policy.parent)
    found = airflow.ask("parse", demo.site, {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "airlock-orders"})
    assert list(found["dags"]) == ["airlock-orders"]


def test_a_dag_says_whose_it_is_and_what_it_does(read):
    dag = read()["dags"]["airlock-customers"]
    assert dag["tasks"] == [
        ["preflight", ["anonymize"]],
        ["anonymize", ["await_release"]],
        ["await_release", ["announce"]],
        ["announce", []],
    ]
    assert (dag["owner"], dag["tags"]) == ("crm-data@example.org", ["airlock", "local"])
    assert "churn model, analytics team" in dag["doc"]
    assert dag["docs"]
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
    assert dag["modes"] == {"await_release": "reschedule"}
    assert dag["asset"] == {"name": "airlock-customers", "uri": "s3://acme-sanitized/customers"}


def test_a_policy_without_a_heading_stops_no_other(read, demo):
    (demo.policy.parent / "broken.yaml").write_text("dataset: Not A Name\ncolumns: {}\n")
    found = read()
    assert (found["errors"], list(found["dags"])) == ({}, ["airlock-customers"])
    (warned,) = found["warnings"]
    assert "no DAG for 'broken.yaml'" in warned
    assert "takes 1 to 63 of a-z, 0-9 and -" in warned


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"launcher": "docker"}, "launcher is 'docker', expected one of local, spark-submit, kubernetes-pod, spark-kubernetes"),
        ({"observer": ""}, "observer is not set. Set it in airflow.cfg, or AIRFLOW__AIRLOCK__OBSERVER"),
        ({"schedules": "[]"}, "schedules is no JSON object"),
        ({"launcher": "spark-submit", "preflight_pod": "", "config": ""}, "config is not set"),
    ],
)
def test_wrong_settings_are_import_errors_that_say_so(read, wrong, said):
    (error,) = read(**wrong)["errors"].values()
    assert said in error


def test_nothing_heavy_is_loaded_when_a_folder_is_parsed(require, demo, tmp_path):
    require("airflow")
    from tests.servers.airflow import Airflow

    fresh = Airflow(tmp_path / "home")
    try:
        found = fresh.ask("parse", demo.site)
    finally:
        fresh.stop()
    assert found["errors"] == {}
    assert found["loaded"] == []
    # CPU seconds of this file alone, after Airflow's own import; the first reading loads our modules.
    assert found["seconds"] < 2
    assert found["again"] < 1


def test_a_wide_policy_is_read_within_the_budget(read, demo):
    text = demo.policy.read_text()
    wide = "".join(f"  column_{n}: {{type: string, class: direct_identifier, drop: {{}}}}\n" for n in range(300))
    demo.policy.write_text(text.replace("columns:\n", f"columns:\n{wide}", 1))
    assert read()["again"] < 2


def test_a_launch_is_named_by_its_data_interval(airflow, demo):
    names = airflow.ask(
        "launches",
        demo.site,
        runs=[
            DAY | {"run_id": "scheduled__1", "logical_date": "2026-11-02T00:00:00+00:00"},
            {
                "run_id": "backfill__2",
                "data_interval_start": "2026-11-02T01:00:00+01:00",
                "data_interval_end": DAY["data_interval_end"],
            },
            {"run_id": "manual__3", "logical_date": "2026-11-02T00:00:00+00:00"},
            {"run_id": "manual__4"},
        ],
    )
    assert names == [
        "airlock-x/2026-11-02T00:00:00+00:00/2026-11-03T00:00:00+00:00",
        "airlock-x/2026-11-02T00:00:00+00:00/2026-11-03T00:00:00+00:00",
        "airlock-x/2026-11-02T00:00:00+00:00",
        "airlock-x/manual__4",
    ]
