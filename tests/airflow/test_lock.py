"""Airflow's lock: it names the pins that the jobs have, so both could stand in one environment; and its types hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from tests.servers.airflow import environment

TOP = Path(__file__).parents[2]


def pinned(name):
    lines = re.findall(r"^(\S+==\S+).*\\\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+", (TOP / name).read_text(), re.MULTILINE)
    pins = [Requirement(line.rstrip("\\").strip()) for line in lines]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def test_every_line_is_a_pin_with_hashes_and_names_no_index():
    text = (TOP / "airflow_dags" / "requirements.txt").read_text()
    assert len(pinned("airflow_dags/requirements.txt")) == sum("==" in line for line in text.splitlines()) > 100
    assert "://" not in text


def test_what_both_have_is_pinned_to_one_version():
    """Each lock is whole, so where they agree the two together are one: the jobs and Airflow resolve together."""
    jobs, airflow = pinned("constraints.txt"), pinned("airflow_dags/requirements.txt")
    both = jobs.keys() & airflow.keys()
    assert {name: (jobs[name], airflow[name]) for name in both if jobs[name] != airflow[name]} == {}
    assert both >= {"kubernetes", "pyarrow", "pydantic", "cryptography", "boto3"}


def test_the_versions_are_those_that_the_dags_were_written_for():
    airflow = pinned("airflow_dags/requirements.txt")
    assert Version("3.3") <= Version(airflow["apache-airflow"]) < Version("3.4")
    assert Version(airflow["kubernetes"]) < Version("37")
    # The Spark provider's client writes the same files as the jobs' pyspark.
    assert Version(airflow["pyspark-client"]).release[:2] == Version(pinned("constraints.txt")["pyspark"]).release[:2]


def test_types_hold_against_airflows_own(require, tmp_path):
    """`make lint` can't look at them: Airflow is not in its environment."""
    require("airflow")
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--python-executable", environment() / "bin" / "python", "--cache-dir", tmp_path]
    done = subprocess.run([*command, "airflow_dags"], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
