"""A zone of one node without a cluster: what preflight reads of it, what it refuses, and what happens in it, are up to the test."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from airlock.cluster.digest import objects_digest
from airlock.cluster.flowreader import read_flows
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
- {apiVersion: v1, kind: Pod, metadata: {name: e, namespace: pii-raw, labels: {airlock.dev/role: executor}}, status: {phase: Running}}
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


class Guarding:
    """Lists and watches of what a zone has."""

    def __init__(self, zone):
        self.zone, self.news, self.ended = zone, threading.Event(), threading.Event()
        self.down = self.deaf = False

    def read(self):
        if self.down:
            raise StorageUnavailableError("the cluster does not answer")
        return resources_from([("live", one) for one in self.zone.objects], unread=self.zone.unread)

    def paths(self):
        return ["/api/v1/namespaces/pii-raw/pods"]

    def events(self, path, seconds):
        """One watch: until something happens, or nobody answers any more."""
        if self.deaf:
            raise StorageUnavailableError("the cluster does not answer")
        yield {}
        while not self.ended.is_set() and not self.deaf:
            yield from ({"type": "ADDED", "object": one} for one in list(self.zone.objects))
            self.news.wait(5)
            self.news.clear()


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
        self.objects.append(one)
        self.guarding.news.set()
