"""The SparkApplication for kubeflow's operator: its kind takes it, and it says what the templates and the conf say. No cluster."""

from __future__ import annotations

import re
from copy import deepcopy
from importlib.metadata import PackageNotFoundError, version

import pytest
import yaml
from tests.cluster.conftest import K8S
from tests.cluster.launched import (
    APPLICATION,
    OPERATORS_NAMES,
    application_template,
    by_name,
    conf,
    container,
    jobs,
    read,
    template,
)
from tests.cluster.sparkschema import closed, definition, fields_of, schema_of

from airlock.cluster._sparkfields import SPARK_APP, SPARK_POD
from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.prove import prove
from airlock.cluster.resources import resources_from
from airlock.cluster.workloads import pod_templates

SPEC = read(APPLICATION)["spec"]


@pytest.fixture(scope="module")
def schema(require):
    require("spark_crd")
    return schema_of(definition(), "v1beta2")


def errors(schema, one):
    import jsonschema

    return [f"{error.json_path}: {error.message}" for error in jsonschema.Draft202012Validator(schema).iter_errors(one)]


# --- its kind


def test_its_kind_takes_it_and_knows_every_field(schema):
    assert errors(schema, read(APPLICATION)) == []


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("spec", "noSuchField"), 1, "noSuchField"),
        (("spec", "driver", "serviceAccountName"), "driver", "serviceAccountName"),
        (("spec", "executor", "podName"), "one", "podName"),
        (("spec", "restartPolicy", "onExitCodes"), [2], "onExitCodes"),
        (("metadata", "ownerRef"), [], "ownerRef"),
        (("noSuchField",), 1, "noSuchField"),
        (("spec", "volumes"), [{"name": "v", "emptyDirectory": {}}], "emptyDirectory"),
        (("spec", "restartPolicy", "type"), "Sometimes", "Sometimes"),
        (("spec", "restartPolicy", "onFailureRetries"), -1, "-1"),
        (("spec", "sparkConf", "spark.port.maxRetries"), 0, "0 is not of type 'string'"),
        (("spec", "timeToLiveSeconds"), "604800", "'604800' is not of type 'integer'"),
        (("spec", "type"), "Perl", "Perl"),
        (("kind",), "ScheduledSparkApplication", "SparkApplication"),
    ],
)
def test_what_its_kind_does_not_take_is_seen(schema, place, value, said):
    wrong = deepcopy(read(APPLICATION))
    part = wrong
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    [found] = errors(schema, wrong)
    assert said in found


@pytest.mark.parametrize("name", ["driver", "executor", "mainApplicationFile", "sparkVersion", "type"])
def test_what_its_kind_must_have_is_seen(schema, name):
    wrong = deepcopy(read(APPLICATION))
    del wrong["spec"][name]
    [found] = errors(schema, wrong)
    assert f"'{name}' is a required property" in found


def test_a_template_is_what_its_kind_does_not_look_at(schema):
    """So that tests/cluster/test_launch.py has to."""
    wrong = deepcopy(read(APPLICATION))
    wrong["spec"]["driver"]["template"]["spec"]["noSuchField"] = 1
    assert errors(schema, wrong) == []


def test_fields_named_as_words_of_a_schema_are_fields():
    made = closed({"type": "object", "properties": {"type": {"type": "string"}, "properties": {"type": "object"}}})
    assert made["properties"]["properties"] == {"type": "object", "additionalProperties": False}
    assert made["properties"]["type"] == {"type": "string"}


def test_the_proof_knows_every_field_of_its_kind(schema):
    assert fields_of(schema, "spec") <= SPARK_APP
    for role in ("driver", "executor"):
        assert fields_of(schema, "spec", role) <= SPARK_POD


# --- what it says

SAID_ELSEWHERE = {
    "spark.kubernetes.authenticate.driver.serviceAccountName": ("driver", "serviceAccount"),
    "spark.kubernetes.authenticate.executor.serviceAccountName": ("executor", "serviceAccount"),
    "spark.kubernetes.driver.podTemplateFile": ("driver", "template"),
    "spark.kubernetes.executor.podTemplateFile": ("executor", "template"),
    "spark.kubernetes.driver.podTemplateContainerName": ("driver", "template"),
    "spark.kubernetes.executor.podTemplateContainerName": ("executor", "template"),
}
"""Keys that the operator sets itself, or refuses in sparkConf (its internal/webhook/sparkconf_validator.go), and the field in their place."""


def test_its_conf_is_that_of_every_run():
    expected = conf()
    for name, (role, field) in SAID_ELSEWHERE.items():
        value = expected.pop(name)
        assert field == "template" or SPEC[role][field] == value, name
    # Labels decide which policies hold for a pod: the proof reads them in the templates alone.
    for role in OPERATORS_NAMES:
        prefix = f"spark.kubernetes.{role}.label."
        labels = {name.removeprefix(prefix): expected.pop(name) for name in list(expected) if name.startswith(prefix)}
        assert labels
        assert labels.items() <= application_template(role)["metadata"]["labels"].items()
    assert SPEC["sparkConf"] == expected


def test_the_site_says_what_is_the_sites():
    """In fields of its own, which put the operator's words into Spark's conf: its image by digest, and where the API server is, by address."""
    assert SPEC["image"] == container(jobs()["anonymize"]["template"])["image"]
    assert SPEC["driver"]["kubernetesMaster"].startswith("https://192.0.2.")
    assert {"spark.master", "spark.kubernetes.driver.master", "spark.kubernetes.container.image"}.isdisjoint(SPEC["sparkConf"])


def test_its_pods_are_the_templates_under_the_operators_names():
    for role, name in OPERATORS_NAMES.items():
        made, meant = application_template(role), template(role)
        own, other = container(made), container(meant)
        assert (own.pop("name"), other.pop("name")) == (name, role)
        mounts, volumes = by_name(own.pop("volumeMounts")), by_name(made["spec"].pop("volumes"))
        assert mounts == by_name(other.pop("volumeMounts"))
        assert volumes == by_name(meant["spec"].pop("volumes"))
        assert own == other
        assert made == {"metadata": meant["metadata"], "spec": meant["spec"]}


def test_it_says_of_its_pods_in_templates_alone():
    """What stands beside a template needs the operator's webhook, which the zone has not."""
    assert {role: set(SPEC[role]) for role in OPERATORS_NAMES} == {
        "driver": {"serviceAccount", "kubernetesMaster", "template"},
        "executor": {"serviceAccount", "template"},
    }


def test_it_starts_our_job_and_names_the_run_after_itself():
    metadata = read(APPLICATION)["metadata"]
    assert SPEC["arguments"] == ["/etc/airlock/policies/customers.yaml", "--launch", metadata["name"]]
    for name in ("submit", "spark-operator"):
        allowed = read(K8S / "components" / name / f"pods-by-{name}.yaml")["data"]["arguments"]
        assert allowed.split()[-1] == SPEC["mainApplicationFile"]
    # DNS-1035, as the operator asks of a name; with "-driver" behind it the driver's pod, whose label it is.
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,54}[a-z0-9]", metadata["name"])


def test_its_own_labels_are_no_place_in_the_policies():
    """The operator puts them on driver and executors, over what the templates say."""
    for role in OPERATORS_NAMES:
        theirs = template(role)["metadata"]["labels"]
        for name, value in read(APPLICATION)["metadata"]["labels"].items():
            assert theirs.get(name, value) == value
            assert name not in ("airlock.dev/role", "app.kubernetes.io/component")


def test_a_run_that_failed_is_not_tried_again_and_a_submission_is():
    """The operator's ShouldRetry: attempts so far <= retries, of runs and of submissions apart; it sees no exit code."""
    policy = SPEC["restartPolicy"]
    assert (policy["type"], policy["onFailureRetries"]) == ("OnFailure", 0)
    assert policy["onSubmissionFailureRetries"] > 0
    assert SPEC["timeToLiveSeconds"] == jobs()["anonymize"]["ttlSecondsAfterFinished"]


def test_its_spark_is_the_images():
    try:
        there = version("pyspark")
    except PackageNotFoundError:
        pytest.skip("pyspark is not installed (extra 'spark')")
    assert SPEC["sparkVersion"].split(".")[:2] == there.split(".")[:2]


# --- the proof


def proof(objects):
    resources = resources_from((f"set:{number}", one) for number, one in enumerate(objects))
    return prove(resources, read_flows((K8S / "flows.yaml").read_text(), "flows.yaml", resources))


def test_the_proof_sees_both_roles():
    made = {one.place: one for one in pod_templates(resources_from([("a.yaml", read(APPLICATION))]))}
    for role in OPERATORS_NAMES:
        one = made[f"spec.{role}"]
        assert (one.labels["airlock.dev/role"], one.spec["serviceAccountName"]) == (role, role)
        assert (one.unjudged, one.served) == ((), ())


def test_it_is_proven_beside_the_operators_component(with_components):
    found = proof([*with_components("spark-operator", "submit"), read(APPLICATION)])
    assert [str(one) for one in found.findings] == []
    assert found.verdict is Verdict.PROVEN


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda spec: spec["driver"]["template"]["spec"].update(hostNetwork=True), Verdict.REFUTED),
        (
            lambda spec: spec["sparkConf"].update({"spark.kubernetes.driver.podTemplateFile": "/tmp/other.yaml"}),
            Verdict.NO_PROOF,
        ),
        (lambda spec: spec.update(sparkUIOptions={"servicePort": 4040}), Verdict.NO_PROOF),
    ],
)
def test_the_proof_sees_what_is_changed_in_it(change, verdict, with_components):
    made = deepcopy(read(APPLICATION))
    change(made["spec"])
    assert proof([*with_components("spark-operator"), made]).verdict is verdict


def test_without_its_list_or_its_binding_the_operator_is_not_proven(with_components):
    objects = with_components("spark-operator")
    for kind, verdict in (("ConfigMap", Verdict.NO_PROOF), ("ValidatingAdmissionPolicyBinding", Verdict.REFUTED)):
        left = [one for one in objects if (one["kind"], one["metadata"]["name"]) != (kind, "airlock-pods-by-spark-operator")]
        assert len(left) == len(objects) - 1
        assert proof(left).verdict is verdict


def test_one_right_more_of_the_operator_is_refuted(with_components):
    """As the operator's own chart gives it: by an update a pod changes its labels, and so its place in the policies."""
    objects = [yaml.safe_load(yaml.safe_dump(one)) for one in with_components("spark-operator")]
    (role,) = (one for one in objects if (one["kind"], one["metadata"]["name"]) == ("Role", "spark-operator"))
    role["rules"].append({"apiGroups": [""], "resources": ["pods"], "verbs": ["update"]})
    assert proof(objects).verdict is Verdict.REFUTED
