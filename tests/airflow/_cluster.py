"""An API server that knows pods of one namespace and Role `submit`, and a kubelet that carries a container out as a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

ROLE = Path(__file__).parents[2] / "k8s" / "components" / "submit" / "role.yaml"
PODS = "/api/v1/namespaces/pii-raw/pods"
VERBS = {"POST": "create", "GET": "get", "DELETE": "delete", "PATCH": "patch"}
READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def allowed() -> set[str]:
    """What Role `submit` may do with pods."""
    rules = yaml.safe_load(ROLE.read_text())["rules"]
    return {verb for rule in rules if "pods" in rule["resources"] for verb in rule["verbs"]}


class Cluster:
    """Answers whoever has the connection; `refused` lists what the Role does not allow.

    Attributes:
        made: Every pod that was created, as it was sent.
    """

    def __init__(self, kubelet: Callable[[dict[str, Any]], int]) -> None:
        self.kubelet = kubelet
        self.made: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.pods: dict[str, dict[str, Any]] = {
            "preflight-0": {
                "metadata": {"name": "preflight-0", "namespace": "pii-raw"},
                "spec": {"containers": []},
                "status": READY,
            }
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"cluster": self}))
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def connection(self) -> str:
        """As Airflow takes it from a variable of its environment."""
        name = {"name": "test"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [name | {"cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}],
            "users": [name | {"user": {}}],
            "contexts": [name | {"context": {"cluster": "test", "user": "test"}}],
        }
        return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config)}})

    def create(self, pod: dict[str, Any]) -> dict[str, Any]:
        """Make a pod, and carry it out at once."""
        self.made.append(json.loads(json.dumps(pod)))
        (container,) = pod["spec"]["containers"]
        code = self.kubelet(container)
        ended = {"name": container["name"], "state": {"terminated": {"exitCode": code}}, "image": "", "imageID": ""}
        pod["status"] = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "containerStatuses": [ended | {"ready": False, "restartCount": 0}],
        }
        self.pods[pod["metadata"]["name"]] = pod
        return pod

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = path.removeprefix(PODS).removeprefix("/")
        verb = "list" if self.command == "GET" and not name else VERBS[self.command]
        if not path.startswith(PODS) or "/" in name or verb not in allowed():
            self.cluster.refused.append(f"{verb} {path}")
            return self._send(403, {"kind": "Status", "reason": "Forbidden", "code": 403})
        if verb == "create":
            return self._send(201, self.cluster.create(json.loads(body)))
        if verb == "list":
            return self._send(
                200, {"kind": "PodList", "items": [pod for pod in self.cluster.pods.values() if _selects(query, pod)]}
            )
        pod = self.cluster.pods.pop(name, None) if verb == "delete" else self.cluster.pods.get(name)
        return self._send(404, {"kind": "Status", "code": 404}) if pod is None else self._send(200, pod)

    do_GET = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815 - http.server's names

    def _send(self, code: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def _selects(query: str, pod: dict[str, Any]) -> bool:
    """A task's own pods: the selector names its DAG among others."""
    return "dag_id" in query and "dag_id" in pod["metadata"].get("labels", {})
