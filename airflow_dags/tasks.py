"""The tasks that are the same whatever launches the inner door: a command, waiting for preflight and release, the Asset's event."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, BaseOperator, BaseSensorOperator, Context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_dags.command import call, end

__all__ = ["Announce", "AwaitPreflight", "AwaitRelease", "RunCommand"]

_TEMPORARY = 75
_TOLD = (
    "dataset", "run", "state", "sequence", "policy_sha256", "rows_in", "rows_out", "suppressed", "rejected", "files",
    "verdict", "waived", "not_proven", "separation", "isolation", "signed_at", "data", "evidence",
)  # fmt: skip
"""What an event says, of what `airlock runs outcome` found signed."""


class RunCommand(BaseOperator):
    """One command on the worker. Its XCom is the result in the closing JSON line: names and counts."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.command = list(command)
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run it. Raises as `end` does."""
        del context
        ended = call(self.command, self._keep)
        end(ended.code, f"{self.task_id}: {ended.result.get('code', 'ended')}")
        return ended.result

    def _keep(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def on_kill(self) -> None:
        """End the command: finished splits stay, and the next try goes on from them."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()


class AwaitPreflight(BaseSensorOperator):
    """Waits until the pod that serves preflight's verdict is Ready. It asks for that pod and nothing else."""

    def __init__(self, *, pod: str, namespace: str, kubernetes_conn_id: str, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.pod, self.namespace, self.kubernetes_conn_id = pod, namespace, kubernetes_conn_id

    def poke(self, context: Context) -> bool:
        """Whether it is Ready."""
        del context
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook  # noqa: PLC0415 - a second of every parse
        from kubernetes.client.exceptions import ApiException  # noqa: PLC0415 - the same

        client = KubernetesHook(conn_id=self.kubernetes_conn_id).core_v1_client
        try:
            status = client.read_namespaced_pod(self.pod, self.namespace).status
        except ApiException as error:
            self.log.info("pod %s/%s: %s %s", self.namespace, self.pod, error.status, error.reason)
            return False
        ready = any(one.type == "Ready" and one.status == "True" for one in status.conditions or ())
        self.log.info("pod %s/%s is %sready", self.namespace, self.pod, "" if ready else "not ")
        return ready


class AwaitRelease(BaseSensorOperator):
    """Waits until zone sanitized holds this run's release, by the outer door's signed pointer. It starts and asks nobody.

    Skips where a run begun later is out already: this one never will be. Fails for good where the run was refused or revoked, as far as
    the observer's configuration lets that be seen.
    """

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: Sequence[str], **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.command = list(command)

    def poke(self, context: Context) -> bool:
        """Whether it is out. Raises as `end` does."""
        ended = call([*self.command, "--staged-by", _begun(context).strftime("%Y-%m-%dT%H:%M:%S")])
        if ended.code == _TEMPORARY:
            return False
        end(ended.code, f"the release: {ended.result.get('code', 'ended')}")
        if ended.result["state"] == "overtaken":
            raise AirflowSkipException(f"run '{ended.result['current']}', begun later, is released already")
        return True


def _begun(context: Context) -> datetime:
    """When this sensor first looked, which is after the run was staged; the next full second, for a run of the same one has not passed it."""
    instance = context["ti"]
    moment: datetime = instance.get_first_reschedule_date(context) or instance.start_date
    return moment.astimezone(UTC) + timedelta(seconds=1)


class Announce(BaseOperator):
    """Emits the Asset's event. It verifies anew instead of believing what an earlier task left in Airflow's database."""

    template_fields: Sequence[str] = ("command",)

    def __init__(self, *, command: Sequence[str], asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.command, self.asset = list(command), asset

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once and tell. Raises as `end` does."""
        ended = call(self.command)
        end(ended.code, f"the release: {ended.result.get('code', 'ended')}")
        extra = {name: ended.result[name] for name in _TOLD}
        context["outlet_events"][self.asset].extra = extra
        return extra
