"""A DAG of Airflow on a real cluster: it makes the driver's pod of the pinned template, the outer door publishes, and it sees and announces that."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from tests.cluster.conftest import K8S, one_round, only_applied
from tests.cluster.live import IMAGE, done, kubectl
from tests.cluster.site import RAW, Site
from tests.cluster.waiting import until
from tests.servers.airflow import Airflow

from airlock.types import run_id_of

MOMENT = "2026-11-02T00:00:00+00:00"
DAG = "airlock-customers"


@pytest.fixture(scope="module")
def site(cluster, require, folder, tmp_path_factory):
    require("cluster_image")
    require("cluster_site_images")
    require("airflow")
    with only_applied():
        made = Site(tmp_path_factory.mktemp("site"), folder, one_round(folder), rows=20_000)
        try:
            yield made.stand()
        finally:
            made.remove()


@pytest.fixture(scope="module")
def connection(site):
    """As ServiceAccount airflow/airflow-worker, which has component `airflow`'s rights and no more."""
    done(kubectl("create", "namespace", "airflow"))
    site.made.append(("namespace", "airflow", ""))
    done(kubectl("create", "serviceaccount", "airflow-worker", "-n", "airflow"))
    config = json.loads(done(kubectl("config", "view", "--raw", "--minify", "-o", "json")))
    token = done(kubectl("create", "token", "airflow-worker", "-n", "airflow")).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config), "namespace": RAW}})


@pytest.fixture
def settings(site, tmp_path):
    """Section `[airlock]`: the pinned template with this trial's image, one policy, and who may look at zone sanitized."""
    template = yaml.safe_load((K8S / "launch" / "driver-pod.yaml").read_text())
    template["spec"]["containers"][0]["image"] = os.environ[IMAGE]
    (tmp_path / "driver-pod.yaml").write_text(yaml.safe_dump(template))
    (tmp_path / "policies").mkdir()
    policy = (site.project / "policies" / "customers.yaml").read_text()
    (tmp_path / "policies" / "customers.yaml").write_text(policy)
    site.write_reader_config(tmp_path / "observer.yaml")
    return {
        "launcher": "kubernetes-pod", "policies": str(tmp_path / "policies"), "observer": str(tmp_path / "observer.yaml"),
        "program": f"{sys.executable} -m airlock", "sanitized": "s3://sanitized", "poke_interval": "1", "retries": "1", "retry_delay": "1",
        "pod_template": str(tmp_path / "driver-pod.yaml"), "preflight_timeout": "60", "release_timeout": "120",
    }  # fmt: skip


def test_a_dag_runs_the_inner_door_and_announces_what_the_outer_door_published(site, connection, settings, tmp_path):
    run = run_id_of("customers", f"{DAG}/{MOMENT}/{MOMENT}")
    airflow = Airflow(tmp_path / "airflow")
    try:
        airflow.start("run", settings, {"AIRFLOW_CONN_KUBERNETES_DEFAULT": connection}, dag_id=DAG, moment=MOMENT)
        until(
            lambda: site.objects_in("staging", "staging", f"customers/{run}/manifest.intoto.json"),
            240,
            lambda: airflow.log[-4000:],
        )
        assert site.release("release-airflow")["results"][0]["run"] == run
        answer = airflow.answer()
    finally:
        airflow.stop()
    assert {state for state, _ in answer["tasks"].values()} == {"success"}, answer
    manifest = site.manifest(run)
    assert site.published()["run"] == run
    assert (manifest["isolation"], manifest["totals"]["rows_in"]) == ("proven", 20_000)
    (told,) = answer["events"]
    assert (told["run"], told["rows_out"], told["isolation"]) == (run, manifest["totals"]["rows_out"], "proven")
    assert urlsplit(told["evidence"]).path.endswith(f"/customers/evidence/{run}")
    assert Path(told["data"]).name == run


@pytest.mark.parametrize("pod", ["preflight-0", "raw-store-0"])
def test_its_worker_deletes_no_pod_that_it_may_not_make(site, connection, pod):
    del site, connection
    made = kubectl("delete", "pod", pod, "-n", RAW, "--dry-run=server", user="system:serviceaccount:airflow:airflow-worker")
    assert made.returncode == 1
    assert "that it may not create" in made.stderr
