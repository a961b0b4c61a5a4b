"""On a real cluster, what who makes drivers may have them do: what the image has for it, and nothing of its own.

Each case is a way to have a program run where keys and raw data are, by an argument, the environment, a mount, or Spark's conf.
"""

from __future__ import annotations

import json
import re

import pytest
from tests.cluster.launched import conf
from tests.cluster.live import (
    DRIVER,
    EVERYTHING,
    SUBMIT,
    account,
    admitted,
    changed,
    container,
    create,
    done,
    driver,
    executor,
    kubectl,
    refused,
    settles,
    spec,
    volume,
)

OPERATOR = "spark-operator/spark-operator-controller"
NAME = "spark-drv-335b77a229104cad-conf-map"
POLICY = f"policy-{'1' * 32}"
"""Of no policy: a run of another test may have left the ConfigMap of its own."""
OF_SPARK = {
    "spark.app.id": "spark-cc9bbae2b5c84a4391000664d44b93d4",
    "spark.driver.host": "airlock-customers-201e69a2291043a0-driver-svc.pii-raw.svc",
    "spark.kubernetes.container.image": f"localhost/airlock-inner@sha256:{'0' * 64}",
    "spark.kubernetes.driver.annotation.airlock.dev/policy": f"sha256:{'0' * 64}",
    "spark.kubernetes.executor.podTemplateFile": "/opt/spark/pod-template/pod-spec-template.yml",
    "spark.master": "k8s://https://198.18.255.1:6443",
    "spark.submit.pyFiles": "",
}


def stored(values):
    """As java.util.Properties.store writes it."""
    lines = ["#Java properties built from Kubernetes config map with name: " + NAME, "#Sun Nov 29 20:47:43 UTC 2026"]
    lines += [name + "=" + re.sub(r"([:=#!])", r"\\\1", value) for name, value in values.items()]
    return "\n".join(lines) + "\n"


def properties(text, name=NAME, **more):
    own = {"spark.kubernetes.namespace": "pii-raw", "spark.properties": text} if name == NAME else {"customers.yaml": text}
    data = own | more
    metadata = {"name": name, "namespace": "pii-raw"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def whole():
    return conf() | OF_SPARK


# --- Spark's conf


def test_sparks_conf_as_it_is_sent_is_admitted(cluster):
    admitted(properties(stored(whole())), SUBMIT)


HAS, TEXT = "Spark's conf has what no driver", "Spark's conf is one text"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("spark.driver.extraJavaOptions=-javaagent\\:/tmp/a.jar", HAS),
        ("spark.driver.extraClassPath=/tmp", HAS),
        ("spark.driver.extraLibraryPath=/tmp", HAS),
        ("spark.executor.extraJavaOptions=-XX\\:OnOutOfMemoryError\\=sh", HAS),
        ("spark.jars=local\\:///tmp/a.jar", HAS),
        ("spark.jars.packages=a\\:b\\:1", HAS),
        ("spark.files=local\\:///tmp/a", HAS),
        ("spark.submit.pyFiles=local\\:///tmp/a.py", HAS),
        ("spark.plugins=a.B", HAS),
        ("spark.extraListeners=a.B", HAS),
        ("spark.sql.extensions=a.B", HAS),
        ("spark.executorEnv.LD_PRELOAD=/tmp/a.so", HAS),
        ("spark.kubernetes.driverEnv.PYTHONPATH=/tmp", HAS),
        ("spark.hadoop.fs.defaultFS=http\\://a", HAS),
        ("spark.pyspark.python=/tmp/python", HAS),
        ("spark.authenticate=false", HAS),
        ("spark.ui.enabled=true", HAS),
        ("spark.network.crypto.saslFallback=true", HAS),
        # What Java reads as other lines than there seem to be.
        ("spark.app.name=a\\\nspark.plugins=a.B", HAS),
        ("spark.pl\\u0075gins=a.B", TEXT),
        ("spark.app.name=a\rspark.plugins=a.B", TEXT),
        ("#\rspark.plugins=a.B", TEXT),
        ("spark.plugins a.B", HAS),
        ("spark.plugins:a.B", HAS),
        ("spark.app.name=\\\\\\:", TEXT),
        ("spark.master=local[4]", HAS),
        ("spark.master=k8s\\://http\\://198.18.0.9\\:7070", HAS),
    ],
)
def test_a_line_of_ones_own_is_refused(cluster, line, words):
    refused(properties(stored(whole()) + line + "\n"), SUBMIT, words)


@pytest.mark.parametrize(
    "name", ["spark.authenticate", "spark.ui.enabled", "spark.driver.defaultJavaOptions", "spark.pyspark.python"]
)
def test_a_line_that_seals_it_may_not_be_left_out(cluster, name):
    left = whole()
    del left[name]
    refused(properties(stored(left)), SUBMIT, f"or has other values there: {name}.")


def test_a_driver_is_told_an_api_server(cluster):
    """Without one Spark would do executors' work in the driver, beside the root keys."""
    left = whole()
    del left["spark.master"]
    refused(properties(stored(left)), SUBMIT, "names no API server")


@pytest.mark.parametrize("name", ["spark.authenticate", "spark.ui.enabled"])
def test_a_line_that_java_reads_otherwise_seals_nothing(cluster, name):
    """It is a property `spark.authenticate=true` without a value."""
    text = stored(whole()).replace(f"{name}=", f"{name}\\=")
    refused(properties(text), SUBMIT, "names without a backslash")


@pytest.mark.parametrize("key", ["evil.py", "spark-env.sh", ".hidden.yaml"])
def test_a_policys_config_map_holds_policies_and_what_they_name(cluster, key):
    name = POLICY
    refused(properties("", name, **{key: "print()"}), SUBMIT, "holds a policy and the files that it names")
    refused(properties("", name) | {"data": {}, "binaryData": {"evil.csv": "aWQ="}}, SUBMIT, "holds a policy")


def test_no_other_file_comes_with_it(cluster):
    """Spark's scripts read spark-env.sh of the same folder."""
    refused(properties(stored(whole()), **{"spark-env.sh": "id"}), SUBMIT, "Spark's conf is one text")
    more = properties(stored(whole())) | {"binaryData": {"spark-env.sh": "aWQ="}}
    refused(more, SUBMIT, "Spark's conf is one text")


@pytest.mark.parametrize(
    "name", ["airlock-policies", "airlock-trust", "airlock-inner-2", "spark-drv-1-conf-map", "kube-root-ca.crt"]
)
def test_a_launcher_makes_no_other_config_map(cluster, name):
    refused(properties("", name), SUBMIT, f"a launcher makes no ConfigMap '{name}'")
    admitted(properties("", POLICY), SUBMIT)


def test_the_operator_makes_no_policies(cluster):
    refused(
        properties("", POLICY),
        OPERATOR,
        "a launcher makes no ConfigMap 'policy-",
        groups=[EVERYTHING],
    )


def test_the_operator_is_held_to_the_same(cluster):
    admitted(properties(stored(whole())), OPERATOR, groups=[EVERYTHING])
    refused(properties(stored(whole() | {"spark.plugins": "a.B"})), OPERATOR, "Spark's conf has", groups=[EVERYTHING])


# --- Services


def test_a_launcher_makes_the_drivers_service_and_changes_no_other(cluster):
    made = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "airlock-customers-201e69a2291043a0-driver-svc", "namespace": "pii-raw"},
        "spec": {"clusterIP": "None", "selector": {"spark-role": "driver"}, "ports": [{"port": 7078}]},
    }  # fmt: skip
    admitted(made, SUBMIT)
    refused(
        changed(made, lambda one: one["metadata"].update(name="raw-store-2")),
        SUBMIT,
        "a launcher makes no Service 'raw-store-2'",
    )
    patch = json.dumps({"spec": {"selector": {"airlock.dev/role": "driver"}}})
    turned = settles(
        lambda: kubectl(
            "patch",
            "service",
            "preflight",
            "-n",
            "pii-raw",
            "--dry-run=server",
            "-p",
            patch,
            user=account(SUBMIT),
            groups=[EVERYTHING],
        ),
        refused=True,
    )
    assert "a launcher makes no Service 'preflight'" in turned.stderr
    done(kubectl("patch", "service", "preflight", "-n", "pii-raw", "--dry-run=server", "-p", patch))


# --- pods


def argument(value):
    return lambda one: one["spec"]["containers"][0]["args"].append(value)


def environment(name, value=None, **given):
    one = {"name": name, **({"value": value} if value is not None else given)}
    return lambda pod: pod["spec"]["containers"][0]["env"].append(one)


def mounted(path, **source):
    def change(one):
        one["spec"]["volumes"].append({"name": "more", **source})
        one["spec"]["containers"][0]["volumeMounts"].append({"name": "more", "mountPath": path})

    return change


def remounted(index, **values):
    return lambda one: one["spec"]["containers"][0]["volumeMounts"][index].update(values)


def rekeyed(one):
    one["spec"]["volumes"][1]["configMap"]["items"][0]["path"] = "spark-env.sh"


def joined(one):
    """Spark takes the policy for its program then: a class of a name with a line feed is none."""
    arguments = one["spec"]["containers"][0]["args"]
    arguments[4:6] = ["\n".join(arguments[4:6])]


def arguments(*last):
    """What follows our program."""
    return lambda one: one["spec"]["containers"][0]["args"].__setitem__(slice(6, None), last)


RUN = ("--run", "run-1")


COMMAND, ENVIRONMENT, VOLUME = "is not the one that its creator may start", "an environment variable", "a volume is none that"
OF_ANY = {
    "a library": (environment("LD_PRELOAD", "/tmp/a.so"), ENVIRONMENT),
    "a Python path": (environment("PYTHONPATH", "/etc/airlock/policy"), ENVIRONMENT),
    "Java's options": (environment("JAVA_TOOL_OPTIONS", "-javaagent:/tmp/a.jar"), ENVIRONMENT),
    "the zone's Services": (spec(enableServiceLinks=True), "enableServiceLinks"),
    "another's name": (spec(hostname="preflight-0"), "the pod has another's name"),
    "a subdomain": (spec(subdomain="a"), "the pod has another's name"),
    "a priority of the system's": (spec(priorityClassName="system-node-critical"), "by its priority"),
    "a Job's label": (lambda one: one["metadata"]["labels"].update({"batch.kubernetes.io/job-name": "a"}), "one of a Job"),
    "a folder to run from": (container(workingDir="/etc/airlock/policy"), "workingDir"),
    "an empty program": (mounted("/opt/airlock/lib", emptyDir={}), VOLUME),
    "another ConfigMap": (mounted("/etc/airlock/config", configMap={"name": "another"}), VOLUME),
}
OF_DRIVERS = {
    "another setting": (argument("--config"), COMMAND),
    "another engine": (arguments("/etc/airlock/policy/a.yaml", "--engine", "local"), COMMAND),
    "what it failed with": (arguments("/etc/airlock/policy/a.yaml", "--run", "--debug"), COMMAND),
    "a policy of elsewhere": (arguments("/tmp/policy.yaml", *RUN), COMMAND),
    "a policy above": (arguments("/etc/airlock/policies/../keys/a.yaml", *RUN), COMMAND),
    "an expansion": (arguments("/etc/airlock/policy/$(HOME).yaml", *RUN), COMMAND),
    "a run with more": (arguments("/etc/airlock/policy/a.yaml", "--run", "run-1\n--debug"), COMMAND),
    "a program of its own behind a line feed": (joined, COMMAND),
    "no policy": (arguments(*RUN), COMMAND),
    "two policies": (arguments("/etc/airlock/policy/a.yaml", "/etc/airlock/policy/b.yaml", *RUN), COMMAND),
    "another order": (arguments(*RUN, "/etc/airlock/policy/a.yaml"), COMMAND),
    "submit's options": (environment("SPARK_SUBMIT_OPTS", "-Da=b"), ENVIRONMENT),
    "another Python": (environment("PYSPARK_DRIVER_PYTHON", "/tmp/python"), ENVIRONMENT),
    "another conf": (environment("SPARK_CONF_DIR", "/etc/airlock/policy"), ENVIRONMENT),
    "other settings": (environment("AIRLOCK_CONFIG", "/etc/airlock/policy/airlock.yaml"), ENVIRONMENT),
    "no preflight": (environment("AIRLOCK_ISOLATION_PREFLIGHT", ""), ENVIRONMENT),
    "a node of its own": (environment("AIRLOCK_ISOLATION_NODE", "node-1"), ENVIRONMENT),
    "another field": (environment("HOME", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}), ENVIRONMENT),
    "a value with more": (environment("HOME", "/tmp\nA=b"), ENVIRONMENT),
    "a ConfigMap as program": (mounted("/opt/airlock/jobs", configMap={"name": POLICY}), VOLUME),
    "a policy as settings": (mounted("/etc/airlock/config", configMap={"name": POLICY}), VOLUME),
    "a part of one": (remounted(1, subPath="spark.properties"), VOLUME),
    "an expanded part of one": (remounted(1, subPathExpr="$(HOME)"), VOLUME),
    "a shell's file of Spark's conf": (rekeyed, VOLUME),
    "keys elsewhere": (remounted(0, mountPath="/tmp/keys"), VOLUME),
    "a Secret by way of a token's name": (
        lambda one: one["spec"]["volumes"].append(
            {"name": "kube-api-access-x", "projected": {"sources": [{"secret": {"name": "raw-store-root"}}]}}
        ),
        VOLUME,
    ),
    "a ConfigMap by way of a token's name": (
        mounted(
            "/var/run/secrets/kubernetes.io/serviceaccount",
            projected={"sources": [{"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "another"}}]},
        ),
        VOLUME,
    ),
}  # fmt: skip
OF_EXECUTORS = {
    "a class path": (environment("SPARK_CLASSPATH", "/tmp/a.jar"), ENVIRONMENT),
    "an agent": (environment("SPARK_JAVA_OPT_9", "-javaagent:/tmp/a.jar"), ENVIRONMENT),
    "a command": (environment("SPARK_JAVA_OPT_9", "-XX:OnOutOfMemoryError=sh"), ENVIRONMENT),
    "a plugin": (environment("SPARK_JAVA_OPT_9", "-Dspark.plugins=a.B"), ENVIRONMENT),
    "another driver": (environment("SPARK_DRIVER_URL", "spark://CoarseGrainedScheduler@evil.example.org:7078"), ENVIRONMENT),
}
"""By the template that a launcher gave."""
WAYS = {
    f"{make.__name__}: {name}": (make, by, *way)
    for make, by, own in ((driver, SUBMIT, OF_DRIVERS), (executor, DRIVER, OF_EXECUTORS))
    for name, way in (OF_ANY | own).items()
}


@pytest.mark.parametrize(("make", "by", "change", "words"), WAYS.values(), ids=WAYS)
def test_no_program_of_its_own_in_a_driver_or_an_executor(cluster, make, by, change, words):
    refused(changed(make(), change), by, words)


def test_the_names_of_refused_variables_are_said_and_no_values(cluster):
    made = create(changed(driver(), environment("TOKEN", "what-is-in-it")), SUBMIT)
    assert "or has another value: TOKEN." in made.stderr
    assert "what-is-in-it" not in made.stderr


def test_a_volume_without_a_mount_is_held_to_the_list_too(cluster):
    refused(changed(driver(), volume(secret={"secretName": "release-keys"})), SUBMIT, VOLUME)
