"""Retries of what launches runs: by exit code, in time, under one name. No cluster."""

from __future__ import annotations

import pytest
from tests.cluster.launched import CRON_JOBS, by_name, container, jobs, read

from airlock.cli._report import EXIT_CODES

JOBS = jobs()


def action(policy, code, name):
    """What a Job's podFailurePolicy does with a container's exit code (kubernetes.io, "Pod failure policy"): the first rule that fits."""
    for rule in policy["rules"]:
        on = rule.get("onExitCodes")
        if on and on.get("containerName", name) == name and (code in on["values"]) is (on["operator"] == "In"):
            return rule["action"]
    return "Count"


@pytest.mark.parametrize("job", JOBS)
def test_what_is_refused_fails_at_once_and_what_may_go_better_is_tried_again(job):
    spec = JOBS[job]
    name, policy = container(spec["template"])["name"], spec["podFailurePolicy"]
    at_once = "FailIndex" if "backoffLimitPerIndex" in spec else "FailJob"
    assert {code: action(policy, code, name) for code in EXIT_CODES if code} == {
        1: "Count",
        2: at_once,
        3: at_once,
        75: "Count",
    }
    assert spec.get("backoffLimitPerIndex", spec.get("backoffLimit")) >= 2
    # A rule about a container that is not there fits nothing, and nobody says so.
    assert {rule["onExitCodes"]["containerName"] for rule in policy["rules"] if "onExitCodes" in rule} == {name}


def test_one_shard_that_is_refused_fails_all():
    spec = JOBS["release-shards"]
    assert (spec["completionMode"], spec["maxFailedIndexes"]) == ("Indexed", 0)
    number = spec["completions"]
    assert container(spec["template"])["args"][-2:] == ["--shard", f"$(JOB_COMPLETION_INDEX)/{number}"]
    assert container(JOBS["release-finish"]["template"])["args"][-2:] == ["--finish", str(number)]


@pytest.mark.parametrize("job", JOBS)
def test_a_pod_that_the_cluster_took_away_does_not_count(job):
    """Before its exit code is asked: what a drained driver ends with says nothing of the run."""
    first = JOBS[job]["podFailurePolicy"]["rules"][0]
    assert first == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize("name", CRON_JOBS)
def test_runs_of_one_cron_job_do_not_meet_and_none_stays(name):
    spec = read(CRON_JOBS[name])["spec"]
    job = spec["jobTemplate"]["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["startingDeadlineSeconds"] > 10  # Kubernetes looks every ten seconds
    assert 0 < spec["successfulJobsHistoryLimit"] <= spec["failedJobsHistoryLimit"] <= 10
    assert job["ttlSecondsAfterFinished"] > 0
    assert job["activeDeadlineSeconds"] > 0


def test_a_run_ends_by_itself_before_its_job_is_ended():
    job = JOBS["anonymize"]
    assert int(by_name(container(job["template"])["env"])["AIRLOCK_RUN_SECONDS"]["value"]) < job["activeDeadlineSeconds"]


def test_a_run_is_named_by_what_is_the_same_for_every_retry():
    for job in ("anonymize", "submit-customers"):
        one = container(JOBS[job]["template"])
        assert one["args"][-2:] == ["--launch", "$(JOB_NAME)"]
        field = by_name(one["env"])["JOB_NAME"]["valueFrom"]["fieldRef"]["fieldPath"]
        assert field == "metadata.labels['batch.kubernetes.io/job-name']"
