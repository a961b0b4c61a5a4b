"""`k8s/`: every folder builds, every object is one that Kubernetes takes, and none says more than it must."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"
ZONES = ("pii-raw", "pii-airlock", "pii-sanitized")
COMPONENTS = sorted(path.parent.name for path in K8S.glob("components/*/kustomization.yaml"))
OVERLAYS = sorted(path.parent.name for path in K8S.glob("overlays/*/kustomization.yaml"))
FOLDERS = ["base", *(f"overlays/{name}" for name in OVERLAYS)]
SETS = [*FOLDERS, *(f"components/{name}" for name in COMPONENTS)]
KUSTOMIZATIONS = sorted(K8S.rglob("kustomization.yaml"))
SCHEMAS = {
    json.loads(path.read_text())["properties"]["kind"]["const"]: json.loads(path.read_text())
    for path in (Path(__file__).parent / "schemas").glob("*.json")
}
"""Of kinds that are no part of Kubernetes."""
UNSET = "192.0.2."
"""An address of documentation stands wherever a site's has to."""


@pytest.fixture(params=SETS)
def objects(request, build, with_components):
    kind, _, name = request.param.partition("/")
    return with_components(name) if kind == "components" else build(request.param)


@pytest.fixture(scope="module")
def everything(build, with_components):
    """All objects that there are, each once for each folder that has it."""
    found = [one for folder in FOLDERS for one in build(folder)]
    return found + [one for name in COMPONENTS for one in with_components(name)]


def of(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def named(one):
    return (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])


def labels(one):
    return one["metadata"].get("labels", {})


def rules_of(policy):
    """(direction, peers, ports) of each rule."""
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction, []):
            yield direction, rule[key], rule["ports"]


# --- files


def patches(folder, kustomization):
    return {(folder / one["path"]).resolve(): one for one in kustomization.get("patches", [])}


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: str(path.parent.relative_to(K8S)))
def test_a_folder_names_every_file_in_it(path):
    made = yaml.safe_load(path.read_text())
    generated = [name for one in made.get("configMapGenerator", []) for name in one["files"]]
    listed = {(path.parent / one).resolve() for one in [*made.get("resources", []), *generated]} | set(
        patches(path.parent, made)
    )
    assert {one.resolve() for one in path.parent.rglob("*.yaml")} - {path.resolve()} <= listed


def test_one_object_a_file():
    loose = {
        place
        for path in KUSTOMIZATIONS
        for place, one in patches(path.parent, yaml.safe_load(path.read_text())).items()
        if "target" in one
    }
    files = [one for one in K8S.rglob("*.yaml") if one.name != "kustomization.yaml" and one.resolve() not in loose]
    assert len(files) > 100
    for file in files:
        documents = list(yaml.safe_load_all(file.read_text()))
        assert len(documents) == 1, file
        assert {"apiVersion", "kind"} <= set(documents[0]), file


def test_a_file_has_no_trace_of_a_site_but_in_overlays():
    for file in K8S.rglob("*.yaml"):
        if "overlays" not in file.parts:
            assert not [word for word in ("198.18.", "amazonaws") if word in file.read_text()], file


# --- what Kubernetes takes


def test_no_object_stands_twice(objects):
    assert len({named(one) for one in objects}) == len(objects) > 50


def test_every_object_is_valid(everything, require):
    require("kubernetes_validate")
    import jsonschema
    import kubernetes_validate

    distinct = {json.dumps(one, sort_keys=True): one for one in everything}
    assert len(distinct) > 120
    for one in distinct.values():
        if one["kind"] in SCHEMAS:
            jsonschema.validate(one, SCHEMAS[one["kind"]])
        else:
            kubernetes_validate.validate(one, "1.34", strict=True)


def test_validity_is_not_taken_for_granted(build, with_components, require):
    """The validators refuse a word that is not theirs, in each kind that there is."""
    require("kubernetes_validate")
    import jsonschema
    import kubernetes_validate

    kinds = {
        one["kind"]: one
        for name in ("cilium", "cluster-network-policy", "raw-store", "preflight")
        for one in with_components(name)
    }
    assert set(SCHEMAS) < set(kinds)
    for kind, one in kinds.items():
        part = next(name for name in ("spec", "data", "metadata") if name in one)
        # A ConfigMap's data are free; its metadata are not.
        part = "metadata" if part == "data" else part
        wrong = one | {part: one[part] | {"noSuchField": 1}}
        check = jsonschema.validate if kind in SCHEMAS else partial(kubernetes_validate.validate, strict=True)
        with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError), match="noSuchField"):
            check(wrong, SCHEMAS.get(kind, "1.34"))


def test_every_object_says_whose_it_is(objects):
    """Two objects stay when the rest is taken down by that label."""
    kept = [one for one in objects if labels(one).get("app.kubernetes.io/part-of") != "airlock"]
    assert {one["metadata"]["name"] for one in kept} == {"airlock-keep-lists"}
    assert len(kept) == 2


def test_an_api_server_goes_on_following_lists_when_all_else_is_taken_down(build):
    """kubernetes/kubernetes#130887: a binding whose policy has a ConfigMap for its parameters has to stay."""
    kept = {one["kind"]: one for one in build("base") if labels(one).get("airlock.dev/keep") == "lists"}
    assert kept["ValidatingAdmissionPolicy"]["spec"]["paramKind"] == {"apiVersion": "v1", "kind": "ConfigMap"}
    assert (
        kept["ValidatingAdmissionPolicyBinding"]["spec"]["policyName"] == kept["ValidatingAdmissionPolicy"]["metadata"]["name"]
    )


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_a_component_brings_bears_its_name(name, build, with_components):
    base = {named(one) for one in build("base")} | {("ConfigMap", "pii-airlock", "airlock-site")}
    brought = [one for one in with_components(name) if named(one) not in base]
    source = {"eks-s3-endpoint": "outside-store"}.get(name, name)
    assert {labels(one)["airlock.dev/component"] for one in brought} == ({source} if name != "site" else set())
    assert not [one for one in build("base") if "airlock.dev/component" in labels(one)]


# --- policies


def test_policies_say_their_directions_and_only_these(everything):
    for policy in of(everything, "NetworkPolicy"):
        spec, name = policy["spec"], named(policy)
        if name[2] == "default-deny":
            assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
            continue
        assert len(spec["policyTypes"]) == 1, name
        assert spec["podSelector"], name
        assert set(spec) == {"podSelector", "policyTypes", spec["policyTypes"][0].lower()}, name
        assert len(list(rules_of(policy))) == 1, name


def test_every_zone_denies_by_default(objects):
    assert {
        one["metadata"]["namespace"] for one in of(objects, "NetworkPolicy") if one["metadata"]["name"] == "default-deny"
    } == set(ZONES)


def test_peers_are_narrow_and_namespaces_go_by_name(everything):
    for policy in of(everything, "NetworkPolicy"):
        for _, peers, ports in rules_of(policy):
            assert peers, named(policy)
            assert ports, named(policy)
            for peer in peers:
                assert peer, named(policy)
                assert all(selector for selector in peer.values()), named(policy)
                used = peer.get("namespaceSelector", {})
                keys = set(used.get("matchLabels", {})) | {one["key"] for one in used.get("matchExpressions", [])}
                assert keys <= {"kubernetes.io/metadata.name"}, named(policy)
                assert {one["operator"] for one in used.get("matchExpressions", [])} <= {"In"}, named(policy)


def test_ports_are_numbers_even_those_of_the_site(everything):
    """A port as text is a port's name: it would match nothing, or what a pod calls so."""
    for policy in of(everything, "NetworkPolicy"):
        for _, _, ports in rules_of(policy):
            for port in ports:
                assert set(port) == {"protocol", "port"}, named(policy)
                assert type(port["port"]) is int, named(policy)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_site_sets_every_address(overlay, build):
    objects = build(f"overlays/{overlay}")
    assert UNSET not in yaml.safe_dump_all(objects)
    site = next(one for one in of(objects, "ConfigMap") if one["metadata"]["name"] == "airlock-site")["data"]
    ways = {"driver-to-api-server", "submit-to-api-server", "preflight-to-api-server", "probe-to-api-server"}
    policies = [one for one in of(objects, "NetworkPolicy") if one["metadata"]["name"] in ways]
    assert {one["metadata"]["name"] for one in policies} == ways
    for policy in policies:
        ((_, peers, ports),) = rules_of(policy)
        assert [peer["ipBlock"]["cidr"] for peer in peers] == site["api-server"].split(", ")
        assert ports == [{"protocol": "TCP", "port": int(site["api-server-port"])}]


def test_a_site_that_lacks_a_value_does_not_build(tmp_path, require):
    require("kustomize")
    import shutil

    from tests.servers import kustomize

    shutil.copytree(K8S, tmp_path / "k8s")
    site = tmp_path / "k8s" / "overlays" / "local" / "site.yaml"
    site.write_text(site.read_text().replace("  api-server: 198.18.255.1/32\n", ""))
    with pytest.raises(RuntimeError, match="api-server"):
        kustomize.build(site.parent)


def test_the_base_has_no_name_service(build):
    for policy in of(build("base"), "NetworkPolicy"):
        assert 53 not in [port["port"] for _, _, ports in rules_of(policy) for port in ports]


# --- namespaces, identities, rights


def test_zones_are_restricted_at_a_pinned_version(objects):
    zones = {one["metadata"]["name"]: labels(one) for one in of(objects, "Namespace")}
    assert set(zones) == set(ZONES)
    for found in zones.values():
        for mode in ("enforce", "audit", "warn"):
            assert found[f"pod-security.kubernetes.io/{mode}"] == "restricted"
            assert found[f"pod-security.kubernetes.io/{mode}-version"] == "v1.34"


def grants(objects):
    """(subject, namespace or '' for all) -> set of 'verb group/resource'."""
    roles = {named(one): one["rules"] for one in objects if one["kind"] in ("Role", "ClusterRole")}
    found = defaultdict(set)
    for binding in (one for one in objects if one["kind"] in ("RoleBinding", "ClusterRoleBinding")):
        where = binding["metadata"].get("namespace", "")
        ref = binding["roleRef"]
        rules = roles[ref["kind"], where if ref["kind"] == "Role" else "", ref["name"]]
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount"
            for rule in rules:
                for group in rule["apiGroups"]:
                    found[f"{subject['namespace']}/{subject['name']}", where] |= {
                        f"{verb} {group}/{resource}" for verb in rule["verbs"] for resource in rule["resources"]
                    }
    return found


def test_rights_are_these_and_no_others(build):
    found = {who: words for who, words in grants(build("overlays/local")).items() if who[1]}
    assert found == {
        ("pii-raw/driver", "pii-raw"): {
            f"{verb} /pods" for verb in ("get", "list", "watch", "create", "delete", "deletecollection")
        },
        ("pii-raw/submit", "pii-raw"): {f"{verb} /pods" for verb in ("get", "list", "watch", "create", "delete")}
        | {f"{verb} /{what}" for verb in ("create", "patch") for what in ("services", "configmaps")},
        ("pii-raw/preflight", "pii-raw"): {"create /pods"},
        ("pii-raw/preflight", "pii-airlock"): {f"{verb} /configmaps" for verb in ("get", "list", "watch")},
        **{
            (f"{zone}/probe", zone): {f"{verb} /pods" for verb in ("get", "list", "watch", "create", "delete")}
            for zone in ZONES
        },
    }


def test_rights_over_all_namespaces_only_read_and_no_secret(everything):
    words = {word for (_, where), some in grants(everything).items() if not where for word in some}
    assert words
    assert {word.split()[0] for word in words} == {"get", "list", "watch"}
    assert not [word for word in words if "*" in word or "secrets" in word or "/log" in word or "configmaps" in word]


def test_nobody_writes_in_two_zones(everything):
    zones = defaultdict(set)
    for (who, where), words in grants(everything).items():
        if any(word.split()[0] not in ("get", "list", "watch") for word in words):
            zones[who].add(where)
    assert {len(some) for some in zones.values()} == {1}, zones


def test_tokens_are_for_those_who_call_the_api_server(everything):
    for one in of(everything, "ServiceAccount"):
        may = one["metadata"]["name"] in ("driver", "submit", "preflight", "probe")
        assert one["automountServiceAccountToken"] is may, named(one)
        assert may == any(who == f"{one['metadata']['namespace']}/{one['metadata']['name']}" for who, _ in grants(everything))


def test_stores_have_no_token_and_only_scratch_and_their_certificate(build):
    found = [one for one in of(build("overlays/local"), "StatefulSet") if one["metadata"]["name"].endswith("-store")]
    assert {one["metadata"]["name"] for one in found} == {"raw-store", "staging-store", "sanitized-store"}
    for one in found:
        pod = one["spec"]["template"]
        assert pod["spec"]["serviceAccountName"] == pod["metadata"]["labels"]["airlock.dev/role"] == one["metadata"]["name"]
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert {kind for volume in pod["spec"]["volumes"] for kind in set(volume) - {"name"}} == {"emptyDir", "secret"}


# --- admission


def test_admission_fails_closed(objects):
    policies = {one["metadata"]["name"]: one["spec"] for one in of(objects, "ValidatingAdmissionPolicy")}
    bindings = [one["spec"] for one in of(objects, "ValidatingAdmissionPolicyBinding")]
    assert {one["policyName"] for one in bindings} == set(policies)
    parameters = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in of(objects, "ConfigMap")}
    for policy in policies.values():
        assert policy["failurePolicy"] == "Fail"
    for binding in bindings:
        assert binding["validationActions"] == ["Deny", "Audit"]
        assert ("paramRef" in binding) == ("paramKind" in policies[binding["policyName"]])
        if "paramRef" in binding:
            assert binding["paramRef"]["parameterNotFoundAction"] == "Deny"
            assert (binding["paramRef"]["namespace"], binding["paramRef"]["name"]) in parameters


def test_every_refusal_says_what_to_do(build):
    for policy in of(build("base"), "ValidatingAdmissionPolicy"):
        for rule in policy["spec"]["validations"]:
            text = rule.get("message") or rule["messageExpression"]
            assert any(
                word in text
                for word in (
                    "Set ",
                    "Take ",
                    "Have ",
                    "Delete ",
                    "Change ",
                    "Give ",
                    "Name ",
                    "Leave ",
                    "Read ",
                    "Mount ",
                    "Debug ",
                    "expected ",
                    "so that ",
                    "allowed. ",
                )
            ), text


def test_lists_and_site_values_are_immutable(everything):
    found = of(everything, "ConfigMap")
    assert found
    for one in found:
        assert one["immutable"] is True, named(one)
        # Preflight's pod mounts its claim, which has to be where it is.
        assert one["metadata"]["namespace"] == "pii-airlock" or one["metadata"]["name"] == "airlock-flows", named(one)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_image_runs_that_is_not_listed(folder, build):
    lists = next(one["data"] for one in of(build(folder), "ConfigMap") if one["metadata"]["name"] == "airlock-pods")
    assert {lists[f"images.{zone}"] for zone in ZONES} == {""}


# --- flows.yaml


def test_the_flows_lie_in_the_cluster_as_they_are_in_the_file(objects):
    found = [one for one in of(objects, "ConfigMap") if one["metadata"]["name"] == "airlock-flows"]
    assert {one["metadata"]["namespace"] for one in found} == {"pii-airlock", "pii-raw"}
    for one in found:
        assert one["data"] == {"flows.yaml": (K8S / "flows.yaml").read_text()}
        assert one["immutable"] is True


def test_every_component_that_opens_something_has_its_lines(build, with_components):
    lines = yaml.safe_load((K8S / "flows.yaml").read_text())["flows"]
    declared = {one["with"] for one in lines if "with" in one}
    opening = {
        labels(one)["airlock.dev/component"]
        for name in COMPONENTS
        for one in of(with_components(name), "NetworkPolicy")
        if "airlock.dev/component" in labels(one)
    }
    assert declared == opening
