"""A run under preflight's verdict: what becomes of its tasks, its commit and its keys when the verdict is taken back or no longer renewed."""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from tests.e2e._spark import WORKER
from tests.servers.verdict import Verdict, once, taken_back

from airlock.doors import anonymize as door
from airlock.doors._guard import guarded
from airlock.doors.anonymize import anonymize
from airlock.doors.permits import standing_verdict
from airlock.errors import IsolationDriftError, IsolationUnwatchedError, PermitError, TransientError
from airlock.evidence.canonical import time_text
from airlock.evidence.manifest import PublicManifest
from airlock.types import Isolation

RECORDS = r"link .*/private/people/splits/.*\.json"


@pytest.fixture
def made(make_project, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return make_project(files=4)


@pytest.fixture
def verdict(made):
    return Verdict(made)


@pytest.fixture
def ordered(tmp_path, monkeypatch):
    """Workers of the pool do as they are told; gives how often one did."""

    def order(*orders):
        (tmp_path / "orders.json").write_text(json.dumps(orders))
        monkeypatch.setenv("WORKER_ORDERS", str(tmp_path / "orders.json"))
        monkeypatch.setenv("PYTHONPATH", str(WORKER))
        return lambda: len(list(tmp_path.glob("orders.json.done.*")))

    return order


def staged(made):
    return [name for name in made.files("staging") if name.endswith("manifest.intoto.json")]


def records(made):
    return [name for name in made.files("private") if name.startswith("people/splits/") and name.endswith(".json")]


def test_one_that_is_taken_back_ends_a_task_at_work_and_keeps_what_was_finished(made, verdict, ordered, monkeypatch):
    verdict.sign()
    acted = ordered({"do": "hang", "place": RECORDS, "first": 1})
    with taken_back(verdict, lambda: acted() == 1) as at:
        with pytest.raises(
            IsolationDriftError, match=r"took its verdict back at .*: objects: one policy more\. Nothing further"
        ):
            anonymize(made.policy(), made.settings(), run_id="one")
        assert time.monotonic() - at[0] < 10
    assert multiprocessing.active_children() == []
    assert (staged(made), len(records(made))) == ([], 1)
    monkeypatch.delenv("WORKER_ORDERS")
    with pytest.raises(IsolationDriftError):
        anonymize(made.policy(), made.settings(), run_id="one")
    envelope = verdict.sign()
    done = anonymize(made.policy(), made.settings(), run_id="one")
    assert (done.rows_out, done.reused) == (80, 1)
    manifest = PublicManifest.from_bytes((made.root / "staging" / "people" / "one" / "manifest.json").read_bytes())
    assert (manifest.isolation, manifest.preflight) == (Isolation.PROVEN, envelope.decode())


def test_one_that_is_not_renewed_hands_out_no_split_and_ends_with_75(made, verdict, ordered, monkeypatch):
    verdict.sign()
    acted = ordered({"do": "wait", "place": RECORDS, "times": 4})
    monkeypatch.setattr(door, "guarded", partial(guarded, patience=1))
    with (
        once(lambda: acted() >= 1, lambda: verdict.sign(ends=1)),
        pytest.raises(IsolationUnwatchedError, match=r"ran out at .*, and no other came within 1 s") as caught,
    ):
        anonymize(made.policy(), made.settings(), run_id="one")
    assert caught.value.exit_code == 75
    assert staged(made) == []
    assert 1 <= acted() <= 2  # what had begun while it counted
    assert len(records(made)) <= 2


def test_one_that_is_renewed_in_time_is_only_waited_for(made, verdict, ordered):
    verdict.sign()
    acted = ordered({"do": "wait", "place": RECORDS})

    def lapse():
        verdict.sign(ends=1)
        time.sleep(4)  # more than the first task, and no other begins meanwhile
        verdict.sign()

    with once(lambda: acted() == 1, lapse) as renewed:
        done = anonymize(made.policy(), made.settings(), run_id="one")
        assert time.monotonic() > renewed[0]
    assert (done.rows_out, done.reused) == (80, 0)


def test_one_that_is_taken_back_after_the_tasks_stops_the_commit(made, verdict, monkeypatch):
    verdict.sign()
    usual = door.stage_manifest

    def late(*arguments, **named):
        verdict.sign(withdrawn=("pods: a stranger",))
        return usual(*arguments, **named)

    monkeypatch.setattr(door, "stage_manifest", late)
    with pytest.raises(IsolationDriftError, match="pods: a stranger"):
        anonymize(made.policy(), made.settings(), run_id="one")
    assert (staged(made), len(records(made))) == ([], 4)


def test_another_runs_verdict_gives_no_keys(made, verdict):
    verdict.sign("two")
    with pytest.raises(PermitError, match="is for run two, and this is run one"):
        anonymize(made.policy(), made.settings(), run_id="one")
    assert made.files("staging") == []


def test_without_a_verdict_nothing_is_looked_at():
    with guarded(None, lambda: pytest.fail("stopped")):
        pass


def test_what_the_block_raises_by_itself_stays(made, verdict):
    verdict.sign()
    standing = standing_verdict(made.settings(), "one")
    with pytest.raises(TransientError, match="its own"), guarded(standing, lambda: pytest.fail("stopped")):
        raise TransientError("its own")


def test_work_that_begins_late_is_stopped_too(made, verdict):
    """A stage that did not run yet when it was to be stopped: it is told again."""
    verdict.sign(withdrawn=("x",))
    stopped = threading.Semaphore(0)
    told = []
    with pytest.raises(IsolationDriftError), guarded(standing_verdict(made.settings(), "one"), stopped.release):
        told += [stopped.acquire(timeout=5), stopped.acquire(timeout=5)]
    assert told == [True, True]


def test_what_was_done_without_a_verdict_is_done_again_under_one(made, verdict):
    away = made.settings()
    alone = type(away)(away.values | {"isolation.preflight": None}, away.origins, away.file)
    assert anonymize(made.policy(), alone, run_id="zero").rows_out == 80
    verdict.sign()
    done = anonymize(made.policy(), made.settings(), run_id="one")
    assert (done.rows_out, done.reused) == (80, 0)
    verdict.sign("two")
    assert anonymize(made.policy(), made.settings(), run_id="two").reused == 4
    verdict.sign("three", objects_sha256="7" * 64)
    assert anonymize(made.policy(), made.settings(), run_id="three").reused == 0


def test_nothing_raw_is_read_before_the_verdict_is_asked(made, verdict, monkeypatch):
    verdict.sign(withdrawn=("x",))
    monkeypatch.setattr(door, "prepare", lambda *_: pytest.fail("read"))
    with pytest.raises(IsolationDriftError):
        anonymize(made.policy(), made.settings(), run_id="one")


def test_a_watch_that_began_anew_during_the_run_ends_it_with_75(made, verdict):
    verdict.sign()
    standing, stopped = standing_verdict(made.settings(), "one").begun(), threading.Event()
    verdict.sign(since=time_text(datetime.now(UTC) + timedelta(seconds=2)))
    with (
        pytest.raises(IsolationUnwatchedError, match="what happened in between, nobody knows") as caught,
        guarded(standing, stopped.set),
    ):
        stopped.wait(5)
    assert caught.value.exit_code == 75


def test_an_answer_that_nobody_expected_guards_no_less(made, verdict, monkeypatch):
    verdict.sign()
    standing = standing_verdict(made.settings(), "one")
    monkeypatch.setattr(type(standing), "read", lambda _: 1 / 0)
    stopped = threading.Event()
    with (
        pytest.raises(IsolationUnwatchedError, match="could not be looked at: ZeroDivisionError"),
        guarded(standing, stopped.set),
    ):
        assert stopped.wait(5)


def test_the_verdict_of_the_manifest_is_of_the_moment_that_is_signed(made, verdict, monkeypatch):
    """Taken before a wait for a new one, it would have run out by then, and no outer door would take the run."""
    first = verdict.sign()
    usual = door.stage_manifest

    def late(*arguments, **named):
        fresh.append(verdict.sign(ends=90))
        return usual(*arguments, **named)

    fresh = []
    monkeypatch.setattr(door, "stage_manifest", late)
    anonymize(made.policy(), made.settings(workers="1"), run_id="one")
    manifest = PublicManifest.from_bytes((made.root / "staging" / "people" / "one" / "manifest.json").read_bytes())
    assert manifest.preflight == fresh[0].decode() != first.decode()


def test_a_split_that_ends_when_the_verdict_is_gone_is_not_kept(made, verdict, ordered, monkeypatch):
    """Nor is one of an executor that outlives its driver."""
    verdict.sign()
    acted = ordered({"do": "wait", "place": r"link .*/staging/people/one/data/", "times": 1})
    monkeypatch.setattr(door, "guarded", lambda *_: nullcontext())
    with (
        taken_back(verdict, lambda: acted() == 1),
        pytest.raises(IsolationDriftError, match="objects: one policy more"),
    ):
        anonymize(made.policy(), made.settings(), run_id="one")
    assert records(made) == []


def test_a_file_that_is_not_there_for_a_moment_is_waited_for(made, verdict):
    """As where preflight is started anew; at the start there must be one."""
    verdict.sign()
    standing = standing_verdict(made.settings(), "one")
    verdict.file.unlink()
    with pytest.raises(PermitError, match=r"No such file or directory\. Run preflight first"):
        standing.demand()
    assert standing.await_fresh(sleep=lambda _: verdict.sign())[0].run == "one"
