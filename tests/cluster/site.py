"""A site on the trial's cluster: stores as pods with raw data in them, keys, settings, policies and preflight, as a platform team lays them out."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from tests.cluster.conftest import K8S
from tests.cluster.live import IMAGE, OUTER_IMAGE, create_namespace, done, kubectl
from tests.cluster.waiting import answers, describe, ready, terminated, until
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
        self.folder, self.isolation, self.probed = folder, isolation, probed
        self.project = folder / "project"
        self.made: list[tuple[str, str, str]] = []
        command = [sys.executable, "-m", "airlock", "demo", "--rows", str(rows), "--folder", str(self.project)]
        done(subprocess.run(command, capture_output=True, text=True, timeout=300))

    def stand(self) -> Site:
        """Make it, and wait until preflight gives verdicts."""
        create_namespace(TEAM)
        self.made.append(("namespace", TEAM, ""))
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
            until(lambda name=name: answers(self.places[name]), 60)
        self._fill_stores()
        self._give_keys()
        self.scale("preflight", RAW, 1)
        self.await_ready("preflight-0", RAW)
        return self

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
        self.secret(RAW, "driver-keys", {name: (keys / name).read_bytes() for name in ("root.json", "stage-signing.pem")})
        self.secret(RAW, "executor-key", {"executor.key": os.urandom(32)})
        self.secret(RAW, "spark-auth", {"secret": base64.b64encode(os.urandom(32))})
        self.secret(RAW, "driver-store", store["inner"])
        self.secret(RAW, "executor-store", store["inner"])
        self.secret(
            RAW, "preflight-key", {"preflight-signing.pem": (self.isolation / "keys" / "preflight-signing.pem").read_bytes()}
        )
        self.config(RAW, "airlock-inner", self.inner(SITE_CONF))
        self.config(RAW, "airlock-trust", public)
        self.config(RAW, "airlock-probes", {"node": self.probed.read_bytes()})
        self.policies = f"airlock-policies-{hashlib.sha256(policies['customers.yaml']).hexdigest()[:10]}"
        self.config(RAW, self.policies, {"customers.yaml": policies["customers.yaml"]})
        self.secret(AIRLOCK, "release-keys", {"release-signing.pem": (keys / "release-signing.pem").read_bytes()})
        self.secret(AIRLOCK, "release-store", store["outer"])
        self.config(AIRLOCK, "airlock-outer", {"airlock.yaml": OUTER.format(**self.places).encode()})
        self.config(AIRLOCK, "airlock-trust", public)
        self.config(AIRLOCK, "airlock-policies", {"customers.yaml": policies["customers.yaml"]})

    def inner(self, conf: str) -> dict[str, bytes]:
        """The inner door's settings, and Spark's conf of the site."""
        site = f"spark.master k8s://{API_SERVER}\nspark.kubernetes.container.image {os.environ[IMAGE]}\n{conf}"
        return {"airlock.yaml": INNER.format(**self.places).encode(), "spark.conf": site.encode()}

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
        """Take all of it out again, and wait until it is gone: another site may follow."""
        for name, zone in (("preflight", RAW), *((f"{name}-store", zone) for name, zone in STORES.items())):
            kubectl("scale", "statefulset", name, "-n", zone, "--replicas=0")
        for kind, name, namespace in reversed(self.made):
            within = ["-n", namespace] if namespace else []
            kubectl("delete", kind, name, *within, "--ignore-not-found", "--wait=false")
        kubectl("delete", "pods", "-n", RAW, "-l", "airlock.dev/role=driver", "--wait=false")
        for kind, name, _ in self.made:
            if kind == "namespace":
                kubectl("wait", "--for=delete", f"namespace/{name}", "--timeout=90s")
        for zone in STORES.values():
            kubectl("wait", "--for=delete", "pods", "--all", "-n", zone, "--timeout=90s")

    def scale(self, name: str, namespace: str, replicas: int) -> None:
        done(kubectl("scale", "statefulset", name, "-n", namespace, f"--replicas={replicas}"))

    def address(self, service: str, namespace: str) -> str:
        return done(kubectl("get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")).strip()

    def await_ready(self, pod: str, namespace: str, seconds: float = 180) -> None:
        until(lambda: ready(pod, namespace), seconds, lambda: describe(pod, namespace))

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

    def job(self, name: str) -> dict[str, Any]:
        """The submit Job, under this name."""
        made = deepcopy(self.objects["submit-customers"])
        made["metadata"]["name"] = name
        return self.with_policies(made["spec"]["template"]["spec"], made)

    def release_jobs(self, run: str, shards: int) -> list[dict[str, Any]]:
        """The Jobs that check a run on several pods and publish it."""
        texts = [(K8S / "launch" / f"release-{part}.yaml").read_text() for part in ("shards", "finish")]
        made = [
            yaml.safe_load(text.replace("RUN", run).replace("/4]", f"/{shards}]").replace('"4"', f'"{shards}"'))
            for text in texts
        ]
        made[0]["spec"] |= {"completions": shards, "parallelism": shards}
        for one in made:
            one["spec"]["template"]["spec"]["containers"][0]["image"] = os.environ[OUTER_IMAGE]
        return made

    def from_cron(self, cron: str, job: str, *, policy: str = "") -> dict[str, Any]:
        """A Job of a CronJob's template, as its controller makes it."""
        template = deepcopy(self.objects[cron]["spec"]["jobTemplate"])
        metadata = {
            "name": job,
            "namespace": self.objects[cron]["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
        }
        made = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}
        return self.with_policies(made["spec"]["template"]["spec"], made, policy)

    def with_policies(self, pod: dict[str, Any], whole: dict[str, Any], name: str = "") -> dict[str, Any]:
        """The same, of which a pod of the raw zone reads policies of a ConfigMap that is named by its digest."""
        for volume in pod["volumes"]:
            if volume["name"] == "policies" and pod["serviceAccountName"] != "release":
                volume["configMap"]["name"] = name or self.policies
        return whole

    def pods(self, selector: str, namespace: str = RAW) -> list[dict[str, Any]]:
        """Those that a label selector takes."""
        return list(json.loads(done(kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json")))["items"])

    def published(self) -> dict[str, Any]:
        """What the current pointer of the sanitized dataset says."""
        envelope = json.loads(self._sanitized("customers/current.json"))
        return dict(json.loads(base64.b64decode(envelope["payload"])))

    def manifest(self, run: str) -> dict[str, Any]:
        """What a release says of itself."""
        return dict(json.loads(self._sanitized(f"customers/evidence/{run}/manifest.json")))

    def gate(self, run: str) -> Any:
        """What the gate found, but for the run's name and times."""
        return _without(
            json.loads(self._sanitized(f"customers/evidence/{run}/gate.json")), {"run", "checked_at", "signed_at", "created_at"}
        )

    def released(self, run: str) -> list[bytes]:
        """The data files of a release."""
        keys = self.objects_in("sanitized", "sanitized", f"customers/data/{run}/")
        return [self._sanitized(key) for key in keys if key.endswith(".parquet")]

    def _sanitized(self, key: str) -> bytes:
        return bytes(self.gateway("sanitized").client().get_object(Bucket="sanitized", Key=key)["Body"].read())

    def objects_in(self, store: str, bucket: str, prefix: str = "") -> list[str]:
        """Keys of a bucket."""
        return [one["Key"] for one in self.listed(store, bucket, prefix)]

    def listed(self, store: str, bucket: str, prefix: str = "") -> list[dict[str, Any]]:
        """What is in a bucket, as S3 lists it."""
        pages = self.gateway(store).client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one for page in pages for one in page.get("Contents", ())]

    def forget(self) -> None:
        """Empty what the inner side keeps, so that the next run does all of it."""
        for store, bucket in (("raw", "private"), ("staging", "staging")):
            client = self.gateway(store).client()
            for key in self.objects_in(store, bucket):
                client.delete_object(Bucket=bucket, Key=key)

    def in_team(self, command: list[str], image: str = "") -> str:
        """What a pod in the readers' namespace says, of the outer image where none is named."""
        name = f"reader-{secrets.token_hex(4)}"
        files = {"airlock.yaml": READER.format(**self.places), "ca.crt": self.ca.decode()} | {
            file.name: file.read_text() for file in (self.project / "trust").iterdir()
        }
        metadata = {"name": name, "namespace": TEAM}
        self.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files})
        data = {"access_key_id": "reader", "secret_access_key": self.users["reader"]}
        self.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
        mounts = {"/etc/airlock/config": {"configMap": {"name": name}}, "/etc/airlock/store": {"secret": {"secretName": name}}}
        container = {
            "name": "reader", "image": image or os.environ[OUTER_IMAGE], "imagePullPolicy": "IfNotPresent", "args": command,
            "env": [{"name": "AIRLOCK_CONFIG", "value": "/etc/airlock/config/airlock.yaml"}, {"name": "HOME", "value": "/tmp"}],
            "volumeMounts": [{"name": f"v{number}", "mountPath": path} for number, path in enumerate(mounts)],
        }  # fmt: skip
        volumes = [{"name": f"v{number}", **source} for number, source in enumerate(mounts.values())]
        spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container], "volumes": volumes}
        self.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        until(lambda: terminated(self.pod(name, TEAM)), 180, lambda: describe(name, TEAM))
        return done(kubectl("logs", name, "-n", TEAM)).strip()

    def read_as_team(self, program: str) -> str:
        """The last line that a reader's program says, which is given the addresses of the stores and of preflight."""
        addresses = [urlsplit(self.places[name]).netloc for name in ("sanitized", "raw", "staging", "preflight")]
        return self.in_team(["python", "-c", program, *addresses]).splitlines()[-1]

    def write_reader_config(self, file: Path) -> None:
        """Settings of a reader on the node."""
        identity = file.with_name("reader")
        identity.mkdir()
        (identity / "access_key_id").write_text("reader")
        (identity / "secret_access_key").write_text(self.users["reader"])
        text = (
            READER.format(**self.places)
            .replace("/etc/airlock/store", str(identity))
            .replace("/etc/airlock/config/ca.crt", str(self.certificate.certificate))
        )
        file.write_text(text.replace("trust: /etc/airlock/config", f"trust: {self.project / 'trust'}"))

    def pod(self, name: str, namespace: str = RAW) -> dict[str, Any]:
        """A pod as it is."""
        return dict(json.loads(done(kubectl("get", "pod", name, "-n", namespace, "-o", "json"))))

    def run_job(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Make a Job and wait for its end; returns the closed status of its last pod, with the container's own exit code."""
        self.create(job)
        self.outcome(job, seconds)
        return self.await_job(job, 10)

    def outcome(self, job: dict[str, Any], seconds: float) -> str:
        """What a Job came to, its retries done: Complete or Failed."""
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]

        def ended():
            conditions = json.loads(done(kubectl("get", "job", name, "-n", namespace, "-o", "json")))["status"].get(
                "conditions", ()
            )
            return next(
                (one["type"] for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"), None
            )

        return str(until(ended, seconds, lambda: self.described(job)))

    def described(self, job: dict[str, Any]) -> str:
        """Where a Job's pods stand and what they said."""
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        pods = self.pods(f"batch.kubernetes.io/job-name={name}", namespace)
        return "\n".join(describe(one["metadata"]["name"], namespace) for one in pods) or "no pod"

    def said(self, job: dict[str, Any]) -> dict[str, Any]:
        """The closing line of a Job's newest pod."""
        name, namespace = self.await_job(job, 10)["pod"], job["metadata"]["namespace"]
        lines = done(kubectl("logs", name, "-n", namespace)).splitlines()
        return next(dict(json.loads(line)) for line in reversed(lines) if line.startswith('{"exit_code"'))

    def await_job(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The closed status of a Job's newest pod, when it has ended."""
        name, namespace = job["metadata"]["name"], job["metadata"]["namespace"]
        # By the Job's uid: pods of an earlier one of its name may be there still.
        uid = done(kubectl("get", "job", name, "-n", namespace, "-o", "jsonpath={.metadata.uid}")).strip()
        pods: list[dict[str, Any]] = []

        def ended():
            found = self.pods(f"batch.kubernetes.io/controller-uid={uid}", namespace)
            pods[:] = sorted(found, key=lambda one: one["metadata"]["creationTimestamp"])
            return pods and terminated(pods[-1])

        found = until(
            ended, seconds, lambda: "\n".join(describe(one["metadata"]["name"], namespace) for one in pods) or "no pod"
        )
        status = json.loads(found.get("message") or "{}")
        return status | {"container": found["exitCode"], "pod": pods[-1]["metadata"]["name"]}


READER = """\
zones:
  sanitized: {{uri: s3://sanitized, endpoint: "{sanitized}", identity: /etc/airlock/store, ca: /etc/airlock/config/ca.crt}}
trust: /etc/airlock/config
"""
SITE_CONF = """\
spark.driver.memory 512m
spark.driver.memoryOverhead 700m
spark.executor.memory 512m
spark.executor.memoryOverhead 700m
spark.kubernetes.driver.request.cores 100m
spark.kubernetes.executor.request.cores 100m
spark.kubernetes.container.image.pullPolicy IfNotPresent
"""


def _without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(one, names) for name, one in value.items() if name not in names}
    return [_without(one, names) for one in value] if isinstance(value, list) else value
