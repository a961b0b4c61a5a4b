"""Preflight beside a run: the verdict is renewed, taken back as soon as something changed, and not renewed by who can't see."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from tests.conftest import quickest
from tests.unit.doors._zone import Zone

from airlock.doors import preflight as door
from airlock.doors.preflight import watch
from airlock.errors import AirlockError, IsolationUnwatchedError
from airlock.evidence.preflighted import Preflighted
from airlock.evidence.trust import Trust

STRANGER = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "x", "namespace": "pii-raw"},
    "spec": {"automountServiceAccountToken": False},
}
POLICY = {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n", "namespace": "pii-raw"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
}  # fmt: skip
LONGEST = 20


class Watched:
    """A watch in a thread: what it published, and how it ended."""

    def __init__(self, zone, **given):
        self.zone, self.stop, self.verdicts, self.said = zone, threading.Event(), [], []
        self.found = self.error = None
        self.thread = threading.Thread(target=self._run, args=(zone.given(**given),), daemon=True)

    def _run(self, given):
        try:
            self.found = watch(given, self.verdicts.append, self.said.append, self.stop)
        except (AirlockError, ZeroDivisionError) as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.zone.guarding.ended.set()
        self.thread.join(LONGEST)
        assert not self.thread.is_alive()

    def read(self, place=-1):
        return Preflighted.parse(self.verdicts[place].of(None), Trust.load(self.zone.folder / "trust"))

    def until(self, holds):
        end = time.monotonic() + LONGEST
        while not holds():
            assert time.monotonic() < end, (self.verdicts, self.found, self.error)
            time.sleep(0.02)


@pytest.fixture
def zone(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "_AGAIN", 0.1)
    return Zone(tmp_path, monkeypatch)


def test_while_all_is_in_order_the_verdict_is_renewed_until_the_run_is_over(zone):
    with Watched(zone, minutes=0.02) as made:
        made.until(lambda: len(made.verdicts) >= 3 and made.read().signed_at > made.read(0).signed_at)
        first, last = made.read(0), made.read()
    assert made.found == []
    assert first.since == last.since
    assert (first.withdrawn, last.withdrawn) == ((), ())
    assert last.watched
    assert [one.name for one in made.said[0]] == ["objects", "probes", "pods", "tokens", "rights", "admission"]


def test_a_change_takes_the_verdict_back_at_once(zone):

    def taken_back():
        with Watched(zone) as made:
            made.until(lambda: made.verdicts)
            began = time.monotonic()
            zone.add(STRANGER)
            made.until(lambda: made.found)
            took = time.monotonic() - began
        assert made.read().withdrawn == ("pods: pod pii-raw/x is of no party of flows.yaml",)
        assert [one.stands for one in made.verdicts] == [True, False]
        assert [one.name for one in made.found] == ["pods"]
        zone.remove(STRANGER)
        return took

    quickest(3, taken_back)


def test_what_no_watch_tells_is_found_when_the_verdict_is_renewed(zone):
    with Watched(zone, minutes=0.02) as made:
        made.until(lambda: made.verdicts)
        zone.cluster.let_in = {"privileged"}
        made.until(lambda: made.found)
    assert made.read().withdrawn == ("admission: a pod privileged is let in",)


def test_what_is_not_in_order_at_first_is_told_and_nothing_signed(zone):
    zone.add(STRANGER)
    with Watched(zone) as made:
        made.until(lambda: made.said)
    assert (made.verdicts, made.found) == ([], [])
    assert [one.name for one in made.said[0] if not one.passed] == ["pods"]


def test_what_can_not_be_watched_gets_no_verdict(zone, monkeypatch):
    monkeypatch.setattr(door, "_BEGIN_SECONDS", 0.3)
    zone.guarding.deaf = True
    with Watched(zone) as made:
        made.until(lambda: made.said)
    assert made.verdicts == []
    assert "the cluster does not answer" in made.said[0][0].said


def break_off(made, zone, what):
    """Nobody sees anything for a while; then they can again."""
    made.until(lambda: len(made.verdicts) >= 2)
    setattr(zone.guarding, what, True)
    before, end = -1, time.monotonic() + LONGEST
    while before != len(made.verdicts):  # one may be on its way
        assert time.monotonic() < end, "renewed all the same"
        before = len(made.verdicts)
        time.sleep(1.5)
    return before


@pytest.mark.parametrize("broken", ["down", "deaf"])
def test_who_can_not_see_renews_nothing_and_has_missed_nothing_when_it_can_again(zone, broken):
    with Watched(zone, minutes=0.02) as made:
        before = break_off(made, zone, broken)
        setattr(zone.guarding, broken, False)
        made.until(lambda: len(made.verdicts) > before and made.read().expires_at > made.read().signed_at)
        last = made.read()
    assert made.found == []
    assert made.read(0).since == last.since


def test_what_happened_while_nobody_saw_it_is_found_out_though_it_is_undone(zone):
    with Watched(zone, minutes=0.02) as made:
        break_off(made, zone, "deaf")
        zone.add(STRANGER)
        zone.remove(STRANGER)
        zone.guarding.deaf = False
        made.until(lambda: made.found)
    assert made.read().withdrawn == ("pods: pod pii-raw/x is of no party of flows.yaml",)


def test_who_can_not_be_told_what_happened_begins_anew(zone):
    with Watched(zone, minutes=0.02) as made:
        break_off(made, zone, "deaf")
        zone.add(STRANGER)
        zone.remove(STRANGER)
        zone.guarding.compacted = len(zone.guarding.log)
        zone.guarding.deaf = False
        made.until(lambda: made.read().since > made.read(0).since)
    assert made.found == []


def test_a_change_that_is_undone_at_once_is_a_change(zone):
    with Watched(zone) as made:
        made.until(lambda: made.verdicts)
        with zone.guarding.news:
            zone.guarding.log += [("ADDED", POLICY), ("DELETED", POLICY)]
            zone.guarding.news.notify_all()
        made.until(lambda: made.found)
    assert "is of other objects" in made.read().withdrawn[0]


def test_a_node_that_joins_is_no_change_but_a_pod_on_it_is(zone):
    with Watched(zone, minutes=0.02) as made:
        made.until(lambda: made.verdicts)
        zone.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "b"}})
        before = len(made.verdicts)
        made.until(lambda: len(made.verdicts) > before + 1)
        assert made.read().nodes == ("a",)
        labels = {"airlock.dev/role": "executor"}
        zone.add(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "f", "namespace": "pii-raw", "labels": labels},
                "spec": {"nodeName": "b", "automountServiceAccountToken": False},
            }
        )
        made.until(lambda: made.found)
    assert made.read().withdrawn == ("pods: pod pii-raw/f is on node 'b', which was not probed. Bind the run's pods to others",)


def test_who_sees_nothing_any_more_says_so_before_the_verdict_runs_out(zone, monkeypatch):
    monkeypatch.setattr(door, "_BLIND_SECONDS", 0.5)
    with Watched(zone, minutes=10) as made:
        made.until(lambda: made.verdicts)
        assert made.read().counts(datetime.now(UTC))
        zone.guarding.deaf = True
        made.until(lambda: len(made.verdicts) > 1)
        assert made.read().withdrawn == ()
        assert not made.read().counts(datetime.now(UTC))


def test_a_thousand_pods_do_not_hide_a_change_nor_hold_it_up(zone):
    """Executors come and go by the hundred: each is judged by itself, and in no more time than that takes."""
    with Watched(zone, minutes=0.2) as made:
        made.until(lambda: made.verdicts)
        with zone.guarding.news:
            for number in range(1_000):
                metadata = {"name": f"e{number}", "namespace": "pii-raw", "labels": {"airlock.dev/role": "executor"}}
                spec = {"nodeName": "a", "automountServiceAccountToken": False}
                zone.objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
                zone.guarding.log.append(("ADDED", zone.objects[-1]))
            zone.guarding.log += [("ADDED", POLICY), ("DELETED", POLICY)]
            zone.guarding.news.notify_all()
        began = time.monotonic()
        made.until(lambda: made.found)
        assert time.monotonic() - began < 5
    assert "is of other objects" in made.read().withdrawn[0]


def test_a_watch_that_breaks_takes_the_verdict_back(zone, monkeypatch):
    with Watched(zone) as made:
        made.until(lambda: made.verdicts)
        monkeypatch.setattr(door.Looks, "of_pods", lambda *_: 1 / 0)
        zone.add(STRANGER)
        made.until(lambda: made.error)
    assert isinstance(made.error, ZeroDivisionError)
    assert made.read().withdrawn == ("preflight failed: ZeroDivisionError",)


def test_who_can_not_see_for_long_gives_up(zone, monkeypatch):
    monkeypatch.setattr(door, "PATIENCE", 0.5)
    with Watched(zone, minutes=0.02) as made:
        made.until(lambda: made.verdicts)
        zone.guarding.down = True
        made.until(lambda: made.error)
    assert isinstance(made.error, IsolationUnwatchedError)
    assert "the cluster does not answer" in str(made.error)
