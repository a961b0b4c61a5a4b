"""A real cluster by kubectl, asked as one identity or another. For the tests of `test_live_resources`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from secrets import token_hex
from typing import Any

DIGEST, FOREIGN = f"sha256:{token_hex(32)}", f"sha256:{token_hex(32)}"
"""Of an image that the trial's lists have, and of one that they have not. Neither exists: what is tried is never started. They are new for
each trial, so that lists of the last one don't pass for those of this one."""
IMAGE = "AIRLOCK_TRIAL_IMAGE"
"""Names the image of `k8s/image`, target `inner`, that the cluster can start, as NAME@sha256:..., for the tests by real connections."""
OUTER_IMAGE, STORE_IMAGE = "AIRLOCK_TRIAL_OUTER_IMAGE", "AIRLOCK_TRIAL_STORE_IMAGE"
"""Its target `outer`, and versitygw: for the tests of whole runs."""
DRIVER, SUBMIT, PREFLIGHT, PROBE = (f"pii-raw/{name}" for name in ("driver", "submit", "preflight", "probe"))
EVERYTHING = "airlock-trial-everything"
"""A group that the trial gives every right, so that admission alone refuses."""


FLOWS = ("--flows", str(Path(__file__).parents[2] / "k8s" / "flows.yaml"))


def image_of(namespace: str) -> str:
    """What may run there, of the trial's images."""
    return os.environ[IMAGE] if namespace == "pii-raw" else os.environ.get(OUTER_IMAGE) or os.environ[IMAGE]


def images() -> tuple[str, ...]:
    """What a round of probes is made with: each zone has its own."""
    others = (f"{zone}={image_of(zone)}" for zone in ("pii-airlock", "pii-sanitized"))
    return tuple(word for one in (image_of("pii-raw"), *others) for word in ("--image", one))


def isolation(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `airlock isolation`, on the trial's flows and with its image."""
    command = [
        sys.executable,
        "-m",
        "airlock",
        "isolation",
        *map(str, arguments),
        *FLOWS,
        *(images() if arguments[0] == "probe" else ("--image", os.environ[IMAGE])),
        "--format",
        "json",
    ]
    # Settings are read of the environment, and refuse what is none of theirs.
    given = {name: value for name, value in os.environ.items() if not name.startswith("AIRLOCK_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=500, env=given | environment)


def kubectl(
    *arguments: str, given: Any = None, user: str | None = None, groups: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run kubectl; `given` are objects on its stdin, `user` whom it acts as."""
    acting = [] if user is None else [f"--as={user}", *(f"--as-group={one}" for one in ("system:authenticated", *groups))]
    text = None if given is None else json.dumps(given)
    return subprocess.run(
        ["kubectl", *arguments, *acting], input=text, capture_output=True, text=True, timeout=120, check=False
    )


def done(made: subprocess.CompletedProcess[str]) -> str:
    """What a command said; an error where it failed."""
    assert made.returncode == 0, made.stderr
    return made.stdout


def account(name: str) -> str:
    """The user that a ServiceAccount `namespace/name` is."""
    namespace, _, account = name.partition("/")
    return f"system:serviceaccount:{namespace}:{account}"


def create(
    one: Mapping[str, Any], by: str | None = None, *, groups: Sequence[str] = (), dry: bool = True
) -> subprocess.CompletedProcess[str]:
    """Have the API server admit an object, and throw it away where `dry`."""
    mode = ["--dry-run=server"] if dry else []
    return kubectl("create", *mode, "-o", "name", "-f", "-", given=one, user=by and account(by), groups=groups)


def settles(
    attempt: Callable[[], subprocess.CompletedProcess[str]], refused: bool, seconds: float = 20
) -> subprocess.CompletedProcess[str]:
    """Try until it is refused, or until it is not: a policy takes a moment to hold."""
    until = time.monotonic() + seconds
    while (made := attempt()).returncode == (0 if refused else 1) and time.monotonic() < until:
        time.sleep(0.5)
    return made


def apply(*items: Mapping[str, Any]) -> None:
    """Have objects be there, once the cluster takes them: a new namespace gets its ServiceAccount later, one of an earlier trial is on its way out."""
    given = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    done(settles(lambda: kubectl("apply", "-f", "-", given=given), refused=False, seconds=60))


def create_namespace(name: str) -> None:
    """Make one; where one of this name is on its way out, when that is gone."""
    done(settles(lambda: kubectl("create", "namespace", name), refused=False, seconds=180))


def pod(
    role: str, namespace: str = "pii-raw", *, args: Sequence[str] = (), volumes: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A pod that keeps every rule, but for what its creator may give it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"trial-{role}",
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "airlock", "airlock.dev/role": role},
        },
        "spec": {
            "serviceAccountName": role,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "nodeSelector": {"airlock.test/node": "none-has-it"},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 185, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "main",
                    "image": f"localhost/airlock@{DIGEST}",
                    "args": list(args),
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
            "volumes": list(volumes),
        },
    }


def secret(name: str) -> dict[str, Any]:
    """A volume of a Secret."""
    return {"name": name, "secret": {"secretName": name}}


def executor() -> dict[str, Any]:
    """What a driver makes."""
    made = pod("executor", args=["executor"], volumes=[{"name": "scratch", "emptyDir": {}}, *map(secret, _EXECUTORS)])
    made["spec"]["containers"][0]["env"] = [
        {"name": "AIRLOCK_ISOLATION_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "HOME", "value": "/tmp"},
        {"name": "SPARK_DRIVER_URL", "value": "spark://CoarseGrainedScheduler@198.18.0.34:7078"},
        {"name": "SPARK_JAVA_OPT_3", "value": "-XX:+IgnoreUnrecognizedVMOptions"},
        {"name": "SPARK_JAVA_OPT_31", "value": "-Dspark.authenticate.secret.file=/etc/airlock/spark-auth/secret"},
    ]
    return _mounting(made, {"scratch": "/tmp", **_EXECUTORS})


_SPARK_CONF = {
    "name": "spark-drv-335b77a229104cad-conf-map",
    "items": [{"key": "spark.properties", "path": "spark.properties"}],
}
_EXECUTORS = {
    "executor-key": "/etc/airlock/executor",
    "spark-auth": "/etc/airlock/spark-auth",
    "executor-store": "/etc/airlock/store",
}
_POLICY = "policy-36b3b5b59f93b17d864a6141370df0f9"


def driver() -> dict[str, Any]:
    """What spark-submit makes."""
    made = pod(
        "driver",
        args=[
            "driver", "--properties-file", "/opt/spark/conf/spark.properties", "--class", "org.apache.spark.deploy.PythonRunner",
            "local:///opt/airlock/jobs/anonymize.py", "/etc/airlock/policy/customers.yaml", "--run", "7bffc51d-25ae-5689-ac15-1605491de82a",
        ],
        volumes=[secret("driver-keys"), {"name": "conf", "configMap": _SPARK_CONF}, {"name": "policy", "configMap": {"name": _POLICY}}],
    )  # fmt: skip
    made["spec"]["automountServiceAccountToken"] = True
    made["spec"]["containers"][0]["env"] = [
        {"name": "AIRLOCK_CONFIG", "value": "/etc/airlock/config/airlock.yaml"},
        {"name": "SPARK_DRIVER_BIND_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SPARK_CONF_DIR", "value": "/opt/spark/conf"},
    ]
    return _mounting(made, {"driver-keys": "/etc/airlock/keys", "conf": "/opt/spark/conf", "policy": "/etc/airlock/policy"})


def _mounting(made: dict[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    made["spec"]["containers"][0]["volumeMounts"] = [{"name": name, "mountPath": path} for name, path in paths.items()]
    return made


def probe(role: str = "driver", namespace: str = "pii-raw") -> dict[str, Any]:
    """What a prober makes."""
    made = pod(role, namespace, args=["airlock", "isolation", "probe-pod", "--to", "198.18.0.9:7070"])
    made["metadata"]["labels"]["airlock.dev/probe"] = "true"
    made["spec"]["activeDeadlineSeconds"] = 60
    return made


def job(inner: Mapping[str, Any], kind: str = "Job") -> dict[str, Any]:
    """A Job or CronJob of a pod."""
    template = {"metadata": {"labels": inner["metadata"]["labels"]}, "spec": inner["spec"]}
    made: dict[str, Any] = {"template": template}
    if kind == "CronJob":
        made = {"schedule": "0 3 * * *", "jobTemplate": {"spec": made}}
    metadata = {"name": "trial", "namespace": inner["metadata"]["namespace"]}
    return {"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": made}


def changed(one: Mapping[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A copy, changed in place."""
    made = deepcopy(dict(one))
    change(made)
    return made


def refused(
    one: Mapping[str, Any],
    by: str | None,
    words: str,
    *,
    groups: Sequence[str] = (),
    dry: bool = True,
    or_by: str | None = None,
) -> None:
    """The cluster refuses an object, in these words."""
    made = settles(lambda: create(one, by, groups=groups, dry=dry), refused=True)
    assert made.returncode != 0, f"admitted: {made.stdout}"
    assert words in made.stderr or (or_by and or_by in made.stderr), made.stderr


def admitted(one: Mapping[str, Any], by: str | None, *, groups: Sequence[str] = (), dry: bool = True) -> None:
    """The cluster takes an object."""
    done(settles(lambda: create(one, by, groups=groups, dry=dry), refused=False, seconds=5))


def spec(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """Changes a pod's spec."""
    return lambda one: one["spec"].update(values)


def container(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """Changes its one container."""
    return lambda one: one["spec"]["containers"][0].update(values)


def volume(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """Gives it one volume more."""
    return lambda one: one["spec"]["volumes"].append({"name": "more", **values})


def label(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """Changes our own labels."""
    return lambda one: one["metadata"]["labels"].update({f"airlock.dev/{name}": value for name, value in values.items()})
