"""Start the inner door on a cluster by spark-submit, and follow its driver to the end. Called by the command line, in a pod or from elsewhere.

Whoever calls it has no key and no data, and learns the closed status alone; what else it could have a driver do, k8s/README.md says.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from airlock.cluster.live import Cluster
from airlock.cluster.podtemplate import POLICY_FOLDER, bound, labels_of, read_template, to_text, with_policy
from airlock.doors._closed import closed_status_of
from airlock.doors._runs import new_run_id
from airlock.doors._shipped import contents_of
from airlock.doors.permits import standing_verdict
from airlock.engines.spark import spark_submit
from airlock.errors import AdmissionError, ConfigError, RunBoundError, TransientError
from airlock.policy.load import load_policy
from airlock.settings import Settings
from airlock.types import RunId, Sha256, label_of, run_id_of

__all__ = ["Followed", "submit"]

_PAUSE = 1.0
_BEGIN_SECONDS = 300.0
"""How long preflight's verdict is waited for."""
_NAMESPACE = "spark.kubernetes.namespace"
_JOB = "local:///opt/airlock/jobs/anonymize.py"
_OURS = (0, 2, 3, 75)
_REFUSED = ("is forbidden", "denied request", "code=403", "code=422")
"""What Spark says where the API server does not want the driver: another try would end the same."""
_RUN, _POLICY = "airlock.dev/run", "airlock.dev/policy"
"""Annotations: whole, where labels are cut."""
_IDLE_SECONDS, _GONE_SECONDS, _SUBMIT_SECONDS = 900, 120, 300
_SILENT = 5
"""Seconds for which a driver that was made may not be listed."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a driver.

    Attributes:
        exit_code: Of its container; 75 where it went without one.
        status: The closed status that it left; empty where it left none.
        submitted: Whether it was made by this call, and not found at work or done.
    """

    dataset: str
    run: RunId
    driver: str
    exit_code: int
    status: Mapping[str, Any]
    submitted: bool


def submit(policy: Path, settings: Settings, *, run_id: str | None, launch: str | None, say: Callable[[str], None]) -> Followed:
    """Make a driver for one policy where there is none of this run, and follow it.

    Args:
        policy: The policy file. The driver gets it as an immutable ConfigMap that is named by its digest.
        settings: `launch.*`, and `isolation.preflight` with `trust` and `isolation.node`: a driver is bound to the verdict's nodes.
        run_id: Continue or bind this run id; without it that of `launch`, or a new one.
        launch: What launched it, the same for every retry.
        say: Is told of each state that the driver is in.

    Raises:
        ConfigError, MissingCapabilityError: Something is not set, or Spark or kubernetes is not installed.
        PermitError, IsolationDriftError, IsolationUnwatchedError: There is no verdict of preflight for it.
        RunBoundError: A driver of this run has another policy.
        AdmissionError: The cluster refuses the driver.
        TransientError: spark-submit failed, or the cluster does not answer.
    """
    read = load_policy(policy)
    run = RunId(run_id) if run_id else new_run_id() if launch is None else run_id_of(read.dataset, launch)
    wanted = _Run(read.dataset, run, read.digest, _read_conf(settings))
    driver = _Driver(Cluster(), wanted.conf[_NAMESPACE], f"airlock-{label_of(run)}")
    state = driver.state(wanted)
    made = state is None or state.exit_code not in (None, 0)
    if made:
        if state is not None:
            driver.delete(state, say)
        _make(policy, settings, driver, wanted)
    final = driver.follow(say)
    return Followed(read.dataset, run, driver.name, final.exit_code or 0, final.status, made)


@dataclass(frozen=True, slots=True)
class _Run:
    """What a driver is for; `digest` is the policy's, as the manifest has it."""

    dataset: str
    run: RunId
    digest: Sha256
    conf: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _State:
    """Where a driver's pod stands; `exit_code` None: it has not ended. `uid` tells it from another of its name."""

    word: str
    exit_code: int | None
    status: Mapping[str, Any]
    begun: bool = True
    uid: str = ""


class _Driver:
    """A driver's pod, there or not."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name

    def pod(self) -> Mapping[str, Any] | None:
        """It, where it is there."""
        found = self.cluster.list("v1", "Pod", self.namespace, f"airlock.dev/driver={self.name}")
        return next((one for one in found if one["metadata"]["name"] == self.name), None)

    def state(self, wanted: _Run | None = None) -> _State | None:
        """Where it stands; None where there is none.

        Raises:
            RunBoundError: It is of another policy than is wanted.
        """
        pod = self.pod()
        if pod is None:
            return None
        bound_to = (pod["metadata"].get("annotations") or {}).get(_POLICY)
        if wanted is not None and bound_to != f"sha256:{wanted.digest}":
            raise RunBoundError(
                f"run '{wanted.run}' has a driver with policy {bound_to}, and this policy is sha256:{wanted.digest}. Give another --launch or --run"
            )
        return replace(_state(pod.get("status") or {}), uid=pod["metadata"]["uid"])

    def delete(self, one: _State, say: Callable[[str], None]) -> None:
        """Take one out that failed, and no other of its name: this run goes on with another."""
        say("an earlier driver of this run ended and is taken out")
        self.cluster.delete("v1", "Pod", self.namespace, self.name, uid=one.uid)
        for _ in range(_GONE_SECONDS):
            pod = self.pod()
            if pod is None:
                return
            if pod["metadata"]["uid"] != one.uid:
                raise TransientError(
                    f"driver {self.namespace}/{self.name} was made anew by another 'airlock submit' of this run. Run again to follow it"
                )
            time.sleep(_PAUSE)
        raise TransientError(
            f"driver {self.namespace}/{self.name} was deleted, and is there after {_GONE_SECONDS} s. Run again"
        )

    def follow(self, say: Callable[[str], None]) -> _State:
        """Wait for its end.

        Raises:
            TransientError: It is gone, or did not begin.
        """
        before, absent, idle = "", 0, 0
        while True:
            state = self.state()
            absent = absent + 1 if state is None else 0
            idle = idle + 1 if state is not None and not state.begun else 0
            if absent > _SILENT:
                raise TransientError(
                    f"driver {self.namespace}/{self.name} is not there any more; somebody deleted it. Run again"
                )
            if idle > _IDLE_SECONDS:
                self.cluster.delete("v1", "Pod", self.namespace, self.name, uid=state.uid if state else None)
                raise TransientError(
                    f"driver {self.namespace}/{self.name} did not begin within {_IDLE_SECONDS} s ({before}) and was taken out. Look at the nodes, its "
                    "image and what it mounts; then run again"
                )
            if state is not None:
                if state.word != before:
                    say(f"driver {self.namespace}/{self.name}: {state.word}")
                    before = state.word
                if state.exit_code is not None:
                    return state
            time.sleep(_PAUSE)


def _state(status: Mapping[str, Any]) -> _State:
    for one in status.get("containerStatuses") or ():
        state = one.get("state") or {}
        ended = state.get("terminated")
        if ended is not None:
            code, closed = int(ended["exitCode"]), closed_status_of(ended.get("message") or "")
            # Spark's JVM has codes of its own, where its executors failed too often say: our job's is in what it left.
            ours = code if code in _OURS else int(closed.get("exit_code") or 1)
            return _State(f"ended with {code}", ours, closed)
        if "waiting" in state:
            return _State(f"waiting: {state['waiting'].get('reason', 'unknown')}", None, {}, begun=False)
        return _State("running", None, {})
    if status.get("phase") == "Failed":  # evicted, or past its deadline, before a container ran
        return _State(f"failed: {status.get('reason', 'unknown')}", TransientError.exit_code, {})
    return _State(str(status.get("phase") or "Pending").lower(), None, {}, begun=False)


def _make(policy: Path, settings: Settings, driver: _Driver, run: _Run) -> None:
    """Give the driver its policy, then have spark-submit make it."""
    template = settings.path("launch.driver_template")
    if template is None:
        raise ConfigError(
            "launch.driver_template is not set: the pod template of drivers. Set it, to k8s/launch/driver.yaml say"
        )
    pod = bound(read_template(template), _nodes(settings, run.run))
    own = labels_of(run.dataset, run.run, run.digest)
    pod = with_policy(pod, _give_policy(policy, driver, run))
    with tempfile.TemporaryDirectory(prefix="airlock-") as folder:
        Path(folder, "driver.yaml").write_text(to_text(pod))
        conf = {
            # No name service in the zone: the driver finds the API server where this found it.
            "spark.kubernetes.driver.master": run.conf["spark.master"].removeprefix("k8s://"),
            **run.conf,
            "spark.app.name": f"airlock-{label_of(run.dataset)}",
            "spark.kubernetes.driver.pod.name": driver.name,
            "spark.kubernetes.executor.podNamePrefix": driver.name,
            "spark.kubernetes.driver.podTemplateFile": f"{folder}/driver.yaml",
            **{
                f"spark.kubernetes.{role}.label.{name}": value for role in ("driver", "executor") for name, value in own.items()
            },
            "spark.kubernetes.driver.label.airlock.dev/driver": driver.name,
            f"spark.kubernetes.driver.annotation.{_RUN}": run.run,
            f"spark.kubernetes.driver.annotation.{_POLICY}": f"sha256:{run.digest}",
        }
        Path(folder, "spark.conf").write_text("".join(f"{name} {value}\n" for name, value in conf.items()))
        command = [str(spark_submit()), "--deploy-mode", "cluster", "--properties-file", f"{folder}/spark.conf", _JOB]
        _carry_out([*command, f"{POLICY_FOLDER}/{run.dataset}.yaml", "--run", run.run])
    if driver.pod() is None:
        raise TransientError(f"spark-submit made no driver {driver.namespace}/{driver.name}, and said no error. Run again")


def _give_policy(policy: Path, driver: _Driver, run: _Run) -> str:
    """The policy as an immutable ConfigMap that is named by its digest: made where it is not there yet, for whichever run has the same one."""
    name = f"policy-{run.digest[:32]}"
    labels = {"app.kubernetes.io/part-of": "airlock", "airlock.dev/dataset": label_of(run.dataset)}
    metadata = {"name": name, "namespace": driver.namespace, "labels": labels}
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": contents_of(policy, run.dataset),
    }
    try:
        driver.cluster.create(made)
    except AdmissionError as error:
        if error.facts["status"] != HTTPStatus.CONFLICT:
            raise
    return name


def _carry_out(command: list[str]) -> None:
    """Run spark-submit; what it says may name objects and images, and is shown where it failed alone."""
    try:
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SUBMIT_SECONDS)  # noqa: S603 - our own words
    except subprocess.TimeoutExpired:
        raise TransientError(
            f"spark-submit did not end within {_SUBMIT_SECONDS} s: the API server does not answer it. Run again"
        ) from None
    if made.returncode:
        said = [line for line in made.stderr.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
        told = " / ".join(said[-4:])[:1500]
        if any(word in made.stderr for word in _REFUSED):
            raise AdmissionError(f"the cluster refuses the driver: {told}", status=HTTPStatus.FORBIDDEN)
        raise TransientError(f"spark-submit ended with {made.returncode}: {told}. Correct what it names, or run again")


def _nodes(settings: Settings, run: RunId) -> tuple[str, ...]:
    """Those of the verdict, which is waited for: preflight may only just have begun."""
    standing = standing_verdict(settings, run)
    return () if standing is None else standing.await_fresh(_BEGIN_SECONDS)[0].nodes


def _read_conf(settings: Settings) -> dict[str, str]:
    first = settings.path("launch.spark_conf")
    if first is None:
        raise ConfigError("launch.spark_conf is not set: Spark's conf on Kubernetes. Set it, to k8s/launch/spark.conf say")
    conf = dict(pair for file in (first, settings.path("launch.site_conf")) if file is not None for pair in _lines(file))
    for name in ("spark.master", "spark.kubernetes.container.image", _NAMESPACE):
        if not conf.get(name):
            raise ConfigError(f"Spark's conf has no {name}: launch.site_conf is to say it. Name a file with it")
    return conf


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Spark's conf '{file}' can't be read: {type(error).__name__}. Correct its path") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.strip().partition(" ")
            if not value:
                raise ConfigError(f"{file}:{number}: expected a name and a value, as in 'spark.ui.enabled false'. Correct it")
            yield name, value.strip()
