"""Launcher `kubernetes-pod`: the driver's pod from a pinned template (KubernetesPodOperator), under Role `submit`."""

from __future__ import annotations

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import BaseOperator

from airflow_dags.launchers import Job, Launcher
from airflow_dags.launchers._kubernetes import STARTUP, ByExitCode, preflight

__all__ = ["AnonymizePod", "launcher"]


class AnonymizePod(ByExitCode, KubernetesPodOperator):
    """The driver's pod."""


def _anonymize(job: Job) -> BaseOperator:
    site = job.site
    return AnonymizePod(
        task_id="anonymize",
        pod_template_file=site.pod_template,
        env_vars=job.environment,
        labels=job.labels,
        base_container_name=site.container,
        namespace=site.namespace,
        kubernetes_conn_id=site.kubernetes_conn_id,
        # Role `submit` reads no logs and no events, and a sidecar is a second container, which admission refuses.
        get_logs=False,
        log_events_on_startup=False,
        log_events_on_failure=False,
        do_xcom_push=False,
        # A failed pod that stays, and that Role `submit` can't mark as seen to, would be taken for the next try's.
        on_finish_action="delete_pod",
        startup_timeout_seconds=STARTUP,
        termination_message_policy=None,  # type: ignore[arg-type]  # the template's
        doc_md="The inner door's driver, from the pinned template.",
    )


launcher = Launcher(preflight, _anonymize)
