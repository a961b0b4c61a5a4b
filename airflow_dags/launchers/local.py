"""Launcher `local`: the worker is the inner door's machine, as in demos and on a single server."""

from __future__ import annotations

from airflow.sdk import BaseOperator

from airflow_dags.launchers import LAUNCH, Job, Launcher
from airflow_dags.tasks import RunCommand

__all__ = ["launcher", "plan"]


def plan(job: Job, config: str) -> BaseOperator:
    """Whether the policy fits its source: looks at footers and a sample, needs no key, writes nothing."""
    return RunCommand(
        task_id="preflight",
        command=(*job.site.program, "--config", config, "plan", str(job.policy)),
        doc_md="Holds the policy against its source; nothing is written.",
    )


def _preflight(job: Job) -> BaseOperator:
    return plan(job, job.site.config)


def _anonymize(job: Job) -> BaseOperator:
    return RunCommand(
        task_id="anonymize",
        command=(*job.site.program, "--config", job.site.config, "anonymize", str(job.policy), "--launch", LAUNCH),
        doc_md="The inner door, on this worker.",
    )


launcher = Launcher(_preflight, _anonymize)
