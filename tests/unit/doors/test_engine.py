"""Which runner carries out the tasks, and what is refused before Spark starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airlock.cluster.podtemplate import labels_of
from airlock.doors import _engine
from airlock.doors._engine import choose_runner
from airlock.errors import BoundaryError, ConfigError, MissingCapabilityError
from airlock.keys import create_executor_key_file


class Conf:
    """Of a session under a master."""

    def __init__(self, master):
        self.conf = {"spark.master": master}


@pytest.fixture
def sessions(monkeypatch):
    """Sessions that were asked for; none is made."""
    asked = []

    def session(master, conf):
        asked.append(master)
        asked[1:] = [conf] if conf else []
        return Conf(master)

    monkeypatch.setattr(_engine, "session", session)
    for name in ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "PYSPARK_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    return asked


MASTERS = ["local-cluster[2,1,1024]", "spark://host:7077", "k8s://https://host:443", "yarn", "localhost"]


@pytest.mark.parametrize("master", MASTERS)
def test_executors_of_their_own_need_a_mounted_key_before_spark_starts(make_project, sessions, tmp_path, master):
    made = make_project(files=0)
    with pytest.raises(BoundaryError, match="Mount one executor key file in driver and executors") as caught:
        choose_runner("spark", made.settings(master=master), ()).__enter__()
    assert (caught.value.exit_code, sessions) == (3, [])
    with choose_runner("spark", made.settings(master=master, keys__executor=str(create_executor_key_file(tmp_path))), ()):
        assert sessions == [master]


@pytest.mark.parametrize("master", ["local", "local[2]", "local[*,4]"])
def test_a_local_master_needs_none(make_project, sessions, master):
    with choose_runner("spark", make_project(files=0).settings(master=master), ()):
        assert sessions == [master]


def test_under_spark_submit_its_master_counts(make_project, sessions, monkeypatch):
    made = make_project(files=0)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "4711")
    monkeypatch.setattr(_engine, "session", lambda *_, **__: Conf("yarn"))
    with pytest.raises(BoundaryError, match="under master 'yarn'"):
        choose_runner("spark", made.settings(master="local[2]"), ()).__enter__()
    monkeypatch.setattr(_engine, "session", lambda *_, **__: Conf("local[*]"))
    with choose_runner("spark", made.settings(master="yarn"), ()):
        pass


def test_executors_are_bound_to_the_verdicts_nodes_by_a_template(make_project, sessions):
    made = make_project(files=0)
    template = Path(__file__).parents[3] / "k8s" / "launch" / "executor.yaml"
    named = made.settings(master="local", launch__executor_template=str(template))
    with choose_runner("spark", named, ()):
        assert sessions == ["local"]
    sessions.clear()
    with choose_runner("spark", named, (), nodes=("a", "b")):
        (bound,) = sessions[1].values()
    assert sessions[1].keys() == {"spark.kubernetes.executor.podTemplateFile"}
    pod = json.loads(Path(bound).read_text())
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [term["matchFields"][0]["values"] for term in terms] == [["a"], ["b"]]


def test_executors_have_the_runs_labels_whoever_launched_it(make_project, sessions):
    labels = labels_of("people", "run-1", "0" * 64)
    with choose_runner("spark", make_project(files=0).settings(master="local"), (), labels=labels):
        conf = sessions[1]
    assert conf["spark.kubernetes.executor.label.airlock.dev/run"] == "run-1"
    assert conf["spark.kubernetes.executor.label.airlock.dev/policy"] == "0" * 16
    assert len(conf) == len(labels) == 4


def test_spark_connect_is_refused(make_project, sessions, monkeypatch):
    monkeypatch.setenv("SPARK_REMOTE", "sc://host")
    with pytest.raises(BoundaryError, match="SPARK_REMOTE asks for Spark Connect"):
        choose_runner("spark", make_project(files=0).settings(master="local[2]"), ()).__enter__()
    assert sessions == []


def test_a_python_that_is_not_fit_is_refused_before_spark_starts(make_project, sessions, monkeypatch, tmp_path):
    monkeypatch.setenv("PYSPARK_PYTHON", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="PYSPARK_PYTHON"):
        choose_runner("spark", make_project(files=0).settings(master="local[2]"), ()).__enter__()
    assert sessions == []


def test_without_java_auto_is_local_and_spark_is_refused(make_project, monkeypatch, tmp_path):
    made = make_project(files=0)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with choose_runner("auto", made.settings(), ()) as runner:
        assert (runner.run.__name__, runner.here) == ("local", True)
    with pytest.raises(MissingCapabilityError, match=r"Java 17 or newer is needed|pyspark is not installed"):
        choose_runner("spark", made.settings(master="local[2]"), ()).__enter__()
