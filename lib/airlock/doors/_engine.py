"""Which runner carries out the tasks. Called by `anonymize`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from airlock.cluster.podtemplate import bound, read_template, to_text
from airlock.engines.bundles import bundled
from airlock.engines.frame import FrameBinding
from airlock.engines.local import run_local, stop_local
from airlock.engines.spark import is_local, require_python, run_spark, session, spark_ready, stop_spark, submitted
from airlock.engines.task import TaskResult
from airlock.errors import BoundaryError
from airlock.settings import Settings

__all__ = ["Runner", "choose_runner"]


@dataclass(frozen=True, slots=True)
class Runner:
    """Carries out splits of a task frame.

    Attributes:
        stop: Ends `run` from another thread: it raises TransientError.
        here: Whether tasks run on this machine.
    """

    run: Callable[[bytes, FrameBinding, Sequence[int]], Iterator[TaskResult]]
    stop: Callable[[], None]
    here: bool


@contextmanager
def choose_runner(
    engine: str,
    settings: Settings,
    sizes: Sequence[int],
    *,
    nodes: Sequence[str] = (),
    labels: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Runner]:
    """The runner that `engine` names; `auto` takes Spark where Java 17 is.

    Args:
        engine: `auto`, `local` or `spark`.
        settings: Of the inner door.
        sizes: Bytes of each split: Spark tasks carry out small ones together.
        nodes: On which executors may be, as preflight's verdict says; none: on whichever.
        labels: What executors are found by on Kubernetes: those of the process's first run, whose executors stay for the next.

    Raises:
        MissingCapabilityError: Spark was asked for and can't run.
        BoundaryError: A master that is not local, without a mounted executor key; or Spark Connect.
        ConfigError: `PYSPARK_PYTHON` names a Python that is not fit.
    """
    if engine == "local" or (engine == "auto" and spark_ready() is not None):
        workers = settings.number("workers")

        def local(sealed: bytes, binding: FrameBinding, indexes: Sequence[int]) -> Iterator[TaskResult]:
            return run_local(sealed, binding, indexes, workers=workers)

        yield Runner(local, stop_local, here=True)
        return
    if not submitted():  # before anything is started
        _require_fit(settings.require("master"), settings)
    master = settings.require("master")
    named = {f"spark.kubernetes.executor.label.{name}": value for name, value in labels.items()}
    spark = session(master, conf=_bound(settings, nodes) | named)
    if submitted():  # the session's master counts, not ours
        master = spark.conf.get("spark.master", "") or ""
        _require_fit(master, settings)

    def on_spark(sealed: bytes, binding: FrameBinding, indexes: Sequence[int]) -> Iterator[TaskResult]:
        return run_spark(spark, sealed, binding, bundled(indexes, sizes, target=settings.number("split_mib") << 20))

    yield Runner(on_spark, lambda: stop_spark(spark), here=is_local(master))


def _bound(settings: Settings, nodes: Sequence[str]) -> dict[str, str]:
    """Conf that binds executors to nodes: as a pod template, for a selector names one value alone."""
    template = settings.path("launch.executor_template")
    if template is None or not nodes:
        return {}
    made = (
        Path(tempfile.mkdtemp(prefix="airlock-")) / "executor.yaml"
    )  # read whenever an executor is made, to the end of the process
    made.write_text(to_text(bound(read_template(template), nodes)))
    return {"spark.kubernetes.executor.podTemplateFile": str(made)}


def _require_fit(master: str, settings: Settings) -> None:
    if "SPARK_REMOTE" in os.environ:
        raise BoundaryError(
            "SPARK_REMOTE asks for Spark Connect, whose server would hold the task frame's key; expected a driver of this run's own. "
            "Unset it"
        )
    if is_local(master):
        require_python()
    elif settings.path("keys.executor") is None:
        raise BoundaryError(
            f"executors under master '{master.partition(':')[0]}' have no way to the task frame's key. Mount one executor key file in "
            "driver and executors and name it in 'keys.executor'"
        )
