"""Kubeflow's operator beside the cluster: its own program under the identity that component `spark-operator` lets in, and its kinds."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from tests.cluster.launched import APPLICATION, read
from tests.cluster.live import IMAGE, done, kubectl
from tests.cluster.site import API_SERVER, RAW, SITE_CONF, Site
from tests.cluster.waiting import until
from tests.servers.spark_operator import SPARK_OPERATOR, kinds

ACCOUNT = "spark-operator-controller"


def kubeconfig(site: Site, namespace: str, account: str) -> dict[str, Any]:
    """Of a ServiceAccount of another namespace, which goes with the site, by a token that ends with the hour."""
    if kubectl("get", "serviceaccount", account, "-n", namespace).returncode:
        done(kubectl("create", "namespace", namespace))
        site.made.append(("namespace", namespace, ""))
        done(kubectl("create", "serviceaccount", account, "-n", namespace))
    config = json.loads(done(kubectl("config", "view", "--raw", "--minify", "-o", "json")))
    token = done(kubectl("create", "token", account, "-n", namespace)).strip()
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    return dict(config)


@contextmanager
def operator(site: Site, folder: Path) -> Iterator[Path]:
    """Runs it until the block ends; gives its log.

    As k8s/README.md says it: no rights but the component's, no webhook, no Service for Spark's page. It runs outside the cluster, where
    spark-submit is this Python's own.
    """
    files = kinds()
    try:
        for file in files:
            done(kubectl("create", "-f", str(file)))
        for file in files:
            crd = yaml.safe_load(file.read_text())["metadata"]["name"]
            done(kubectl("wait", "--for=create", f"customresourcedefinition/{crd}", "--timeout=30s"))
            done(kubectl("wait", "--for=condition=Established", f"customresourcedefinition/{crd}", "--timeout=30s"))
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig(site, "spark-operator", ACCOUNT)))
        with (folder / "operator.log").open("w") as log:
            process = subprocess.Popen(_command(), stdout=log, stderr=subprocess.STDOUT, env=_environment(folder))
            try:
                yield folder / "operator.log"
            finally:
                process.terminate()
                process.wait(30)
    finally:
        for file in files:
            kubectl("delete", "-f", str(file), "--ignore-not-found", "--wait=true", "--timeout=60s")


def _command() -> list[str]:
    return [
        str(SPARK_OPERATOR.program()), "controller", "start", f"--namespaces={RAW}", "--controller-threads=1", "--enable-ui-service=false",
        "--leader-election=false", "--health-probe-bind-address=127.0.0.1:0", "--zap-encoder=console",
    ]  # fmt: skip


def spark_environment(folder: Path) -> dict[str, str]:
    """For spark-submit outside of the cluster: this Python's own, as whom file `kubeconfig` in the folder names."""
    spark = importlib.util.find_spec("pyspark")
    assert spark is not None
    assert spark.origin is not None
    home = Path(spark.origin).parent
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    return {
        "PATH": path,
        "SPARK_HOME": str(home),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }


def _environment(folder: Path) -> dict[str, str]:
    server = urlsplit(API_SERVER)
    kept = {name: os.environ[name] for name in ("JAVA_HOME", "LANG") if name in os.environ}
    return (
        kept
        | spark_environment(folder)
        | {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
        }
    )


def application(site: Site) -> dict[str, Any]:
    """The shipped file with what a site puts in."""
    made = read(APPLICATION)
    made["spec"]["image"] = os.environ[IMAGE]
    made["spec"]["driver"]["kubernetesMaster"] = API_SERVER
    made["spec"]["sparkConf"] |= dict(line.split(" ", 1) for line in SITE_CONF.splitlines())
    return site.with_policies(made["spec"]["driver"]["template"]["spec"], made)


def state(name: str) -> dict[str, Any]:
    """Where an application stands, as its operator says."""
    found = kubectl("get", "sparkapplication", name, "-n", RAW, "-o", "json")
    return dict(json.loads(found.stdout).get("status", {}).get("applicationState", {})) if found.returncode == 0 else {}


def ended(name: str, log: Path, seconds: float) -> dict[str, Any]:
    """How it ended."""

    def look():
        found = state(name)
        return found if found.get("state") in ("COMPLETED", "FAILED") else None

    return until(look, seconds, lambda: f"{state(name)}\n{log.read_text()[-6000:]}")
