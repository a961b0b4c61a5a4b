"""Watching a zone: what is a change and what is none, and that none is missed."""

from __future__ import annotations

import time

import pytest

from airlock.cluster.live import Listed
from airlock.cluster.watching import Watching
from airlock.errors import AdmissionError, StorageUnavailableError

PATH = "/apis/networking.k8s.io/v1/networkpolicies"


def policy(namespace, name="default-deny", version="1", **spec):
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}", "resourceVersion": version}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": spec, "status": {"seen": version}}


class Script:
    """An API server with one list, whose watches go as written: lists of events, or errors."""

    def __init__(self, *watches, items=(), fresh=()):
        self.items, self.fresh, self.watches, self.asked = items, fresh, list(watches), []

    def lists(self):
        return [Listed("networking.k8s.io/v1", PATH, "NetworkPolicy", tuple(self.items), "1")]

    def list(self, version, path, kind):
        return Listed(version, path, kind, tuple(self.fresh), "90")

    def events(self, path, at, seconds):
        self.asked.append(at)
        watch = self.watches.pop(0) if self.watches else "silence"
        if isinstance(watch, Exception):
            raise watch
        yield {}
        yield from [] if watch in ("silence", "nothing") else watch
        if watch != "nothing":
            time.sleep(3 if self.watches else 30)


def changes(watching, count, seconds=20):
    found, until = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        change = watching.taken(0.05)
        found += [change.listed.kind] if change and change.items else []
    return found


def names(watching):
    return sorted(f"{one.namespace}/{one.name}" for one in watching.resources().of("NetworkPolicy", "networking.k8s.io"))


def test_policies_of_one_name_in_two_namespaces_are_two():
    script = Script(
        [{"type": "DELETED", "object": policy("other")}, {"type": "DELETED", "object": policy("pii-raw")}],
        items=[policy("other"), policy("pii-raw")],
    )
    with Watching(script) as watching:
        assert changes(watching, 2) == ["NetworkPolicy", "NetworkPolicy"]
        assert names(watching) == []


def test_status_and_versions_are_no_change_and_a_new_one_of_the_same_name_is():
    again = policy("pii-raw", version="5")
    again["metadata"]["uid"] = "another"
    last = {"type": "DELETED", "object": again}
    script = Script(
        [{"type": "MODIFIED", "object": policy("pii-raw", version="4")}, {"type": "MODIFIED", "object": again}, last],
        items=[policy("pii-raw")],
    )
    with Watching(script) as watching:
        assert changes(watching, 2) == ["NetworkPolicy"] * 2
        assert names(watching) == []  # so that all three were looked at


def test_after_a_break_it_goes_on_where_it_broke_off():
    one = {"type": "ADDED", "object": policy("pii-raw", "a", version="7")}
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}
    script = Script([one, mark], StorageUnavailableError("down"), [{"type": "ADDED", "object": policy("pii-raw", "b")}])
    with Watching(script) as watching:
        assert changes(watching, 2) == ["NetworkPolicy"] * 2
        assert script.asked == ["1", "8", "8"]
        assert not watching.gap.is_set()
        assert names(watching) == ["pii-raw/a", "pii-raw/b"]


def test_what_the_api_server_has_forgotten_is_a_gap_and_listed_anew():
    script = Script(AdmissionError("too old", status=410), items=[policy("pii-raw", "a")], fresh=[policy("pii-raw", "b")])
    with Watching(script) as watching:
        assert changes(watching, 1) == ["NetworkPolicy"]
        assert watching.gap.is_set()
        assert names(watching) == ["pii-raw/b"]


@pytest.mark.parametrize("watch", ["nothing", AdmissionError("forbidden", status=403), ZeroDivisionError()])
def test_a_watch_that_is_none_is_lost_and_does_not_spin(watch):
    script = Script(*[watch] * 50)
    with Watching(script) as watching:
        time.sleep(1)
        assert list(watching.lost()) == [PATH]
        assert len(script.asked) <= 2


def test_what_may_not_be_listed_is_unread():
    script = Script()
    script.lists = lambda: [Listed("v1", "/api/v1/nodes", "Node", refused="403 Forbidden")]
    with Watching(script) as watching:
        assert watching.await_begun(1) == {}
        assert watching.resources().unread == {"Node (v1)": "403 Forbidden"}
