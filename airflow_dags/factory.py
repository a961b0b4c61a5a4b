"""From a policy's heading and a site's settings to a DAG: preflight >> anonymize >> await_release >> announce. Called by `dags`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from airflow.sdk import DAG, Asset, BaseOperator, chain

from airflow_dags.launchers import LAUNCH, Job, Launcher
from airflow_dags.settings import Site
from airflow_dags.tasks import Announce, AwaitRelease
from airlock.policy.heading import Heading
from airlock.types import run_id_of

__all__ = ["asset_of", "dag_id_of", "launch_of", "make_dag"]

_LONGEST_DELAY = timedelta(minutes=30)


class DagRun(Protocol):
    """What a launch's name is made of."""

    dag_id: str
    run_id: str
    logical_date: datetime | None
    data_interval_start: datetime | None
    data_interval_end: datetime | None


def dag_id_of(dataset: str) -> str:
    """The DAG of a dataset, and its Asset's name."""
    return f"airlock-{dataset}"


def asset_of(heading: Heading, site: Site) -> Asset:
    """What other teams schedule on."""
    return Asset(name=dag_id_of(heading.dataset), uri=f"{site.sanitized}/{heading.sink}")


def launch_of(dag_run: DagRun) -> str:
    """The launch's name: the same for every retry and every clearing, another for every data interval.

    A run that was triggered without a date has no interval: its own id stands for it.
    """
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    if start is not None and end is not None:
        return f"{dag_run.dag_id}/{_utc(start)}/{_utc(end)}"
    return f"{dag_run.dag_id}/{_utc(dag_run.logical_date) if dag_run.logical_date else dag_run.run_id}"


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def make_dag(policy: Path, heading: Heading, site: Site) -> DAG:
    """The DAG of one policy."""
    with (
        DAG(
            dag_id_of(heading.dataset),
            schedule=site.schedule_of(heading.dataset),
            start_date=site.start_date,
            catchup=False,
            max_active_runs=1,  # runs of one dataset would wait for its lease
            default_args=_every_task(heading, site),
            description=f"{heading.dataset}: {heading.purpose}"[:200],
            doc_md=_document(policy, heading, site),
            tags={"airlock", site.launcher},
            user_defined_macros={
                "airlock_launch": launch_of,
                "airlock_run": lambda dag_run: run_id_of(heading.dataset, launch_of(dag_run)),
            },
            template_searchpath=[str(Path(site.application_file).parent)],
        ) as dag
    ):
        chain(*_tasks(policy, heading, site))
    return dag


def _tasks(policy: Path, heading: Heading, site: Site) -> list[BaseOperator]:
    launcher: Launcher = import_module(f"airflow_dags.launchers.{site.launcher.replace('-', '_')}").launcher
    job = Job(policy, heading.dataset, site)
    look = (*site.program, "--config", site.observer, "runs", "outcome", str(policy), "--launch", LAUNCH)
    return [
        launcher.preflight(job),
        launcher.anonymize(job),
        AwaitRelease(
            task_id="await_release",
            command=look,
            poke_interval=site.poke_interval,
            timeout=site.release_timeout,
            doc_md="Waits for the outer door's signed pointer in zone sanitized.",
        ),
        Announce(
            task_id="announce",
            command=look,
            asset=asset_of(heading, site),
            doc_md="Verifies the evidence anew and emits the Asset's event with it.",
        ),
    ]


def _every_task(heading: Heading, site: Site) -> dict[str, Any]:
    return {
        "owner": heading.owner,
        "retries": site.retries,
        "retry_delay": site.retry_delay,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": _LONGEST_DELAY,
    }


def _document(policy: Path, heading: Heading, site: Site) -> str:
    return f"""\
Anonymizes **{heading.dataset}** by `{policy.name}` (launcher `{site.launcher}`) and waits for its release at `{heading.sink}`.

Purpose: {heading.purpose}. Owner: {heading.owner}.

Airflow starts the inner door and only watches the outer one: what is released, the gate decides. A run of one data interval is one run,
however often it is retried or cleared; trigger the DAG anew for another. What was refused (exit code 3) is not retried: mend policy or data
and trigger anew.
"""
