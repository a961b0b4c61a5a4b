"""Answers questions about our DAGs, in a process of Airflow's own environment: one JSON line each. Started by `tests/servers/airflow.py`."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

HEAVY = (
    "pyarrow",
    "pyspark",
    "pandas",
    "numpy",
    "presidio_analyzer",
    "boto3",
    "duckdb",
    "faker",
    "spacy",
    "airlock.policy.model",
)
KUBERNETES = "kubernetes"


def bag():
    from airflow.dag_processing.dagbag import BundleDagBag

    dags = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    return BundleDagBag(dag_folder=dags, bundle_path=Path(dags), bundle_name="dags-folder")


def parse():
    """What Airflow reads from the folder, how long that takes, and which libraries it loads."""
    import airflow.dag_processing.dagbag
    import airflow.sdk

    airflow.sdk.DAG  # noqa: B018 - imported when it is first named
    before = set(sys.modules)
    began = time.process_time()
    found = bag()
    took = time.process_time() - began
    again = time.process_time()
    bag()
    return {
        "errors": found.import_errors,
        "warnings": [line for lines in found.captured_warnings.values() for line in lines],
        "files": sorted(Path(one.file).name for one in found.dagbag_stats),
        "seconds": took,
        "again": time.process_time() - again,
        "loaded": sorted(name for name in (*HEAVY, KUBERNETES) if name in sys.modules and name not in before),
        "dags": {name: described(dag) for name, dag in found.dags.items()},
    }


def described(dag):
    (asset,) = dag.get_task("announce").outlets
    return {
        "schedule": getattr(dag.schedule, "expression", dag.schedule),
        "owner": dag.owner,
        "tags": sorted(dag.tags),
        "doc": dag.doc_md,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "asset": {"name": asset.name, "uri": asset.uri},
        "tasks": [[task.task_id, sorted(task.downstream_task_ids)] for task in dag.topological_sort()],
        "docs": all(task.doc_md for task in dag.tasks),
        "modes": {task.task_id: task.mode for task in dag.tasks if hasattr(task, "mode")},
    }


def launches(runs):
    """The names of launches of runs of a DAG."""
    from airflow_dags.factory import launch_of

    fields = ("logical_date", "data_interval_start", "data_interval_end")
    moments = [{name: datetime.fromisoformat(run[name]) if run.get(name) else None for name in fields} for run in runs]
    return [
        launch_of(SimpleNamespace(dag_id="airlock-x", run_id=run.get("run_id", ""), **moment))
        for run, moment in zip(runs, moments, strict=True)
    ]


def rendered(task_id):
    """A task of the only DAG as it would run: what it is, and its templated fields."""
    (dag,) = bag().dags.values()
    task = dag.get_task(task_id)
    return type(task).__name__, task, _render(dag, task)


def _render(dag, task):
    moment = datetime(2026, 11, 2, tzinfo=UTC)
    dag_run = SimpleNamespace(
        dag_id=dag.dag_id,
        run_id="scheduled",
        conf={},
        logical_date=moment,
        data_interval_start=moment,
        data_interval_end=moment,
    )
    instance = SimpleNamespace(dag_id=dag.dag_id, task_id=task.task_id, run_id="scheduled", map_index=-1, try_number=1)
    context = {"dag": dag, "dag_run": dag_run, "run_id": "scheduled", "ti": instance, "task_instance": instance}
    task.resolve_template_files()
    task.render_template_fields(context)
    return context


def pod():
    """The pod that launcher `kubernetes-pod` would make."""
    from kubernetes.client import ApiClient

    kind, task, context = rendered("anonymize")
    return {"operator": kind, "pod": ApiClient().sanitize_for_serialization(task.build_pod_request_obj(context, dry_run=True))}


def application():
    """The SparkApplication that launcher `spark-kubernetes` would make."""
    kind, task, _ = rendered("anonymize")
    return {"operator": kind, "body": task.template_body["spark"], "namespace": task.namespace}


def submit():
    """The command that launcher `spark-submit` would run."""
    from airflow.sdk import Connection

    kind, task, _ = rendered("anonymize")
    os.environ["AIRFLOW_CONN_SPARK_DEFAULT"] = Connection(
        conn_id="spark_default",
        conn_type="spark",
        host="k8s://https://192.0.2.1:6443",
        extra='{"deploy-mode": "cluster", "namespace": "pii-raw"}',
    ).as_json()
    hook = task._get_hook()
    return {"operator": kind, "command": hook._build_spark_submit_command(task.application)}


def preflight():
    """What the preflight task of the launcher is, and what it says of pods in several states."""
    from unittest.mock import patch

    from kubernetes.client import V1Pod, V1PodCondition, V1PodStatus
    from kubernetes.client.exceptions import ApiException

    kind, task, context = rendered("preflight")
    asked = []

    def found(conditions):
        def read_namespaced_pod(name, namespace):
            asked.append([name, namespace])
            if conditions is None:
                raise ApiException(status=404, reason="Not Found")
            return V1Pod(status=V1PodStatus(conditions=[V1PodCondition(type=a, status=b) for a, b in conditions]))

        return SimpleNamespace(core_v1_client=SimpleNamespace(read_namespaced_pod=read_namespaced_pod))

    said = []
    for conditions in (None, [], [("Ready", "False")], [("PodScheduled", "True"), ("Ready", "True")]):
        with patch("airflow.providers.cncf.kubernetes.hooks.kubernetes.KubernetesHook", lambda conn_id, c=conditions: found(c)):
            said.append(task.poke(context))
    return {"operator": kind, "mode": task.mode, "said": said, "asked": asked}


def ends(codes):
    """By exit code: the exception that a task raises, or None."""
    from airflow_dags.command import end

    return {code: _raised(end, code, "x") for code in codes}


def pod_ends(codes):
    """By a driver's exit code (None: not known): what watching its pod raises."""
    from kubernetes.client import (
        V1ContainerState,
        V1ContainerStateTerminated,
        V1ContainerStatus,
        V1ObjectMeta,
        V1Pod,
        V1PodStatus,
    )
    from kubernetes.client.exceptions import ApiException

    _, task, _ = rendered("anonymize")
    # What would ask the API server, of this one operator: it is read anew for each question.
    for name in ("is_istio_enabled", "process_pod_deletion"):
        object.__setattr__(task, name, lambda *_, **__: False)

    def patch_namespaced_pod(*_, **__):
        raise ApiException(status=403, reason="Forbidden")  # as Role `submit` has it

    task.client = SimpleNamespace(patch_namespaced_pod=patch_namespaced_pod)

    def ended(code):
        state = V1ContainerState() if code is None else V1ContainerState(terminated=V1ContainerStateTerminated(exit_code=code))
        statuses = [
            V1ContainerStatus(name=task.base_container_name, state=state, image="i", image_id="i", ready=False, restart_count=0)
        ]
        phase = "Succeeded" if code == 0 else "Failed"
        return V1Pod(
            metadata=V1ObjectMeta(name="driver", namespace="pii-raw", labels={}),
            status=V1PodStatus(phase=phase, container_statuses=statuses),
        )

    return {str(code): _raised(task.cleanup, ended(code), ended(code)) for code in codes}


def quoted(messages):
    """The exit codes that a provider's messages quote."""
    from airflow_dags.command import code_in

    return [code_in(message) for message in messages]


def _raised(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - what it is, is asked
        return type(error).__name__
    return None


def run(dag_id, moment):
    """`dag.test()` of one data interval: how each task ended, after how many tries and with what result, and the Asset's events of that run."""
    from airflow.models.asset import AssetEvent
    from airflow.settings import Session

    dag = bag().dags[dag_id]
    ended = dag.test(logical_date=datetime.fromisoformat(moment))
    instances = ended.get_task_instances()
    tasks = {one.task_id: [str(one.state), one.try_number] for one in instances}
    said = {one.task_id: one.xcom_pull(task_ids=one.task_id) for one in instances}
    events = Session().query(AssetEvent).where(AssetEvent.source_dag_id == dag_id, AssetEvent.source_run_id == ended.run_id)
    return {
        "state": str(ended.state),
        "tasks": tasks,
        "said": said,
        "events": [event.extra for event in events.order_by(AssetEvent.id)],
    }


def main():
    # Airflow and its tasks print; answers have a line to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ["AIRLOCK_ENGINE"] = "local"
    asked = set()
    for line in sys.stdin:
        order = json.loads(line)
        for name in asked:
            os.environ.pop(name, None)
        site = {f"AIRFLOW__AIRLOCK__{name.upper()}": value for name, value in order["site"].items()} | order["environment"]
        asked = set(site)
        os.environ.update(site)
        try:
            said = {"answer": globals()[order["question"]](**order["arguments"])}
        except Exception as error:  # noqa: BLE001 - is told to who asked
            import traceback

            traceback.print_exc()
            said = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(said, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
