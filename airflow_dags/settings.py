"""What a site says: section `[airlock]` of airflow.cfg, or AIRFLOW__AIRLOCK__NAME. Read without Airflow's database."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import conf

from airlock.errors import ConfigError

__all__ = ["LAUNCHERS", "Site", "load_site"]

LAUNCHERS = ("local", "spark-submit", "kubernetes-pod", "spark-kubernetes")
_SECTION = "airlock"
_TEMPLATES = Path(__file__).resolve().parents[1] / "k8s" / "launch"
"""The pinned templates of the clone that this folder is part of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where things are and how often they run; README.md has the table.

    Attributes:
        program: The command `airlock`.
        config: airlock.yaml of the inner door, where a command of it runs on the worker.
        observer: airlock.yaml of who looks at zone sanitized: no key, no raw zone.
        sanitized: Uri of zone sanitized, in the names of Assets.
        schedules: By dataset, where it has another than `schedule`.
        job_policies: Folder of the policies as the job of `spark-submit` sees it.
        container: Name of the driver's container in the pod template.
        preflight_pod: Whose readiness says that preflight's verdict is in force; empty: none (`spark-submit` off Kubernetes).
    """

    policies: Path
    program: tuple[str, ...]
    config: str
    observer: str
    sanitized: str
    launcher: str
    schedule: str | None
    schedules: dict[str, str | None]
    start_date: datetime
    retries: int
    retry_delay: timedelta
    poke_interval: timedelta
    preflight_timeout: timedelta
    release_timeout: timedelta
    namespace: str
    preflight_pod: str
    kubernetes_conn_id: str
    pod_template: str
    container: str
    application_file: str
    spark_conn_id: str
    spark_job: str
    spark_properties: str
    job_policies: str

    def schedule_of(self, dataset: str) -> str | None:
        """A dataset's own schedule, or everybody's."""
        return self.schedules.get(dataset, self.schedule)


def load_site() -> Site:
    """Read the section.

    Raises:
        ConfigError: Something is missing or wrong.
    """
    launcher = _text("launcher", "local")
    if launcher not in LAUNCHERS:
        raise ConfigError(f"[airlock] launcher is '{launcher}', expected one of {', '.join(LAUNCHERS)}")
    preflight_pod = _text("preflight_pod", "preflight-0")
    plans = launcher == "local" or (launcher == "spark-submit" and not preflight_pod)
    return Site(
        policies=Path(_required("policies")),
        program=tuple(shlex.split(_text("program", "airlock"))),
        config=_required("config") if plans else "",
        observer=_required("observer"),
        sanitized=_text("sanitized", "x-airlock://sanitized").rstrip("/"),
        launcher=launcher,
        schedule=_schedule(_text("schedule", "@daily")),
        schedules=_schedules(_text("schedules", "{}")),
        start_date=datetime.fromisoformat(_text("start_date", "2026-01-01")).replace(tzinfo=UTC),
        retries=int(_text("retries", "4")),
        retry_delay=_seconds("retry_delay", "60"),
        poke_interval=_seconds("poke_interval", "60"),
        preflight_timeout=_seconds("preflight_timeout", "1800"),
        release_timeout=_seconds("release_timeout", "21600"),
        namespace=_text("namespace", "pii-raw"),
        preflight_pod=preflight_pod,
        kubernetes_conn_id=_text("kubernetes_conn_id", "kubernetes_default"),
        pod_template=_text("pod_template", str(_TEMPLATES / "driver-pod.yaml")),
        container=_text("container", "driver"),
        application_file=_text("application_file", str(_TEMPLATES / "spark-application.yaml")),
        spark_conn_id=_text("spark_conn_id", "spark_default"),
        spark_job=_text("spark_job", "local:///opt/airlock/jobs/anonymize.py"),
        spark_properties=_text("spark_properties", ""),
        job_policies=_text("job_policies", "/etc/airlock/policies"),
    )


def _text(name: str, otherwise: str) -> str:
    return str(conf.get(_SECTION, name, fallback=otherwise))


def _required(name: str) -> str:
    found = _text(name, "")
    if not found:
        raise ConfigError(f"[airlock] {name} is not set. Set it in airflow.cfg, or AIRFLOW__AIRLOCK__{name.upper()}")
    return found


def _seconds(name: str, otherwise: str) -> timedelta:
    return timedelta(seconds=float(_text(name, otherwise)))


def _schedule(text: str) -> str | None:
    return None if text in ("", "none") else text


def _schedules(text: str) -> dict[str, str | None]:
    try:
        found = json.loads(text)
        return {dataset: _schedule(schedule or "") for dataset, schedule in found.items()}
    except (ValueError, AttributeError):
        raise ConfigError('[airlock] schedules is no JSON object, such as {"orders": "@hourly"}') from None
