"""What surrounds a Spark stage, without Spark: Java, masters, Pythons, and what a stage that failed is taken for."""

from __future__ import annotations

import sys
import venv

import pytest

from airlock import __version__
from airlock.engines.spark import _retrying, _stage_error, is_local, java_version, require_python, spark_ready, submitted
from airlock.errors import ConfigError, TransientError

WORKER = (
    "An exception was thrown from the Python worker. Please see the stack trace below.\nTraceback (most recent call last):\n"
)


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 1),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ("no such thing", None),
    ],
)
def test_the_java_of_java_home_counts(tmp_path, monkeypatch, said, version):
    script(tmp_path / "bin" / "java", f"echo '{said}' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_version() == version
    assert (spark_ready() is None) == (version is not None and version >= 17)


def test_without_java_home_the_one_on_path_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java_version() is None
    assert "Java 17 or newer is needed, found none: apt-get install" in spark_ready()
    script(tmp_path / "java", "echo 'openjdk version \"21.0.2\"' >&2")
    assert java_version() == 21


def test_a_java_home_without_java_is_no_java(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_version() is None


@pytest.mark.parametrize(
    ("master", "made", "local"),
    [
        ("local", "local[1,4]", True),
        ("local[2]", "local[2,4]", True),
        ("local[*]", "local[*,4]", True),
        ("local[*,4]", "local[*,4]", True),
        ("local[2,1]", "local[2,1]", True),
        ("local-cluster[2,1,1024]", "local-cluster[2,1,1024]", False),
        ("localhost", "localhost", False),
        ("spark://host:7077", "spark://host:7077", False),
        ("k8s://https://host:443", "k8s://https://host:443", False),
        ("yarn", "yarn", False),
    ],
)
def test_local_masters_retry_and_only_they_are_local(master, made, local):
    assert (_retrying(master), is_local(master)) == (made, local)


def test_this_python_is_fit(monkeypatch):
    for name in ("", sys.executable):
        monkeypatch.setenv("PYSPARK_PYTHON", name)
        require_python()
    monkeypatch.delenv("PYSPARK_PYTHON")
    require_python()


def test_a_python_that_is_not_fit_is_named(tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    bare = tmp_path / "bare" / "bin" / "python"
    other = script(tmp_path / "other", f"echo 3 9 {__version__}")
    mine = f"{sys.version_info.major} {sys.version_info.minor}"
    older = script(tmp_path / "older", f"echo {mine} 0.0.1")
    cases = {
        bare: "has no package 'airlock', or can't be started",
        tmp_path / "none": "can't be started",
        other: f"'3 9 {__version__}', expected '{mine} {__version__}'",
        older: f"'{mine} 0.0.1', expected '{mine} {__version__}'",
    }
    for python, said in cases.items():
        monkeypatch.setenv("PYSPARK_PYTHON", str(python))
        with pytest.raises(ConfigError) as caught:
            require_python()
        assert f"PYSPARK_PYTHON: '{python}'" in str(caught.value)
        assert said in str(caught.value)
        assert sys.executable in str(caught.value)


def test_another_interpreter_with_the_same_packages_is_fit(tmp_path, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", str(script(tmp_path / "python", f'exec {sys.executable} "$@"')))
    require_python()


def test_spark_submit_is_known_by_its_gateway(monkeypatch):
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert not submitted()
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "4711")
    assert submitted()


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (WORKER + "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
         "version: 3.9 than that in driver: 3.11", ConfigError, "executors run another Python than the driver's"),
        (WORKER + "ModuleNotFoundError: No module named 'airlock'", ConfigError, "executors have no module 'airlock'"),
        (WORKER + "ModuleNotFoundError: No module named 'pyarrow.parquet'", ConfigError, "no module 'pyarrow.parquet'"),
        ("Job aborted due to stage failure: Task 1 in stage 2.0 failed 4 times: Python worker exited unexpectedly (crashed)",
         TransientError, "the Spark stage failed (RuntimeError); finished splits are kept"),
        ("ValueError: can't parse 'Canary Jane Roe 1974'", TransientError, "the Spark stage failed"),
        ("ModuleNotFoundError: No module named 'Canary Jane Roe'", TransientError, "the Spark stage failed"),
    ],
)  # fmt: skip
def test_a_stage_that_failed_says_what_to_do_and_quotes_nothing(text, kind, said):
    error = _stage_error(RuntimeError(text))
    assert type(error) is kind
    assert said in str(error)
    assert "Canary" not in str(error)
