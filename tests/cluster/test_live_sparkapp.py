"""The SparkApplication on a real API server: its kind takes it, strictly, and admission takes the pods that the operator makes of it.

Needs what `test_live_resources` needs, and the definition of the operator's kind, which is made and deleted; the operator itself is not there.
"""

from __future__ import annotations

import pytest
from tests.cluster.launched import APPLICATION, OPERATORS_NAMES, application_template, read
from tests.cluster.live import DIGEST, EVERYTHING, changed, create, done, kubectl, settles
from tests.cluster.sparkschema import definition
from tests.cluster.waiting import until

OPERATOR = "spark-operator/spark-operator-controller"
CREATORS = {"driver": OPERATOR, "executor": "pii-raw/driver"}
"""Who may make such pods in the trial's zones."""


@pytest.fixture(scope="module")
def kind(cluster, require):
    """Made for the test, where the cluster has none."""
    require("spark_crd")
    crd = definition()
    name = crd["metadata"]["name"]
    assert kubectl("get", "customresourcedefinition", name).returncode, f"the cluster has {name} already; name another cluster"
    try:
        # Too large for the annotation of a client's apply.
        done(kubectl("create", "-f", "-", given=crd))
        # `kubectl wait` fails where there is no condition yet.
        path = "jsonpath={.status.conditions[?(@.type=='Established')].status}"
        until(lambda: kubectl("get", "customresourcedefinition", name, "-o", path).stdout == "True", 60)
        yield name
    finally:
        kubectl("delete", "customresourcedefinition", name, "--wait=true", "--timeout=100s")


def dry_run(one):
    return kubectl("apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f", "-", given=one)


def test_the_server_takes_it_strictly(kind):
    # What the server has of a new kind reaches its clients a moment after the kind is there.
    made = done(settles(lambda: dry_run(read(APPLICATION)), refused=False, seconds=60))
    assert made.strip() == f"sparkapplication.sparkoperator.k8s.io/{read(APPLICATION)['metadata']['name']}"
    assert kubectl("get", "sparkapplications", "-n", "pii-raw", "-o", "name").stdout == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["spec"].update(noSuchField=1), "noSuchField"),
        (lambda one: one["spec"]["restartPolicy"].update(onExitCodes=[2]), "onExitCodes"),
        (lambda one: one["spec"]["sparkConf"].update({"spark.port.maxRetries": 0}), "spark.port.maxRetries"),
        (lambda one: one["spec"].update(type="Perl"), "Perl"),
    ],
)
def test_the_server_refuses_what_its_kind_has_not(kind, change, said):
    settles(lambda: dry_run(read(APPLICATION)), refused=False, seconds=60)
    made = dry_run(changed(read(APPLICATION), change))
    assert made.returncode != 0
    assert said in made.stderr


ASKED = {
    "the operator's own pod": (lambda one: one["spec"].update(mode="client"), "runs anonymize.py in a driver"),
    "another program": (lambda one: one["spec"].update(mainApplicationFile="local:///tmp/a.py"), "runs anonymize.py in a driver"),
    "options for a program": (lambda one: one["spec"].update(mainApplicationFile="--jars"), "runs anonymize.py in a driver"),
    "Java": (lambda one: one["spec"].update(type="Java"), "runs anonymize.py in a driver"),
    "files of the operator's": (
        lambda one: one["spec"].update(deps={"files": ["/var/run/secrets/kubernetes.io/serviceaccount/token"]}), "it does not need: deps.",
    ),
    "Hadoop's conf": (lambda one: one["spec"].update(hadoopConf={"fs.defaultFS": "http://a"}), "it does not need: hadoopConf."),
    "variables by conf": (lambda one: one["spec"]["driver"].update(envVars={"LD_PRELOAD": "/tmp/a.so"}), "it does not need: driver."),
    "Java's options": (lambda one: one["spec"]["driver"].update(javaOptions="-javaagent:a"), "it does not need: driver."),
    "an upload": (lambda one: one["spec"]["sparkConf"].update({"spark.kubernetes.file.upload.path": "hdfs://a/"}), "spark.kubernetes.file.upload.path"),
    "a plugin": (lambda one: one["spec"]["sparkConf"].update({"spark.plugins": "a.B"}), "given, by name or by value: spark.plugins"),
    "no secret": (lambda one: one["spec"]["sparkConf"].update({"spark.authenticate": "false"}), "given, by name or by value: spark.authenticate"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), ASKED.values(), ids=ASKED)
def test_the_operator_is_asked_for_nothing_but_our_driver(kind, change, said):
    """By whomever: it runs spark-submit in its own pod for whoever makes an application."""
    done(settles(lambda: dry_run(read(APPLICATION)), refused=False, seconds=60))
    made = settles(lambda: dry_run(changed(read(APPLICATION), change)), refused=True)
    assert made.returncode != 0
    assert said in made.stderr


def made_of_it(role):
    """The pod that Spark makes of a template, as far as admission looks at it."""
    made = {"apiVersion": "v1", "kind": "Pod", **application_template(role)}
    made["metadata"] |= {"name": f"trial-spark-{role}", "namespace": "pii-raw"}
    app = read(APPLICATION)["spec"]
    start = [
        "driver",
        "--properties-file",
        "/opt/spark/conf/spark.properties",
        "--class",
        "org.apache.spark.deploy.PythonRunner",
    ]
    arguments = [*start, app["mainApplicationFile"], *app["arguments"]] if role == "driver" else ["executor"]
    made["spec"]["containers"][0] |= {"image": f"localhost/airlock@{DIGEST}", "args": arguments}
    return made


@pytest.mark.parametrize("role", OPERATORS_NAMES)
def test_admission_takes_the_pods_that_are_made_of_it(cluster, role):
    done(settles(lambda: create(made_of_it(role), CREATORS[role]), refused=False, seconds=5))


def test_the_operator_makes_no_executor(cluster):
    made = settles(lambda: create(made_of_it("executor"), OPERATOR, groups=[EVERYTHING]), refused=True)
    assert made.returncode != 0
    # Two policies refuse it; which one is told, is not said.
    assert "may create no pod of role 'executor'" in made.stderr or "is not the one that its creator may start" in made.stderr
