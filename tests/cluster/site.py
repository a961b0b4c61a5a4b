"""A site on the trial's cluster: stores as pods with raw data in them, keys, settings, policies and preflight, as a platform team lays them out."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.conftest import K8S
from tests.cluster.live import IMAGE, OUTER_IMAGE, done, kubectl
from tests.servers.certificate import make_certificate
from tests.servers.s3 import READ, WRITE, Gateway

RAW, AIRLOCK, SANITIZED, TEAM = "pii-raw", "pii-airlock", "pii-sanitized", "team-analytics"
STORES = {"raw": RAW, "staging": AIRLOCK, "sanitized": SANITIZED}
API_SERVER = "https://198.18.255.1:6443"
INNER = """\
zones:
  raw: {{uri: s3://raw, endpoint: "{raw}", identity: /etc/airlock/store, ca: /etc/airlock/store/ca.crt}}
  private: {{uri: s3://private, endpoint: "{raw}", ca: /etc/airlock/store/ca.crt}}
  staging: {{uri: s3://staging, endpoint: "{staging}", ca: /etc/airlock/store/ca.crt}}
keys: {{root: /etc/airlock/keys/root.json, stage_signing: /etc/airlock/keys/stage-signing.pem, executor: /etc/airlock/executor/executor.key}}
trust: /etc/airlock/trust
engine: spark
split_mib: 1
isolation: {{preflight: "{preflight}"}}
"""
OUTER = """\
zones:
  staging: {{uri: s3://staging, endpoint: "{staging}", identity: /etc/airlock/store, ca: /etc/airlock/store/ca.crt}}
  sanitized: {{uri: s3://sanitized, endpoint: "{sanitized}", identity: /etc/airlock/store, ca: /etc/airlock/store/ca.crt}}
keys: {{release_signing: /etc/airlock/keys/release-signing.pem}}
trust: /etc/airlock/trust
policies: /etc/airlock/policies
"""


class Site:
    """What stands on the cluster.

    Attributes:
        project: The demo's folder: policies, keys, trust, and raw data as they were before they went into the store.
    """

    def __init__(self, folder: Path, isolation: Path, probed: Path, *, rows: int) -> None:
        """Makes it, and waits until preflight gives verdicts."""
        self.folder, self.isolation, self.probed = folder, isolation, probed
        self.project = folder / "project"
        self.made: list[tuple[str, str, str]] = []
        command = [sys.executable, "-m", "airlock", "demo", "--rows", str(rows), "--folder", str(self.project)]
        done(subprocess.run(command, capture_output=True, text=True, timeout=300))
        self._lay_out()

    def _lay_out(self) -> None:
        addresses = {name: self.address(f"{name}-store", zone) for name, zone in STORES.items()}
        addresses["preflight"] = self.address("preflight", RAW)
        self.certificate = make_certificate(self.folder, (), list(addresses.values()))
        self.places = {name: f"https://{addresses[name]}:7070" for name in STORES} | {
            "preflight": f"http://{addresses['preflight']}:7080"
        }
        for name, zone in STORES.items():
            self.secret(zone, f"{name}-store-root", {"access": b"root", "secret": b"root-secret-for-tests"})
            self.secret(zone, f"{name}-store-tls", {"tls.crt": self.ca, "tls.key": self.certificate.key.read_bytes()})
            self.scale(f"{name}-store", zone, 1)
        for name, zone in STORES.items():
            self.await_ready(f"{name}-store-0", zone)
        self._fill_stores()
        self._give_keys()
        self.scale("preflight", RAW, 1)
        self.await_ready("preflight-0", RAW, 120)

    @property
    def ca(self) -> bytes:
        return self.certificate.certificate.read_bytes()

    def gateway(self, store: str) -> Gateway:
        """A store by its root, from the node: no policy holds for that one."""
        return Gateway(self.places[store], self.folder, (), None, self.certificate.certificate)  # type: ignore[arg-type]

    def _fill_stores(self) -> None:
        raw, staging, sanitized = (self.gateway(name) for name in STORES)
        self.users = {}
        for gateway, users in ((raw, ("inner",)), (staging, ("inner", "outer")), (sanitized, ("outer", "reader"))):
            for user in users:
                self.users[user] = gateway.user(user)
        raw.bucket("raw", {"inner": READ})
        raw.bucket("sanitized", {})  # preflight tries that it is refused
        raw.bucket("private", {"inner": (*READ, *WRITE)})
        staging.bucket("staging", {"inner": (*READ, *WRITE), "outer": (*READ, *WRITE)})
        sanitized.bucket("sanitized", {"outer": (*READ, *WRITE), "reader": READ})
        client = raw.client()
        for file in sorted((self.project / "raw").rglob("*")):
            if file.is_file():
                client.upload_file(str(file), "raw", str(file.relative_to(self.project / "raw")))

    def _give_keys(self) -> None:
        keys, trust = self.project / "keys", self.project / "trust"
        for file in (self.isolation / "trust").iterdir():
            (trust / file.name).write_bytes(file.read_bytes())
        store = {
            user: {"access_key_id": user.encode(), "secret_access_key": self.users[user].encode(), "ca.crt": self.ca}
            for user in self.users
        }
        public = {file.name: file.read_bytes() for file in trust.iterdir()}
        policies = {file.name: file.read_bytes() for file in (self.project / "policies").glob("*.yaml")}
        site = f"spark.master k8s://{API_SERVER}\nspark.kubernetes.container.image {os.environ[IMAGE]}\n" + SITE_CONF
        self.secret(RAW, "driver-keys", {name: (keys / name).read_bytes() for name in ("root.json", "stage-signing.pem")})
        self.secret(RAW, "executor-key", {"executor.key": os.urandom(32)})
        self.secret(RAW, "spark-auth", {"secret": base64.b64encode(os.urandom(32))})
        self.secret(RAW, "driver-store", store["inner"])
        self.secret(RAW, "executor-store", store["inner"])
        self.secret(
            RAW, "preflight-key", {"preflight-signing.pem": (self.isolation / "keys" / "preflight-signing.pem").read_bytes()}
        )
        self.config(RAW, "airlock-inner", {"airlock.yaml": INNER.format(**self.places).encode(), "spark.conf": site.encode()})
        self.config(RAW, "airlock-trust", public)
        self.config(RAW, "airlock-probes", {"node": self.probed.read_bytes()})
        self.config(RAW, "policy-customers", {"customers.yaml": policies["customers.yaml"]})
        self.secret(AIRLOCK, "release-keys", {"release-signing.pem": (keys / "release-signing.pem").read_bytes()})
        self.secret(AIRLOCK, "release-store", store["outer"])
        self.config(AIRLOCK, "airlock-outer", {"airlock.yaml": OUTER.format(**self.places).encode()})
        self.config(AIRLOCK, "airlock-trust", public)
        self.config(AIRLOCK, "airlock-policies", {"customers.yaml": policies["customers.yaml"]})

    def secret(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Make a Secret."""
        text = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": text})

    def config(self, namespace: str, name: str, data: Mapping[str, bytes]) -> None:
        """Make a ConfigMap."""
        metadata = {"name": name, "namespace": namespace}
        text = {key: value.decode() for key, value in data.items()}
        self.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": text})

    def create(self, one: dict[str, Any]) -> None:
        """Make an object that goes with the site."""
        done(kubectl("create", "-f", "-", given=one))
        self.made.append((one["kind"], one["metadata"]["name"], one["metadata"]["namespace"]))

    def remove(self) -> None:
        """Take all of it out again."""
        for name, zone in (("preflight", RAW), *((f"{name}-store", zone) for name, zone in STORES.items())):
            kubectl("scale", "statefulset", name, "-n", zone, "--replicas=0")
        for kind, name, namespace in reversed(self.made):
            kubectl("delete", kind, name, "-n", namespace, "--ignore-not-found", "--wait=false")

    def scale(self, name: str, namespace: str, replicas: int) -> None:
        done(kubectl("scale", "statefulset", name, "-n", namespace, f"--replicas={replicas}"))

    def address(self, service: str, namespace: str) -> str:
        return done(kubectl("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")).strip()

    def await_ready(self, pod: str, namespace: str, seconds: float = 60) -> None:
        until(lambda: _ready(pod, namespace), seconds, lambda: describe(pod, namespace))

    @cached_property
    def objects(self) -> dict[str, dict[str, Any]]:
        """The CronJobs and the submit Job as the files say, with this trial's images."""
        found = {}
        for file in (
            "components/anonymize-cron-job/cron-job.yaml",
            "components/release-cron-job/cron-job.yaml",
            "launch/submit-job.yaml",
        ):
            one = yaml.safe_load((K8S / file).read_text())
            spec = one["spec"].get("jobTemplate", one)["spec"]["template"]["spec"]
            outer = spec["containers"][0]["image"].startswith("airlock-outer@")
            spec["containers"][0]["image"] = os.environ[OUTER_IMAGE if outer else IMAGE]
            found[one["metadata"]["name"]] = one
        return found

    def release(self, job: str) -> dict[str, Any]:
        """Run the outer door once, as its CronJob does; returns the closed status of its pod."""
        return self.run_job(self.from_cron("release", job), 120)

    def from_cron(self, cron: str, job: str) -> dict[str, Any]:
        """A Job of a CronJob's template, as its controller makes it."""
        template = self.objects[cron]["spec"]["jobTemplate"]
        metadata = {
            "name": job,
            "namespace": self.objects[cron]["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
        }
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}

    def run_job(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Make a Job and wait for the end of its pod; returns the closed status, with the container's own exit code."""
        self.create(job)
        return self.await_job(job, seconds)

    def await_job(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The closed status of a Job's newest pod, when it has ended."""
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        pods: list[dict[str, Any]] = []

        def ended():
            pods[:] = json.loads(
                done(kubectl("get", "pods", "-n", namespace, "-l", f"batch.kubernetes.io/job-name={name}", "-o", "json"))
            )["items"]
            pods.sort(key=lambda one: one["metadata"]["creationTimestamp"])
            return pods and _terminated(pods[-1])

        found = until(
            ended, seconds, lambda: "\n".join(describe(one["metadata"]["name"], namespace) for one in pods) or "no pod"
        )
        status = json.loads(found.get("message") or "{}")
        return status | {"container": found["exitCode"], "pod": pods[-1]["metadata"]["name"]}


SITE_CONF = """\
spark.driver.memory 512m
spark.driver.memoryOverhead 700m
spark.executor.memory 512m
spark.executor.memoryOverhead 700m
spark.kubernetes.driver.request.cores 100m
spark.kubernetes.executor.request.cores 100m
spark.kubernetes.container.image.pullPolicy IfNotPresent
"""


def until(holds, seconds: float, tell=lambda: ""):
    """What `holds` gives, as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, tell()
        time.sleep(0.5)
    return found


def _terminated(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    return next((one["terminated"] for one in states if "terminated" in one), None)


def _ready(pod: str, namespace: str) -> bool:
    said = kubectl("get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}")
    return said.stdout.strip() == "True"


def describe(pod: str, namespace: str) -> str:
    """Where a pod stands and what it said."""
    status = kubectl("get", "pod", pod, "-n", namespace, "-o", "jsonpath={.status}").stdout
    events = kubectl(
        "get", "events", "-n", namespace, "--field-selector", f"involvedObject.name={pod}", "-o", "jsonpath={.items[*].message}"
    ).stdout
    return f"{pod}: {status}\n{events}\n{kubectl('logs', pod, '-n', namespace, '--tail=60').stdout}"
