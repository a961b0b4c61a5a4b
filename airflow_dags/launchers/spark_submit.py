"""Launcher `spark-submit`: for sites that submit, to Kubernetes or to another master; the Spark connection says where.

On Kubernetes spark-submit makes the driver and ends: its pod is followed, and the exit code is that of the driver's container.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from airflow_dags.command import code_in, end
from airflow_dags.launchers import LAUNCH, Job, Launcher
from airflow_dags.launchers._kubernetes import preflight
from airflow_dags.launchers.local import plan

__all__ = ["AnonymizeSubmit", "launcher"]


class AnonymizeSubmit(SparkSubmitOperator):
    """The job; the exit code that spark-submit tells decides whether there is another try."""

    def execute(self, context: Context) -> Any:
        """Submit and wait."""
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
        track_driver_via_k8s_api=bool(site.preflight_pod),
        doc_md="The inner door under spark-submit.",
    )


launcher = Launcher(_preflight, _anonymize)
