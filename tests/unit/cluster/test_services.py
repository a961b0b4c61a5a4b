"""What is behind the addresses of Services: pods, endpoints written by hand, and addresses that nobody can read."""

from __future__ import annotations

import pytest
import yaml

from airlock.cluster.addresses import NOWHERE, parse_addresses
from airlock.cluster.claim import Claim
from airlock.cluster.findings import Verdict
from airlock.cluster.flowreader import read_flows
from airlock.cluster.netproof import Proof
from airlock.cluster.network import policies_of
from airlock.cluster.ports import NamedPort, PortRange
from airlock.cluster.resources import resources_from
from airlock.cluster.rules import Pods
from airlock.cluster.selectors import Selector, UnmodelledError
from airlock.cluster.services import services_of
from airlock.cluster.zonemodel import zone_model
from airlock.errors import ConfigError

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: v, namespace: a}, spec: {selector: {app: v}, clusterIP: 10.1.0.7}}"
PLAIN = "{apiVersion: v1, kind: Service, metadata: {name: v, namespace: a}, spec: SPEC}"
POD = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: a, labels: {app: v}}, spec: {}, status: {podIP: 10.0.0.5}}"
SLICE = (
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: s, namespace: a, labels: {kubernetes.io/service-name: v}}, "
    "addressType: IPv4, endpoints: [{addresses: [ADDRESS]}]}"
)
RANGE = parse_addresses(["10.1.0.0/16"])


def _set(*texts):
    return resources_from([(f"a.yaml:{line}", yaml.safe_load(text)) for line, text in enumerate(texts, 1)])


@pytest.mark.parametrize(
    "text",
    [
        "::ffff:8.8.8.8/128",
        "::ffff:808:808",
        "::ffff:0:0/96",
        "198.018.255.001",
        "8.8.8.8/255.0.0.0",
        "fe80::1%eth0",
        "",
        "a",
        5,
    ],
)
def test_an_address_that_is_read_in_two_ways_is_refused(text):
    with pytest.raises(UnmodelledError, match=r"is not a CIDR|in IPv6's clothes"):
        parse_addresses([text])


def test_a_block_around_the_mapped_addresses_is_ipv6():
    assert parse_addresses(["::/0"]) & parse_addresses(["2001:db8::1"])
    assert not parse_addresses(["::/0"]) & parse_addresses(["8.8.8.8"])


@pytest.mark.parametrize(
    "spec",
    [
        "{externalIPs: ['::ffff:198.18.255.1']}",
        "{externalIPs: ['198.018.255.001']}",
        "{clusterIP: banana}",
        "{loadBalancerIP: 8.8.8.08}",
    ],
)
def test_a_service_with_an_address_that_nobody_can_read_is_a_doubt(spec):
    (doubt,) = policies_of(_set(PLAIN.replace("SPEC", spec)))[1]
    assert str(doubt.where) == "Service a/v"
    assert "which address it means is not known" in doubt.what


def test_an_endpoint_that_nobody_can_read_is_a_doubt():
    (doubt,) = policies_of(_set(SERVICE, SLICE.replace("ADDRESS", "'::ffff:8.8.8.8'")))[1]
    assert str(doubt.where) == "EndpointSlice a/s"


@pytest.mark.parametrize(("address", "behind"), [("203.0.113.9", ["203.0.113.9"]), ("10.0.0.5", [])])
def test_endpoints_beside_a_selector_are_behind_it_unless_they_are_its_pods(address, behind):
    (found,) = services_of(_set(SERVICE, POD, SLICE.replace("ADDRESS", address)))
    assert isinstance(found.pods, Pods)
    assert found.endpoints == tuple((parse_addresses([one]), None) for one in behind)


def test_a_service_without_an_address_may_get_any_that_is_free():
    coming = PLAIN.replace("name: v", "name: w").replace("SPEC", "{selector: {app: w}}")
    free = {str(one.ref): one.addresses for one in services_of(_set(SERVICE, coming), RANGE)}
    assert free == {
        "Service a/v": parse_addresses(["10.1.0.7"]),
        "Service a/w": RANGE - parse_addresses(["10.1.0.7"]),
    }
    assert [one.addresses for one in services_of(_set(coming))] == [NOWHERE]


@pytest.mark.parametrize("spec", ["{clusterIP: None}", "{type: ExternalName, externalName: a.example}"])
def test_a_service_that_never_has_an_address(spec):
    assert list(services_of(_set(PLAIN.replace("SPEC", spec)), RANGE)) == []


def test_the_address_that_a_load_balancer_is_asked_for():
    (found,) = services_of(_set(PLAIN.replace("SPEC", "{type: LoadBalancer, loadBalancerIP: 192.0.2.1}")))
    assert (found.addresses, found.pods, found.endpoints) == (parse_addresses(["192.0.2.1"]), None, ())


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{selector: [a]}", "'selector' is"),
        ("{selector: {a: [b]}}", "label 'a' of 'selector'"),
        ("{externalIPs: 5}", "'externalIPs' is"),
        ("{clusterIP: [1]}", "'clusterIP' is of type list"),
        ("{type: [a]}", "'type' is of type list"),
        ("text", "'spec' is no mapping"),
    ],
)
def test_a_service_of_another_shape_is_named(spec, said):
    with pytest.raises(ConfigError, match=rf"a.yaml:1: Service a/v: {said}"):
        list(services_of(_set(PLAIN.replace("SPEC", spec)), RANGE))


def test_a_load_balancer_that_is_text():
    body = yaml.safe_load(PLAIN.replace("SPEC", "{}")) | {"status": {"loadBalancer": {"ingress": "a"}}}
    with pytest.raises(ConfigError, match=r"a.yaml:1: Service a/v: 'ingress' is"):
        list(services_of(resources_from([("a.yaml:1", body)])))


def test_no_selector_at_all_and_one_with_a_label():
    assert {one.pods for one in services_of(_set(PLAIN.replace("SPEC", "{clusterIP: 10.1.0.8}")))} == {None}
    (found,) = services_of(_set(SERVICE))
    assert isinstance(found.pods.pods, Selector)
    assert found.pods.pods.matches({"app": "v"})


FLOWS = """
apiVersion: airlock/v1
kind: Flows
zones: {raw: [raw]}
addresses: {pods: 10.0.0.0/16, services: 10.1.0.0/16, nodes: 192.0.2.0/28, families: IPv4}
parties:
  door: {namespace: raw, pods: {role: door}}
  target: {addresses: TARGET}
flows:
- {from: door, to: target, ports: [TCP 443], why: asks}
"""
POLICIES = """
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: raw}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: door, namespace: raw}
  spec: {podSelector: {matchLabels: {role: door}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: TARGET}}], ports: [{port: 443}]}]}
"""


@pytest.mark.parametrize(
    ("target", "found"), [("10.1.0.0/24", [(Verdict.NO_PROOF, "network.service", "Service a/w")]), ("192.0.2.1/32", [])]
)
def test_a_flow_to_addresses_of_services_may_reach_one_that_is_still_to_come(target, found):
    coming = PLAIN.replace("name: v", "name: w").replace("SPEC", "{selector: {app: w}}")
    objects = [*yaml.safe_load(POLICIES.replace("TARGET", target)), yaml.safe_load(coming)]
    resources = resources_from([("a.yaml:1", one) for one in objects])
    flows = read_flows(FLOWS.replace("TARGET", target), "flows.yaml", resources)
    services = tuple(services_of(resources, flows.site.services))
    proof = Proof(Claim(zone_model(resources, flows, services), flows), services)
    assert [(one.verdict, one.code, str(one.where)) for one in proof.findings()] == found


BY_LABELS = FLOWS.replace("target: {addresses: TARGET}", "vault: {namespace: a, pods: {app: v}}").replace(
    "to: target", "to: vault"
)
BY_LABELS_POLICIES = POLICIES.replace(
    "{ipBlock: {cidr: TARGET}}",
    "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}, podSelector: {matchLabels: {app: v}}}",
)


def _asked(objects, flows_text):
    resources = resources_from([("a.yaml:1", one) for one in objects])
    flows = read_flows(flows_text, "flows.yaml", resources)
    services = tuple(services_of(resources, flows.site.services))
    proof = Proof(Claim(zone_model(resources, flows, services), flows), services)
    return [one for one in proof.findings() if one.code in ("network.service", "network.host-peer")]


@pytest.mark.parametrize(
    ("service", "address", "found"),
    [
        (SERVICE, "203.0.113.9", ["Service a/v"]),
        (SERVICE, "10.0.0.5", []),
        (PLAIN.replace("SPEC", "{selector: {app: v}}"), "203.0.113.9", ["Service a/v"]),
        (PLAIN.replace("SPEC", "{selector: {app: v}, clusterIP: None}"), "203.0.113.9", []),
        (PLAIN.replace("SPEC", "{selector: {app: other}}"), "203.0.113.9", []),
        (PLAIN.replace("SPEC", "{clusterIP: 10.1.0.7}"), "203.0.113.9", []),
    ],
)
def test_what_stands_beside_pods_in_a_service_may_be_reached_with_them(service, address, found):
    """Plugins that judge addresses as they are sent open a Service's own beside the pods that it selects (EKS)."""
    objects = [*yaml.safe_load(BY_LABELS_POLICIES), *map(yaml.safe_load, (service, POD, SLICE.replace("ADDRESS", address)))]
    seen = [(one.verdict, str(one.where)) for one in _asked(objects, BY_LABELS)]
    assert seen == [(Verdict.NO_PROOF, name) for name in found]


def test_behind_a_service_a_port_counts_that_no_flow_declares():
    """A declared address on another port is another door."""
    with_api = BY_LABELS.replace(
        "flows:", "  api: {addresses: 192.0.2.1/32}\nflows:\n- {from: door, to: api, ports: [TCP 6443], why: w}"
    )
    for ports, found in (
        ("[{port: 6443}]", 0),
        ("[{port: 22}]", 1),
        ("[{port: 6443, protocol: UDP}]", 1),
        ("[]", 1),
        ("[{name: a}]", 1),
    ):
        one = yaml.safe_load(SLICE.replace("ADDRESS", "192.0.2.1"))
        one["ports"] = yaml.safe_load(ports)
        assert len(_asked([*yaml.safe_load(BY_LABELS_POLICIES), yaml.safe_load(SERVICE), one], with_api)) == found, ports


@pytest.mark.parametrize(
    ("ports", "found"), [("{port: 443}", 0), ("{port: 443, targetPort: 9999}", 1), ("{port: 80, targetPort: 443}", 0)]
)
def test_a_port_of_a_service_that_leads_to_another_port_of_its_pods(ports, found):
    one = PLAIN.replace("SPEC", f"{{selector: {{app: v}}, clusterIP: 10.1.0.7, ports: [{ports}]}}")
    assert len(_asked([*yaml.safe_load(BY_LABELS_POLICIES), yaml.safe_load(one), yaml.safe_load(POD)], BY_LABELS)) == found


@pytest.mark.parametrize(
    ("selector", "ports", "address", "found"),
    [
        ("{app: v, instance: v, component: server}", "[]", "203.0.113.9", 1),
        ("{app: v, instance: v}", "[{port: 443, targetPort: 22}]", "10.0.0.5", 1),
        ("{app: v, instance: v}", "[{port: 443, targetPort: https}]", "10.0.0.5", 0),
        ("{app: w, instance: v}", "[]", "203.0.113.9", 0),
    ],
)
def test_a_service_that_selects_by_more_labels_than_the_rule_is_opened_as_well(selector, ports, address, found):
    """As every chart's does: plugins that open Services match the rule's selector with the Service's own, taken as labels."""
    one = PLAIN.replace("SPEC", f"{{selector: {selector}, clusterIP: 10.1.0.7, ports: {ports}}}")
    pod = POD.replace("{app: v}", selector)
    objects = [*yaml.safe_load(BY_LABELS_POLICIES), *map(yaml.safe_load, (one, pod, SLICE.replace("ADDRESS", address)))]
    assert len(_asked(objects, BY_LABELS)) == found


WHOLE = BY_LABELS.replace("vault: {namespace: a, pods: {app: v}}", "vault: {namespace: a}")
WHOLE_POLICIES = BY_LABELS_POLICIES.replace(", podSelector: {matchLabels: {app: v}}", "")


@pytest.mark.parametrize(("flows", "policies", "found"), [(WHOLE, WHOLE_POLICIES, 1), (BY_LABELS, BY_LABELS_POLICIES, 0)])
def test_a_service_that_selects_nothing_is_opened_with_the_whole_namespace(flows, policies, found):
    bare = PLAIN.replace("SPEC", "{clusterIP: 10.1.0.7}")
    objects = [*yaml.safe_load(policies), *map(yaml.safe_load, (bare, POD, SLICE.replace("ADDRESS", "203.0.113.9")))]
    assert len(_asked(objects, flows)) == found


@pytest.mark.parametrize(
    ("spec", "labels", "namespace", "found"),
    [
        ("{hostNetwork: true}", "{app: v}", "a", ["Pod a/p"]),
        ("{}", "{app: v}", "a", []),
        ("{hostNetwork: true}", "{app: w}", "a", []),
        ("{hostNetwork: true}", "{app: v}", "b", []),
    ],
)
def test_a_peer_on_its_nodes_network_may_be_the_node(spec, labels, namespace, found):
    one = f"{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: {namespace}, labels: {labels}}}, spec: {spec}, status: {{podIP: 192.0.2.1}}}}"
    seen = _asked([*yaml.safe_load(BY_LABELS_POLICIES), yaml.safe_load(one)], BY_LABELS)
    assert [(one.code, one.verdict, str(one.where)) for one in seen] == [
        ("network.host-peer", Verdict.NO_PROOF, name) for name in found
    ]


@pytest.mark.parametrize("name", ["metallb.universe.tf/loadBalancerIPs", "lbipam.cilium.io/ips"])
def test_addresses_that_an_annotation_asks_for_are_the_services(name):
    one = yaml.safe_load(PLAIN.replace("SPEC", "{type: LoadBalancer, clusterIP: 10.1.0.9}"))
    one["metadata"]["annotations"] = {name: "192.0.2.1, 192.0.2.2"}
    (found,) = services_of(resources_from([("a.yaml:1", one)]))
    assert found.addresses == parse_addresses(["10.1.0.9", "192.0.2.1", "192.0.2.2"])


def test_a_service_leads_to_the_port_that_it_names_behind():
    """A flow to the pods on one port declares nothing of the port that the Service leads to."""
    for target, led in (("targetPort: 9999", 9999), ("", 443), ("targetPort: web", "web")):
        text = f"{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: a}}, spec: {{clusterIP: 10.1.0.1, selector: {{x: y}}, ports: [{{port: 443, {target}}}]}}}}"
        resources = resources_from([("a.yaml:1", yaml.safe_load(text))])
        (found,) = services_of(resources)
        ((own, behind),) = found.ports
        assert own == PortRange("TCP", 443, 443)
        assert behind == (NamedPort("TCP", led) if isinstance(led, str) else PortRange("TCP", led, led))


@pytest.mark.parametrize("port", ["port: 0", "port: '443'", "port: 443, protocol: ICMP", "port: 443, targetPort: 70000"])
def test_ports_of_a_service_that_are_none(port):
    text = f"{{apiVersion: v1, kind: Service, metadata: {{name: s, namespace: a}}, spec: {{clusterIP: 10.1.0.1, ports: [{{{port}}}]}}}}"
    with pytest.raises(ConfigError, match=r"a.yaml:1: Service a/s: "):
        list(services_of(resources_from([("a.yaml:1", yaml.safe_load(text))])))
