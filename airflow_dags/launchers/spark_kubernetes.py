"""Launcher `spark-kubernetes`: a SparkApplication from a pinned file, for clusters with Kubeflow's Spark operator."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import BaseOperator

from airflow_dags.launchers import Job, Launcher
from airflow_dags.launchers._kubernetes import STARTUP, ByExitCode, preflight

__all__ = ["AnonymizeApplication", "launcher"]


class AnonymizeApplication(ByExitCode, SparkKubernetesOperator):
    """The application, whose arguments are told what the pod template's environment is told."""

    template_fields = [*SparkKubernetesOperator.template_fields, "environment", "own_labels"]  # noqa: RUF012 - as the provider declares it

    def __init__(self, *, environment: dict[str, str], own_labels: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.environment = environment
        self.own_labels = own_labels

    def manage_template_specs(self) -> dict[str, Any]:
        """The pinned file for this policy and this launch, which are its arguments: without a webhook the operator sets no environment."""
        body: dict[str, Any] = super().manage_template_specs()  # type: ignore[no-untyped-call]
        spec = body["spark"]["spec"]
        policy, launch = (self.environment[name] for name in ("JOB_POLICY", "JOB_NAME"))
        # The operator puts an application's labels on driver and executors.
        body["spark"]["metadata"].setdefault("labels", {}).update(self.own_labels)
        spec["arguments"] = [str(PurePosixPath(spec["arguments"][0]).with_name(f"{policy}.yaml")), "--launch", launch]
        return body


def _anonymize(job: Job) -> BaseOperator:
    site = job.site
    return AnonymizeApplication(
        task_id="anonymize",
        name=f"anonymize-{job.name}"[:40].rstrip("-"),
        # Found on the DAG's template path.
        application_file=Path(site.application_file).name,
        environment=job.environment,
        own_labels=job.labels,
        namespace=site.namespace,
        kubernetes_conn_id=site.kubernetes_conn_id,
        base_container_name=SparkKubernetesOperator.BASE_CONTAINER_NAME,
        # No logs and no events of the zones, as for `kubernetes-pod`.
        get_logs=False,
        log_events_on_startup=False,
        log_events_on_failure=False,
        do_xcom_push=False,
        startup_timeout_seconds=STARTUP,
        doc_md="The inner door as a SparkApplication, from the pinned file.",
    )


launcher = Launcher(preflight, _anonymize)
