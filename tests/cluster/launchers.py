"""Ways to launch the inner door beside spark-submit from a pod, each as its users do: starts a run, gives its id when it is staged.

What is left to happen after the outer door published happens when the block ends: Airflow sees the release and announces it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import yaml
from tests.cluster.conftest import K8S
from tests.cluster.launched import conf
from tests.cluster.live import IMAGE, done, kubectl
from tests.cluster.site import API_SERVER, RAW, SITE_CONF, Site
from tests.cluster.sparkoperator import application, ended, kubeconfig, operator, spark_environment
from tests.cluster.waiting import until
from tests.servers.airflow import Airflow

from airlock.types import run_id_of

MOMENTS = {
    "kubernetes-pod": "2026-11-02T00:00:00+00:00",
    "spark-kubernetes": "2026-11-03T00:00:00+00:00",
    "spark-submit": "2026-11-04T00:00:00+00:00",
}
DAG = "airlock-customers"
Require = Callable[[str], None]


@contextmanager
def cron_job(site: Site, require: Require, folder: Path) -> Iterator[str]:
    """A Job of the CronJob's template, as its controller makes it."""
    del require, folder
    job, run = site.from_cron("anonymize-customers", "cron-1"), run_id_of("customers", "cron-1")
    site.create(job)
    # Of a pod that its Job made alone the driver can't change the labels; its executors have them.
    executors = f"airlock.dev/run={run},airlock.dev/dataset=customers,airlock.dev/role=executor,airlock.dev/policy"
    until(lambda: site.pods(executors), 120, lambda: site.described(job))
    assert site.outcome(job, 300) == "Complete", site.described(job)
    inner = site.await_job(job, 10)
    assert inner["container"] == 0
    assert inner["results"][0]["run"] == run
    yield run


@contextmanager
def airflow_pod(site: Site, require: Require, folder: Path) -> Iterator[str]:
    """A DAG that makes the driver's pod."""
    require("airflow")
    template = yaml.safe_load((K8S / "launch" / "driver-pod.yaml").read_text())
    template["spec"]["containers"][0]["image"] = os.environ[IMAGE]
    site.with_policies(template["spec"], template)
    (folder / "driver-pod.yaml").write_text(yaml.safe_dump(template))
    with _dag(site, folder, {"launcher": "kubernetes-pod", "pod_template": str(folder / "driver-pod.yaml")}) as run:
        yield run


@contextmanager
def airflow_application(site: Site, require: Require, folder: Path) -> Iterator[str]:
    """A DAG that makes a SparkApplication, of which the operator makes the driver."""
    require("airflow")
    require("spark_operator")
    (folder / "application.yaml").write_text(yaml.safe_dump(application(site)))
    own = {"launcher": "spark-kubernetes", "application_file": str(folder / "application.yaml")}
    with operator(site, folder), _dag(site, folder, own) as run:
        yield run


@contextmanager
def airflow_submit(site: Site, require: Require, folder: Path) -> Iterator[str]:
    """A DAG that calls spark-submit, as ServiceAccount pii-raw/submit."""
    require("airflow")
    (folder / "kubeconfig").write_text(json.dumps(kubeconfig(site, RAW, "submit")))
    server = urlsplit(API_SERVER)
    spark = {"deploy-mode": "cluster", "namespace": RAW, "spark-binary": "spark-submit"}
    connection = {"conn_type": "spark", "host": f"k8s://https://{server.hostname}", "port": server.port, "extra": spark}
    given = spark_environment(folder) | {"AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(connection)}
    for role in ("driver", "executor"):
        template = yaml.safe_load((K8S / "launch" / f"{role}.yaml").read_text())
        (folder / f"{role}.yaml").write_text(yaml.safe_dump(site.with_policies(template["spec"], template)))
    templates = {f"spark.kubernetes.{role}.podTemplateFile": str(folder / f"{role}.yaml") for role in ("driver", "executor")}
    own = {"spark.kubernetes.container.image": os.environ[IMAGE], "spark.kubernetes.driver.master": API_SERVER}
    lines = conf() | dict(line.split(" ", 1) for line in SITE_CONF.splitlines()) | templates | own
    (folder / "spark.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    with _dag(
        site, folder, {"launcher": "spark-submit", "spark_properties": str(folder / "spark.conf")}, (RAW, "submit"), given
    ) as run:
        yield run


@contextmanager
def _dag(
    site: Site,
    folder: Path,
    own: dict[str, str],
    account: tuple[str, str] = ("airflow", "airflow-worker"),
    given: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:
    """Runs it as a ServiceAccount, which has the components' rights and no more. Each launcher is another data interval."""
    moment = MOMENTS[own["launcher"]]
    extra = {"kube_config": json.dumps(kubeconfig(site, *account)), "namespace": RAW}
    connection = {"AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": extra}), **given}
    run = run_id_of("customers", f"{DAG}/{moment}/{moment}")
    made = Airflow(folder / "airflow")
    try:
        made.start("run", _settings(site, folder) | own, connection, dag_id=DAG, moment=moment)
        manifest = f"customers/{run}/manifest.intoto.json"
        until(lambda: site.pods(f"airlock.dev/run={run}"), 240, lambda: made.log[-4000:])
        until(lambda: site.objects_in("staging", "staging", manifest), 240, lambda: made.log[-4000:])
        yield run
        answer = made.answer()
    finally:
        made.stop()
    assert {state for state, _ in answer["tasks"].values()} == {"success"}, answer
    (told,) = answer["events"]
    assert (told["run"], told["rows_out"]) == (run, site.manifest(run)["totals"]["rows_out"])
    assert told["isolation"] == "proven"
    assert urlsplit(told["evidence"]).path.endswith(f"/customers/evidence/{run}")
    assert Path(told["data"]).name == run


def _settings(site: Site, folder: Path) -> dict[str, str]:
    """Section `[airlock]`: one policy, and who may look at zone sanitized."""
    (folder / "policies").mkdir()
    (folder / "policies" / "customers.yaml").write_text((site.project / "policies" / "customers.yaml").read_text())
    site.write_reader_config(folder / "observer.yaml")
    return {
        "policies": str(folder / "policies"), "observer": str(folder / "observer.yaml"), "program": f"{sys.executable} -m airlock",
        "sanitized": "s3://sanitized", "poke_interval": "1", "retries": "1", "retry_delay": "1", "preflight_timeout": "60",
        "release_timeout": "120",
    }  # fmt: skip


@contextmanager
def spark_operator(site: Site, require: Require, folder: Path) -> Iterator[str]:
    """A SparkApplication, carried out by kubeflow's own program."""
    require("spark_operator")
    made = application(site)
    name = made["metadata"]["name"]
    with operator(site, folder) as log:
        try:
            done(kubectl("create", "-f", "-", given=made))
            found = ended(name, log, 300)
            assert found["state"] == "COMPLETED", f"{found}\n{log.read_text()[-6000:]}"
            (folder / "ended.json").write_text(done(kubectl("get", "sparkapplication", name, "-n", RAW, "-o", "json")))
            yield run_id_of("customers", name)
        finally:
            kubectl("delete", "sparkapplication", name, "-n", RAW, "--wait=true", "--timeout=60s")


LAUNCHERS = {
    "cron-job": cron_job,
    "airflow-pod": airflow_pod,
    "spark-operator": spark_operator,
    "airflow-spark-operator": airflow_application,
    "airflow-submit": airflow_submit,
}
