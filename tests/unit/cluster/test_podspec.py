"""What pods open by their own spec: every kind of workload, the node, volumes, tokens, second networks, unknown fields."""

from __future__ import annotations

import re

import kubernetes.client as k8s
import pytest

from airlock.cluster._fields import FIELDS
from airlock.cluster.findings import Verdict
from airlock.cluster.podspec import pod_openings
from airlock.cluster.resources import resources_from
from airlock.cluster.subjects import Subject
from airlock.cluster.tokens import legacy_tokens
from airlock.cluster.unknown import spec_openings
from airlock.cluster.volumes import waiting_volumes
from airlock.cluster.workloads import WORKLOADS, pod_templates
from airlock.errors import ConfigError

RAW = frozenset({"raw"})
DIGEST = "registry/airlock@sha256:" + "0" * 64
MAIN = {"name": "main", "image": DIGEST}


def pod(spec=None, container=None, *, name="p", annotations=None, labels=None):
    metadata = {"name": name, "namespace": "raw", "annotations": annotations or {}, "labels": labels or {}}
    full = {"automountServiceAccountToken": False, "containers": [{**MAIN, **(container or {})}], **(spec or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": full}


def opened(*objects, declared=()):
    made = resources_from([(f"x:{number}", one) for number, one in enumerate(objects, 1)])
    return pod_openings(tuple(pod_templates(made)), made, RAW, frozenset(map(Subject.parse, declared)))


def codes(*objects, declared=()):
    return {(one.code, one.verdict) for one in opened(*objects, declared=declared) if one.verdict is not Verdict.PROVEN}


OPAQUE = {"ObjectMeta", "PodTemplateSpec", "PersistentVolumeClaimStatus"}


def form_of(kind):
    """How a type of the client is written in the table."""
    inner = re.sub(r"^list\[(.*)\]$", r"\1", kind)
    name = re.sub(r"^(Core)?V1", "", inner)
    form = "{}" if inner.startswith("dict") or name in OPAQUE else "" if name == inner else name
    return f"[{form}]" if inner != kind else form


@pytest.mark.parametrize("name", FIELDS)
def test_the_fields_that_are_known_are_those_of_the_client(name):
    kind = getattr(k8s, f"V1{name}", None) or getattr(k8s, f"CoreV1{name}")
    assert FIELDS[name] == {kind.attribute_map[key]: form_of(one) for key, one in kind.openapi_types.items()}
    assert {form.strip("[]{}") for form in FIELDS[name].values()} <= {"", *FIELDS}


@pytest.mark.parametrize(
    ("kind", "spec", "rule"),
    [
        ("StatefulSet", {"template": {}, "x": 1}, "spec.x"),
        ("StatefulSet", {"updateStrategy": {"x": 1}}, "spec.updateStrategy.x"),
        ("CronJob", {"jobTemplate": {"spec": {"x": 1}}}, "spec.jobTemplate.spec.x"),
        ("Service", {"ports": [{"port": 1}, {"x": 1}]}, "spec.ports[1].x"),
        ("PersistentVolumeClaim", {"dataSource": {"x": 1}}, "spec.dataSource.x"),
        ("Namespace", {"network": "shared"}, "spec.network"),
    ],
)
def test_a_field_that_is_not_known_is_no_proof_at_any_depth(kind, spec, rule):
    group = {"StatefulSet": "apps/", "CronJob": "batch/"}.get(kind, "")
    metadata = {"name": "raw"} if kind == "Namespace" else {"name": "w", "namespace": "raw"}
    one = {"apiVersion": f"{group}v1", "kind": kind, "metadata": metadata, "spec": spec}
    [(namespace, found)] = spec_openings(resources_from([("x", one)]), RAW)
    assert (namespace, found.rule, found.verdict) == ("raw", rule, N)
    assert found.code.endswith(".unknown-field")
    assert list(spec_openings(resources_from([("x", one)]), frozenset({"other"}))) == []
    [(_, beside)] = spec_openings(resources_from([("x", {**one, "spec": {}, "specs": []})]), RAW)
    assert beside.rule == "specs"


def test_null_is_as_if_it_were_not_there():
    assert codes(pod({"os": {"name": None}}, {"securityContext": {"procMount": None}})) == set()


def test_a_plain_pod_opens_nothing():
    spec = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "t", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["store"]}],
        "containers": [{
            **MAIN, "ports": [{"containerPort": 7078}], "resources": {"limits": {"cpu": "1", "hugepages-2Mi": "1Gi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
            "livenessProbe": {"httpGet": {"path": "/", "port": 80}}, "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
        }],
    }  # fmt: skip
    assert opened(pod(spec)) == []


R, N = Verdict.REFUTED, Verdict.NO_PROOF


@pytest.mark.parametrize(
    ("spec", "code", "verdict"),
    [
        ({"hostNetwork": True}, "pod.host-network", R),  # T10
        ({"hostPID": True}, "pod.host-pid", R),
        ({"hostIPC": True}, "pod.host-ipc", R),
        ({"ephemeralContainers": [{**MAIN, "targetContainerName": "main"}]}, "pod.ephemeral", R),  # T36
        ({"resourceClaims": [{"name": "nic"}]}, "pod.device", N),
        ({"os": {"name": "windows"}}, "pod.os", N),
        ({"securityContext": {"sysctls": [{"name": "net.ipv4.ip_forward", "value": "1"}]}}, "pod.sysctls", N),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "pod.unconfined", N),
        ({"securityContext": {"windowsOptions": {"hostProcess": True}}}, "pod.host-process", R),
        ({"hostNetworking": True}, "pod.unknown-field", N),
        ({"securityContext": {"hostAll": True}}, "pod.unknown-field", N),
        ({"initContainers": [{**MAIN, "securityContext": {"privileged": True}}]}, "pod.privileged", R),  # T36
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume.host-path", R),  # T39
        ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, "volume.network", R),
        ({"volumes": [{"name": "v", "iscsi": {"targetPortal": "s"}}]}, "volume.network", R),
        ({"volumes": [{"name": "v", "csi": {"driver": "s3.csi.aws.com"}}]}, "volume.csi", N),
        ({"volumes": [{"name": "v", "image": {"reference": "a"}}]}, "volume.fetched", N),
        ({"volumes": [{"name": "v", "gitRepo": {"repository": "a"}}]}, "volume.fetched", N),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "gone"}}]}, "volume.unknown-claim", N),
        ({"volumes": [{"name": "v", "emptyDir": {"x": 1}}]}, "pod.unknown-field", N),
        ({"hostAliases": [{"ip": "10.0.0.1", "x": 1}]}, "pod.unknown-field", N),
        ({"affinity": {"nodeAffinity": {"x": 1}}}, "pod.unknown-field", N),
        ({"volumes": [{"name": "v", "holodeck": {}}]}, "pod.unknown-field", N),
        ({"volumes": [{"name": "v", "projected": {"sources": [{"holodeck": {}}]}}]}, "pod.unknown-field", N),
        ({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteMany"]}}}}]}, "volume.shared", N),
    ],
)  # fmt: skip
def test_a_pods_field_opens(spec, code, verdict):
    assert codes(pod(spec)) == {(code, verdict)}


@pytest.mark.parametrize(
    ("container", "code", "verdict"),
    [
        ({"securityContext": {"privileged": True}}, "pod.privileged", R),
        ({"securityContext": {"procMount": "Unmasked"}}, "pod.unconfined", N),
        ({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, "pod.unconfined", N),
        ({"securityContext": {"capabilities": {"add": ["NET_RAW"]}}}, "pod.capability", R),
        ({"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN", "NET_BIND_SERVICE"]}}}, "pod.capability", R),
        ({"securityContext": {"capabilities": {"keep": ["NET_RAW"]}}}, "pod.unknown-field", N),
        ({"ports": [{"containerPort": 80, "hostPort": 80}]}, "pod.host-port", R),
        ({"lifecycle": {"preStop": {"httpGet": {"host": "198.51.100.7", "port": 80}}}}, "pod.probe-host", R),
        ({"lifecycle": {"preStop": {"ftpPut": {}}}}, "pod.unknown-field", N),
        ({"lifecycle": {"midRun": {}}}, "pod.unknown-field", N),
        ({"readinessProbe": {"tcpSocket": {"host": "198.51.100.7", "port": 80}}}, "pod.probe-host", R),
        ({"startupProbe": {"httpGet": {"port": 80, "x": 1}}}, "pod.unknown-field", N),
        ({"startupProbe": {"udpSocket": {}}}, "pod.unknown-field", N),
        ({"env": [{"name": "A", "valueFrom": {"vaultRef": {}}}]}, "pod.unknown-field", N),
        ({"envFrom": [{"vaultRef": {}}]}, "pod.unknown-field", N),
        ({"resources": {"limits": {"rdma/hca": "1"}}}, "pod.device", N),  # T40
        ({"network": "other"}, "pod.unknown-field", N),
    ],
)
def test_a_containers_field_opens(container, code, verdict):
    assert codes(pod(None, container)) == {(code, verdict)}


@pytest.mark.parametrize(
    ("annotations", "labels", "code", "verdict"),
    [
        ({"k8s.v1.cni.cncf.io/networks": "storage"}, {}, "pod.second-network", R),  # T40
        ({"v1.multus-cni.io/default-network": "storage"}, {}, "pod.second-network", R),
        ({"sidecar.istio.io/inject": "true"}, {}, "pod.sidecar", N),  # T41
        ({}, {"sidecar.istio.io/inject": "true"}, "pod.sidecar", N),
        ({"linkerd.io/inject": "enabled"}, {}, "pod.sidecar", N),
        ({"dapr.io/enabled": "true"}, {}, "pod.sidecar", N),
    ],
)
def test_an_annotation_or_a_label_asks_for_more(annotations, labels, code, verdict):
    assert codes(pod(annotations=annotations, labels=labels)) == {(code, verdict)}


@pytest.mark.parametrize("name", ["k8s.v1.cni.cncf.io/network-status", "cni.projectcalico.org/podIP", "airlock.dev/run"])
def test_what_a_plugin_only_notes_asks_for_nothing(name):
    assert codes(pod(annotations={name: "[]", "linkerd.io/inject": "disabled"})) == set()


@pytest.mark.parametrize(
    ("container", "kind", "rule"),
    [
        ({"image": "airlock:1"}, "image", "spec.containers[0].image"),
        ({"imagePullPolicy": "Always"}, "image", "spec.containers[0].imagePullPolicy"),
        ({"terminationMessagePolicy": "FallbackToLogsOnError"}, "logs", "spec.containers[0].terminationMessagePolicy"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            "secret",
            "spec.containers[0].env[0]",
        ),
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "secret", "spec.containers[0].envFrom[0]"),
    ],
)
def test_some_are_listed_and_stand_against_nothing(container, kind, rule):
    [one] = opened(pod(None, container))
    assert (one.kind, one.rule, one.verdict) == (kind, rule, Verdict.PROVEN)


def template(group, kind, spec):
    inner = {"metadata": {}, "spec": {"automountServiceAccountToken": False, "containers": [MAIN], **spec}}
    if kind == "Pod":
        return pod(spec)
    body = {"jobTemplate": {"spec": {"template": inner}}} if kind == "CronJob" else {"template": inner}
    version = f"{group}/v1".lstrip("/")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "raw"}, "spec": body}


@pytest.mark.parametrize(("group", "kind"), sorted(one for one in WORKLOADS if one[0] != "sparkoperator.k8s.io"))
def test_every_kind_of_workload_is_looked_into(group, kind):
    [one] = opened(template(group, kind, {"hostNetwork": True}))
    place = {"Pod": "spec", "CronJob": "spec.jobTemplate.spec.template.spec"}.get(kind, "spec.template.spec")
    assert (one.code, one.rule, one.where.kind) == ("pod.host-network", f"{place}.hostNetwork", kind)


def test_pods_of_other_namespaces_are_not():
    other = pod({"hostNetwork": True})
    other["metadata"]["namespace"] = "other"
    assert opened(other) == []


def test_equal_pods_are_told_once():
    [one] = opened(*(pod({"hostNetwork": True, "nodeName": f"n-{number % 3}"}, name=f"p-{number}") for number in range(50)))
    assert one.where.name == "p-0"
    assert one.text.endswith("(and 49 more like it)")


def test_claims_of_a_stateful_set_are_volumes():
    made = template("apps", "StatefulSet", {})
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteMany"]}}]
    assert codes(made) == {("volume.shared", N)}


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ((), "volume.unknown-class"),
        (("disks",), None),
        (("disks", "free"), "volume.free"),
    ],
)
def test_claims_that_are_made_for_pods_may_take_what_is_free(objects, code):
    there = {"disks": storage(), "free": volume(nfs={"server": "s"}, **DISKS)}
    spec = {"accessModes": ["ReadWriteOnce"], **DISKS}
    made = template("apps", "StatefulSet", {})
    made["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": spec}]
    own = pod({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]})
    for one in (made, own):
        assert codes(one, *(there[name] for name in objects)) == ({(code, N)} if code else set())


def claim(modes, **spec):
    metadata = {"name": "data", "namespace": "raw"}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": {"accessModes": modes, **spec}}


def storage(provisioner="ebs.csi.aws.com", name="disks", *, default=False):
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": notes},
        "provisioner": provisioner,
    }


EBS = {"driver": "ebs.csi.aws.com"}
DISKS = {"storageClassName": "disks"}


def volume(**spec):
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"}, "spec": spec}


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([claim(["ReadWriteOnce"], **DISKS), storage()], set()),
        ([claim(["ReadWriteOnce"]), storage(default=True)], set()),
        ([claim(["ReadWriteOnce"], volumeName="pv"), volume(csi=EBS)], set()),
        ([claim(["ReadWriteOnce"], **DISKS)], {("volume.unknown-class", N)}),
        ([claim(["ReadWriteOnce"]), storage()], {("volume.unknown-class", N)}),
        ([claim(["ReadWriteOnce"], **DISKS), storage("nfs.csi.k8s.io")], {("volume.driver", N)}),
        ([claim(["ReadWriteOnce"]), storage("nfs.csi.k8s.io", default=True)], {("volume.driver", N)}),
        ([claim(["ReadWriteOnce"], volumeName="pv"), volume(csi={"driver": "nfs.csi.k8s.io"})], {("volume.driver", N)}),
        # What is free and of the class may be taken, though it names no claim.
        ([claim(["ReadWriteOnce"], **DISKS), storage(), volume(nfs={"server": "s"}, **DISKS)], {("volume.free", N)}),
        ([claim(["ReadWriteOnce"], storageClassName=""), volume(nfs={"server": "s"})], {("volume.free", N)}),
        ([claim(["ReadWriteOnce"]), storage(default=True), volume(nfs={"server": "s"}, **DISKS)], {("volume.free", N)}),
        (
            [claim(["ReadWriteOnce"], **DISKS), storage(), volume(csi={"driver": "smb.csi.k8s.io"}, **DISKS)],
            {("volume.driver", N)},
        ),
        ([claim(["ReadWriteOnce"], **DISKS), storage(), volume(local={"path": "/d"}, **DISKS)], set()),
        ([claim(["ReadWriteOnce"], **DISKS), storage(), volume(nfs={"server": "s"}, storageClassName="others")], set()),
        (
            [
                claim(["ReadWriteOnce"], **DISKS),
                storage(),
                volume(nfs={"server": "s"}, claimRef={"namespace": "other", "name": "d"}, **DISKS),
            ],
            set(),
        ),
        ([claim(["ReadWriteOnce"], storageClassName=""), volume(local={"path": "/d"})], set()),
        ([claim(["ReadWriteOnce"], storageClassName=""), volume(local={"path": "/var/log/x"})], {("volume.node-folder", N)}),
        ([claim(["ReadWriteOnce"], storageClassName=""), volume(local={"path": "/"})], {("volume.node-folder", N)}),
        ([claim(["ReadWriteMany"])], {("volume.shared", N)}),
        ([claim(["ReadWriteOnce", "ReadOnlyMany"])], {("volume.shared", N)}),
        ([claim(["ReadWriteOnce"], volumeName="pv"), volume(nfs={"server": "s"})], {("volume.network", R)}),
        (
            [claim(["ReadWriteOnce"]), volume(nfs={"server": "s"}, claimRef={"namespace": "raw", "name": "data"})],
            {("volume.network", R)},
        ),
        (
            [
                claim(["ReadWriteOnce"], **DISKS),
                storage(),
                volume(nfs={"server": "s"}, claimRef={"namespace": "other", "name": "data"}),
            ],
            set(),
        ),
        ([claim(["ReadWriteOnce"], volumeName="pv"), volume(hostPath={"path": "/"})], {("volume.network", R)}),
    ],
)
def test_a_claim_is_what_it_is_bound_to(objects, found):
    mounted = pod({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})
    assert codes(mounted, *objects) == found
    assert [one.kind for one in opened(mounted, *objects)] == ["volume"]


def test_a_volume_that_waits_for_a_claim_counts_before_there_is_one():
    """A StatefulSet makes its claims by name."""
    waits = volume(nfs={"server": "s"}, claimRef={"namespace": "raw", "name": "data-store-0"})
    found = [(name, one.code, one.verdict) for name, one in waiting_volumes(resources_from([("x", waits)]), RAW)]
    assert found == [("raw", "volume.network", R)]
    for other in (
        volume(nfs={"server": "s"}),
        volume(csi={"driver": "efs.csi.aws.com"}, claimRef={"namespace": "other", "name": "data-store-0"}),
    ):
        assert list(waiting_volumes(resources_from([("x", other)]), RAW)) == []
    for driver, code in (("efs.csi.aws.com", "volume.driver"), ("ebs.csi.aws.com", "")):
        other = volume(csi={"driver": driver, "volumeHandle": "v"}, claimRef={"namespace": "raw", "name": "data-store-0"})
        assert [one.code for _, one in waiting_volumes(resources_from([("x", other)]), RAW)] == [code]


def test_a_claim_that_no_pod_mounts_yet_is_looked_at():
    """A StatefulSet takes a claim of the name that it would make as it is."""
    objects = [claim(["ReadWriteMany"], storageClassName="", volumeName="pv"), volume(nfs={"server": "s"})]
    found = waiting_volumes(resources_from([("x", one) for one in objects]), RAW)
    assert [(name, one.code, one.verdict) for name, one in found] == [("raw", "volume.network", R)]


BETA = "volume.beta.kubernetes.io/storage-class"


def test_the_old_annotation_of_a_class_goes_first():
    mounted = pod({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})
    said = {"annotations": {BETA: "files"}}
    asks = claim(["ReadWriteOnce"], **DISKS)
    asks["metadata"] = {**asks["metadata"], **said}
    assert codes(mounted, asks, storage(), storage("nfs.csi.k8s.io", "files")) == {("volume.driver", N)}
    free = volume(nfs={"server": "s"}, storageClassName="others")
    free["metadata"] = {**free["metadata"], "annotations": {BETA: "disks"}}
    assert codes(mounted, claim(["ReadWriteOnce"], **DISKS), storage(), free) == {("volume.free", N)}
    default = storage("nfs.csi.k8s.io", "files")
    default["metadata"]["annotations"] = {"storageclass.beta.kubernetes.io/is-default-class": "true"}
    assert codes(mounted, claim(["ReadWriteOnce"]), default) == {("volume.driver", N)}


@pytest.mark.parametrize(
    ("source", "again", "same"),
    [
        ({"csi": {**EBS, "volumeHandle": "vol-1"}}, {"csi": {**EBS, "volumeHandle": "vol-1"}}, True),
        ({"csi": {**EBS, "volumeHandle": "vol-1"}}, {"csi": {**EBS, "volumeHandle": "vol-2"}}, False),
        ({"local": {"path": "/mnt/a"}}, {"local": {"path": "/mnt/a/"}}, True),
        ({"local": {"path": "/mnt/a"}}, {"local": {"path": "/mnt/b"}}, False),
    ],
)
def test_a_disk_that_stands_twice_may_be_anothers(source, again, same):
    mounted = pod({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]})
    other = {**volume(claimRef={"namespace": "clean", "name": "data"}, **again), "metadata": {"name": "other"}}
    found = codes(mounted, claim(["ReadWriteOnce"], volumeName="pv"), volume(**source), other)
    assert found == ({("volume.same-disk", N)} if same else set())


def test_secrets_that_a_driver_fetches_read_only_are_listed():
    csi = {"driver": "secrets-store.csi.k8s.io", "readOnly": True}
    assert [one.verdict for one in opened(pod({"volumes": [{"name": "v", "csi": csi}]}))] == [Verdict.PROVEN]
    assert codes(pod({"volumes": [{"name": "v", "csi": {**csi, "readOnly": False}}]})) == {("volume.csi", N)}


# --- tokens -------------------------------------------------------------------------------------------------------------


def account(mount=None, name="default"):
    more = {} if mount is None else {"automountServiceAccountToken": mount}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "raw"}, **more}


@pytest.mark.parametrize(
    ("of_pod", "of_account", "mounted"),
    [
        (None, None, True),
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
        (False, None, False),
        (True, None, True),
    ],
)
def test_a_token_is_mounted_unless_the_pod_or_else_its_account_says_no(of_pod, of_account, mounted):
    """kubernetes.io, Configure Service Accounts for Pods: the pod's own setting takes precedence."""
    made = pod()
    del made["spec"]["automountServiceAccountToken"]
    if of_pod is not None:
        made["spec"]["automountServiceAccountToken"] = of_pod
    assert codes(made, account(of_account)) == ({("token.mounted", R)} if mounted else set())


def test_an_account_that_is_not_there_mounts_its_token():
    made = pod({"serviceAccountName": "gone"})
    del made["spec"]["automountServiceAccountToken"]
    [one] = opened(made)
    assert one.text.startswith("carries a token of ServiceAccount raw/gone for the API server")


def test_a_token_of_an_account_with_declared_rights_is_listed():
    made = pod({"serviceAccountName": "driver", "automountServiceAccountToken": True})
    [one] = opened(made, declared=["ServiceAccount raw/driver"])
    assert (one.kind, one.verdict) == ("token", Verdict.PROVEN)
    assert codes(made, declared=["ServiceAccount other/driver"]) == {("token.mounted", R)}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ({}, {("token.mounted", R)}),
        ({"audience": "https://kubernetes.default.svc"}, {("token.mounted", R)}),
        ({"audience": "https://kubernetes.default.svc.cluster.local"}, {("token.mounted", R)}),
        ({"audience": "sts.amazonaws.com"}, set()),
        ({"audience": "vault"}, set()),
    ],
)
def test_a_projected_token_is_for_its_audience(source, found):
    sources = [{"configMap": {"name": "ca"}}, {"serviceAccountToken": {"path": "token", **source}}]
    made = pod({"volumes": [{"name": "t", "projected": {"sources": sources}}]})
    assert codes(made) == found
    assert [one.kind for one in opened(made)] == ["token"]


def test_tokens_that_never_end_are_refused():
    def secret(kind, namespace="raw"):
        metadata = {
            "name": f"s-{namespace}",
            "namespace": namespace,
            "annotations": {"kubernetes.io/service-account.name": "driver"},
        }
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": {"token": "Y2FuYXJ5"}}

    made = resources_from([("x", secret("kubernetes.io/service-account-token")), ("x", secret("Opaque", "b")), ("x", secret("kubernetes.io/service-account-token", "c"))])  # fmt: skip
    [one] = legacy_tokens(made, RAW)
    assert (one.code, one.where.namespace) == ("token.legacy", "raw")
    assert "Y2FuYXJ5" not in str(one)


def test_a_secret_without_a_type_is_known_by_its_annotation():
    """A live cluster's Secrets are read by their metadata, which have no type."""
    metadata = {"name": "s", "namespace": "raw", "annotations": {"kubernetes.io/service-account.name": "driver"}}
    bare = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    assert [(one.code, one.verdict) for one in legacy_tokens(resources_from([("x", bare)]), RAW)] == [("token.legacy", N)]
    for known in ({**bare, "type": "Opaque"}, {**bare, "metadata": {"name": "s", "namespace": "raw"}}):
        assert list(legacy_tokens(resources_from([("x", known)]), RAW)) == []


# --- Spark's applications -----------------------------------------------------------------------------------------------


def spark(kind="SparkApplication", driver=None, executor=None, **app):
    safe = {"template": {"spec": {"automountServiceAccountToken": False}}}
    spec = {"image": DIGEST, "driver": {**safe, **(driver or {})}, "executor": {**safe, **(executor or {})}, **app}
    body = {"schedule": "@daily", "template": spec} if kind.startswith("Scheduled") else spec
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": kind,
        "metadata": {"name": "s", "namespace": "raw"},
        "spec": body,
    }


@pytest.mark.parametrize("kind", ["SparkApplication", "ScheduledSparkApplication"])
@pytest.mark.parametrize("role", ["driver", "executor"])
def test_both_roles_of_a_spark_application_are_pods(kind, role):
    [one] = opened(spark(kind, **{role: {"hostNetwork": True, "template": {"spec": {"automountServiceAccountToken": False}}}}))
    prefix = "spec.template" if kind.startswith("Scheduled") else "spec"
    assert (one.code, one.rule) == ("pod.host-network", f"{prefix}.{role}.hostNetwork")


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (spark(), set()),
        (spark(driver={"template": {"spec": {"automountServiceAccountToken": False, "hostPID": True}}}), {("pod.host-pid", R)}),
        (spark(driver={"sidecars": [{**MAIN, "securityContext": {"privileged": True}}]}), {("pod.privileged", R)}),
        (spark(driver={"lifecycle": {"preStop": {"httpGet": {"host": "h"}}}}), {("pod.probe-host", R)}),
        (spark(executor={"annotations": {"k8s.v1.cni.cncf.io/networks": "x"}}), {("pod.second-network", R)}),
        (spark(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), {("volume.host-path", R)}),
        (spark(driver={"podSecurityContext": {"sysctls": [{}]}}), {("pod.sysctls", N)}),
        (spark(driver={"warpDrive": True}), {("pod.unknown-field", N)}),
        (spark(warpDrive=True), {("pod.unknown-field", N)}),
        (spark(sparkConf={"spark.kubernetes.driver.volumes.hostPath.v.mount.path": "/"}), {("pod.unknown-field", N)}),
        (spark(sparkConf={"spark.executor.cores": "2", "spark.kubernetes.executor.deleteOnTermination": "true"}), set()),
        (spark(sparkConf={"spark.kubernetes.namespace": "other"}), {("pod.unknown-field", N)}),
        (spark(sparkConf={"spark.kubernetes.namespace": "raw"}), set()),
        (spark(driverIngressOptions=[{"servicePort": 4040}]), {("service.made", N)}),
    ],
)
def test_what_a_spark_application_says_of_its_pods_counts(made, found):
    assert codes(made) == found


@pytest.mark.parametrize("kind", ["SparkApplication", "ScheduledSparkApplication"])
def test_a_spark_applications_own_labels_are_its_pods_too(kind):
    """Over the template's, under the role's: a label in `metadata` moves a driver to another's place in the policies."""
    template = {"metadata": {"labels": {"role": "driver", "team": "a"}}, "spec": {}}
    made = spark(kind, driver={"template": template}, executor={"template": template, "labels": {"role": "executor"}})
    made["metadata"]["labels"] = {"role": "preflight", "kueue.x-k8s.io/queue-name": "q"}
    found = {one.place.rpartition(".")[2]: one.labels for one in pod_templates(resources_from([("s.yaml", made)]))}
    assert found == {"driver": {"role": "preflight", "team": "a"}, "executor": {"role": "executor", "team": "a"}}


def test_a_certificate_of_a_pod_is_told_with_its_signer():
    source = {"podCertificate": {"signerName": "example.org/clients", "keyType": "ED25519"}}
    driver = {
        "serviceAccount": "driver",
        "template": {"spec": {"volumes": [{"name": "c", "projected": {"sources": [source]}}]}},
    }
    told = [one.text for one in opened(spark(driver=driver)) if "certificate" in one.text]
    assert told == ["carries a certificate of ServiceAccount raw/driver by the signer 'example.org/clients'"]


def test_an_executor_without_an_account_has_the_drivers():
    """SparkPodSpec.serviceAccount; the account of a template alone is overwritten by Spark."""
    made = spark(
        driver={"serviceAccount": "driver", "template": {}}, executor={"template": {"spec": {"serviceAccountName": "harmless"}}}
    )
    found = opened(made)
    assert {one.text.split(" for ")[0] for one in found} == {"carries a token of ServiceAccount raw/driver"}
    assert [one.rule.split(".")[1] for one in found] == ["driver", "executor"]


@pytest.mark.parametrize("name", ["spark.kubernetes.container.image", "spark.kubernetes.executor.container.image"])
def test_an_image_that_the_conf_names_by_a_tag_is_listed(name):
    found = opened(spark(sparkConf={name: "evil:latest"}))
    assert {one.kind for one in found} == {"image"}
    assert len(found) == (1 if "executor" in name else 2)
    assert opened(spark(sparkConf={name: DIGEST})) == []


def test_an_object_of_another_shape_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"^x:1: Pod raw/p: 'spec' is a list, expected a mapping"):
        opened({**pod(), "spec": []})
