"""Rights as RBAC's authorizer gives them: wildcards, subresources, names, URLs, aggregation, bindings, subjects; and what they let a byte do."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airlock.cluster.findings import Verdict
from airlock.cluster.powers import BECOMING, POWERS, STEERING, url_powers, verb_powers
from airlock.cluster.rbac import Rule, all_held, rights
from airlock.cluster.resources import resources_from
from airlock.cluster.subjects import Subject
from airlock.errors import ConfigError

API = "rbac.authorization.k8s.io"


def role(name, *rules, kind="Role", labels=None, **more):
    metadata = {"name": name, "labels": labels or {}, **({"namespace": "raw"} if kind == "Role" else {})}
    return {"apiVersion": f"{API}/v1", "kind": kind, "metadata": metadata, "rules": list(rules), **more}


def rule(verbs, resources, groups="", **more):
    asked = [("" if one == "core" else one) for one in groups.split()] or [""]
    return {"verbs": verbs.split(), "apiGroups": asked, "resources": resources.split(), **more}


def binding(name, to, *subjects, kind="RoleBinding", namespace="raw"):
    to_kind, _, to_name = to.partition(" ")
    metadata = {"name": name, **({"namespace": namespace} if kind == "RoleBinding" else {})}
    named = [dict(zip(("kind", "name", "namespace"), one.split(), strict=False)) for one in subjects]
    return {
        "apiVersion": f"{API}/v1", "kind": kind, "metadata": metadata, "subjects": named,
        "roleRef": {"apiGroup": API, "kind": to_kind, "name": to_name},
    }  # fmt: skip


def cluster(*objects):
    return resources_from([(f"x:{number}", one) for number, one in enumerate(objects, 1)])


def held(*objects, namespaces=("raw",)):
    return {(str(one.subject), one.power, one.namespace) for one in rights(cluster(*objects), namespaces)}


def words(verbs, resources, groups="", *, everywhere=True):
    asked = [("" if one == "core" else one) for one in groups.split()] or [""]
    return {one.word for one in verb_powers(verbs.split(), asked, resources.split()) if everywhere or not one.of_cluster}


# --- one rule against one request ---------------------------------------------------------------------------------------

VERBS = ["get", "list", "create", "update", "patch", "delete"]
GROUPS = ["", "apps", "batch"]
RESOURCES = ["pods", "secrets", "deployments", "widgets"]
SUBRESOURCES = ["", "exec", "log", "status"]
SOME_RULES = st.builds(
    Rule,
    st.just(1),
    st.lists(st.sampled_from([*VERBS, "*"]), max_size=3).map(tuple),
    st.lists(st.sampled_from([*GROUPS, "*"]), max_size=2).map(tuple),
    st.lists(
        st.sampled_from([*RESOURCES, "pods/exec", "pods/log", "pods/*", "*", "*/exec", "*/log", "*/*", "deployments/status"]),
        max_size=3,
    ).map(tuple),
    st.lists(st.sampled_from(["a", "b"]), max_size=1).map(tuple),
)


SOME_REQUESTS = st.tuples(*map(st.sampled_from, (VERBS, GROUPS, RESOURCES, SUBRESOURCES)))


def naively_allows(rule, asked, name):
    """One loop for each line of what evaluation_helpers.go does."""
    verb, group, resource, sub = asked
    verbs = any(one in ("*", verb) for one in rule.verbs)
    groups = any(one in ("*", group) for one in rule.groups)
    return (
        verbs and groups and naively_matches(rule, resource, sub) and (not rule.names or any(one == name for one in rule.names))
    )


def naively_matches(rule, resource, sub):
    for one in rule.resources:
        if one in ("*", f"{resource}/{sub}" if sub else resource):
            return True
        if sub and len(one) == len(sub) + 2 and one.startswith("*/") and one.endswith(sub):
            return True
    return False


def naive_power(verb, group, resource, sub):
    if group == "" and resource == "pods":
        table = {
            ("", "get"): "read pods", ("", "list"): "read pods", ("", "create"): "create pods", ("", "update"): "change pods",
            ("", "patch"): "change pods", ("", "delete"): "delete pods", ("exec", "get"): "exec pods", ("exec", "create"): "exec pods",
            ("log", "get"): "read logs", ("log", "list"): "read logs", ("status", "get"): "read pods", ("status", "list"): "read pods",
            ("status", "update"): "change pods", ("status", "patch"): "change pods",
        }  # fmt: skip
        return table.get((sub, verb))
    if group == "" and resource == "secrets" and not sub and verb != "delete":
        return "read secrets" if verb in ("get", "list") else "write secrets"
    if group == "apps" and resource == "deployments" and not sub and verb in ("create", "update", "patch"):
        return "create pods"
    return None


@given(SOME_RULES, SOME_REQUESTS, st.sampled_from(["", "a", "c"]))
def test_a_rule_allows_what_the_authorizer_allows(rule, asked, name):
    verb, group, resource, sub = asked
    assert rule.allows(verb, group, resource, subresource=sub, name=name) == naively_allows(rule, asked, name)


@given(SOME_RULES)
def test_powers_are_those_of_the_requests_that_the_rule_allows(rule):
    asked = itertools.product(VERBS, GROUPS, RESOURCES, SUBRESOURCES)
    name = next(iter(rule.names), "any")
    wanted = {naive_power(*one) for one in asked if naively_allows(rule, one, name)} - {None}
    compared = {
        "read pods",
        "create pods",
        "change pods",
        "delete pods",
        "exec pods",
        "read logs",
        "read secrets",
        "write secrets",
    }
    found = {one.word for one in rule.powers}
    # Wildcards of verbs, groups and resources reach more than the requests tried here.
    wild = "*" in rule.verbs + rule.groups or any("*" in one for one in rule.resources)
    assert wanted <= found
    assert wild or found & compared == wanted


@given(SOME_RULES)
def test_a_rule_of_unknown_kinds_never_gives_nothing(rule):
    gives = rule.verbs and rule.groups and "widgets" in rule.resources
    assert not gives or rule.powers


@pytest.mark.parametrize(
    ("urls", "url", "allowed"),
    [
        (("*",), "/anything", True),
        (("/logs/*",), "/logs/kubelet.log", True),
        (("/logs/*",), "/logs", False),
        (("/metrics",), "/metrics", True),
        (("/metrics",), "/metrics/cadvisor", False),
    ],
)
def test_urls_match_whole_or_by_their_beginning(urls, url, allowed):
    assert Rule(1, ("get",), urls=urls).allows_url("get", url) is allowed
    assert Rule(1, ("post",), urls=urls).allows_url("get", url) is False


@pytest.mark.parametrize(
    ("urls", "reads"),
    [
        (["*"], True),
        (["/metrics"], True),
        (["/logs/*"], True),
        (["/debug/pprof/*"], True),
        (["/healthz", "/version/", "/api/*"], False),
        (["/apis*", "/.well-known/openid-configuration"], False),
        (["/apis-evil/*"], True),
        (["/versionx"], True),
    ],
)
def test_urls_that_tell_of_the_server_are_a_power(urls, reads):
    assert bool(url_powers(["get"], urls)) is reads


# --- what it lets a byte do ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verbs", "resources", "groups", "power"),
    [
        ("create", "pods", "core", "create pods"),
        ("create", "jobs", "batch", "create pods"),
        ("patch", "cronjobs", "batch", "create pods"),
        ("update", "daemonsets", "apps", "create pods"),
        ("create", "replicationcontrollers", "core", "create pods"),
        ("create", "sparkapplications", "sparkoperator.k8s.io", "create pods"),
        ("patch", "pods", "core", "change pods"),
        ("deletecollection", "pods", "core", "delete pods"),
        ("create", "pods/eviction", "core", "delete pods"),
        ("create", "pods/exec", "core", "exec pods"),  # T37, and the next
        ("get", "pods/exec", "core", "exec pods"),
        ("create", "pods/attach", "core", "attach pods"),
        ("create", "pods/portforward", "core", "port-forward pods"),
        ("get", "pods/proxy", "core", "proxy pods"),
        ("get", "services/proxy", "core", "proxy pods"),
        ("patch", "pods/ephemeralcontainers", "core", "debug pods"),
        ("get", "pods/log", "core", "read logs"),
        ("watch", "secrets", "core", "read secrets"),
        ("patch", "secrets", "core", "write secrets"),
        ("list", "configmaps", "core", "read configmaps"),
        ("update", "configmaps", "core", "write configmaps"),
        ("create", "events", "events.k8s.io", "write events"),
        ("delete", "networkpolicies", "networking.k8s.io", "write networkpolicies"),
        ("create", "ciliumnetworkpolicies", "cilium.io", "write networkpolicies"),
        ("patch", "clusternetworkpolicies", "policy.networking.k8s.io", "write networkpolicies"),
        ("create", "network-attachment-definitions", "k8s.cni.cncf.io", "write networkpolicies"),
        ("create", "endpointslices", "discovery.k8s.io", "write services"),
        ("create", "ingresses", "networking.k8s.io", "write routes"),
        ("create", "httproutes", "gateway.networking.k8s.io", "write routes"),
        ("create", "persistentvolumeclaims", "core", "write volumes"),
        ("create", "serviceaccounts/token", "core", "create tokens"),
        ("patch", "serviceaccounts", "core", "write serviceaccounts"),
        ("bind", "clusterroles", API, "grant rights"),
        ("escalate", "roles", API, "grant rights"),
        ("create", "rolebindings", API, "grant rights"),
        ("impersonate", "serviceaccounts", "core", "impersonate"),
        ("impersonate", "userextras/scopes", "authentication.k8s.io", "impersonate"),
        ("impersonate:user-info", "users", "core", "impersonate"),
        ("update", "certificatesigningrequests/approval", "certificates.k8s.io", "approve certificates"),
        ("approve", "signers", "certificates.k8s.io", "approve certificates"),
        ("patch", "namespaces", "core", "write namespaces"),
        ("create", "mutatingwebhookconfigurations", "admissionregistration.k8s.io", "write admission"),
        ("delete", "validatingadmissionpolicybindings", "admissionregistration.k8s.io", "write admission"),
        ("use", "securitycontextconstraints", "security.openshift.io", "write admission"),
        ("update", "customresourcedefinitions", "apiextensions.k8s.io", "write apis"),
        ("create", "apiservices", "apiregistration.k8s.io", "write apis"),
        ("get", "nodes/proxy", "core", "proxy nodes"),
        ("patch", "nodes", "core", "write nodes"),
        ("create", "workflows", "argoproj.io", "steer deployers"),
        ("create", "pipelineruns", "tekton.dev", "create pods"),
        ("create", "widgets", "example.org", "write objects"),
        ("get", "deployments", "apps", "read objects"),
        ("delete", "resourcequotas", "core", "delete objects"),
        ("frobnicate", "pods", "core", "use other verbs"),
    ],
)
def test_each_dangerous_right_has_a_power_of_its_own(verbs, resources, groups, power):
    assert words(verbs, resources, groups) == {power}
    assert power in POWERS


def test_any_group_may_be_that_of_a_policy():
    assert "write networkpolicies" in words("create", "ciliumnetworkpolicies", "*")
    assert "write networkpolicies" not in words("create", "configmaps", "*")
    assert words("get update", "*/scale", "*") == {"read objects", "write objects"}


def test_a_subresource_of_everything_is_that_of_kinds_that_are_not_known_too():
    assert words("get", "*/exec") == {"exec pods", "read objects"}


@pytest.mark.parametrize(
    ("verbs", "resources", "groups"),
    [
        ("get list watch", "namespaces nodes persistentvolumes", "core"),
        ("create", "selfsubjectaccessreviews subjectaccessreviews", "authorization.k8s.io"),
        ("create", "tokenreviews", "authentication.k8s.io"),
        ("create", "pods", "apps"),
        ("get", "pods/*", "core"),
        ("*", "*/*", "*"),
        ("", "pods", "core"),
    ],
)
def test_what_says_nothing_of_a_zone_is_no_power(verbs, resources, groups):
    assert words(verbs, resources, groups) == set()


def test_everything_is_every_power():
    found = {one.word for one in verb_powers(["*"], ["*"], ["*"]) | url_powers(["*"], ["*"])}
    assert found == POWERS.keys() - {"use other verbs"}


def test_a_driver_of_spark_has_what_its_usual_role_says():
    """The Role of kubeflow's chart for Spark's drivers."""
    found = words(
        "get list watch create update patch delete deletecollection", "pods configmaps persistentvolumeclaims services"
    )
    assert found == {
        "create pods", "change pods", "delete pods", "read pods", "read configmaps", "write configmaps", "write services", "write volumes",
        "read objects", "delete objects",
    }  # fmt: skip


def test_the_tables_speak_of_powers_alone():
    assert POWERS.keys() >= (STEERING | BECOMING)


# --- roles and bindings -------------------------------------------------------------------------------------------------


def test_a_role_binding_gives_a_cluster_role_in_its_namespace_alone():
    """kubernetes.io, Using RBAC Authorization: a RoleBinding may reference a ClusterRole and grants it in the RoleBinding's namespace."""
    reader = role("secret-reader", rule("get watch list", "secrets"), kind="ClusterRole")
    bound = binding("read-secrets", "ClusterRole secret-reader", "User dave", namespace="development")
    assert held(reader, bound, namespaces=("development", "raw")) == {("User dave", "read secrets", "development")}


def test_a_cluster_role_binding_gives_it_everywhere():
    reader = role("secret-reader", rule("get watch list", "secrets"), kind="ClusterRole")
    bound = binding("global", "ClusterRole secret-reader", "Group manager", kind="ClusterRoleBinding")
    assert held(reader, bound, namespaces=("a", "b")) == {
        ("Group manager", "read secrets", "a"),
        ("Group manager", "read secrets", "b"),
    }


def test_a_role_binding_gives_nothing_of_the_cluster():
    most = role("most", rule("*", "*", "*"), kind="ClusterRole")
    inside = held(most, binding("b", "ClusterRole most", "User ann"))
    everywhere = held(most, binding("b", "ClusterRole most", "User ann", kind="ClusterRoleBinding"))
    assert {one[2] for one in inside} == {"raw"}
    of_cluster = {"proxy nodes", "write apis", "write nodes", "approve certificates"}
    assert not {one[1] for one in inside} & of_cluster
    assert {one[1] for one in everywhere if one[2] == ""} >= of_cluster | {
        "write admission",
        "write networkpolicies",
        "grant rights",
    }


def test_urls_are_given_by_a_cluster_role_binding_alone():
    reader = role("metrics", {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}, kind="ClusterRole")
    assert held(reader, binding("b", "ClusterRole metrics", "User ann")) == set()
    everywhere = binding("b", "ClusterRole metrics", "User ann", kind="ClusterRoleBinding")
    assert held(reader, everywhere) == {("User ann", "read server", "")}


def test_a_role_over_namespaces_changes_the_labels_of_its_own():
    """The request for a namespace carries its name as its namespace, so a Role in it counts."""
    assert ("User ann", "write namespaces", "raw") in held(
        role("r", rule("patch", "namespaces")), binding("b", "Role r", "User ann")
    )


def test_names_limit_nothing_for_us_and_are_told():
    made = cluster(role("r", rule("get", "secrets", resourceNames=["key"])), binding("b", "Role r", "User ann"))
    [one] = rights(made, ["raw"])
    assert (one.power, one.via) == ("read secrets", "Role raw/r, rule 1: get on secrets named key")


def test_aggregated_roles_are_joined_by_their_labels_and_those_joined_to_them():
    """kubernetes.io, Aggregated ClusterRoles: 'monitoring' gathers what is labelled for it."""
    rules = {"clusterRoleSelectors": [{"matchLabels": {"rbac.example.com/aggregate-to-monitoring": "true"}}]}
    inner = {"clusterRoleSelectors": [{"matchExpressions": [{"key": "deep", "operator": "Exists"}]}]}
    objects = [
        role("monitoring", kind="ClusterRole", aggregationRule=rules),
        role("endpoints", rule("get", "pods/log"), kind="ClusterRole", labels={"rbac.example.com/aggregate-to-monitoring": "true"}, aggregationRule=inner),
        role("deep", rule("get", "secrets"), kind="ClusterRole", labels={"deep": ""}),
        role("other", rule("create", "pods"), kind="ClusterRole", labels={"rbac.example.com/aggregate-to-monitoring": "false"}),
        binding("b", "ClusterRole monitoring", "User ann"),
    ]  # fmt: skip
    assert {one[1] for one in held(*objects)} == {"read logs", "read secrets"}


def test_a_rule_that_was_joined_says_from_where():
    select = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    other = role("other", rule("get", "secrets"), kind="ClusterRole", labels={"a": "b"})
    made = cluster(role("all", kind="ClusterRole", aggregationRule=select), other, binding("b", "ClusterRole all", "User ann"))
    assert [one.via for one in rights(made, ["raw"])] == ["ClusterRole all, rule 1 of ClusterRole other: get on secrets"]


def test_roles_that_select_each_other_end():
    both = [
        role(name, rule("get", what), kind="ClusterRole", labels={"a": "b"}, aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
        for name, what in (("one", "secrets"), ("two", "pods/log"))
    ]  # fmt: skip
    assert {one[1] for one in held(*both, binding("b", "ClusterRole one", "User ann"))} == {"read secrets", "read logs"}


VIEW = {"read pods", "read logs", "read configmaps", "read events", "read objects"}
EDIT = VIEW | {
    "attach pods", "change pods", "create pods", "create tokens", "delete objects", "delete pods", "exec pods", "impersonate", "port-forward pods",
    "proxy pods", "read secrets", "write configmaps", "write events", "write networkpolicies", "write objects", "write routes", "write secrets",
    "write serviceaccounts", "write services", "write volumes",
}  # fmt: skip


@pytest.mark.parametrize(("name", "has"), [("view", VIEW), ("edit", EDIT), ("admin", EDIT | {"grant rights"})])
def test_roles_that_every_cluster_has_are_known(name, has):
    """What bootstrappolicy/testdata/cluster-roles.yaml of Kubernetes 1.34.4 comes to, joined."""
    bound = binding("b", f"ClusterRole {name}", "User ann")
    assert {one[1] for one in held(bound)} == has
    extra = role("x", rule("get", "nodes/proxy secrets"), kind="ClusterRole", labels={f"{API}/aggregate-to-{name}": "true"})
    assert {one[1] for one in held(extra, bound)} == has | {"read secrets"}


def test_a_cluster_admin_has_every_power():
    found = held(binding("b", "ClusterRole cluster-admin", "User ann", kind="ClusterRoleBinding"))
    assert {one[1] for one in found} == POWERS.keys() - {"use other verbs"}


def test_a_role_that_was_read_goes_before_the_one_that_every_cluster_has():
    assert held(role("edit", rule("get", "secrets"), kind="ClusterRole"), binding("b", "ClusterRole edit", "User ann")) == {
        ("User ann", "read secrets", "raw")
    }


def test_a_missing_role_gives_nothing_and_is_told():
    made = cluster(
        binding("b", "Role gone", "User ann"), binding("c", "ClusterRole system:node", "Group g", kind="ClusterRoleBinding")
    )
    rights_held, found = all_held(made)
    assert rights_held == []
    assert [(one.verdict, one.code, one.where.name) for one in found] == [
        (Verdict.NO_PROOF, "rbac.dangling", "b"),
        (Verdict.NO_PROOF, "rbac.dangling", "c"),
    ]


def test_a_binding_without_subjects_gives_nothing_even_to_a_missing_role():
    assert all_held(cluster(binding("b", "Role gone"))) == ([], [])


def test_what_looks_like_a_wildcard_and_is_none_is_told():
    rights_held, [found] = all_held(cluster(role("r", rule("create", "pods/*")), binding("b", "Role r", "User ann")))
    assert rights_held == []
    assert (found.code, found.rule) == ("rbac.wildcard", "rule 1")


def test_a_service_account_of_no_namespace_is_told():
    """The API server refuses such a binding; whoever reads it otherwise gives the right to somebody."""
    bound = binding("b", "ClusterRole view", "ServiceAccount driver", kind="ClusterRoleBinding")
    held, [found] = all_held(cluster(bound))
    assert (held, found.code, found.rule) == ([], "rbac.subject", "subjects[0]")


def test_a_subject_of_another_kind_is_told():
    _, [found] = all_held(cluster(role("r"), binding("b", "Role r", "Robot x")))
    assert (found.code, found.rule) == ("rbac.subject", "subjects[0]")


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("ServiceAccount driver", "ServiceAccount raw/driver"),
        ("ServiceAccount driver other", "ServiceAccount other/driver"),
        ("User system:serviceaccount:other:driver", "ServiceAccount other/driver"),
        ("User system:kube-scheduler", "User system:kube-scheduler"),
        ("User system:serviceaccount:other", "User system:serviceaccount:other"),
        ("User idp:people:eu:ann", "User idp:people:eu:ann"),
        ("Group system:serviceaccounts:raw", "Group system:serviceaccounts:raw"),
    ],
)
def test_subjects_are_who_they_are_however_written(written, subject):
    assert held(role("r", rule("get", "secrets")), binding("b", "Role r", written)) == {(subject, "read secrets", "raw")}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("ServiceAccount raw/driver", ["system:serviceaccounts", "system:serviceaccounts:raw", "system:authenticated"]),
        ("User ann", ["system:authenticated"]),
        ("User system:anonymous", ["system:unauthenticated"]),
        ("Group ops", ["system:authenticated"]),
        ("Group system:serviceaccounts:raw", ["system:serviceaccounts", "system:authenticated"]),
        ("Group system:serviceaccounts", ["system:authenticated"]),
        ("Group system:authenticated", []),
        ("Group system:unauthenticated", []),
    ],
)
def test_groups_that_a_subject_is_in_for_certain(text, groups):
    assert [one.name for one in Subject.parse(text).groups] == groups


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("ServiceAccount raw/driver", True),
        ("ServiceAccount other/driver", False),
        ("Group system:serviceaccounts:raw", True),
        ("Group system:serviceaccounts:other", False),
        ("Group system:serviceaccounts", True),
        ("Group system:authenticated", True),
        ("User system:anonymous", True),
        ("Group system:masters", False),
        ("User ann", False),
    ],
)
def test_who_is_in_a_zone_or_has_members_there(text, inside):
    assert Subject.parse(text).is_in(frozenset({"raw"})) is inside


@pytest.mark.parametrize("text", ["", "driver", "ServiceAccount driver", "ServiceAccount /driver", "Robot x", "User"])
def test_other_texts_are_no_subjects(text):
    with pytest.raises(ConfigError, match="expected 'ServiceAccount NAMESPACE/NAME'"):
        Subject.parse(text)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"rules": "all"}, "'rules' is a string, expected a list"),
        ({"rules": ["all"]}, "'rules' has a string in it"),
        ({"rules": [{"verbs": "get"}]}, "'verbs' is a string, expected a list of strings"),
    ],
)
def test_a_role_of_another_shape_is_refused_by_name(broken, said):
    made = cluster({**role("r"), **broken}, binding("b", "Role r", "User ann"))
    with pytest.raises(ConfigError, match=rf"^x:1: Role raw/r: {said}"):
        all_held(made)
