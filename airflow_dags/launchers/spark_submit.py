"""Launcher `spark-submit`: for sites that submit, to Kubernetes or to another master; the Spark connection says where.

On Kubernetes spark-submit stays until the driver's pod has ended, and says its container's exit code in its log, where the provider reads it. (Its other
way, to ask the API server itself, finds drivers of a namespace named `spark` alone.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from airflow_dags.command import code_in, end
from airflow_dags.launchers import LAUNCH, Job, Launcher
from airflow_dags.launchers._kubernetes import preflight
from airflow_dags.launchers.local import plan

__all__ = ["AnonymizeSubmit", "launcher"]


_LOG = Path(__file__).with_name("spark_submit.log4j2.properties")
_OPTIONS = "SPARK_SUBMIT_OPTS"


class AnonymizeSubmit(SparkSubmitOperator):
    """The job; the exit code that spark-submit tells decides whether there is another try."""

    def execute(self, context: Context) -> Any:
        """Submit and wait."""
        given = os.environ.get(_OPTIONS, "")
        if "log4j2.configurationFile" not in given:  # a task has a process of its own
            os.environ[_OPTIONS] = f"{given} -Dlog4j2.configurationFile=file:{_LOG}".strip()
        try:
            return super().execute(context)
        except (AirflowException, RuntimeError) as error:
            end(code_in(str(error)), str(error))
            raise


def _preflight(job: Job) -> BaseOperator:
    """Off Kubernetes no pod serves a verdict: then the worker holds the policy against its source, if it may see that."""
    return preflight(job) if job.site.preflight_pod else plan(job, job.site.config)


def _anonymize(job: Job) -> BaseOperator:
    site = job.site
    return AnonymizeSubmit(
        task_id="anonymize",
        application=site.spark_job,
        application_args=[f"{site.job_policies}/{job.policy.name}", "--launch", LAUNCH],
        conn_id=site.spark_conn_id,
        properties_file=site.spark_properties or None,
        name=f"anonymize-{job.name}",
        conf={"spark.kubernetes.submission.waitAppCompletion": "true"} if site.preflight_pod else None,
        doc_md="The inner door under spark-submit.",
    )


launcher = Launcher(_preflight, _anonymize)
