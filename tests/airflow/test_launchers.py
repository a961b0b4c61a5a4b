"""What the launchers on Kubernetes would make: of pinned templates, which are told the policy's name and the launch and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.airflow._cluster import Cluster

from airlock.types import run_id_of

SHIPPED = Path(__file__).parents[2] / "k8s" / "launch" / "spark-application.yaml"
IMAGE = f"registry.example.org/inner@sha256:{'0' * 64}"
ARGUMENTS = [
    "driver",
    "local:///opt/airlock/jobs/anonymize.py",
    "/etc/airlock/policies/$(JOB_POLICY).yaml",
    "--launch",
    "$(JOB_NAME)",
]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "anonymize", "labels": {"app.kubernetes.io/part-of": "airlock", "airlock.dev/role": "driver"}},
    "spec": {
        "serviceAccountName": "driver",
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True},
        "containers": [
            {
                "name": "driver",
                "image": IMAGE,
                "args": ARGUMENTS,
                "env": [{"name": "AIRLOCK_CONFIG", "value": "/etc/airlock/airlock.yaml"}],
            }
        ],
    },
}
MOMENT = "2026-11-02T00:00:00+00:00"
LAUNCH = f"airlock-customers/{MOMENT}/{MOMENT}"
TOLD = [{"name": "JOB_POLICY", "value": "customers"}, {"name": "JOB_NAME", "value": LAUNCH}]


@pytest.fixture
def ask(airflow, demo):
    """Ask of the DAG under a launcher, whose templates are in the project."""
    (demo.root / "driver-pod.yaml").write_text(yaml.safe_dump(POD))

    def go(question, launcher, **arguments):
        templates = {
            "pod_template": str(demo.root / "driver-pod.yaml"),
            "application_file": str(SHIPPED),
        }
        return airflow.ask(question, demo.site | templates | {"launcher": launcher}, **arguments)

    return go


@pytest.mark.parametrize("launcher", ["spark-submit", "kubernetes-pod", "spark-kubernetes"])
def test_each_launcher_makes_the_dag_without_what_reads_data(ask, launcher):
    found = ask("parse", launcher)
    assert (found["errors"], list(found["dags"])) == ({}, ["airlock-customers"])
    assert found["dags"]["airlock-customers"]["tags"] == sorted(["airlock", launcher])
    assert set(found["loaded"]) <= {"kubernetes"}
    assert found["again"] < 1


def test_the_pod_is_the_template_and_two_variables(ask):
    made = ask("pod", "kubernetes-pod")
    assert made["operator"] == "AnonymizePod"
    pod, template = made["pod"], POD["spec"]["containers"][0]
    # What the provider adds of its own is empty.
    (container,) = ({name: value for name, value in one.items() if value} for one in pod["spec"].pop("containers"))
    assert container == template | {"env": [*template["env"], *TOLD]}
    assert {name: value for name, value in pod["spec"].items() if value} == {
        name: value for name, value in POD["spec"].items() if name != "containers"
    }
    assert pod["metadata"]["namespace"] == "pii-raw"
    assert pod["metadata"]["labels"].items() >= POD["metadata"]["labels"].items()
    assert (
        pod["metadata"]["labels"].items()
        >= {"airlock.dev/run": run_id_of("customers", LAUNCH), "airlock.dev/dataset": "customers"}.items()
    )


def test_the_application_is_the_shipped_file_with_policy_and_launch(ask):
    shipped = yaml.safe_load(SHIPPED.read_text())
    made = ask("application", "spark-kubernetes")
    assert (made["operator"], made["namespace"]) == ("AnonymizeApplication", "pii-raw")
    run = run_id_of("customers", LAUNCH)
    labels = {"app.kubernetes.io/instance": run, "airlock.dev/run": run, "airlock.dev/dataset": "customers"}
    assert made["body"] == shipped | {
        "metadata": shipped["metadata"] | {"labels": shipped["metadata"]["labels"] | labels},
        "spec": shipped["spec"] | {"arguments": ["/etc/airlock/policies/customers.yaml", "--launch", LAUNCH]},
    }


def test_spark_submit_is_given_the_policy_and_the_launch(ask):
    made = ask("submit", "spark-submit")
    assert made["operator"] == "AnonymizeSubmit"
    command = made["command"]
    assert command[-4:] == [ARGUMENTS[1], "/etc/airlock/policies/customers.yaml", "--launch", LAUNCH]
    assert command[command.index("--deploy-mode") + 1] == "cluster"
    assert (
        "spark.kubernetes.submission.waitAppCompletion=true" in command
    )  # else it ends before the driver does, with no exit code of it


@pytest.mark.parametrize("launcher", ["spark-submit", "kubernetes-pod", "spark-kubernetes"])
def test_preflight_waits_for_its_pod_to_be_ready(ask, launcher):
    made = ask("preflight", launcher)
    assert (made["operator"], made["mode"]) == ("AwaitPreflight", "reschedule")
    assert made["said"] == [False, False, False, True]
    assert made["asked"] == [["preflight-0", "pii-raw"]] * 4


@pytest.mark.parametrize("launcher", ["kubernetes-pod", "spark-kubernetes"])
def test_a_drivers_exit_code_decides_whether_there_is_another_try(ask, launcher):
    assert ask("pod_ends", launcher, codes=[0, 1, 2, 3, 75, 99, None]) == {
        "0": None,
        "1": "AirflowException",
        "2": "AirflowFailException",
        "3": "AirflowFailException",
        "75": "AirflowException",
        "99": "AirflowSkipException",
        "None": "AirflowException",
    }


def test_exit_codes_that_providers_quote(airflow, demo):
    said = {
        "Cannot execute: spark-submit x. Error code is: 3.": 3,
        "Cannot execute: spark-submit x. Error code is: 1. Kubernetes spark exit code is: 2": 2,
        "Cannot execute: spark-submit x. Error code is: 137. Kubernetes spark exit code is: None": 137,
        "Spark application spark-1 failed (phase=Failed exit_code=75 reason=Error)": 75,
        "Spark Job Failed. Error stack: driver container failed with ExitCode: 3, Reason: Error": 3,
        "spark-submit did not capture a K8s driver pod name": 1,
    }
    assert airflow.ask("quoted", demo.site, messages=list(said)) == list(said.values())


@pytest.fixture
def cluster():
    """Makes a cluster whose kubelet ends every container as it is told to."""
    made = []

    def make(kubelet):
        made.append(Cluster(kubelet))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def fly(airflow, demo, ask):
    """Runs the DAG with launcher `kubernetes-pod` on a cluster."""

    def go(cluster):
        site = demo.site | {"launcher": "kubernetes-pod", "pod_template": str(demo.root / "driver-pod.yaml"), "retries": "1"}
        airflow.start(
            "run", site, {"AIRFLOW_CONN_KUBERNETES_DEFAULT": cluster.connection}, dag_id="airlock-customers", moment=MOMENT
        )

    return go


def test_a_pod_that_the_template_pins_does_the_work_under_role_submit(airflow, demo, fly, cluster):
    def kubelet(container):
        told = {one["name"]: one["value"] for one in container["env"]}
        policy = demo.root / "flown" / f"{told['JOB_POLICY']}.yaml"
        code = demo.airlock("anonymize", str(policy), "--launch", told["JOB_NAME"], "--engine", "local")["exit_code"]
        demo.airlock("release", str(policy))
        return code

    here = cluster(kubelet)
    fly(here)
    done = airflow.answer()
    assert done["tasks"] == {name: ["success", 1] for name in ("preflight", "anonymize", "await_release", "announce")}
    assert done["events"][0]["run"] == run_id_of("customers", LAUNCH)
    (pod,) = here.made
    assert pod["spec"]["containers"][0]["args"] == ARGUMENTS
    # The provider asks for nothing that the Role does not allow, and takes the pod away.
    assert (here.refused, list(here.pods)) == ([], ["preflight-0"])


@pytest.mark.parametrize(("code", "tries"), [(3, 1), (75, 2)])
def test_a_pods_exit_code_decides_whether_there_is_another(airflow, fly, cluster, code, tries):
    here = cluster(lambda _: code)
    fly(here)
    assert airflow.answer()["tasks"]["anonymize"] == ["failed", tries]
    assert len(here.made) == tries
    # Only the mark on a failed pod is refused, which changes nothing.
    assert {what.partition(" ")[0] for what in here.refused} == {"patch"}
    assert list(here.pods) == ["preflight-0"]
