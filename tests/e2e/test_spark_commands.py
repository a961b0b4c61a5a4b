"""Spark as users and schedulers start it: spark-submit and its exit codes, executors of their own, a Python that is not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import make_people
from tests.e2e._spark import QUICK, WORKER

from airlock.keys import create_executor_key_file

pytestmark = [pytest.mark.spark, pytest.mark.slow]

TOP = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _java(require):
    require("java")


def submit(made, job, *arguments, python=sys.executable, options=()):
    """`spark-submit jobs/JOB.py` with nothing of ours on PATH: PYSPARK_PYTHON says which Python."""
    program = Path(sys.executable).with_name("spark-submit")
    environment = {
        "JAVA_TOOL_OPTIONS": QUICK,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(made.root),
        "PYSPARK_DRIVER_PYTHON": str(python),
    }
    environment |= {name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ}
    environment |= {"PYSPARK_PYTHON": sys.executable} if python == sys.executable else {"SPARK_HOME": spark_home()}
    command = [str(program), "--master", "local[2,4]", *options, str(TOP / "jobs" / f"{job}.py")]
    return subprocess.run(
        [*command, *map(str, arguments), "--config", str(made.config)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=made.root,
    )


def spark_home():
    import pyspark

    return str(Path(pyspark.__file__).parent)


def last_line(done):
    return json.loads(done.stdout.splitlines()[-1])


def test_jobs_bring_exit_code_and_summary_to_the_caller(project):
    made = project(files=2)
    done = submit(made, "anonymize", made.policy())
    assert done.returncode == 0, done.stderr
    said = last_line(done)
    assert (said["verb"], said["exit_code"], said["results"][0]["rows"]) == ("anonymize", 0, 40)
    released = submit(made, "release", made.policy())
    assert released.returncode == 0, released.stderr
    assert (last_line(released)["verb"], last_line(released)["results"][0]["state"]) == ("release", "released")
    # What fails before Spark's session: a column more, a policy that is none.
    made.write(make_people(5).append_column("mother_name", pa.array(["Canaryname"] * 5)), "000.parquet")
    drifted = submit(made, "anonymize", made.policy())
    assert (drifted.returncode, last_line(drifted)["results"][0]["code"]) == (3, "unclassified-column"), drifted.stderr
    assert "Canaryname" not in drifted.stderr + drifted.stdout
    made.policy().write_text("apiVersion: airlock/v1\ndataset: people\n")
    broken = submit(made, "anonymize", made.policy())
    assert (broken.returncode, last_line(broken)["exit_code"]) == (2, 2), broken.stderr


def test_a_python_without_airlock_is_named(project, airlock, tmp_path):
    """As driver, by spark-submit; as worker, by the environment, before Spark starts."""
    made = project(files=1)
    venv.create(tmp_path / "bare", with_pip=False)
    bare = tmp_path / "bare" / "bin" / "python"
    done = submit(made, "anonymize", made.policy(), python=bare)
    assert done.returncode == 2
    # spark-submit puts the program's stderr into its own stdout.
    assert f"{bare} has no module 'airlock'. Set PYSPARK_PYTHON" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    told = airlock("anonymize", made.policy(), "--engine", "spark", project=made, env={"PYSPARK_PYTHON": str(bare)})
    assert (told.code, told.summary["results"][0]["code"]) == (2, "config-invalid")
    assert f"PYSPARK_PYTHON: '{bare}' has no package 'airlock'" in told.err


def test_executors_of_their_own_open_frames_with_the_mounted_key_and_one_may_die(project, airlock, tmp_path):
    made = project(files=3)
    master = ("--engine", "spark", "--master", "local-cluster[2,1,1024]")
    refused = airlock("anonymize", made.policy(), *master, project=made)
    assert (refused.code, refused.summary["results"][0]["code"]) == (3, "boundary"), refused.err
    assert "executors under master 'local-cluster[2,1,1024]'" in refused.err
    made.config.write_text(
        made.config.read_text().replace("keys: {", f"keys: {{executor: {create_executor_key_file(tmp_path)}, ")
    )
    orders = tmp_path / "orders.json"
    orders.write_text(json.dumps([{"do": "kill executor", "place": r"link .*/private/people/splits/.*\.json", "first": 1}]))
    env = {
        "JAVA_TOOL_OPTIONS": QUICK,
        "WORKER_ORDERS": str(orders),
        "PYTHONPATH": str(WORKER),
        "SPARK_LOCAL_DIRS": str(tmp_path),
        "SPARK_WORKER_DIR": str(tmp_path),
    }
    done = airlock("anonymize", made.policy(), *master, "--run", "run", project=made, env=env)
    assert done.code == 0, done.err
    assert len(list(tmp_path.glob("orders.json.done.*"))) == 1
    (result,) = done.summary["results"]
    assert (result["rows"], result["splits"]) == (60, 3)
    files = list((made.root / "staging" / "people" / "run" / "data").iterdir())
    ids = [row for file in files for row in pq.read_table(file).column("id").to_pylist()]
    assert len(ids) == len(set(ids)) == 60
