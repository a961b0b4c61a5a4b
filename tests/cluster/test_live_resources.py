"""`k8s/overlays/local` on a real cluster: it applies, and admission refuses what it must and nothing else.

Needs a KUBECONFIG of a cluster that has none of the zones; the test makes them and deletes them. `make test` skips it where there is none.
"""

from __future__ import annotations

import json
import time

import pytest
from tests.cluster.live import (
    DIGEST,
    DRIVER,
    EVERYTHING,
    FOREIGN,
    PREFLIGHT,
    PROBE,
    SUBMIT,
    account,
    admitted,
    changed,
    container,
    create,
    done,
    driver,
    executor,
    job,
    kubectl,
    label,
    pod,
    probe,
    refused,
    secret,
    settles,
    spec,
    volume,
)

ZONES = ("pii-raw", "pii-airlock", "pii-sanitized")


def test_every_object_passes_the_servers_dry_run(cluster, trial):
    assert len(cluster.splitlines()) == len(trial)


def test_what_is_there_is_what_the_files_say(cluster, trial):
    """Nothing is put in by the API server, or taken out, that another look would call a difference."""
    made = kubectl("diff", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": list(trial)})
    assert (made.returncode, made.stdout) == (0, ""), made.stderr


def test_every_expression_compiles_and_fits_the_types(cluster, trial):
    names = {one["metadata"]["name"] for one in trial if one["kind"] == "ValidatingAdmissionPolicy"}
    until = time.monotonic() + 120
    while time.monotonic() < until:
        found = json.loads(done(kubectl("get", "validatingadmissionpolicies", *names, "-o", "json")))["items"]
        if all(one.get("status", {}).get("observedGeneration") == one["metadata"]["generation"] for one in found):
            break
        time.sleep(0.5)
    assert {one["metadata"]["name"] for one in found} == names
    for one in found:
        assert one["status"]["observedGeneration"] == one["metadata"]["generation"]
        assert one["status"].get("typeChecking", {}).get("expressionWarnings", []) == []


# --- what is admitted


@pytest.mark.parametrize(
    ("one", "by"),
    [
        (executor(), DRIVER),
        (driver(), SUBMIT),
        (executor(), PREFLIGHT),
        (probe(), PROBE),
        (probe("executor"), PROBE),
        (probe("release", "pii-airlock"), "pii-airlock/probe"),
        (probe("sanitized-store", "pii-sanitized"), "pii-sanitized/probe"),
        (job(driver()), None),
        (job(driver(), "CronJob"), None),
        (job(pod("release", "pii-airlock"), "CronJob"), None),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value['kind']}" if isinstance(value, dict) else "platform",
)
def test_what_belongs_there_is_admitted(cluster, one, by):
    admitted(one, by)


def test_an_executor_may_end_by_sparks_own_script(cluster):
    hook = {"preStop": {"exec": {"command": ["/opt/decom.sh"]}}}
    admitted(changed(executor(), lambda p: p["spec"]["containers"][0].update(lifecycle=hook)), DRIVER)


def test_controllers_start_what_a_job_says(cluster):
    """The job-controller's own pod, and the executor's ServiceAccount that it may not take."""
    job_controller = "kube-system/job-controller"
    admitted(driver(), job_controller, groups=[EVERYTHING])
    refused(executor(), job_controller, "may create no pod of role 'executor'", groups=[EVERYTHING])


# --- what is not: pods of any kind


TOKEN = {"serviceAccountToken": {"path": "token"}}
ANY_POD = {
    "image by tag": (container(image="localhost/airlock:1"), "none of the namespace's list"),
    "image of another digest": (container(image=f"localhost/airlock@{FOREIGN}"), "none of the namespace's list"),
    "image of another registry": (container(image=f"data.example.org/airlock@{DIGEST}"), "none of the namespace's list"),
    "image of another digest first": (
        lambda one: one["spec"].update(
            initContainers=[one["spec"]["containers"][0] | {"name": "first", "image": f"x@{FOREIGN}"}]
        ),
        "none of the namespace's list",
    ),
    "host network": (spec(hostNetwork=True), "hostNetwork is not allowed"),
    "host processes": (spec(hostPID=True), "hostPID and hostIPC"),
    "host memory": (spec(hostIPC=True), "hostPID and hostIPC"),
    "host port": (container(ports=[{"containerPort": 7078, "hostPort": 7078}]), "hostPort"),
    "host path": (volume(hostPath={"path": "/"}), "a volume is neither"),
    "network file system": (volume(nfs={"server": "198.18.255.1", "path": "/"}), "a volume is neither"),
    "driver of volumes": (volume(csi={"driver": "any.test"}), "a volume is neither"),
    "claim": (volume(persistentVolumeClaim={"claimName": "any"}), "a volume is neither"),
    "token for the API server": (volume(projected={"sources": [TOKEN]}), "an audience that is not allowed"),
    "token for another audience": (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "token", "audience": "elsewhere"}}]}),
        "an audience that is not allowed",
    ),
    "token by default": (lambda one: one["spec"].pop("automountServiceAccountToken"), "no business with the API server"),
    "no role": (lambda one: one["metadata"]["labels"].pop("airlock.dev/role"), "needs the labels"),
    "not ours": (lambda one: one["metadata"]["labels"].pop("app.kubernetes.io/part-of"), "needs the labels"),
    "another's role": (label(role="raw-store"), "needs the labels"),
    "another's account": (spec(serviceAccountName="driver"), "needs the labels"),
    "log as status": (container(terminationMessagePolicy="FallbackToLogsOnError"), "FallbackToLogsOnError"),
    "another file as status": (container(terminationMessagePath="/opt/spark/conf/spark.properties"), "terminationMessagePath"),
}


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
@pytest.mark.parametrize(("change", "words"), ANY_POD.values(), ids=ANY_POD)
def test_a_workload_is_held_to_the_rules_when_it_is_made(cluster, change, words, kind):
    """By the platform itself, for which no other rule is in the way: Pod Security only warns of a Job."""
    admitted(job(executor(), kind), None)
    refused(job(changed(executor(), change), kind), None, words)


@pytest.mark.parametrize(("change", "words"), ANY_POD.values(), ids=ANY_POD)
def test_a_pod_is_held_to_the_rules(cluster, change, words):
    """By the platform, too; what the restricted standard refuses, it refuses first."""
    refused(changed(executor(), change), None, words, or_by="violates PodSecurity")


def test_an_image_of_one_zone_does_not_run_in_another(cluster):
    inner = container(image=f"localhost/airlock-raw@{DIGEST}")
    admitted(changed(executor(), inner), DRIVER)
    refused(
        changed(job(pod("release", "pii-airlock")), lambda one: inner(one["spec"]["template"])),
        None,
        "none of the namespace's list",
    )


def test_a_second_network_is_refused(cluster):
    for name in ("k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network", "ovn.kubernetes.io/logical_switch"):
        annotated = changed(executor(), lambda one, name=name: one["metadata"].update(annotations={name: "other"}))
        refused(annotated, DRIVER, "a second network interface")


# --- what a driver, a launcher and a prober may make


BY_DRIVER = {
    "a driver": (lambda one: one.update(pod("driver", args=["executor"])), "may create no pod of role 'driver'"),
    "a store": (lambda one: one.update(pod("raw-store", args=["executor"])), "may create no pod of role 'raw-store'"),
    "command": (container(command=["/bin/sh"]), "is not the one that its creator may start"),
    "arguments": (container(args=["executor", "more"]), "is not the one that its creator may start"),
    "no arguments": (lambda one: one["spec"]["containers"][0].pop("args"), "is not the one that its creator may start"),
    "another's Secret": (volume(secret={"secretName": "driver-keys"}), "a volume is none that"),
    "a ConfigMap": (volume(configMap={"name": "any"}), "a volume is none that"),
    "the pod's own description": (volume(downwardAPI={"items": []}), "a volume is none that"),
    "a second container": (
        lambda one: one["spec"]["containers"].append(one["spec"]["containers"][0] | {"name": "more"}), "more than one container",
    ),
    "a first container": (
        lambda one: one["spec"].update(initContainers=[one["spec"]["containers"][0] | {"name": "first"}]), "more than one container",
    ),
    "environment from a Secret": (
        container(env=[{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "driver-keys", "key": "root"}}}]), "environment variable",
    ),
    "environment of a Secret": (container(envFrom=[{"secretRef": {"name": "driver-keys"}}]), "environment variable"),
    "a probe's command": (container(livenessProbe={"exec": {"command": ["sh"]}}), "probes and hooks"),
    "another hook": (container(lifecycle={"preStop": {"exec": {"command": ["sh"]}}}), "probes and hooks"),
    "a node": (spec(nodeName="any"), "names its node"),
    "a prober's label": (label(probe="true"), "marks what a prober made"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BY_DRIVER.values(), ids=BY_DRIVER)
def test_a_driver_makes_executors_and_nothing_else(cluster, change, words):
    refused(changed(executor(), change), DRIVER, words)


def as_role(role):
    def change(one):
        one["metadata"]["labels"]["airlock.dev/role"] = one["spec"]["serviceAccountName"] = role
        one["spec"]["automountServiceAccountToken"] = False

    return change


BY_SUBMIT = {
    "an executor": (as_role("executor"), "may create no pod of role 'executor'"),
    "a prober": (as_role("probe"), "may create no pod of role 'probe'"),
    "another job": (
        lambda one: one["spec"]["containers"][0]["args"].__setitem__(5, "local:///tmp/job.py"), "is not the one that its creator may start",
    ),
    "another's Secret": (volume(secret={"secretName": "raw-store-root"}), "a volume is none that"),
    "a prober's label": (label(probe="true"), "marks what a prober made"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BY_SUBMIT.values(), ids=BY_SUBMIT)
def test_a_launcher_makes_drivers_and_nothing_else(cluster, change, words):
    refused(changed(driver(), change), SUBMIT, words)


BY_PROBE = {
    "a Secret": (lambda one: one["spec"]["volumes"].append(secret("driver-keys")), "a volume is none that"),
    "a token": (spec(automountServiceAccountToken=True), "a volume is none that"),
    "another command": (container(args=["airlock", "anonymize"]), "is not the one that its creator may start"),
    "no mark": (lambda one: one["metadata"]["labels"].pop("airlock.dev/probe"), "marks what a prober made"),
    "a Service's label": (
        lambda one: one["metadata"]["labels"].update({"app.kubernetes.io/name": "raw-store"}), "marks what a prober made",
    ),
    "no end": (lambda one: one["spec"].pop("activeDeadlineSeconds"), "ten minutes at most"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BY_PROBE.values(), ids=BY_PROBE)
def test_a_prober_makes_probes_and_nothing_else(cluster, change, words):
    refused(changed(probe(), change), PROBE, words)


def test_a_prober_of_one_zone_makes_nothing_in_another(cluster):
    """Nor with every right that Kubernetes gives."""
    refused(probe(), "pii-airlock/probe", "cannot create resource")
    refused(probe(), "pii-airlock/probe", "may create no pod of role 'driver'", groups=[EVERYTHING])


def test_preflight_makes_nothing_but_dry_runs(cluster):
    admitted(executor(), PREFLIGHT)
    refused(executor(), PREFLIGHT, "may create no pod of role 'executor'", dry=False)


# --- pods that are there


@pytest.fixture
def running(cluster):
    """An executor and a driver that no node takes."""
    for one, by in ((executor(), DRIVER), (driver(), SUBMIT)):
        admitted(one, by, dry=False)
    yield
    done(kubectl("delete", "pods", "--all", "-n", "pii-raw", "--grace-period=0", "--force"))


@pytest.mark.parametrize("sub", [[], ["--subresource=status"]], ids=["pod", "status"])
@pytest.mark.parametrize("name", ["airlock.dev/role", "app.kubernetes.io/part-of"])
def test_labels_stay(running, name, sub):
    patch = json.dumps({"metadata": {"labels": {name: "raw-store"}}})
    made = settles(lambda: kubectl("patch", "pod", "trial-executor", "-n", "pii-raw", *sub, "-p", patch), refused=True)
    assert "by which policies and Services select it" in made.stderr
    done(
        kubectl(
            "patch",
            "pod",
            "trial-executor",
            "-n",
            "pii-raw",
            *sub,
            "-p",
            json.dumps({"metadata": {"labels": {"spark-exec-inactive": "true"}}}),
        )
    )


def test_no_tools_come_into_a_pod(running):
    made = kubectl(
        "debug",
        "trial-executor",
        "-n",
        "pii-raw",
        f"--image=localhost/airlock@{DIGEST}",
        "--profile=restricted",
        "--attach=false",
    )
    assert "ephemeral containers are not allowed" in made.stderr
    assert "are not allowed in a zone" in kubectl("exec", "trial-executor", "-n", "pii-raw", "--", "true").stderr
    assert "are not allowed in a zone" in kubectl("attach", "trial-executor", "-n", "pii-raw").stderr
    for way in ("pods/trial-executor/portforward?ports=7070", "pods/trial-executor/proxy/", "services/raw-store:7070/proxy/"):
        assert "are not allowed in a zone" in kubectl("get", "--raw", f"/api/v1/namespaces/pii-raw/{way}").stderr


def test_the_driver_deletes_executors_alone(running):
    delete = lambda name, by: kubectl("delete", "pod", name, "-n", "pii-raw", "--wait=false", user=account(by))  # noqa: E731
    assert "may not delete a pod of role 'driver'" in delete("trial-driver", DRIVER).stderr
    assert "may not delete a pod of role 'executor'" in delete("trial-executor", SUBMIT).stderr
    assert "may not delete a pod of role 'driver'" in delete("trial-driver", PROBE).stderr
    done(delete("trial-executor", DRIVER))
    done(delete("trial-driver", SUBMIT))


def test_the_driver_deletes_executors_alone_when_it_deletes_many(running):
    """As Spark does at its end."""
    everything = "/api/v1/namespaces/pii-raw/pods"
    made = kubectl("delete", "--raw", everything, user=account(DRIVER))
    assert "may not delete a pod of role 'driver'" in made.stderr + made.stdout
    names = done(kubectl("get", "pods", "-n", "pii-raw", "-o", "name")).split()
    assert "pod/trial-driver" in names
    done(kubectl("delete", "--raw", f"{everything}?labelSelector=airlock.dev/role%3Dexecutor", user=account(DRIVER)))


# --- what only the platform does


def policy(namespace="pii-raw"):
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]},
    }  # fmt: skip


def config_map(namespace="pii-raw", **values):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "trial", "namespace": namespace},
        "data": {"a.yaml": "b"},
        **values,
    }


def role_binding():
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "trial", "namespace": "pii-raw"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "driver", "namespace": "pii-raw"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    "one",
    [policy(), policy("pii-sanitized"), role_binding(), config_map("pii-airlock", immutable=True)],
    ids=lambda one: one["kind"],
)
def test_the_platform_alone_makes_policies_rights_and_lists(cluster, one):
    """For a launcher that was given every right; and without them the API server refuses by itself."""
    refused(one, SUBMIT, "only the platform may change", groups=[EVERYTHING])
    refused(one, SUBMIT, "cannot create resource")
    admitted(one, None)


@pytest.mark.parametrize(
    "what",
    [
        ["networkpolicy", "default-deny", "-n", "pii-raw"],
        ["configmap", "airlock-subjects", "-n", "pii-airlock"],
        ["namespace", "pii-raw"],
    ],
    ids=lambda what: what[0],
)
def test_the_platform_alone_deletes_them(cluster, what):
    made = kubectl("delete", "--dry-run=server", *what, user=account(SUBMIT), groups=[EVERYTHING])
    assert "only the platform may change" in made.stderr
    done(kubectl("delete", "--dry-run=server", *what))


def test_the_zones_labels_are_the_platforms(cluster):
    patch = json.dumps({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}})
    for sub in ([], ["--subresource=status"]):
        made = kubectl(
            "patch", "namespace", "pii-raw", "--dry-run=server", *sub, "-p", patch, user=account(SUBMIT), groups=[EVERYTHING]
        )
        assert "only the platform may change namespace 'pii-raw'" in made.stderr


def test_lists_do_not_change(cluster):
    made = kubectl("patch", "configmap", "airlock-pods", "-n", "pii-airlock", "-p", '{"data": {"images.pii-raw": "x"}}')
    assert "immutable" in made.stderr


def test_without_its_list_nothing_is_admitted(cluster, trial):
    """By nobody: a list that is gone is no list, not an empty wish."""
    found = next(one for one in trial if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "airlock-pods")
    done(kubectl("delete", "configmap", "airlock-pods", "-n", "pii-airlock"))
    try:
        refused(executor(), DRIVER, "no params found")
        refused(job(driver()), None, "no params found")
    finally:
        done(kubectl("apply", "-f", "-", given=found))
    assert settles(lambda: create(executor(), DRIVER), refused=False).returncode == 0


def test_config_maps_are_immutable(cluster):
    named = {"metadata": {"name": f"policy-{'0' * 32}", "namespace": "pii-raw"}}
    admitted(config_map(immutable=True, **named), SUBMIT)
    refused(config_map(**named), SUBMIT, "must be immutable")
    refused(config_map(), None, "must be immutable")


SERVICES = {
    "a name of elsewhere": ({"type": "ExternalName", "externalName": "example.org"}, "is of type ClusterIP"),
    "a port of nodes": ({"type": "NodePort", "selector": {"a": "b"}, "ports": [{"port": 1}]}, "is of type ClusterIP"),
    "addresses of one's own": (
        {"selector": {"a": "b"}, "ports": [{"port": 1}], "externalIPs": ["198.18.128.9"]},
        "has no externalIPs",
    ),
    "no selector": ({"ports": [{"port": 1}]}, "selects its pods"),
}


@pytest.mark.parametrize(("service", "words"), SERVICES.values(), ids=SERVICES)
def test_services_lead_to_pods_of_the_zone(cluster, service, words):
    made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "trial-driver-svc", "namespace": "pii-raw"}}
    admitted(made | {"spec": {"clusterIP": "None", "selector": {"spark-app-selector": "a"}, "ports": [{"port": 7078}]}}, SUBMIT)
    refused(made | {"spec": service}, SUBMIT, words)


# --- rights, as the API server gives them


@pytest.mark.parametrize(
    "who",
    [
        "pii-raw/executor",
        "pii-raw/raw-store",
        "pii-airlock/release",
        "pii-airlock/staging-store",
        "pii-sanitized/sanitized-store",
    ],
)
def test_those_without_a_role_may_nothing(cluster, who):
    namespace = who.split("/")[0]
    for verb, what in (("get", "pods"), ("list", "secrets"), ("create", "pods"), ("get", "configmaps")):
        made = kubectl("auth", "can-i", verb, what, "-n", namespace, user=account(who), groups=["system:serviceaccounts"])
        assert made.stdout.strip() == "no"


@pytest.mark.parametrize("who", [DRIVER, SUBMIT, PREFLIGHT, PROBE])
@pytest.mark.parametrize(
    "what",
    [
        "get secrets", "list secrets", "create pods exec", "get pods log", "update pods ephemeralcontainers", "update pods status",
        "create networkpolicies", "patch namespaces", "create rolebindings", "create serviceaccounts token", "get nodes proxy",
        "impersonate users", "create jobs", "create endpointslices",
    ],
)  # fmt: skip
def test_those_with_a_role_may_not_open_the_zone(cluster, who, what):
    verb, resource, *sub = what.split()
    part = [f"--subresource={one}" for one in sub]
    made = kubectl(
        "auth", "can-i", verb, resource, *part, "-n", "pii-raw", user=account(who), groups=["system:serviceaccounts"]
    )
    assert made.stdout.strip() == "no"
    others = kubectl("auth", "can-i", verb, resource, *part, "-n", "pii-raw", user=account(who), groups=[EVERYTHING])
    assert others.stdout.strip() == "yes"
