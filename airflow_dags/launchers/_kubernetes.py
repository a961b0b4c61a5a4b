"""What the launchers on Kubernetes share: the standing preflight pod, and the driver's exit code as Airflow's decision."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from kubernetes.client.exceptions import ApiException

from airflow_dags.command import code_in, end
from airflow_dags.launchers import Job
from airflow_dags.tasks import AwaitPreflight

__all__ = ["STARTUP", "ByExitCode", "preflight"]

STARTUP = 600
"""Seconds in which a driver has to start; an image may have to come first."""

_log = logging.getLogger(__name__)


def preflight(job: Job) -> BaseOperator:
    """Waits for the pod that serves preflight's verdict."""
    site = job.site
    return AwaitPreflight(
        task_id="preflight",
        pod=site.preflight_pod,
        namespace=site.namespace,
        kubernetes_conn_id=site.kubernetes_conn_id,
        poke_interval=site.poke_interval,
        timeout=site.preflight_timeout,
        doc_md="Waits until preflight's pod is Ready: it has looked at the zones and serves its signed verdict.",
    )


class ByExitCode:
    """Stands before an operator that watches a pod: its container's exit code decides whether there is another try."""

    base_container_name: str

    def execute(self, context: Context) -> Any:
        """Watch it; an error that quotes an exit code is judged by that."""
        try:
            return super().execute(context)  # type: ignore[misc]
        except (AirflowFailException, AirflowSkipException):
            raise
        except AirflowException as error:
            end(code_in(str(error)), str(error))
            raise

    def patch_already_checked(self, pod: Any, *args: Any, **kwargs: Any) -> None:
        """Mark a pod as seen to, where that is allowed: Role `submit` may not, and the mark matters to pods alone that are kept."""
        try:
            super().patch_already_checked(pod, *args, **kwargs)  # type: ignore[misc]
        except ApiException as error:
            _log.info("pod %s is not marked: %s %s", pod.metadata.name, error.status, error.reason)

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Clean up as ever, then judge by the container's exit code. Airflow's provider calls it when the pod has ended."""
        try:
            super().cleanup(pod, remote_pod, *args, **kwargs)  # type: ignore[misc]
        except AirflowException as error:
            code = exit_code_of(remote_pod, self.base_container_name)
            if code:
                end(code, str(error).splitlines()[0])
            raise


def exit_code_of(pod: Any, container: str) -> int | None:
    """With what a container of a pod ended; None where that is not known."""
    found = [one.state.terminated for one in pod.status.container_statuses or () if one.name == container and one.state]
    return next((ended.exit_code for ended in found if ended is not None), None)
