"""What launches runs: valid, restricted, the same pod whichever way it is made, a conf that Spark knows. No cluster."""

from __future__ import annotations

import re
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.cluster.conftest import K8S
from tests.cluster.launched import (
    application_template,
    by_name,
    conf,
    conf_lines,
    container,
    jobs,
    objects,
    pods,
    read,
    secrets,
    template,
)
from tests.cluster.restricted import violations
from tests.cluster.sparkkeys import known_keys

PODS = pods()
OBJECTS = objects()
API_ROLES = set(read(K8S / "base" / "admission" / "pods-parameters.yaml")["data"]["api-roles"].split())


def lists(name):
    """What a creator may give its pods."""
    (file,) = [file for file in K8S.rglob(f"{name}.yaml") if "overlays" not in file.parts]
    return read(file)["data"]


# --- what Kubernetes takes, and what the zones ask


@pytest.mark.parametrize("one", OBJECTS.values(), ids=OBJECTS)
def test_every_object_is_valid(one, require):
    require("kubernetes_validate")
    import kubernetes_validate

    kubernetes_validate.validate(one, "1.34", strict=True)


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_every_pod_is_valid(pod, require):
    """Those of the SparkApplication, too, which the API server takes whatever they are."""
    require("kubernetes_validate")
    import kubernetes_validate

    whole = {"apiVersion": "v1", "kind": "Pod", **pod}
    kubernetes_validate.validate(whole, "1.34", strict=True)
    whole["spec"] = {**whole["spec"], "noSuchField": 1}
    with pytest.raises(kubernetes_validate.ValidationError, match="noSuchField"):
        kubernetes_validate.validate(whole, "1.34", strict=True)


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_every_pod_is_restricted(pod):
    assert violations(pod["spec"]) == []


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (("hostNetwork",), True, "hostNetwork"),
        (("securityContext", "runAsNonRoot"), False, "driver runAsNonRoot"),
        (("securityContext", "runAsUser"), 0, "driver runAsUser"),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}, "driver seccompProfile"),
        (("securityContext", "sysctls"), [{"name": "a", "value": "b"}], "sysctls"),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), True, "driver allowPrivilegeEscalation"),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["NET_RAW"]}, "driver capabilities"),
        (("containers", 0, "securityContext", "capabilities"), {"drop": ["ALL"], "add": ["SYS_PTRACE"]}, "driver capabilities"),
        (("containers", 0, "securityContext", "privileged"), True, "driver privileged"),
        (("containers", 0, "ports"), [{"hostPort": 1}], "driver hostPort"),
        (("volumes", 0), {"name": "v", "hostPath": {"path": "/"}}, "volumes v"),
    ],
)
def test_restricted_is_not_taken_for_granted(place, value, found):
    spec = deepcopy(template("driver")["spec"])
    part = spec
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert violations(spec) == [found]


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_every_pod_is_as_admission_asks(pod):
    """airlock-pods and airlock-made-pods, of which the live tests see whether they refuse."""
    spec, labels, one = pod["spec"], pod["metadata"]["labels"], container(pod)
    role = labels["airlock.dev/role"]
    assert labels["app.kubernetes.io/part-of"] == "airlock"
    assert spec["serviceAccountName"] == role
    assert spec.get("automountServiceAccountToken", True) is (role in API_ROLES)
    assert not {"initContainers", "ephemeralContainers", "nodeName", "hostNetwork"} & set(spec)
    assert not {"command", "envFrom", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"} & set(one)
    assert "terminationMessagePolicy" not in one
    assert {tuple(env["valueFrom"]) for env in one["env"] if "valueFrom" in env} <= {("fieldRef",)}
    assert {key for volume in spec["volumes"] for key in volume} <= {"name", "emptyDir", "secret", "configMap"}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_every_pod_writes_to_memory_or_to_its_own_scratch_alone(pod):
    spec, mounts, volumes = pod["spec"], by_name(container(pod)["volumeMounts"]), by_name(pod["spec"]["volumes"])
    assert container(pod)["securityContext"]["readOnlyRootFilesystem"] is True
    assert spec["enableServiceLinks"] is False
    assert spec["restartPolicy"] == "Never"
    assert set(mounts) == set(volumes)
    assert {name for name, one in mounts.items() if not one.get("readOnly")} == {
        name for name, one in volumes.items() if "emptyDir" in one
    }
    # Who holds raw rows or keys writes nothing to the node's disk.
    if spec["serviceAccountName"] in ("driver", "executor"):
        assert {one["emptyDir"].get("medium") for one in volumes.values() if "emptyDir" in one} == {"Memory"}


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
def test_secrets_are_for_their_group_alone(pod):
    volumes = [one["secret"] for one in pod["spec"]["volumes"] if "secret" in one]
    assert {one["defaultMode"] for one in volumes} <= {0o440}


def test_who_starts_runs_has_no_secret():
    assert secrets(jobs()["submit-customers"]["template"]) == set()


# --- one pod, whichever way it is made

CLIENT_MODE = {
    "env": {
        "JOB_NAME": "names the run, which spark-submit's arguments do else",
        "POD_NAME": "Spark's spark.kubernetes.driver.pod.name, which spark-submit sets else",
        "POD_IP": "Spark's spark.driver.host, which spark-submit sets else",
        "AIRLOCK_LAUNCH_SITE_CONF": "the entrypoint joins both confs, which airlock submit does else",
    },
    "volumes": {},
    "container": {
        "image": "of spark.kubernetes.container.image else",
        "imagePullPolicy": "of spark.kubernetes.container.image.pullPolicy else",
        "args": "Spark's else",
        "resources": "of spark.driver.* else",
    },
}
"""What the CronJob's own pod has that a driver of spark-submit has not, and why."""
OPTIONAL_STORE = {"secretName": "driver-store", "defaultMode": 0o440, "optional": True}
"""A site without that Secret takes the CronJob as it is, and a template of its own."""


def test_the_cron_jobs_driver_is_the_templates_but_for_client_mode():
    made, meant = jobs()["anonymize"]["template"], template("driver")
    own, other = container(made), container(meant)
    for key, allowed in (("env", "env"), ("volumeMounts", "volumes")):
        found, expected = by_name(own.pop(key)), by_name(other.pop(key))
        assert set(found) == set(expected) | set(CLIENT_MODE[allowed])
        assert {name: one for name, one in found.items() if name in expected} == expected
    volumes, expected = by_name(made["spec"].pop("volumes")), by_name(meant["spec"].pop("volumes"))
    # airlock submit gives a driver its policy as a ConfigMap of its own.
    assert volumes.pop("policies") == {"configMap": {"name": "airlock-policies"}}
    assert expected.pop("policies") == {"configMap": {"name": "airlock-policies", "optional": True}}
    assert volumes.pop("store") == {"secret": OPTIONAL_STORE}
    assert expected.pop("store") == {"secret": {key: OPTIONAL_STORE[key] for key in ("secretName", "defaultMode")}}
    assert volumes == expected
    assert {key: own.pop(key) for key in CLIENT_MODE["container"]}
    assert own == other
    assert made["spec"] == meant["spec"]
    assert made["metadata"]["labels"] == meant["metadata"]["labels"] | {"airlock.dev/dataset": "customers"}


@pytest.mark.parametrize("name", ["release-shards", "release-finish"])
def test_the_outer_doors_jobs_make_the_cron_jobs_pod_with_other_arguments(name):
    made, meant = jobs()[name]["template"], jobs()["release"]["template"]
    assert container(made).pop("args")[:2] == container(meant).pop("args")[:2] == ["airlock", "release"]
    assert made == meant


def given(allowed, name):
    """A list of regular expressions, with the site's own."""
    return "|".join((allowed[name] + allowed[f"site-{name}"]).splitlines())


def held(pod, allowed):
    """What of a pod its creator may not give it, as admission asks."""
    (one,), kinds = pod["spec"]["containers"], {}
    for volume in pod["spec"]["volumes"]:
        source = volume.get("secret", {}).get("secretName") or volume.get("configMap", {}).get("name")
        (kind,) = set(volume) - {"name"}
        kinds[volume["name"]] = kind + (f"/{source}" if source else "")
    mounts = [f"{kinds[mount['name']]} {mount['mountPath']}" for mount in one["volumeMounts"]]
    variables = [
        f"{each['name']}={each['value']}" if "value" in each else f"{each['name']}@{each['valueFrom']['fieldRef']['fieldPath']}"
        for each in one["env"]
    ]
    lists = ((mounts, given(allowed, "mounts")), (variables, given(allowed, "environment")))
    return [each for some, expression in lists for each in some if not re.fullmatch(expression, each)]


OF_CREATORS = {
    "executor by driver": ("pods-by-driver", template("executor")),
    "driver by submit": ("pods-by-submit", template("driver")),
    "driver by the operator": ("pods-by-spark-operator", application_template("driver")),
    "driver by Airflow": ("pods-by-airflow", read(K8S / "launch" / "driver-pod.yaml")),
}


@pytest.mark.parametrize(("by", "pod"), OF_CREATORS.values(), ids=OF_CREATORS)
def test_a_template_has_what_its_creator_may_give_it(by, pod):
    allowed, role = lists(by), pod["metadata"]["labels"]["airlock.dev/role"]
    assert held(pod, allowed) == []
    named = {line.split()[0].removeprefix("secret/") for line in allowed["mounts"].splitlines() if line.startswith("secret/")}
    assert secrets(pod) == named
    assert (role in API_ROLES) is ("api-token " in allowed["mounts"])
    assert lists("subjects")["pii-raw"].splitlines().count(f"{allowed['creator']} {role}") == ("subject" not in allowed)


def test_a_pod_of_airflow_says_its_arguments_itself():
    assert container(read(K8S / "launch" / "driver-pod.yaml"))["args"] == lists("pods-by-airflow")["arguments"].split()


def test_what_seals_sparks_conf_are_lines_of_it():
    """And each other line of it is one that a site may say otherwise."""
    allowed = lists("launchers-parameters")
    sealed = allowed["sealed"].splitlines()
    lines = [f"{name}={value}" for name, value in conf_lines()]
    assert set(sealed) <= set(lines)
    others = set(lines) - set(sealed)
    # spark-submit reads these two files and sends the driver the second one as a ConfigMap.
    others -= {line for line in others if re.match(r"spark\.kubernetes\.executor\.podTemplateFile=", line)}
    assert [line for line in others if not re.fullmatch(given(allowed, "open"), line)] == []
    keys = {line.split("=")[0] for line in sealed}
    assert [key for key in keys if re.fullmatch(given(allowed, "open"), f"{key}=1")] == []


@pytest.mark.parametrize(("role", "by"), [("executor", "pods-by-driver"), ("driver", "pods-by-submit")])
def test_on_eks_they_have_no_store_credential_and_are_else_the_same(role, by, build):
    """Its webhook gives them a token for STS."""
    made, meant = read(K8S / "launch" / "eks" / f"{role}.yaml"), template(role)
    (listed,) = (
        one["data"] for one in build("overlays/aws") if (one["kind"], one["metadata"]["name"]) == ("ConfigMap", f"airlock-{by}")
    )
    assert held(made, listed) == []
    assert "-store " not in listed["mounts"]
    meant["spec"]["volumes"] = [one for one in meant["spec"]["volumes"] if one["name"] != "store"]
    container(meant)["volumeMounts"] = [one for one in container(meant)["volumeMounts"] if one["name"] != "store"]
    if role == "driver":  # its executors are made of the template for EKS, too
        container(meant)["env"].append(
            {"name": "AIRLOCK_LAUNCH_EXECUTOR_TEMPLATE", "value": "/opt/airlock/spark/eks/executor.yaml"}
        )
        for one in (made, meant):
            container(one)["env"].sort(key=lambda variable: variable["name"])
    assert made == meant


def test_the_operator_may_make_what_submit_may():
    mine, other = lists("pods-by-spark-operator"), lists("pods-by-submit")
    assert mine.pop("subject") == f"{mine.pop('creator')} driver"
    assert other.pop("creator")
    assert mine == other


def test_the_operators_line_is_put_to_the_others(build, with_components):
    """No line of theirs is lost."""

    def lines(objects):
        (one,) = (one for one in objects if one["metadata"]["name"] == "airlock-subjects")
        return dict(one["data"])

    before, after = lines(build("base")), lines(with_components("spark-operator"))
    assert after.pop("pii-raw") == f"{lists('pods-by-spark-operator')['subject']}\n{before.pop('pii-raw')}"
    assert after == before


# --- the conf

DEMANDED = {
    "authentication by a secret of a file": {
        "spark.authenticate": "true",
        "spark.authenticate.secret.file": "/etc/airlock/spark-auth/secret",
    },
    "AES-GCM between processes, and no way back": {
        "spark.network.crypto.enabled": "true",
        "spark.network.crypto.cipher": "AES/GCM/NoPadding",
        "spark.network.crypto.authEngineVersion": "2",
        "spark.network.crypto.saslFallback": "false",
    },
    "what spills is encrypted, and lies in memory": {
        "spark.io.encryption.enabled": "true",
        "spark.io.encryption.keySizeBits": "256",
        "spark.kubernetes.local.dirs.tmpfs": "true",
    },
    "nothing tells": {
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "false",
        "spark.driver.log.persistToDfs.enabled": "false",
        "spark.kubernetes.driver.annotateExitException": "false",
        "spark.sql.redaction.string.regex": "(?s).+",
        "spark.redaction.string.regex": "(?s).+",
    },
    "the ports of the policies": {
        "spark.driver.port": "7078",
        "spark.driver.blockManager.port": "7079",
        "spark.blockManager.port": "7079",
        "spark.port.maxRetries": "0",
    },
    "executors come and go": {
        "spark.decommission.enabled": "true",
        "spark.task.maxFailures": "4",
        "spark.stage.maxConsecutiveAttempts": "4",
        "spark.executor.maxNumFailures": "16",
    },
    "rights of pods alone, and no policy of Spark's": {
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
        "spark.kubernetes.driver.reusePersistentVolumeClaim": "false",
        "spark.kubernetes.driver.pod.excludedFeatureSteps": "org.apache.spark.deploy.k8s.features.NetworkPolicyFeatureStep",
        "spark.kubernetes.executor.useDriverPodIP": "true",
    },
    "identities": {
        "spark.kubernetes.namespace": "pii-raw",
        "spark.kubernetes.authenticate.driver.serviceAccountName": "driver",
        "spark.kubernetes.authenticate.executor.serviceAccountName": "executor",
        "spark.kubernetes.driver.podTemplateContainerName": "driver",
        "spark.kubernetes.executor.podTemplateContainerName": "executor",
    },
}


@pytest.mark.parametrize("what", DEMANDED)
def test_the_conf_says_what_is_demanded(what):
    assert {name: conf().get(name) for name in DEMANDED[what]} == DEMANDED[what]


def test_the_conf_says_nothing_twice_and_nothing_of_a_site():
    names = [name for name, _ in conf_lines()]
    assert len(set(names)) == len(names)
    assert not {"spark.master", "spark.kubernetes.container.image"} & set(names)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("spark.authenticate.secret", True),
        ("spark.hadoop.fs.s3a.access.key", True),
        ("spark.hadoop.fs.s3a.secret.key", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("AWS_SESSION_TOKEN", True),
        ("VAULT_PASSWORD", True),
        ("mail.passwd", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", True),
        ("tls.private-key", True),
        ("spark.executor.memory", False),
        ("spark.app.name", False),
    ],
)
def test_values_are_hidden_by_these_names(name, hidden):
    assert bool(re.search(conf()["spark.redaction.regex"], name)) is hidden


def test_an_executor_is_given_up_after_several_heartbeats():
    seconds = {
        name: int(conf()[name].removesuffix("s")) for name in ("spark.network.timeout", "spark.executor.heartbeatInterval")
    }
    assert seconds["spark.network.timeout"] >= 3 * seconds["spark.executor.heartbeatInterval"]


def test_ports_are_those_of_the_policies(build):
    ports = {
        port["port"]
        for one in build("base")
        if one["kind"] == "NetworkPolicy" and one["metadata"]["name"].startswith(("driver-", "executors-"))
        for rule in one["spec"].get("ingress", [])
        for port in rule["ports"]
    }
    assert ports == {
        int(conf()[name]) for name in ("spark.driver.port", "spark.driver.blockManager.port", "spark.blockManager.port")
    }


def test_what_the_conf_names_in_the_image_is_put_there():
    files = (K8S / "image" / "Dockerfile").read_text()
    assert re.search(
        r"COPY k8s/launch/spark\.conf k8s/launch/driver\.yaml k8s/launch/executor\.yaml \S+log4j2\.properties /opt/airlock/spark/",
        files,
    )
    named = {word for value in conf().values() for word in re.findall(r"/opt/airlock/spark/\S+", value)}
    assert {Path(one).name for one in named} == {"driver.yaml", "executor.yaml", "log4j2.properties"}


def keys_of_spark():
    if find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed (extra 'spark')")
    import pyspark

    return known_keys(Path(pyspark.__path__[0], "jars"))


def test_spark_knows_every_key():
    known = keys_of_spark()
    assert len(known) > 1000
    # Of a label's key Spark knows what comes before the label.
    assert [name for name, _ in conf_lines() if re.sub(r"(\.label\.).*", r"\1", name) not in known] == []


@pytest.mark.parametrize(
    "name",
    [
        "spark.network.crypto.saslFallBack",
        "spark.authenticate.secretfile",
        "spark.kubernetes.driver.annotateExitExceptions",
        "spark.kubernetes.authenticate.driver.serviceAcountName",
        "spark.io.encryption.keySize",
    ],
)
def test_a_slip_in_a_key_is_seen(name):
    assert name not in keys_of_spark()
