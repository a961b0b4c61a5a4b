"""Admission policies that a claim counts on: gone, changed, not bound, bound to less; namespaces where nobody looks at new pods."""

from __future__ import annotations

import re

import pytest

from airlock.cluster.findings import Verdict
from airlock.cluster.pinned import Guard, guard_openings, parameters_digest, said_digest
from airlock.cluster.resources import resources_from
from airlock.errors import ConfigError

ADMISSION = "admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
POLICY = {
    "failurePolicy": "Fail",
    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
    "matchConstraints": {"resourceRules": [RULE]},
    "matchConditions": [{"name": "n", "expression": "request.operation == 'CREATE'"}],
    "variables": [{"name": "spec", "expression": "object.spec"}],
    "validations": [{"expression": "has(variables.spec.volumes)", "message": "no"}],
}
PARAMS = {"name": "lists", "namespace": "ops", "parameterNotFoundAction": "Deny"}
BINDING = {"policyName": "pods", "validationActions": ["Deny", "Audit"], "paramRef": PARAMS}
R, N, P = Verdict.REFUTED, Verdict.NO_PROOF, Verdict.PROVEN


def policy(**spec):
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "pods"},
        "spec": {**POLICY, **spec},
    }


def binding(name="pods", **spec):
    return {
        "apiVersion": ADMISSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {**BINDING, **spec},
    }


def cluster(*objects):
    return resources_from([(f"x:{number}", one) for number, one in enumerate(objects, 1)])


LISTS = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "lists", "namespace": "ops"},
    "immutable": True,
    "data": {"users": "ann"},
}


def digest(**spec):
    return said_digest(cluster(policy(**spec)).all[0])


def look(*objects, guard=None, making=("raw",), **pinned):
    guard = guard or Guard("pods", digest(**pinned), ("raw", "clean"), "ops/lists", place="flows.yaml:7")
    return list(guard_openings(cluster(LISTS, *objects), [guard], making))


def codes(found):
    return {(name, one.code, one.verdict) for name, one in found if one.verdict is not P}


def test_a_guard_that_is_as_it_was_read_leaves_its_parameters_as_a_path():
    found = look(policy(), binding())
    assert codes(found) == set()
    assert {(name, one.kind, str(one.where)) for name, one in found} == {
        (name, "admission", "ConfigMap ops/lists") for name in ("raw", "clean")
    }
    # What it says is told by a digest: an audit can see that it is what was read, and the list itself is in no message.
    assert {re.sub("[0-9a-f]{64}", "...", one.text) for _, one in found} == {"pods lets in what it says: sha256:..."}
    changed = {**LISTS, "data": {"users": "ann\nbob"}}
    guard = Guard("pods", digest(), ("raw",), "ops/lists")
    [(_, other)] = guard_openings(cluster(changed, policy(), binding()), [guard], ())
    assert other.text not in {one.text for _, one in found}


@pytest.mark.parametrize(
    ("lists", "code"),
    [
        ([], "guard.parameters"),
        ([{**LISTS, "immutable": None}], "guard.mutable"),
        ([{**LISTS, "immutable": False}], "guard.mutable"),
    ],
)
def test_parameters_that_are_not_there_or_may_change_leave_no_proof(lists, code):
    found = guard_openings(cluster(*lists, policy(), binding()), [Guard("pods", digest(), ("raw",), "ops/lists")], ())
    assert codes(found) == {("raw", code, N)}


def test_a_guard_that_is_gone_is_refuted_whatever_else_looks_at_pods():
    """Another policy that looks at pods does not stand in for it."""
    other = {**policy(), "metadata": {"name": "other"}}
    found = look(other, binding(policyName="other"), guard=Guard("pods", digest(), ("raw",), "ops/lists", place="flows.yaml:7"))
    assert codes(found) == {("raw", "guard.missing", R), ("raw", "admission.unguarded", N)}
    assert found[0][1].text == "is not there, and flows.yaml:7 counts on it"


@pytest.mark.parametrize(
    "change",
    [
        {"validations": [{"expression": "true"}]},
        {"validations": []},
        {"validations": [*POLICY["validations"], {"expression": "true"}]},
        {"variables": [{"name": "spec", "expression": "{}"}]},
        {"variables": [{"name": "other", "expression": "object.spec"}]},
        {"matchConditions": [{"name": "n", "expression": "false"}]},
        {"failurePolicy": "Ignore"},
        {"skipIf": "true"},
        {"paramKind": None},
        {"paramKind": {"apiVersion": "v1", "kind": "Secret"}},
        {"matchConstraints": {"resourceRules": [{**RULE, "operations": ["UPDATE"]}]}},
        {"matchConstraints": {"resourceRules": [{**RULE, "resourceNames": ["a"]}]}},
        {"matchConstraints": {"resourceRules": [{**RULE, "scope": "Cluster"}]}},
        {"matchConstraints": {"resourceRules": [RULE], "excludeResourceRules": [RULE]}},
        {"matchConstraints": {"resourceRules": [RULE], "matchPolicy": "Exact"}},
        {"matchConstraints": {"resourceRules": [RULE], "objectSelector": {"matchLabels": {"a": "b"}}}},
    ],
)
def test_a_guard_that_says_something_else_is_no_proof(change):
    found = look(policy(**change), binding())
    assert {("raw", "guard.changed", N), ("clean", "guard.changed", N)} <= codes(found)
    said = next(one for _, one in found if one.code == "guard.changed")
    assert digest(**change) in said.text
    assert digest() in said.text


@pytest.mark.parametrize(
    "change",
    [
        {"failurePolicy": None},
        {"validations": [{**POLICY["validations"][0], "message": "another", "reason": "Invalid"}]},
        {"auditAnnotations": []},
        {
            "matchConstraints": {
                "resourceRules": [{**RULE, "scope": "*"}],
                "namespaceSelector": {},
                "objectSelector": {},
                "matchPolicy": "Equivalent",
            }
        },
    ],
)
def test_what_an_api_server_fills_in_and_what_decides_nothing_changes_no_digest(change):
    assert digest(**change) == digest()


def selecting(name):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


@pytest.mark.parametrize(
    ("change", "left_open"),
    [
        ({"policyName": "another"}, {"raw", "clean"}),
        ({"validationActions": ["Audit"]}, {"raw", "clean"}),
        ({"validationActions": ["Warn", "Audit"]}, {"raw", "clean"}),
        ({"paramRef": {**PARAMS, "name": "others"}}, {"raw", "clean"}),
        ({"paramRef": {**PARAMS, "namespace": "other"}}, {"raw", "clean"}),
        ({"paramRef": {**PARAMS, "parameterNotFoundAction": "Allow"}}, {"raw", "clean"}),
        ({"paramRef": {"selector": {}, "parameterNotFoundAction": "Deny"}}, {"raw", "clean"}),
        ({"paramRef": None}, {"raw", "clean"}),
        ({"matchResources": selecting("raw")}, {"clean"}),
        ({"matchResources": selecting("other")}, {"raw", "clean"}),
        ({"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}, {"raw", "clean"}),
        ({"matchResources": {"resourceRules": [RULE]}}, {"raw", "clean"}),
        ({"matchResources": {"excludeResourceRules": [RULE]}}, {"raw", "clean"}),
        ({"skipIf": "true"}, {"raw", "clean"}),
    ],
)
def test_a_guard_that_is_not_bound_where_it_should_be_is_refuted(change, left_open):
    found = look(policy(), binding(**change))
    assert codes(found) == {(name, "guard.unbound", R) for name in left_open}


def test_what_a_binding_says_of_versions_matters_to_rules_of_its_own_alone():
    assert codes(look(policy(), binding(matchResources={"matchPolicy": "Exact"}))) == set()


def test_what_is_being_deleted_holds_no_longer():
    def leaving(one):
        return {**one, "metadata": {**one["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}

    assert codes(look(leaving(policy()), binding())) == {(name, "guard.leaving", N) for name in ("raw", "clean")}
    assert codes(look(policy(), leaving(binding()))) == {(name, "guard.unbound", R) for name in ("raw", "clean")}


def test_parameters_that_are_being_deleted_hold_no_longer():
    lists = {**LISTS, "metadata": {**LISTS["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    found = guard_openings(cluster(lists, policy(), binding()), [Guard("pods", digest(), ("raw",), "ops/lists")], ())
    assert codes(found) == {("raw", "guard.leaving", N)}


def test_bindings_whose_names_are_generated_are_told_apart():
    """Neither holds: one only warns, and the other is for elsewhere."""
    some = [
        {**binding(validationActions=["Warn"]), "metadata": {"generateName": "pods-"}},
        {**binding(matchResources=selecting("other")), "metadata": {"generateName": "pods-"}},
    ]
    assert codes(look(policy(), *some)) == {(name, "guard.unbound", R) for name in ("raw", "clean")}


def test_two_bindings_may_share_the_namespaces():
    both = [binding("a", matchResources=selecting("raw")), binding("b", matchResources=selecting("clean"))]
    assert codes(look(policy(), *both)) == set()


def test_a_binding_that_selects_by_a_label_may_be_escaped():
    """An update of a Namespace is asked about with its new labels."""
    by_label = {"namespaceSelector": {"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]}}
    found = look(policy(), binding("a", matchResources=by_label))
    assert codes(found) == {(name, "guard.by-label", N) for name in ("raw", "clean")}
    assert {str(one.where) for _, one in found if one.code} == {"ValidatingAdmissionPolicyBinding a"}
    assert "'stage'" in next(one.text for _, one in found if one.code)


def test_a_policy_that_leaves_a_namespace_out_does_not_guard_it():
    match = {"matchConstraints": {"resourceRules": [RULE], **selecting("raw")}}
    assert codes(look(policy(**match), binding(), **match)) == {("clean", "guard.unbound", R)}


def test_a_guard_without_parameters_is_bound_without():
    plain = {"paramKind": None}
    guard = Guard("pods", digest(**plain), ("raw",))
    assert look(policy(**plain), binding(paramRef=None), guard=guard) == []
    assert codes(look(policy(**plain), binding(), guard=guard)) == {("raw", "guard.unbound", R)}


def test_parameters_without_a_namespace_are_each_namespaces_own():
    guard = Guard("pods", digest(), ("raw", "ops"), "lists")
    found = codes(
        look(policy(), binding(paramRef={"name": "lists", "parameterNotFoundAction": "Deny"}), guard=guard, making=())
    )
    assert found == {("raw", "guard.parameters", N)}


def test_parameters_that_say_something_else_than_was_read_leave_no_proof():
    """`creator: nobody`, or everybody among the platform: the policy is the same, and lets all in."""
    says = parameters_digest(cluster(LISTS).all[0])
    for lists, expected in ((LISTS, set()), ({**LISTS, "data": {"users": "everybody"}}, {("raw", "guard.parameters", N)})):
        guard = Guard("pods", digest(), ("raw",), "ops/lists", says)
        found = list(guard_openings(cluster(lists, policy(), binding()), [guard], ()))
        assert codes(found) == expected
        assert parameters_digest(cluster(lists).all[0]) in " ".join(one.text for _, one in found)
        assert "everybody" not in " ".join(one.text for _, one in found)


def test_a_name_with_a_slash_is_no_namespace():
    odd = binding(paramRef={"name": "ops/lists", "parameterNotFoundAction": "Deny"})
    assert codes(look(policy(), odd)) == {(name, "guard.unbound", R) for name in ("raw", "clean")}


@pytest.mark.parametrize(
    "change",
    [
        {"validations": []},
        {"matchConstraints": None},
        {"matchConstraints": {"resourceRules": [RULE], "excludeResourceRules": [RULE]}},
        *({"matchConstraints": {"resourceRules": [{**RULE, **odd}]}} for odd in (
            {"operations": ["UPDATE"]}, {"resources": ["services"]}, {"apiGroups": ["apps"]}, {"resourceNames": ["a"]}, {"scope": "Cluster"},
            {"apiVersions": ["v2"]},
        )),
    ],
)  # fmt: skip
def test_who_makes_pods_of_a_zone_must_be_looked_at(change):
    """By a policy that `guards` names, whatever it has been read to say: one that is not asked about new pods looks at none."""
    assert codes(look(policy(**change), binding(), **change)) == {("raw", "admission.unguarded", N)}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"failurePolicy": "Ignore"}, "guard.fails-open"),
        ({"matchConstraints": {"resourceRules": [RULE], "objectSelector": {"matchLabels": {"a": "b"}}}}, "guard.by-label"),
        ({"matchConstraints": {"resourceRules": [RULE], "matchPolicy": "Exact"}}, "guard.by-version"),
        (
            {
                "matchConstraints": {
                    "resourceRules": [RULE],
                    "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
                }
            },
            "guard.by-label",
        ),
    ],
)
def test_a_guard_that_lets_objects_past_is_none_whoever_has_read_it(change, code):
    assert codes(look(policy(**change), binding(), **change)) == {("raw", code, N), ("clean", code, N)}


def test_why_no_binding_holds_is_told_of_each():
    found = look(policy(), binding("a", validationActions=["Audit"]), binding("b", matchResources={"resourceRules": [RULE]}))
    said = next(one.text for _, one in found if one.code == "guard.unbound")
    assert said == (
        "no binding holds it for 'raw', where flows.yaml:7 counts on it: a only warns or writes to the audit log; "
        "b leaves objects out by matchResources.resourceRules"
    )


def test_a_namespace_that_no_guard_covers_is_unguarded():
    found = look(policy(), binding(), making=("raw", "other"))
    assert codes(found) == {("other", "admission.unguarded", N)}
    assert [str(one.where) for _, one in found if one.code] == ["Namespace other"]


def test_a_policy_without_its_shape_is_told_by_name():
    with pytest.raises(ConfigError, match="ValidatingAdmissionPolicy pods: 'variables' is a string"):
        look(policy(variables="spec"), binding())
