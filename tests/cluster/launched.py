"""What launches runs, as the files say it: Spark's templates and conf, the Job, both CronJobs, the SparkApplication. For the tests of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.conftest import K8S

LAUNCH = K8S / "launch"
APPLICATION = LAUNCH / "spark-application.yaml"
CRON_JOBS = {name: K8S / "components" / f"{name}-cron-job" / "cron-job.yaml" for name in ("anonymize", "release")}
OPERATORS_NAMES = {"driver": "spark-kubernetes-driver", "executor": "spark-kubernetes-executor"}
"""What kubeflow's operator calls Spark's container, whatever the conf says (its internal/controller/sparkapplication/submission.go)."""


def read(file: Path) -> dict[str, Any]:
    return yaml.safe_load(file.read_text())


def objects() -> dict[str, dict[str, Any]]:
    """Every object of Kubernetes' own kinds, by its name or its file's."""
    made = {f"{name}-cron-job": read(file) for name, file in CRON_JOBS.items()}
    for file in sorted(set(LAUNCH.glob("*.yaml")) - {APPLICATION}):
        for one in yaml.safe_load_all(file.read_text()):
            made[one["metadata"].get("name", file.stem)] = one
    return made


def template(name: str) -> dict[str, Any]:
    """Spark's template of a role."""
    return read(LAUNCH / f"{name}.yaml")


def jobs() -> dict[str, dict[str, Any]]:
    """The spec of each Job."""
    made = {name: read(file)["spec"]["jobTemplate"]["spec"] for name, file in CRON_JOBS.items()}
    return made | {name: one["spec"] for name, one in objects().items() if one["kind"] == "Job"}


def application_template(role: str) -> dict[str, Any]:
    return read(APPLICATION)["spec"][role]["template"]


def pods() -> dict[str, dict[str, Any]]:
    """Metadata and spec of every pod that these files make."""
    made = {f"launch/{role}.yaml": template(role) for role in ("driver", "executor")}
    made |= {f"job {name}": job["template"] for name, job in jobs().items()}
    made["launch/driver-pod.yaml"] = read(LAUNCH / "driver-pod.yaml")
    return made | {f"spark-application {role}": application_template(role) for role in ("driver", "executor")}


def container(pod: Mapping[str, Any]) -> dict[str, Any]:
    (one,) = pod["spec"]["containers"]
    return one


def by_name(some: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """A list of Kubernetes' as a mapping, so that the order does not count; a name that stands twice is an error."""
    made = {one["name"]: {key: value for key, value in one.items() if key != "name"} for one in some}
    assert len(made) == len(some)
    return made


def secrets(pod: Mapping[str, Any]) -> set[str]:
    return {one["secret"]["secretName"] for one in pod["spec"]["volumes"] if "secret" in one}


def conf_lines() -> Iterator[tuple[str, str]]:
    """Keys and values of spark.conf."""
    for line in (LAUNCH / "spark.conf").read_text().splitlines():
        if line and not line.startswith("#"):
            name, value = line.split(None, 1)
            yield name, value


def conf() -> dict[str, str]:
    return dict(conf_lines())
