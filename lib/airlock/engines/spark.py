"""The Spark runner: a task frame and `mapInArrow`, one `collect` a stage. The only home of pyspark.

Rows never enter the JVM: a Spark task gets a number, runs the same `run_sealed`, and gives one row of result back. Uses no RDD and
no `_jvm` call.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airlock import __version__
from airlock.engines.frame import FrameBinding
from airlock.engines.task import TaskResult, run_sealed
from airlock.errors import AirlockError, ConfigError, MissingCapabilityError, TransientError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "is_local",
    "java_version",
    "require_python",
    "run_spark",
    "session",
    "spark_ready",
    "spark_submit",
    "stop_spark",
    "submitted",
]

_JAVA = 17
_LOCAL = re.compile(r"local(?:\[(?P<cores>\d+|\*)(?P<failures>,\s*\d+)?\])?")
_FAILURES = 4
"""How often a task may fail under a local master: as under any other."""

_SAY = "import sys, airlock, airlock.engines.task; print(*sys.version_info[:2], airlock.__version__)"
_RESULT = "split int, name string, code string, transient boolean, detail string, files array<string>, column string"


def java_version() -> int | None:
    """The major version of the Java that Spark would start; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")  # noqa: PTH118 - JAVA_HOME is text
    if not java:
        return None
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', said)
    return int(found.group(1)) if found else None


def spark_ready() -> str | None:
    """Why Spark can't run here; None where it can."""
    try:
        import pyspark  # noqa: F401, PLC0415
    except ImportError:
        return "pyspark is not installed: pip install 'airlock[spark]'"
    found = java_version()
    if found is None or found < _JAVA:
        return f"Java {_JAVA} or newer is needed, found {found or 'none'}: apt-get install openjdk-17-jre-headless, or set JAVA_HOME"
    return None


def spark_submit() -> Path:
    """The program that submits, of this installation's Spark.

    Raises:
        MissingCapabilityError: pyspark or Java 17 is missing.
    """
    missing = spark_ready()
    if missing is not None:
        raise MissingCapabilityError(missing)
    import pyspark  # noqa: PLC0415

    return Path(pyspark.__path__[0]) / "bin" / "spark-submit"


def submitted() -> bool:
    """Whether spark-submit started this process: then its master counts, its session is there, and its log settings hold."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def is_local(master: str) -> bool:
    """Whether tasks run on this machine, as this user: `local-cluster` does not count, its executors are processes of their own.

    Example:
        >>> [is_local(master) for master in ("local", "local[2,4]", "local-cluster[2,1,1024]", "k8s://https://api:443")]
        [True, True, False, False]
    """
    return _LOCAL.fullmatch(master) is not None


def _retrying(master: str) -> str:
    """A local master that retries tasks, which Spark's own do not unless told; any other as it is."""
    found = _LOCAL.fullmatch(master)
    if found is None or found["failures"]:
        return master
    return f"local[{found['cores'] or 1},{_FAILURES}]"


def require_python() -> None:
    """Make sure that the Python which local tasks will run is of this version and has this package.

    Raises:
        ConfigError: `PYSPARK_PYTHON` names one that is not fit.
    """
    chosen = os.environ.get("PYSPARK_PYTHON") or sys.executable
    if chosen == sys.executable:
        return
    found, expected = _asked(chosen), f"{sys.version_info.major} {sys.version_info.minor} {__version__}"
    if found != expected:
        said = (
            f"says Python and airlock are '{found}', expected '{expected}'"
            if found
            else "has no package 'airlock', or can't be started"
        )
        raise ConfigError(f"PYSPARK_PYTHON: '{chosen}' {said}. Unset it, or set it to this program's own: {sys.executable}")


def _asked(python: str) -> str | None:
    try:
        done = subprocess.run([python, "-c", _SAY], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - as set
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def session(
    master: str | None, *, application: str = "airlock", conf: Mapping[str, str] = MappingProxyType({})
) -> SparkSession:
    """The session to run in: the active one under spark-submit, else a new one; `conf` is what this run says besides.

    Raises:
        MissingCapabilityError: pyspark or Java 17 is missing.
        TransientError: Spark did not start: its conf is wrong, or the cluster does not answer.
    """
    missing = spark_ready()
    if missing is not None:
        raise MissingCapabilityError(missing)
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # Executors take `python3` from PATH unless told, which may lack every package.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(application).config("spark.ui.showConsoleProgress", "false")
    if master and not submitted():
        quiet = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
        builder = builder.master(_retrying(master)).config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.extraJavaOptions", quiet)
    for name, value in conf.items():
        builder = builder.config(name, value)
    # The pickled function and the frame stay out of plan strings.
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415

    try:
        return builder.config("spark.sql.maxPlanStringLength", "4096").getOrCreate()
    except Py4JJavaError as error:  # before any data are read: its text is of conf and cluster alone
        causes = [line.removeprefix(": ") for line in str(error).splitlines() if line.startswith((": ", "Caused by: "))]
        raise TransientError(
            f"Spark did not start: {' / '.join(causes)[:500]}. Correct its conf where that is named, else run again"
        ) from None


def run_spark(
    spark: SparkSession, sealed: bytes, binding: FrameBinding, bundles: Sequence[Sequence[int]]
) -> Iterator[TaskResult]:
    """Run splits as one Spark stage; results come when all are done.

    Args:
        spark: A session under a `local[n]` or cluster master.
        sealed: The task frame.
        binding: What it is bound to; its executor key file must be readable on every executor.
        bundles: Which splits, by Spark task.

    Raises:
        TransientError: The stage failed as a whole: workers were killed too often, say.
        ConfigError: Executors run a Python that is not fit.
    """
    chosen = [list(bundle) for bundle in bundles]

    def carry_out(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            results = [run_sealed(sealed, binding, index) for at in batch.column(0) for index in chosen[at.as_py()]]
            yield pa.RecordBatch.from_pylist([_row(result) for result in results], schema=_arrow_result())

    from py4j.protocol import Py4JError  # noqa: PLC0415
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        rows = spark.range(0, len(chosen), 1, len(chosen)).mapInArrow(carry_out, _RESULT).collect()
    # Of killed workers py4j tells, of a killed JVM the broken connection.
    except (PySparkException, Py4JError, OSError, EOFError) as error:
        raise _stage_error(error) from None
    for row in rows:
        data = row.asDict()
        yield TaskResult(**(data | {"files": tuple(data["files"])}))


def stop_spark(spark: SparkSession) -> None:
    """End what `run_spark` does at once, from another thread: it raises TransientError. A stage that has not begun yet is not stopped."""
    spark.interruptAll()


def _row(result: TaskResult) -> dict[str, Any]:
    return asdict(result) | {"files": list(result.files)}


def _arrow_result() -> pa.Schema:
    return pa.schema(
        [
            ("split", pa.int32()),
            ("name", pa.string()),
            ("code", pa.string()),
            ("transient", pa.bool_()),
            ("detail", pa.string()),
            ("files", pa.list_(pa.string())),
            ("column", pa.string()),
        ]
    )


def _stage_error(error: Exception) -> AirlockError:
    """A stage that failed as a whole: our tasks return codes, so this is Spark's or the executors' doing. Its text may quote data."""
    said = str(error)
    if "PYTHON_VERSION_MISMATCH" in said:
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return ConfigError(f"executors run another Python than the driver's {here}; set PYSPARK_PYTHON to the same on both")
    absent = re.search(r"ModuleNotFoundError: No module named '([A-Za-z0-9_.]{1,64})'", said)
    if absent:
        return ConfigError(
            f"executors have no module '{absent[1]}'; install airlock in their Python, or set PYSPARK_PYTHON to one that has it"
        )
    return TransientError(
        f"the Spark stage failed ({type(error).__name__}); finished splits are kept. Run again; Spark's log says more"
    )
