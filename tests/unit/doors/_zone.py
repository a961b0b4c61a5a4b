"""A zone of one node without a cluster: what preflight reads of it, what it refuses, and what happens in it, are up to the test."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from airlock.cluster.digest import objects_digest
from airlock.cluster.flowreader import read_flows
from airlock.cluster.live import Listed
from airlock.cluster.resources import resources_from
from airlock.cluster.sealed import broken_pods, sealed_pod
from airlock.doors import _zone_looks
from airlock.doors.keys import create_one_key
from airlock.doors.preflight import Given, Wanted
from airlock.errors import AdmissionError, StorageUnavailableError
from airlock.evidence.canonical import sha256_hex, time_text
from airlock.evidence.probed import Probed
from airlock.keys.signing import load_signer

IMAGE = f"registry.example.org/airlock@sha256:{'1' * 64}"
FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [pii-raw]}
parties:
  executor: {namespace: pii-raw, pods: {airlock.dev/role: executor}}
flows:
- {from: executor, to: executor, ports: [TCP 7079], why: w}
"""
OBJECTS = """
- {apiVersion: v1, kind: Node, metadata: {name: a}}
- {apiVersion: v1, kind: Namespace, metadata: {name: pii-raw}}
- {apiVersion: v1, kind: Pod, metadata: {name: e, namespace: pii-raw, labels: {airlock.dev/role: executor}}, spec: {automountServiceAccountToken: false}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: old, namespace: pii-raw}, status: {phase: Succeeded}}
"""


class Cluster:
    """An API server that refuses what it must, but for what a test takes away."""

    allowed: frozenset[str] = frozenset()
    let_in: frozenset[str] = frozenset()
    good_is_refused = False

    def may(self, verb, group, resource, namespace):
        return resource in self.allowed

    def create(self, one, *, dry):
        assert dry
        good = sealed_pod(
            "airlock-preflight",
            "pii-raw",
            "executor",
            {"app.kubernetes.io/part-of": "airlock", "airlock.dev/role": "executor"},
            IMAGE,
        )
        what = next((name for name, broken in broken_pods(good).items() if broken == one), "")
        if (self.good_is_refused and not what) or (what and what not in self.let_in):
            raise AdmissionError("refused", status=403)
        return one


KINDS = {"Node": "v1", "Namespace": "v1", "Pod": "v1", "NetworkPolicy": "networking.k8s.io/v1"}


class Guarding:
    """Lists and watches of what a zone has: one list a kind, as an API server has them."""

    def __init__(self, zone):
        self.zone, self.ended = zone, threading.Event()
        self.down = self.deaf = False
        self.log, self.news = [], threading.Condition()
        self.compacted = 0
        """What happened before nobody knows any more."""

    def lists(self):
        if self.down:
            raise StorageUnavailableError("the cluster does not answer")
        refused = [Listed("v1", why, "Role", refused=why) for why in self.zone.unread.values()]
        return [*refused, *(self.list(version, kind, kind) for kind, version in KINDS.items())]

    def list(self, version, path, kind):
        with self.news:
            items = tuple(one for one in self.zone.objects if one["kind"] == kind)
            return Listed(version, path, kind, items, str(len(self.log)))

    def events(self, path, at, seconds):
        """Since then, until nobody answers any more."""
        if self.deaf:
            raise StorageUnavailableError("the cluster does not answer")
        if int(at) < self.compacted:
            raise AdmissionError("too old", status=410)
        yield {}
        place = int(at)
        while not self.ended.is_set() and not self.deaf:
            with self.news:
                if place == len(self.log):
                    self.news.wait(0.2)
                fresh, place = self.log[place:], len(self.log)
            for number, (what, one) in enumerate(fresh, place - len(fresh) + 1):
                if one["kind"] == path:
                    body = {**one, "metadata": {**one["metadata"], "resourceVersion": str(number)}}
                    yield {"type": what, "object": body}


class Zone:
    """Objects, and the cluster that has them."""

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self.objects, self.unread = folder, yaml.safe_load(OBJECTS), {}
        self.cluster = type("Mine", (Cluster,), {})
        self.guarding = Guarding(self)
        for role in ("probe", "preflight"):
            create_one_key(folder / "keys", role, trust=folder / "trust")
        (folder / "flows.yaml").write_text(FLOWS)
        self.before = resources_from([("live", one) for one in self.objects])
        monkeypatch.setattr(_zone_looks, "Guarding", self._listed)
        monkeypatch.setattr(_zone_looks, "Cluster", self.cluster)

    def _listed(self, zones, lists):
        assert (zones, lists) == (["pii-raw"], [])
        return self.guarding

    def probed(self, **changed):
        """A signed result of probes, of the zone as it was at first."""
        now = datetime.now(UTC) + timedelta(seconds=1)
        values = {
            "verdict": "passed", "proof": "proven", "node": "a", "image": IMAGE, "namespaces": ("pii-raw",), "flows_sha256": sha256_hex(FLOWS.encode()),
            "objects_sha256": objects_digest(self.before, read_flows(FLOWS, "f", self.before)), "open_trials": 1, "shut_trials": 1, "shown": (),
            "began_at": time_text(now), "signed_at": time_text(now), "expires_at": time_text(now + timedelta(minutes=5)),
        }  # fmt: skip
        file = self.folder / "round"
        file.write_bytes(Probed(**{**values, **changed}).to_envelope(load_signer(self.folder / "keys" / "probe-signing.pem")))
        return file

    def given(self, *, nodes=(), minutes=15, **changed):
        """What a preflight of it is made with."""
        key = self.folder / "keys" / "preflight-signing.pem"
        wanted = Wanted("run-1", IMAGE, nodes=nodes, minutes=minutes)
        return Given(self.folder / "flows.yaml", [self.probed(**changed)], self.folder / "trust", key, wanted)

    def add(self, one):
        """Something more is there, and whoever watches hears of it."""
        self._happens("ADDED", one, self.objects.append)

    def remove(self, one):
        """It is not there any more."""
        self._happens("DELETED", one, self.objects.remove)

    def _happens(self, what, one, change):
        with self.guarding.news:
            change(one)
            self.guarding.log.append((what, one))
            self.guarding.news.notify_all()
