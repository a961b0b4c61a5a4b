"""By which path a byte can leave a zone: rights as declared and as given, subjects that join zones, the platform, what is always there."""

from __future__ import annotations

import time

import pytest

from airlock.cluster.findings import Verdict, worst
from airlock.cluster.paths import Platform, Right, paths
from airlock.cluster.pinned import Guard, said_digest
from airlock.cluster.powers import POWERS
from airlock.cluster.resources import resources_from
from airlock.cluster.subjects import Subject
from airlock.errors import ConfigError

RBAC = "rbac.authorization.k8s.io"
ZONES = {"raw": ["pii-raw"], "airlock": ["pii-airlock"]}
PSS = "pod-security.kubernetes.io/enforce"
DIGEST = "registry/airlock@sha256:" + "0" * 64


def namespace(name, level="restricted"):
    labels = {PSS: level, f"{PSS}-version": "v1.34"} if level else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


ADMISSION = "admissionregistration.k8s.io/v1"
GUARD = [
    {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "pods"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
            "validations": [{"expression": "has(object.spec)"}],
        },
    },
    {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "pods"},
        "spec": {"policyName": "pods", "validationActions": ["Deny"]},
    },
]  # fmt: skip
BASE = [*GUARD, namespace("pii-raw"), namespace("pii-airlock"), namespace("shop", None)]
_NUMBER = iter(range(10**6))


def may(subject, verbs, resources, *, within="pii-raw", groups=("", "apps", "batch", "networking.k8s.io")):
    """A role and its binding; over the whole cluster where `within` is None."""
    kind, name = ("Role" if within else "ClusterRole"), f"r-{next(_NUMBER)}"
    who = Subject.parse(subject)
    metadata = {"name": name, **({"namespace": within} if within else {})}
    rules = [{"verbs": verbs.split(), "apiGroups": list(groups), "resources": resources.split()}]
    named = {"kind": who.kind, "name": who.name, **({"namespace": who.namespace} if who.namespace else {})}
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {"apiVersion": f"{RBAC}/v1", "kind": f"{kind}Binding", "metadata": metadata, "subjects": [named], "roleRef": {"kind": kind, "name": name}},
    ]  # fmt: skip


def look(*objects, rights=(), platform=(), zones=ZONES):
    made = resources_from([(f"x:{number}", one) for number, one in enumerate([*BASE, *objects], 1)])
    digest = said_digest(made.find("ValidatingAdmissionPolicy", "", "pods"))
    guards = [Guard("pods", digest, tuple(name for some in zones.values() for name in some))]
    return paths(made, zones, [Right.parse(*one) for one in rights], [Platform(*one) for one in platform], guards=guards)


def codes(*objects, **more):
    return sorted(one.code for one in look(*objects, **more)[0])


DRIVER = "ServiceAccount pii-raw/driver"


# --- rights, exactly those ----------------------------------------------------------------------------------------------


def test_declared_rights_that_are_there_are_proven_and_listed_with_their_reason():
    found, listed = look(
        *may(DRIVER, "create get", "pods"), rights=[(DRIVER, ["create pods", "read pods"], "pii-raw", "starts executors")]
    )
    assert found == []
    assert worst(found) is Verdict.PROVEN
    [one] = [one for one in listed if one.kind == "rights"]
    assert (one.zone, one.accepted, one.opens.kind) == ("raw", "starts executors", "RoleBinding")
    assert "create pods (runs any program" in one.text
    assert "rule 1: create,get on pods" in one.rule


def test_a_right_that_nobody_declared_is_refuted_with_the_rule_that_gives_it():
    [one], listed = look(
        *may(DRIVER, "create get delete", "pods"),
        rights=[(DRIVER, ["create pods", "read pods"], "pii-raw", "starts executors")],
    )
    assert (one.verdict, one.code) == (Verdict.REFUTED, "rights.undeclared")
    assert f"{DRIVER} may delete pods in pii-raw" in one.what
    assert "may: [delete pods]" in one.next_step
    assert {path.accepted for path in listed if path.kind == "rights"} == {None, "starts executors"}


@pytest.mark.parametrize(
    "right",
    [
        (DRIVER, ["create pods", "read secrets"], "pii-raw", "w"),
        (DRIVER, ["create pods"], "pii-airlock", "w"),
        ("ServiceAccount pii-raw/other", ["create pods"], "pii-raw", "w"),
        (DRIVER, ["create pods"], "", "w"),
    ],
)
def test_a_declared_right_that_is_not_there_is_refuted(right):
    found = look(*may(DRIVER, "create", "pods"), rights=[(DRIVER, ["create pods"], "pii-raw", "w"), right])[0]
    assert [one.code for one in found] == ["rights.missing"]
    assert worst(found) is Verdict.REFUTED


def test_rights_in_other_namespaces_are_none_of_the_zones():
    assert codes(*may("User ann", "*", "*", within="shop")) == []


@pytest.mark.parametrize(
    "subject",
    [DRIVER, "Group system:serviceaccounts", "Group system:serviceaccounts:pii-raw", "Group system:authenticated", "User system:anonymous"],
)  # fmt: skip
def test_what_a_zones_subject_writes_outside_its_zone_is_refuted_until_it_is_declared(subject):
    objects = may(subject, "create get", "configmaps pods/exec", within="shop")
    found, listed = look(*objects)
    assert {(one.verdict, one.code) for one in found} == {(Verdict.REFUTED, "rights.undeclared")}
    assert all("may exec pods, write configmaps in shop" in one.what and "in: shop" in one.next_step for one in found)
    assert any("read configmaps" in one.text and "in shop" in one.text for one in listed if one.kind == "rights")
    right = (subject, ["write configmaps", "exec pods"], "shop", "w")
    assert codes(*objects, rights=[(subject, ["write configmaps", "exec pods", "read configmaps"], "shop", "w")]) == []
    # What it reads there needs no entry: it is only listed.
    assert {one.code for one in look(*objects, rights=[right])[0]} == set()


def test_what_a_zones_subject_only_reads_elsewhere_is_listed():
    found, listed = look(*may(DRIVER, "get list", "pods configmaps", within="shop"))
    assert found == []
    assert [(one.zone, one.accepted) for one in listed if "outside its zone" in one.text] == [("raw", None)]
    assert codes(*may(DRIVER, "get", "secrets", within="shop")) == ["rights.undeclared"]


def test_a_cluster_role_binding_of_a_zones_subject_is_declared_for_its_namespaces_and_for_all_others():
    objects = may(DRIVER, "create", "events", within=None)
    declared = [(DRIVER, ["write events"], name, "w") for name in ("pii-raw", "pii-airlock")]
    [one] = look(*objects, rights=declared)[0]
    assert "in every namespace, outside of it" in one.what
    assert codes(*objects, rights=[*declared, (DRIVER, ["write events"], "*", "w")]) == []
    assert codes(*objects, rights=[*declared, (DRIVER, ["write events"], "*", "w"), (DRIVER, ["write events", "read logs"], "shop", "w")]) == ["rights.missing"]  # fmt: skip


def test_whom_a_zones_subject_becomes_outside_counts_as_it():
    """The platform too: what it may is then the zone's."""
    objects = [
        *may(DRIVER, "create", "serviceaccounts/token", within="shop"),
        *may("ServiceAccount shop/cart", "create", "configmaps", within="tools"),
        *may("Group system:serviceaccounts:shop", "create", "events", within="tools"),
    ]
    step = (DRIVER, ["create tokens"], "shop", "w")
    found = look(*objects, rights=[step], platform=[("ServiceAccount shop/*", "w")])[0]
    assert sorted(one.what.partition(" is ")[0] for one in found) == ["Group system:serviceaccounts:shop", "ServiceAccount shop/cart"]  # fmt: skip
    more = [("ServiceAccount shop/cart", ["write configmaps"], "tools", "w"), ("Group system:serviceaccounts:shop", ["write events"], "tools", "w")]  # fmt: skip
    assert codes(*objects, rights=[step, *more]) == []
    assert codes(*objects) == ["rights.undeclared"]


def test_rights_over_the_cluster_are_declared_without_a_namespace():
    objects = may("User ops", "patch", "nodes", within=None)
    assert codes(*objects) == ["rights.undeclared"]
    found, listed = look(*objects, rights=[("User ops", ["write nodes"], "", "drains nodes")])
    assert found == []
    assert [one.zone for one in listed if one.kind == "rights"] == ["raw", "airlock"]


def test_a_cluster_role_binding_is_a_right_in_each_zone():
    objects = may("User ops", "get", "pods/log", within=None)
    assert codes(*objects) == ["rights.undeclared", "rights.undeclared"]
    assert codes(*objects, rights=[("User ops", ["read logs"], name, "w") for name in ("pii-raw", "pii-airlock")]) == []


@pytest.mark.parametrize(
    ("may_words", "why", "said"),
    [
        (["create pod"], "w", "'create pod' is no power that is known. Nearest is 'create pods'"),
        (["zzz"], "w", "Take of: create pods, change pods"),
        ([], "w", "expected what it may and why"),
        (["create pods"], " ", "expected what it may and why"),
    ],
)
def test_words_that_are_no_powers_are_refused(may_words, why, said):
    with pytest.raises(ConfigError, match=said):
        Right.parse(DRIVER, may_words, "pii-raw", why)


# --- acting as somebody who has a right in a zone -------------------------------------------------------------------------

LAUNCHER = "ServiceAccount airflow/worker"
LAUNCHES = (LAUNCHER, ["create pods"], "pii-raw", "starts drivers")


def acting(*objects, rights=(LAUNCHES,), platform=()):
    found = look(*may(LAUNCHER, "create", "pods"), *objects, rights=rights, platform=platform)[0]
    return [one.what for one in found if one.code == "rights.acts-as"]


@pytest.mark.parametrize(
    ("verbs", "resources", "power"),
    [
        ("create", "pods", "create pods"),
        ("create", "serviceaccounts/token", "create tokens"),
        ("patch", "deployments", "create pods"),
        ("get", "secrets", "read secrets"),
        ("impersonate", "serviceaccounts", "impersonate"),
    ],
)
def test_who_can_become_a_declared_launcher_must_be_declared(verbs, resources, power):
    objects = may("User mallory", verbs, resources, within="airflow")
    [what] = acting(*objects)
    assert what.startswith(f"User mallory may {power} in airflow and so act as {LAUNCHER}, which may create pods in pii-raw")
    assert acting(*objects, rights=[LAUNCHES, ("User mallory", [power], "airflow", "keeps it")]) == []
    assert acting(*objects, platform=[("User mallory", "runs it")]) == []


def test_who_can_become_one_of_the_platform_is_found_and_by_steps_too():
    backup = may("ServiceAccount backup/agent", "get", "pods/log")
    first = may("ServiceAccount tools/robot", "create", "pods", within="backup")
    second = may("User ann", "create", "pods", within="tools")
    found = acting(*backup, *first, *second, platform=[("ServiceAccount backup/*", "makes copies")])
    assert [one.partition(" may ")[0] for one in found] == ["ServiceAccount tools/robot", "User ann"]


@pytest.mark.parametrize(
    ("verbs", "resources"),
    [("get", "pods"), ("create", "services"), ("get", "configmaps"), ("create", "events"), ("delete", "pods")],
)
def test_what_does_not_make_somebody_else_of_its_holder_is_left_alone(verbs, resources):
    assert acting(*may("User mallory", verbs, resources, within="airflow")) == []


def test_a_namespace_without_anybody_who_has_a_right_in_a_zone_is_left_alone():
    assert acting(*may("User mallory", "create", "pods", within="shop")) == []


@pytest.mark.parametrize(
    ("verbs", "resources", "groups"),
    [
        ("create", "pods", ("",)),
        ("update", "configmaps", ("",)),
        ("patch", "serviceaccounts", ("",)),
        ("create", "rolebindings", ("rbac.authorization.k8s.io",)),
        ("get", "secrets", ("",)),
    ],
)
def test_kubernetes_own_controllers_have_rights_that_no_object_says(verbs, resources, groups):
    [what] = acting(*may("User mallory", verbs, resources, within="kube-system", groups=groups))
    assert "and so act as Kubernetes' own controllers" in what
    assert acting(*may("User mallory", "get", "configmaps", within="kube-system")) == []


@pytest.mark.parametrize(
    ("verbs", "resources", "groups", "power"),
    [
        ("patch", "configmaps", ("",), "write configmaps"),
        ("create", "widgets", ("example.org",), "write objects"),
        ("patch", "serviceaccounts", ("",), "write serviceaccounts"),
        ("create", "pods/portforward", ("",), "port-forward pods"),
    ],
)
def test_what_a_launcher_reads_steers_it(verbs, resources, groups, power):
    """Whether it does is its program's business: no proof."""
    objects = may("User mallory", verbs, resources, within="airflow", groups=groups)
    found = look(*may(LAUNCHER, "create", "pods"), *objects, rights=[LAUNCHES])[0]
    assert [(one.code, one.verdict) for one in found] == [("rights.acts-as", Verdict.NO_PROOF)]
    assert f"User mallory may {power} in airflow and so may steer {LAUNCHER}" in found[0].what
    assert acting(*objects, rights=[LAUNCHES, ("User mallory", [power], "airflow", "keeps it")]) == []


def test_who_tells_a_deployer_what_to_make_may_make_anything():
    found = look(*may("User mallory", "create", "applications", within="shop", groups=("argoproj.io",)))[0]
    assert [(one.code, one.verdict) for one in found] == [("rights.acts-as", Verdict.NO_PROOF)]
    assert "so may steer a controller that deploys wherever it may itself" in found[0].what


def test_a_right_that_names_its_objects_is_no_proof_and_not_refuted():
    binding = may("User mallory", "get", "secrets", within="airflow")
    binding[0]["rules"][0]["resourceNames"] = ["web-tls"]
    found = look(*may(LAUNCHER, "create", "pods"), *binding, rights=[LAUNCHES])[0]
    assert [(one.code, one.verdict) for one in found] == [("rights.acts-as", Verdict.NO_PROOF)]


def test_a_declared_launcher_of_elsewhere_needs_a_guard_in_the_zone():
    """Whoever it is that creates pods there: Pod Security leaves him names, labels and volumes."""
    made = resources_from([("x", one) for one in [namespace("pii-raw"), *may(LAUNCHER, "create", "pods")]])
    rights = [Right.parse(*LAUNCHES)]
    assert [one.code for one in paths(made, {"raw": ["pii-raw"]}, rights, [])[0]] == ["admission.unguarded"]


def test_nobody_acts_as_himself():
    assert acting(*may(LAUNCHER, "create", "pods", within="airflow")) == []
    group = ("Group system:serviceaccounts", ["read objects"], "pii-raw", "w")
    everyone = may("Group system:serviceaccounts", "get", "widgets", groups=("example.org",))
    assert acting(*everyone, *may("ServiceAccount shop/a", "create", "pods", within="shop"), rights=[LAUNCHES, group]) == []


def test_powers_of_one_subject_in_one_namespace_are_told_together():
    [what] = acting(*may("User mallory", "create", "pods serviceaccounts/token", within="airflow"))
    assert "may create pods, create tokens in airflow" in what


# --- two zones ----------------------------------------------------------------------------------------------------------


def joined(*objects, platform=()):
    return [one for one in look(*objects, platform=platform)[0] if one.code == "rights.two-zones"]


def in_both(subject, verbs, resources):
    return [*may(subject, verbs, resources), *may(subject, verbs, resources, within="pii-airlock")]


@pytest.mark.parametrize(
    ("verbs", "resources", "joins"),
    [
        ("create", "pods", True),
        ("create", "pods/exec", True),
        ("patch", "pods/ephemeralcontainers", True),
        ("create", "jobs", True),
        ("create", "networkpolicies", True),
        ("patch", "configmaps", True),
        ("create", "serviceaccounts/token", True),
        ("get", "pods", False),
        ("get", "pods/log", False),
        ("get", "configmaps", False),
    ],
)
def test_a_subject_that_steers_two_zones_is_refuted(verbs, resources, joins):
    """T03 among them: whoever writes policies in a namespace opens it."""
    assert bool(joined(*in_both("User ann", verbs, resources))) is joins
    assert joined(*may("User ann", verbs, resources)) == []


def test_different_powers_in_two_zones_join_them_as_well():
    [one] = joined(*may("User ann", "create", "pods"), *may("User ann", "patch", "configmaps", within="pii-airlock"))
    assert "may write configmaps in zone 'airlock'" in one.what
    assert "may create pods in zone 'raw'" in one.what


def test_declared_rights_in_two_zones_join_them_all_the_same():
    rights = [("User ann", ["create pods"], name, "w") for name in ("pii-raw", "pii-airlock")]
    assert codes(*in_both("User ann", "create", "pods"), rights=rights) == ["rights.two-zones"]


@pytest.mark.parametrize(
    "group",
    ["Group system:serviceaccounts", "Group system:authenticated", "Group system:serviceaccounts:pii-airlock"],
)
def test_rights_by_the_groups_that_everyone_is_in_count(group):
    """A ServiceAccount with a right in one zone, and its group with one in the other."""
    release = "ServiceAccount pii-airlock/release"
    found = joined(*may(group, "create", "pods"), *may(release, "create", "pods", within="pii-airlock"))
    assert release in {str(one.what).split(" joins")[0] for one in found}


def test_a_subject_of_one_zone_that_steers_another_joins_them():
    [one] = joined(*may("ServiceAccount pii-airlock/release", "create", "pods/exec"))
    assert "is or has members in zone 'airlock' and may exec pods in zone 'raw'" in one.what
    assert joined(*may("ServiceAccount shop/cart", "create", "pods/exec")) == []


def test_whom_a_subject_can_become_counts():
    """Creating pods in a namespace is acting as its ServiceAccounts, and so on from there."""
    steps = [
        *may("User ann", "create", "pods", within="shop"),
        *may("ServiceAccount shop/deployer", "create", "serviceaccounts/token", within="tools"),
        *may("ServiceAccount tools/robot", "create", "pods"),
        *may("ServiceAccount tools/robot", "create", "pods", within="pii-airlock"),
    ]
    found = {one.what.split(" joins")[0]: one.what for one in joined(*steps)}
    assert set(found) == {"User ann", "ServiceAccount shop/deployer", "ServiceAccount tools/robot"}
    assert "as ServiceAccount tools/robot" in found["User ann"]


def test_who_can_become_one_of_the_platform_joins_and_the_platform_does_not():
    objects = [
        *in_both("ServiceAccount kube-system/controller", "*", "pods"),
        *may("User ann", "create", "pods", within="kube-system"),
    ]
    found = joined(*objects, platform=[("ServiceAccount kube-system/*", "controllers")])
    assert [one.what.split(" joins")[0] for one in found] == ["User ann"]


@pytest.mark.parametrize(
    ("verbs", "resources"), [("impersonate", "users"), ("escalate", "clusterroles"), ("get", "nodes/proxy"), ("create", "mutatingwebhookconfigurations")]
)  # fmt: skip
def test_powers_over_the_cluster_steer_every_zone(verbs, resources):
    groups = ("", RBAC, "admissionregistration.k8s.io")
    assert joined(*may("User ann", verbs, resources, within=None, groups=groups))


def test_namespaces_of_one_zone_are_one_zone():
    objects = in_both("User ann", "create", "pods")
    found = look(*objects, zones={"all": ["pii-raw", "pii-airlock"]})[0]
    assert {one.code for one in found} == {"rights.undeclared"}


def test_a_namespace_in_two_zones_is_refused():
    with pytest.raises(ConfigError, match="namespace 'pii-raw' is in the zones 'raw' and 'more'"):
        look(zones={"raw": ["pii-raw"], "more": ["pii-raw"]})


# --- the platform -------------------------------------------------------------------------------------------------------


def test_the_platform_is_listed_and_not_refuted():
    found, listed = look(*in_both("Group ops", "*", "*"), platform=[("Group ops", "cluster operators")])
    assert found == []
    assert {(one.zone, one.accepted) for one in listed if "Group ops may" in one.text} == {("raw", "cluster operators"), ("airlock", "cluster operators")}  # fmt: skip


@pytest.mark.parametrize(
    "subject", [DRIVER, "Group system:serviceaccounts", "Group system:serviceaccounts:pii-raw", "Group system:authenticated", "Group system:unauthenticated", "User system:anonymous"]
)  # fmt: skip
def test_nobody_in_a_zone_is_of_the_platform(subject):
    assert "rights.undeclared" in codes(*may(subject, "get", "secrets"), platform=[(subject, "this one")])


@pytest.mark.parametrize(
    ("entry", "subject", "covers"),
    [
        ("Group system:masters", "Group system:masters", True),
        ("ServiceAccount kube-system/*", "ServiceAccount kube-system/a", True),
        ("ServiceAccount kube-system/*", "ServiceAccount kube-systems/a", False),
        ("User system:*", "User system:kube-scheduler", True),
        ("Group system:serviceaccounts:kube-system", "ServiceAccount kube-system/a", True),
        ("Group system:serviceaccounts:kube-system", "ServiceAccount pii-raw/a", False),
        ("Group system:serviceaccounts", "ServiceAccount kube-system/a", False),
        ("Group system:authenticated", "User ann", False),
        ("User a?", "User ab", False),
        ("User [a]", "User a", False),
        ("User [a]", "User [a]", True),
    ],
)
def test_an_entry_covers_by_name_by_group_and_by_star(entry, subject, covers):
    assert Platform(entry, "w").covers(Subject.parse(subject), frozenset({"pii-raw"})) is covers


@pytest.mark.parametrize(
    "entry",
    ["*", "netpol", "group system:nodes", "ServiceAccount */x", "ServiceAccount kube-system", "User *", "Group *", "User "],
)
def test_an_entry_that_is_no_subject_is_refused(entry):
    with pytest.raises(ConfigError, match=r"expected 'ServiceAccount NAMESPACE/NAME'|stands for a part of a name"):
        Platform(entry, "w")
    with pytest.raises(ConfigError, match="expected a reason"):
        Platform("User a", " ")


# --- what is always there, and what sums it up --------------------------------------------------------------------------


def test_the_api_server_logs_and_the_masters_are_always_paths():
    found, listed = look(platform=[("Group system:masters", "cluster operators")])
    assert found == []
    assert [(one.zone, one.kind, str(one.opens), one.accepted) for one in listed] == [
        (zone, *rest)
        for zone, (name,) in ZONES.items()
        for rest in (
            ("api-server", "Service default/kubernetes", None),
            ("logs", f"Namespace {name}", None),
            ("platform", "Group system:masters", "cluster operators"),
        )
    ]


def test_pods_that_read_their_node_are_paths_out_of_every_zone():
    """T38: stdout leaves through the node's agents."""
    agent = {"volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}], "containers": [{"name": "a", "image": DIGEST}]}
    objects = [
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "shop"}, "spec": {"template": {"spec": spec}}}
        for name, spec in (
            ("agent", agent),
            ("root", {**agent, "volumes": [{"name": "r", "hostPath": {"path": "/"}}]}),
            ("pids", {**agent, "volumes": [], "hostPID": True}),
            ("mighty", {"containers": [{"name": "a", "image": DIGEST, "securityContext": {"privileged": True}}]}),
            ("plain", {**agent, "volumes": [{"name": "r", "hostPath": {"path": "/opt/data"}}]}),
        )
    ]  # fmt: skip
    found, listed = look(*objects)
    assert found == []
    assert {(one.zone, one.opens.name) for one in listed if one.kind == "node"} == {(zone, name) for zone in ZONES for name in ("agent", "root", "pids", "mighty")}  # fmt: skip


@pytest.mark.parametrize(("level", "listed"), [(None, True), ("privileged", True), ("baseline", False), ("restricted", False)])
def test_who_makes_pods_that_can_take_a_node_is_a_path(level, listed):
    objects = [namespace("lab", level), *may("User ann", "create", "pods", within="lab")]
    assert [one.zone for one in look(*objects)[1] if one.kind == "node"] == (list(ZONES) if listed else [])


def test_pods_tokens_and_kinds_are_joined_in():
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "pii-raw"},
        "spec": {"hostNetwork": True, "containers": []},
    }
    cilium = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "c", "namespace": "pii-raw"}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s", "namespace": "pii-airlock"},
        "spec": {"type": "NodePort"},
    }
    found, listed = look(pod, cilium, service)
    assert sorted(one.code for one in found) == ["kind.network", "pod.host-network", "service.outer", "token.mounted"]
    assert {(one.zone, one.kind) for one in listed} >= {("raw", "pod"), ("raw", "token"), ("airlock", "service")}


def test_a_binding_to_a_missing_role_counts_in_zones_and_in_the_cluster():
    def dangling(kind, name, **where):
        return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name, **where}, "subjects": [{"kind": "User", "name": "ann"}], "roleRef": {"kind": "ClusterRole", "name": "gone"}}  # fmt: skip

    objects = [
        dangling("RoleBinding", "a", namespace="pii-raw"),
        dangling("RoleBinding", "b", namespace="shop"),
        dangling("ClusterRoleBinding", "c"),
    ]
    assert sorted(one.where.name for one in look(*objects)[0]) == ["a", "c"]


def test_no_secret_is_said():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "pii-raw"}, "type": "kubernetes.io/service-account-token", "data": {"token": "Y2FuYXJ5"}}  # fmt: skip
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "pii-raw"}, "spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": "canary-1"}], "args": ["canary-2"]}]}}  # fmt: skip
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "pii-raw"},
        "data": {"a": "canary-3"},
    }
    found, listed = look(secret, pod, config)
    assert {one.code for one in found} == {"token.legacy", "token.mounted"}
    said = " ".join(map(str, [*found, *listed]))
    assert "canary" not in said
    assert "Y2FuYXJ5" not in said


def test_every_power_can_be_declared():
    assert [Right.parse("User ann", [word], "pii-raw", "w").may for word in POWERS] == [{word} for word in POWERS]


def test_time_grows_with_the_number_of_objects():
    """Ten times the pods and roles take some ten times as long: as a ratio, for the coverage's tracer takes its share of both."""
    assert _seconds(10_000, 1_000) < 25 * _seconds(1_000, 100)


def _seconds(pods, roles):
    """Of the process's own time, the least of two."""
    objects = [namespace(f"ns-{number}") for number in range(100)]
    for number in range(pods):
        spec = {
            "automountServiceAccountToken": False,
            "containers": [{"name": "a", "image": DIGEST}],
            "nodeName": f"n-{number % 200}",
        }
        metadata = {"name": f"p-{number}", "namespace": f"ns-{number % 100}"}
        objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    for number in range(roles):
        objects += may(f"ServiceAccount ns-{number % 100}/sa-{number % 300}", "get list create delete", f"pods configmaps w-{number}", within=f"ns-{number % 100}")  # fmt: skip
    made = resources_from([("x", one) for one in objects])
    zones = {"raw": ["ns-0"], "airlock": ["ns-1"], "all": [f"ns-{number}" for number in range(2, 100)]}
    taken = []
    for _ in range(2):
        before = time.process_time()
        found, _ = paths(made, zones, [], [])
        taken.append(time.process_time() - before)
        assert len(found) == roles
    return min(taken)
