"""A cluster's whole discovery is read, over HTTP: pages, refusals, secrets by metadata alone. On a real cluster: tests/cluster."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from tests.servers.serving import serving

from airlock.cluster.live import Cluster, read_cluster
from airlock.errors import AdmissionError, ConfigError, StorageUnavailableError

LISTS = {
    "/api/v1": {"resources": [
        {"name": "pods", "kind": "Pod", "verbs": ["list"]}, {"name": "pods/log", "kind": "Pod", "verbs": ["get"]},
        {"name": "secrets", "kind": "Secret", "verbs": ["list"]}, {"name": "bindings", "kind": "Binding", "verbs": ["create"]},
        {"name": "events", "kind": "Event", "verbs": ["list"]},
    ]},
    "/apis": {"groups": [{"name": "odd.io", "preferredVersion": {"groupVersion": "odd.io/v2"}}, {"name": "down.io", "preferredVersion": {"groupVersion": "down.io/v1"}}]},
    "/apis/odd.io/v2": {"resources": [{"name": "things", "kind": "Thing", "verbs": ["list"]}]},
    "/api/v1/secrets": {"items": [{"metadata": {"name": "s", "namespace": "raw"}}]},
}  # fmt: skip
REFUSED = {"/apis/odd.io/v2/things": 403, "/apis/down.io/v1": 503}


class _Api(BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        self.asked.append((self.path, self.headers["Accept"]))
        code = REFUSED.get(url.path, 200)
        found = LISTS.get(url.path, {})
        if url.path == "/api/v1/pods":
            after = parse_qs(url.query).get("continue", [""])[0]
            items = [{"metadata": {"name": f"p{number}", "namespace": "raw"}} for number in range(2)]
            found = {"items": items[1:]} if after else {"items": items[:1], "metadata": {"continue": "more"}}
        self._say(code, found)

    def do_POST(self):
        """An API server that lets every pod in but one, whose refusal is admission's."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Content-Type"]))
        if given["metadata"]["name"] == "busy":
            self._say(503, {"message": "try again"})
        elif given["metadata"]["name"] == "bad":
            self._say(422, {"kind": "Status", "message": "denied request: hostNetwork is not allowed\nmore", "code": 422})
        else:
            self._say(201, {**given, "status": {"phase": "Pending"}})

    def do_DELETE(self):
        self.asked.append((self.path, "DELETE"))
        name = urlsplit(self.path).path.rpartition("/")[2]
        code = {"gone": 404, "kept": 403, "another": 409}.get(name, 200)
        self._say(code, {"message": "not found"} if code == 404 else {})

    def _say(self, code, found):
        data = json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def api(tmp_path):
    handler = type("Api", (_Api,), {"asked": []})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as server:
        yield _config(tmp_path, f"http://127.0.0.1:{server.server_port}"), handler.asked


def _config(folder, address):
    file = folder / "kubeconfig"
    user, cluster = {"name": "u", "user": {"token": "t"}}, {"name": "c", "cluster": {"server": address}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    file.write_text(yaml.safe_dump({"users": [user], "clusters": [cluster], "contexts": [context], "current-context": "x"}))
    return file


def test_every_kind_is_listed_page_by_page_and_refusals_are_told(api):
    config, asked = api
    found = read_cluster(config)
    assert sorted(str(one.ref) for one in found) == ["Pod raw/p0", "Pod raw/p1", "Secret raw/s"]
    assert sorted(found.unread) == ["Thing (odd.io/v2)", "down.io/v1"]
    assert "403" in found.unread["Thing (odd.io/v2)"]
    (secrets,) = [accept for path, accept in asked if path.startswith("/api/v1/secrets")]
    assert "PartialObjectMetadataList" in secrets
    assert not [path for path, _ in asked if "events" in path or "bindings" in path]


def test_a_kind_that_only_another_version_serves_is_listed_and_each_kind_once(api, monkeypatch):
    """While policies move from v1alpha1 to v1alpha2 both are served; what is listed is what the model reads."""
    group = "policy.networking.k8s.io"
    new, old = f"{group}/v1alpha2", f"{group}/v1alpha1"
    versions = [{"groupVersion": new}, {"groupVersion": old}]
    groups = {"groups": [{"name": group, "preferredVersion": versions[0], "versions": versions}]}
    both = {"name": "adminnetworkpolicies", "kind": "AdminNetworkPolicy", "verbs": ["list"]}
    baseline = {"name": "baselineadminnetworkpolicies", "kind": "BaselineAdminNetworkPolicy", "verbs": ["list"]}
    one = {"items": [{"metadata": {"name": "open"}}]}
    for path, answer in {
        "/apis": groups, f"/apis/{new}": {"resources": [both]}, f"/apis/{old}": {"resources": [both, baseline]},
        f"/apis/{old}/adminnetworkpolicies": one, f"/apis/{new}/adminnetworkpolicies": one, f"/apis/{old}/baselineadminnetworkpolicies": one,
    }.items():  # fmt: skip
        monkeypatch.setitem(LISTS, path, answer)
    found = [one for one in read_cluster(api[0]) if one.group == group]
    assert [(one.kind, one.version) for one in found] == [
        ("AdminNetworkPolicy", "v1alpha1"),
        ("BaselineAdminNetworkPolicy", "v1alpha1"),
    ]


def pod(name):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "raw"}}


def test_objects_are_made_looked_at_and_taken_out_again(api):
    config, asked = api
    cluster = Cluster(config)
    assert cluster.create(pod("good"))["status"] == {"phase": "Pending"}
    cluster.create(pod("good"), dry=True)
    assert [one["metadata"]["name"] for one in cluster.list("v1", "Pod", "raw")] == []
    assert cluster.delete("v1", "Pod", "raw", "good")
    assert not cluster.delete("v1", "Pod", "raw", "gone")
    assert not cluster.delete("v1", "Pod", "raw", "another", uid="u-1")
    with pytest.raises(AdmissionError, match="409 Conflict"):
        cluster.delete("v1", "Pod", "raw", "another")
    paths = [path for path, _ in asked]
    assert paths[:2] == ["/api/v1/namespaces/raw/pods", "/api/v1/namespaces/raw/pods?dryRun=All"]
    assert paths[-4].startswith("/api/v1/namespaces/raw/pods/good")


def test_what_the_cluster_refuses_is_told_in_its_first_line(api):
    cluster = Cluster(api[0])
    with pytest.raises(
        AdmissionError, match=r"refuses POST /api/v1/namespaces/raw/pods: denied request: hostNetwork is not allowed$"
    ):
        cluster.create(pod("bad"))
    # A server that is not able to answer has refused nothing.
    with pytest.raises(StorageUnavailableError, match="with 503 Service Unavailable"):
        cluster.create(pod("busy"))
    with pytest.raises(AdmissionError, match="403 Forbidden"):
        cluster.delete("v1", "Pod", "raw", "kept")


def test_an_identity_that_is_not_known(api, monkeypatch):
    monkeypatch.setitem(REFUSED, "/apis", 401)
    with pytest.raises(ConfigError, match="does not tell this identity which kinds it has: 401 Unauthorized"):
        read_cluster(api[0])


def test_a_cluster_that_does_not_answer(tmp_path):
    with pytest.raises(StorageUnavailableError, match="the cluster does not answer"):
        read_cluster(_config(tmp_path, "http://127.0.0.1:1"))


def test_no_cluster_is_configured(tmp_path):
    with pytest.raises(ConfigError, match="no cluster is configured"):
        read_cluster(tmp_path / "nothing")
