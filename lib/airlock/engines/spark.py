"""The Spark runner: a task frame and `mapInArrow`, one `collect` a stage. The only home of pyspark.

Rows never enter the JVM: a Spark task gets a number, runs the same `run_task`, and gives one row of result back. Uses no RDD and
no `_jvm` call.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airlock.engines.frame import FrameBinding, open_frame
from airlock.engines.task import TaskResult, run_task
from airlock.errors import AirlockError, ConfigError, MissingCapabilityError, TransientError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["java_version", "run_spark", "session", "spark_ready"]

_JAVA = 17
_RESULT = "split int, name string, code string, transient boolean, detail string, files array<string>"


def java_version() -> int | None:
    """The major version of the Java that Spark would start; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = os.path.join(home, "bin", "java") if home else shutil.which("java")  # noqa: PTH118 - JAVA_HOME is text
    if not java:
        return None
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr  # noqa: S603
    except OSError:
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


def session(master: str | None, *, application: str = "airlock") -> SparkSession:
    """The session to run in: the active one under spark-submit, else a new one.

    Raises:
        MissingCapabilityError: pyspark or Java 17 is missing.
    """
    missing = spark_ready()
    if missing is not None:
        raise MissingCapabilityError(missing)
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # Executors take `python3` from PATH unless told, which may lack every package.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(application).config("spark.ui.showConsoleProgress", "false")
    if master and "SPARK_ENV_LOADED" not in os.environ:
        quiet = f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}"
        builder = builder.master(master).config("spark.ui.enabled", "false").config("spark.driver.extraJavaOptions", quiet)
    # The pickled function and the frame stay out of plan strings.
    return builder.config("spark.sql.maxPlanStringLength", "4096").getOrCreate()


def run_spark(
    spark: SparkSession, sealed: bytes, binding: FrameBinding, bundles: Sequence[Sequence[int]]
) -> Iterator[TaskResult]:
    """Run splits as one Spark stage.

    Args:
        spark: A session under a `local[n]` or cluster master.
        sealed: The task frame.
        binding: What it is bound to; its executor key file must be readable on every executor.
        bundles: Which splits, by Spark task.
    """
    chosen = [list(bundle) for bundle in bundles]

    def carry_out(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        frame = open_frame(sealed, binding)
        for batch in batches:
            results = [run_task(frame, index) for at in batch.column(0) for index in chosen[at.as_py()]]
            yield pa.RecordBatch.from_pylist([_row(result) for result in results], schema=_arrow_result())

    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        rows = spark.range(0, len(chosen), 1, len(chosen)).mapInArrow(carry_out, _RESULT).collect()
    except PySparkException as error:
        raise _stage_error(error) from None
    for row in rows:
        data = row.asDict()
        yield TaskResult(**(data | {"files": tuple(data["files"])}))


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
        ]
    )


def _stage_error(error: Exception) -> AirlockError:
    """A stage that failed as a whole: our tasks return codes, so this is Spark's or the executors' doing. Its text may quote data."""
    if "PYTHON_VERSION_MISMATCH" in str(error) or "PySparkRuntimeError: [PYTHON" in str(error):
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return ConfigError(f"executors run another Python than the driver's {here}; set PYSPARK_PYTHON to the same on both")
    if "ModuleNotFoundError: No module named 'airlock'" in str(error):
        return ConfigError(
            "executors have no package 'airlock'; install it in their Python, or set PYSPARK_PYTHON to one that has it"
        )
    return TransientError(
        f"the Spark stage failed ({type(error).__name__}); finished splits are kept. Run again; Spark's log says more"
    )
