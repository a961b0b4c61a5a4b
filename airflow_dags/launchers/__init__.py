"""How the inner door is started: one launcher a file, each with its preflight. Imported by `factory`, the chosen one alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from airflow.sdk import BaseOperator

from airflow_dags.settings import Site
from airlock.types import label_of

__all__ = ["LAUNCH", "Job", "Launcher"]

LAUNCH = "{{ airlock_launch(dag_run) }}"
"""The launch's name, as Airflow fills it in for each run: `factory.launch_of`."""
RUN = "{{ airlock_run(dag_run) }}"
"""The run's id that follows from it."""


class Job(NamedTuple):
    """What is to be launched."""

    policy: Path
    dataset: str
    site: Site

    @property
    def name(self) -> str:
        """The policy's name: its file's, without the ending."""
        return self.policy.stem

    @property
    def labels(self) -> dict[str, str]:
        """What the run's pods are found by, as drivers label their executors."""
        return {"app.kubernetes.io/instance": RUN, "airlock.dev/run": RUN, "airlock.dev/dataset": label_of(self.dataset)}

    @property
    def environment(self) -> dict[str, str]:
        """All that a pinned template is told."""
        return {"JOB_POLICY": self.name, "JOB_NAME": LAUNCH}


class Launcher(NamedTuple):
    """The two tasks of a launcher."""

    preflight: Callable[[Job], BaseOperator]
    anonymize: Callable[[Job], BaseOperator]
