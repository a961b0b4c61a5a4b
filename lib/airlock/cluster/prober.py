"""Probes as pods of a real cluster: sinks, then sources, and what they reported in their status. Called by `doors`.

Sinks are there before any source starts and after the last has ended. Whatever happens, everything that was made is taken out again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airlock.cluster.flows import Flows
from airlock.cluster.live import Cluster
from airlock.cluster.probepod import WORD
from airlock.cluster.sealed import sealed_pod
from airlock.cluster.trials import CONTROL, Place, Sink, Source, Stand, Trial, plan, ports_of
from airlock.errors import AirlockError, StorageUnavailableError

__all__ = ["Probed", "Prober", "Round"]

PROBE = "airlock.dev/probe"
_PART_OF = "app.kubernetes.io/part-of"
_WAIT_SECONDS = 180
_Found = TypeVar("_Found")
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of probes is made with.

    Attributes:
        images: NAME@sha256:... by namespace, and by the empty name of all others: admission's lists have them, and they run
            `airlock isolation probe-pod`.
        node: On which node all of them run.
        seconds: How long each source tries.
        sink_seconds: How long sinks are there; a source that ends later shows nothing.
        name: Of the round, in the names of what is made; empty: a random one.
    """

    images: Mapping[str, str]
    node: str
    seconds: int = 10
    sink_seconds: int = 70
    name: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a round has shown."""

    trials: tuple[Trial, ...]
    sinks: tuple[Sink, ...]
    sources: tuple[Source, ...]


def words() -> Iterator[str]:
    """Random words, which nobody can guess."""
    while True:
        yield secrets.token_hex(WORD // 2)


class Prober:
    """Makes the pods of one round."""

    def __init__(self, cluster: Cluster, flows: Flows, round_: Round, progress: Callable[[str], None]) -> None:
        self.cluster, self.flows, self.progress = cluster, flows, progress
        self.round = replace(round_, name=round_.name or secrets.token_hex(4))
        self.words = words()
        self._made: list[tuple[str, str, str | None, str]] = []

    def run(self, stands: Sequence[Stand], places: Sequence[Place]) -> Probed:
        """Sinks for every stand and for a control in a namespace of its own, sources after them, and their reports.

        Raises:
            AdmissionError: An object is refused.
            StorageUnavailableError: The cluster does not answer, or pods do not start.
        """
        with ExitStack() as stack:
            stack.callback(self.clean)
            control = self._control()
            everyone = [*stands, control]
            sinks = self._sinks(everyone)
            trials = [plan(stand, sinks, places, self.flows, self.words) for stand in everyone]
            self.progress(f"{len(everyone)} sources try {sum(map(len, trials)):,} targets for {self.round.seconds} s each")
            reports = self._sources(everyone, trials)
            ended = self._wait(lambda: self._complete("sink", everyone), "sinks")
            return Probed(
                tuple(one for some in trials for one in some),
                tuple(replace(sink, report=ended.get(sink.stand, {})) for sink in sinks),
                tuple(Source(stand, reports.get(stand, {})) for stand in everyone),
            )

    def clean(self) -> None:
        """Take everything out that was made, last first; what can't be is told after the rest is gone."""
        failed: AirlockError | None = None
        while self._made:
            try:
                self.cluster.delete(*self._made.pop())
            except AirlockError as error:
                failed = error
        if failed is not None:
            raise failed

    # --- pods -------------------------------------------------------------------------------------------------------

    def _control(self) -> Stand:
        name = f"airlock-control-{self.round.name}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self._create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self._wait(lambda: self.cluster.list("v1", "ServiceAccount", name), "namespace's ServiceAccount")
        return Stand(CONTROL, name, {})

    def _sinks(self, stands: Sequence[Stand]) -> list[Sink]:
        ports, tokens = ports_of(self.flows), {stand: next(self.words) for stand in stands}
        said = ",".join(f"{protocol}:{port}" for protocol, port in ports)
        for stand in stands:
            lasting = str(self.round.sink_seconds)
            self._create(self._pod(stand, "sink", ["sink", "--ports", said, "--token", tokens[stand], "--seconds", lasting]))
        services = {stand: self._service(stand, ports) for stand in stands}
        self.progress(f"{len(stands)} sinks, for {self.round.sink_seconds} s")
        pods = self._wait(lambda: self._running(stands), "sinks")
        return [
            Sink(stand, tokens[stand], ports, tuple(one["ip"] for one in pods[stand]["status"]["podIPs"]), services[stand])
            for stand in stands
        ]

    def _sources(self, stands: Sequence[Stand], trials: Sequence[Sequence[Trial]]) -> Mapping[Stand, Mapping[str, Any]]:
        for stand, some in zip(stands, trials, strict=True):
            targets = json.dumps([list(one.target) for one in some], separators=(",", ":"))
            self._create(self._pod(stand, "source", ["source", "--seconds", str(self.round.seconds), "--targets", targets]))
        return self._wait(lambda: self._complete("source", stands), "sources")

    def _complete(self, kind: str, stands: Sequence[Stand]) -> Mapping[Stand, Mapping[str, Any]] | None:
        found = {}
        for stand, pod in self._pods(kind, stands).items():
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                found[stand] = _report(pod)
        return found if len(found) == len(stands) else None

    def _running(self, stands: Sequence[Stand]) -> Mapping[Stand, Mapping[str, Any]] | None:
        found = {stand: pod for stand, pod in self._pods("sink", stands).items() if pod["status"].get("phase") == "Running"}
        return found if len(found) == len(stands) else None

    def _pods(self, kind: str, stands: Sequence[Stand]) -> dict[Stand, Mapping[str, Any]]:
        by_name = {(stand.namespace, self._name(stand, kind)): stand for stand in stands}
        found = {}
        for namespace in dict.fromkeys(stand.namespace for stand in stands):
            for pod in self.cluster.list("v1", "Pod", namespace, f"{PROBE}={self.round.name}-{kind}"):
                stand = by_name.get((namespace, pod["metadata"]["name"]))
                if stand is not None:
                    found[stand] = pod
        return found

    def _name(self, stand: Stand, kind: str) -> str:
        return f"airlock-probe-{self.round.name}-{stand.name}-{kind}"

    def _labels(self, stand: Stand, kind: str) -> dict[str, str]:
        part = {_PART_OF: "airlock"} if stand.labels else {}
        return {**stand.labels, **part, PROBE: f"{self.round.name}-{kind}"}

    def _pod(self, stand: Stand, kind: str, arguments: Sequence[str]) -> dict[str, Any]:
        image = self.round.images.get(stand.namespace, self.round.images[""])
        made = sealed_pod(self._name(stand, kind), stand.namespace, stand.account, self._labels(stand, kind), image)
        made["spec"]["nodeSelector"] = {"kubernetes.io/hostname": self.round.node}
        made["spec"]["containers"][0] |= {
            "args": ["airlock", "isolation", "probe-pod", *arguments],
            "env": [{"name": "AIRLOCK_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
        }
        return made

    def _service(self, stand: Stand, ports: Sequence[tuple[str, int]]) -> str:
        """Address of a Service that leads to the sink."""
        one = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": f"airlock-probe-{self.round.name}-{stand.name}",
                "namespace": stand.namespace,
                "labels": {PROBE: self.round.name, **({_PART_OF: "airlock"} if stand.labels else {})},
            },
            "spec": {
                "selector": self._labels(stand, "sink"),
                "ports": [
                    {"name": f"{protocol.lower()}-{port}", "protocol": protocol, "port": port} for protocol, port in ports
                ],
            },
        }
        return str(self._create(one)["spec"]["clusterIP"])

    # --- the cluster ------------------------------------------------------------------------------------------------

    def _create(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        metadata = one["metadata"]
        # Before it is there: an answer may get lost.
        self._made.append((one["apiVersion"], one["kind"], metadata.get("namespace"), metadata["name"]))
        return self.cluster.create(one)

    def _wait(self, look: Callable[[], _Found | None], what: str) -> _Found:
        until = time.monotonic() + self.round.sink_seconds + _WAIT_SECONDS
        while time.monotonic() < until:
            found = look()
            if found:
                return found
            time.sleep(_LOOK_SECONDS)
        raise StorageUnavailableError(
            f"the {what} of the probes do not get ready on node '{self.round.node}'. Look at their pods"
        )


def _report(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a pod's message says; nothing where it has none, or another's."""
    for status in pod["status"].get("containerStatuses") or ():
        message = (status.get("state", {}).get("terminated") or {}).get("message")
        try:
            found = json.loads(message or "null")
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}
