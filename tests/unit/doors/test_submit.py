"""What submit reads and what it makes of a driver's state; whole submissions are tried on a real cluster (tests/cluster/test_live_jobs.py)."""

from __future__ import annotations

import json
import time

import pytest

from airlock.doors import submit as door
from airlock.doors._shipped import contents_of
from airlock.doors.submit import submit
from airlock.errors import AdmissionError, ConfigError, PolicyFileError, RunBoundError, TransientError
from airlock.policy.load import load_policy
from airlock.types import run_id_of

CONF = "# a comment\n\nspark.master k8s://https://198.18.0.1:6443\nspark.kubernetes.container.image   a@sha256:1\nspark.kubernetes.namespace pii-raw\n"


def ended(code, message=""):
    return {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": code, "message": message}}}]}


CLOSED = json.dumps({"verb": "anonymize", "exit_code": 75, "results": []})


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        ({}, "pending", None),
        ({"phase": "Pending"}, "pending", None),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, "waiting: ContainerCreating", None),
        ({"containerStatuses": [{"state": {"running": {}}}]}, "running", None),
        (ended(0), "ended with 0", 0),
        (ended(3), "ended with 3", 3),
        (ended(75), "ended with 75", 75),
        (ended(137), "ended with 137", 1),
        (ended(1), "ended with 1", 1),
        (ended(1, CLOSED.replace("75", "3")), "ended with 1", 3),
        (ended(11, CLOSED), "ended with 11", 75),
        (ended(11, CLOSED.replace("75", "0")), "ended with 11", 1),
        ({"phase": "Failed", "reason": "Evicted"}, "failed: Evicted", 75),
    ],
)
def test_where_a_driver_stands(status, word, code):
    found = door._state(status)
    assert (found.word, found.exit_code) == (word, code)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "mail a@b.c",
        "[]",
        "7",
        '{"verb": "x"}',
        '{"exit_code": 1, "text": "a@b.c"}',
        CLOSED.replace("75", "7"),
        CLOSED.replace("75", '"a@b.c"'),
    ],
)
def test_what_is_no_closed_status_is_not_passed_on(message):
    assert door._state(ended(1, message)).status == {}


def test_of_a_status_only_closed_words_and_counts_are_passed_on():
    """Whoever is in the zone may write there what it likes."""
    said = {
        "verb": "anonymize", "exit_code": 3, "code": "small-group", "why": "a@b.c",
        "results": [{"dataset": "people", "run": "a b@c", "state": "a@b.c", "rows": 12000, "splits": True, "code": "a@b.c", "exit_code": 3}, "a@b.c"],
    }  # fmt: skip
    kept = {"dataset": "people", "rows": 12000, "exit_code": 3}
    assert door._state(ended(1, json.dumps(said))).status == {
        "verb": "anonymize",
        "exit_code": 3,
        "code": "small-group",
        "results": [kept],
    }


class Pods:
    """A cluster with one pod at most, which goes through states."""

    def __init__(self, *states):
        self.states, self.deleted, self.uid = list(states), [], "first"

    def list(self, *_):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        annotations = {"airlock.dev/policy": f"sha256:{self.digest}"}
        metadata = {"name": door_name(), "uid": self.uid, "annotations": annotations}
        return [] if state is None else [{"metadata": metadata, "status": state}]

    def delete(self, *named, uid):
        self.deleted.append((named[-1], uid))
        self.states[:] = [None]


def door_name():
    return f"airlock-{run_id_of('people', 'nightly-1')}"


@pytest.fixture
def made(make_project, tmp_path, monkeypatch):
    """A project whose submit meets these pods; gives the call, and what was said."""
    project = make_project(files=1)
    (tmp_path / "spark.conf").write_text(CONF)
    said = []

    def call(*states, **settings):
        monkeypatch.setattr(door, "Cluster", lambda: call.pods)
        call.pods = Pods(*states)
        call.pods.digest = call.digest
        flags = {"launch.spark_conf": str(tmp_path / "spark.conf"), **settings}
        given = type(project.settings())(project.settings().values | flags, project.settings().origins, None)
        return submit(project.policy(), given, run_id=None, launch="nightly-1", say=said.append)

    call.said, call.folder, call.digest = said, tmp_path, load_policy(project.policy()).digest
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return call


RUNNING = {"containerStatuses": [{"state": {"running": {}}}]}


def test_a_driver_that_is_at_work_is_followed_to_its_end(made):
    done = made(RUNNING, RUNNING, RUNNING, ended(3))
    assert (done.exit_code, done.submitted, done.run) == (3, False, run_id_of("people", "nightly-1"))
    assert made.said == [f"driver pii-raw/{door_name()}: running", f"driver pii-raw/{door_name()}: ended with 3"]


def test_one_that_is_done_is_not_made_again(made):
    done = made(ended(0))
    assert (done.exit_code, done.submitted, made.pods.deleted) == (0, False, [])


def test_one_that_is_gone_is_worth_another_try(made):
    with pytest.raises(TransientError, match="not there any more"):
        made(RUNNING, None)


def test_one_that_failed_is_taken_out_before_another_is_made(made):
    with pytest.raises(ConfigError, match=r"launch\.driver_template is not set"):
        made(ended(75))
    assert made.pods.deleted == [(door_name(), "first")]


def test_one_that_another_made_meanwhile_is_left(made, monkeypatch):
    """Of two that see the same failure the second one ends what the first made, if it goes by the name."""

    def delete(pods, *named, uid):
        pods.deleted.append((named[-1], uid))
        pods.uid, pods.states[:] = "second", [RUNNING]

    monkeypatch.setattr(Pods, "delete", delete)
    with pytest.raises(TransientError, match="was made anew by another 'airlock submit' of this run"):
        made(ended(75))
    assert made.pods.deleted == [(door_name(), "first")]


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (CONF.replace("spark.master", "spark.other"), r"has no spark\.master"),
        (CONF.replace("spark.kubernetes.namespace pii-raw", ""), r"has no spark\.kubernetes\.namespace"),
        (CONF + "alone\n", r"spark\.conf:6: expected a name and a value"),
    ],
)
def test_conf_that_says_too_little_is_refused(made, conf, said):
    (made.folder / "spark.conf").write_text(conf)
    with pytest.raises(ConfigError, match=said):
        made(RUNNING)


def test_conf_that_is_not_there(made):
    with pytest.raises(ConfigError, match=r"'.*none\.conf' can't be read: FileNotFoundError"):
        made(RUNNING, **{"launch.site_conf": str(made.folder / "none.conf")})
    with pytest.raises(ConfigError, match=r"launch\.spark_conf is not set"):
        made(RUNNING, **{"launch.spark_conf": None})


def test_the_sites_lines_win(made):
    (made.folder / "site.conf").write_text("spark.kubernetes.namespace elsewhere\n")
    made(RUNNING, ended(0), **{"launch.site_conf": str(made.folder / "site.conf")})
    assert made.said[0] == f"driver elsewhere/{door_name()}: ended with 0"


def test_another_policy_under_the_same_run_is_refused(made):
    made.digest = "0" * 64
    with pytest.raises(RunBoundError, match=r"has a driver with policy sha256:0{64}, and this policy is sha256:"):
        made(RUNNING)


def test_one_that_does_not_begin_is_taken_out(made):
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
    with pytest.raises(TransientError, match=r"did not begin within 900 s .*waiting: ImagePullBackOff"):
        made(waiting)
    assert made.pods.deleted == [(door_name(), "first")]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('Exception: pods "x" is forbidden: no', AdmissionError),
        ("io.fabric8: Failure executing: POST, code=422", AdmissionError),
        ("java.net.ConnectException: refused", TransientError),
    ],
)
def test_what_the_cluster_refuses_is_not_tried_again(said, error, tmp_path):
    program = tmp_path / "spark-submit"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(error, match=said.split(":", maxsplit=1)[0]):
        door._carry_out([str(program)])


TREE = "Lima;Peru\nQuito;Ecuador\nOslo;Norway\nParis;France\n"


@pytest.fixture
def shipping(make_project, tmp_path):
    """A policy file, changed; gives what a driver would get of it, and that policy's digest."""
    policy = make_project(files=0).policy()

    def change(*pairs, **beside):
        text = policy.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        policy.write_text(text)
        for name, content in beside.items():
            (policy.parent / name.replace("_", ".")).write_text(content)
        return policy

    return change


def test_a_policy_alone_is_shipped_as_it_is(shipping):
    policy = shipping()
    assert contents_of(policy, "people") == {"people.yaml": policy.read_text()}


def test_what_it_extends_is_put_into_it(shipping, tmp_path):
    policy = shipping(("dataset: people\n", "dataset: people\nextends: common.yaml\n"), common_yaml="waivers_note: x\n")
    with pytest.raises(PolicyFileError):
        contents_of(policy, "people")
    text = policy.read_text()
    shared = next(line for line in text.splitlines() if line.startswith("  max_rejects:"))
    (policy.parent / "common.yaml").write_text(f"gate:\n{shared}\n")
    policy.write_text(text.replace(f"{shared}\n", ""))
    made = contents_of(policy, "people")
    assert set(made) == {"people.yaml"}
    (tmp_path / "people.yaml").write_text(made["people.yaml"])
    assert load_policy(tmp_path / "people.yaml").digest == load_policy(policy).digest


def test_files_that_it_names_come_with_it(shipping):
    policy = shipping()
    rule = next(line for line in policy.read_text().splitlines() if line.startswith("  city:"))
    policy = shipping(
        (rule, "  city: {type: string, class: quasi_identifier, hierarchy: {file: cities.csv, level: 1}}"), cities_csv=TREE
    )
    assert contents_of(policy, "people") == {"people.yaml": policy.read_text(), "cities.csv": TREE}


def test_files_that_could_be_run_do_not(shipping):
    policy = shipping()
    rule = next(line for line in policy.read_text().splitlines() if line.startswith("  city:"))
    named = "  city: {type: string, class: quasi_identifier, hierarchy: {file: cities.py, level: 1}}"
    with pytest.raises(ConfigError, match=r"it names 'cities\.py', and what is shipped with a policy ends in"):
        contents_of(shipping((rule, named), cities_py=TREE), "people")
