"""The file of flows: names stand for something, the site's values are there, and errors say what to write."""

from __future__ import annotations

import pytest

from airlock.cluster.addresses import parse_addresses
from airlock.cluster.flowreader import read_flows
from airlock.cluster.flows import find_flows
from airlock.cluster.pinned import Guard
from airlock.cluster.ports import PortRange
from airlock.cluster.resources import resources_from
from airlock.errors import ConfigError

FILE = """
apiVersion: airlock/v1
kind: Flows
site: {namespace: pii-airlock, configMap: airlock-site}
zones: {raw: [pii-raw]}
addresses: {pods: site:pods, nodes: 10.9.0.0/24, families: site:families}
parties:
  driver: {namespace: pii-raw, pods: {role: driver}}
  api: {addresses: site:api}
  readers: {namespaces: site:readers}
  outside: {addresses: 0.0.0.0/0, except: cluster}
flows:
- {from: driver, to: api, ports: ["TCP site:port", UDP 53, TCP 8000-8010], why: starts}
- {from: driver, to: readers, ports: [TCP 1], why: no, with: extra}
forbidden:
- {from: raw, to: outside, why: nothing leaves}
rights:
- {subject: ServiceAccount pii-raw/driver, may: [create pods], in: pii-raw, why: starts executors}
guards:
  pods:
    digest: sha256:DIGEST
    why: looks at pods
    bindings:
    - {in: [raw], parameters: ops/lists}
    - {in: [raw], parameters: ops/more, with: extra}
accepted:
- {kind: CiliumEnvoyConfig, why: of the ingress}
platform:
- {subject: "site:platform", why: runs it}
""".replace("DIGEST", "0" * 64)
DATA = {
    "pods": "10.0.0.0/16", "api": "10.9.0.1/32, 10.9.0.2/32", "port": "6443", "families": "IPv4", "readers": "team-a, team-b",
    "platform": "User netpol, Group ops",
}  # fmt: skip


def _resources(*more, data=DATA):
    site = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "airlock-site", "namespace": "pii-airlock"},
        "data": data,
    }
    return resources_from((f"set:{number}", one) for number, one in enumerate([site, *more]))


def test_names_and_the_sites_values():
    flows = read_flows(FILE, "flows.yaml", _resources())
    (flow,) = flows.flows
    assert flow.ports == (PortRange("TCP", 6443, 6443), PortRange("UDP", 53, 53), PortRange("TCP", 8000, 8010))
    assert flow.target.addresses == parse_addresses(["10.9.0.1", "10.9.0.2"])
    assert flows.site.pods == parse_addresses(["10.0.0.0/16"])
    assert flows.site.families == {0}
    outside = flows.forbidden[0].target.addresses
    assert not outside & parse_addresses(["10.0.0.0/16", "10.9.0.0/24"])
    assert parse_addresses(["8.8.8.8"]) <= outside
    assert [one.subject for one in flows.platform] == ["User netpol", "Group ops"]
    assert [str(one.subject) for one in flows.rights] == ["ServiceAccount pii-raw/driver"]


def test_guards_are_one_for_each_binding_that_counts():
    (guard,) = read_flows(FILE, "k8s/flows.yaml", _resources()).guards
    assert guard == Guard("pods", f"sha256:{'0' * 64}", ("pii-raw",), "ops/lists", "", "flows.yaml:21", "flows.yaml:24")
    metadata = {"name": "s", "namespace": "pii-raw", "labels": {"airlock.dev/component": "extra"}}
    extra = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    assert [one.parameters for one in read_flows(FILE, "flows.yaml", _resources(extra)).guards] == ["ops/lists", "ops/more"]


def test_lines_of_a_component_count_where_it_is():
    metadata = {"name": "s", "namespace": "pii-raw", "labels": {"airlock.dev/component": "extra"}}
    extra = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    elsewhere = {**extra, "metadata": {**metadata, "namespace": "team-a"}}
    # Whoever labels an object elsewhere switches nothing on.
    assert [flow.target.name for flow in read_flows(FILE, "flows.yaml", _resources(elsewhere)).flows] == ["api"]
    flows = read_flows(FILE, "flows.yaml", _resources(extra))
    assert [flow.target.name for flow in flows.flows] == ["api", "readers"]
    assert [pods.namespace for pods in flows.flows[1].target.pods] == ["team-a", "team-b"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("from: raw", "from: rw", "'rw' is neither a party nor a zone"),
        ("TCP 8000-8010", "ICMP 8", "'ICMP 8' is no port"),
        ("TCP 8000-8010", "TCP 8010-8000", "is no port"),
        ("kind: Flows", "kind: Flow", "kind: "),
        ("why: starts}", "why: starts, more: 1}", "flows.0.more"),
        ("addresses: site:api", "addresses: site:apis", "has no key 'apis'"),
        ("0.0.0.0/0", "0.0.0.0/33", "'0.0.0.0/33' is not a CIDR"),
        ("may: [create pods]", "may: [create pod]", "Nearest is 'create pods'"),
        ("zones: {raw: [pii-raw]}", "zones: {raw: []}", "there is no zone"),
        ("families: site:families", "families: IPv4 Ipv6", "families 'Ipv6'"),
        ("pods: site:pods", "pods: ''", "addresses.pods is empty"),
        ("{raw: [pii-raw]}", "{raw: [pii-raw], next: [pii-next, pii-raw]}", "namespace 'pii-raw' is in zone 'raw' already"),
        ("{raw: [pii-raw]}", "{raw: [pii-raw, pii-raw]}", "namespace 'pii-raw' is in zone 'raw' already"),
        ("{raw: [pii-raw]}", "{raw: [pii-raw], raw: [pii-next]}", "key 'raw' stands here a second time"),
        ("{raw: [pii-raw]}", "{raw: [pii-raw], next: []}", "zone 'next' has no namespace"),
        ("to: outside", "to: outsid", "'outsid' is neither a party nor a zone"),
        ("to: readers", "to: reader", "'reader' is neither a party nor a zone"),
        ('ports: ["TCP site:port", UDP 53, TCP 8000-8010], why: starts', "why: starts", "flow driver -> api without ports"),
        ("why: starts}", "why: ' '}", "flow driver -> api: expected a reason"),
        ("why: nothing leaves", "why: ''", "flow raw -> outside: expected a reason"),
        ("why: nothing leaves", "why: nothing leaves, with: extra", "take 'with' out"),
        ("why: starts executors", "why: ''", "expected what it may and why"),
        ("why: runs it", "why: ''", "expected a reason"),
        (
            "subject: ServiceAccount pii-raw/driver",
            "subject: ServiceAccount driver",
            "expected 'ServiceAccount NAMESPACE/NAME'",
        ),
        ('subject: "site:platform"', 'subject: "Group *"', "Name them"),
        ("why: of the ingress", "why: ''", "accepted CiliumEnvoyConfig: expected a reason"),
        ("{kind: CiliumEnvoyConfig", "{kind: NetworkPolicy", "accepted: 'NetworkPolicy' is a kind that is modelled"),
        ("why: looks at pods", "why: ''", "guard pods: expected a reason"),
        ("{in: [raw], parameters: ops/lists}", "{in: [rw]}", "guard pods in 'rw', expected zones: raw"),
        (
            "{in: [raw], parameters: ops/lists}",
            "{in: [raw], with: extar}",
            "guard pods waits for component 'extar', for which no",
        ),
        (
            "{in: [raw], parameters: ops/lists}",
            "{in: [raw], parameters: ops/lists, says: sha256:0}",
            "says 'sha256:0', expected 'sha256:' and 64",
        ),
        ("{in: [raw], parameters: ops/lists}", f"{{in: [raw], says: sha256:{'0' * 64}}}", "of 'parameters'"),
        ("digest: sha256:0", "digest: sha256:x", "guards.pods.digest: String should match pattern"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old, new, said):
    assert FILE.count(old) == 1
    line = FILE[: FILE.index(old)].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        read_flows(FILE.replace(old, new), "flows.yaml", _resources())
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"flows.yaml:{line}:")


def test_a_sites_value_that_is_no_text():
    with pytest.raises(ConfigError, match=r"'site:port' is int in the site's ConfigMap, expected text. Put it in quotes"):
        read_flows(FILE, "flows.yaml", _resources(data={**DATA, "port": 6443}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("zones: {raw:", "zones: {driver:", "flows.yaml:8:3: 'driver' is a zone and a party"),
        ("addresses: site:api", "addresses: ''", "flows.yaml:13:18: flow driver -> api: 'api' is nobody"),
    ],
)
def test_what_is_wrong_where_it_is_used_is_said_with_that_place(old, new, said):
    with pytest.raises(ConfigError) as caught:
        read_flows(FILE.replace(old, new), "flows.yaml", _resources())
    assert str(caught.value).startswith(said)


def test_entries_that_wait_for_their_component_say_so():
    metadata = {"name": "s", "namespace": "pii-raw", "labels": {"airlock.dev/component": "extras"}}
    flows = read_flows(FILE, "k8s/flows.yaml", _resources({"apiVersion": "v1", "kind": "Service", "metadata": metadata}))
    said = "flows.yaml:14 waits for component 'extra', which no object of the zones carries"
    assert [flow.waits for flow in flows.waiting] == [f"{said} (nearest: 'extras')"]
    assert [flow.waits for flow in read_flows(FILE, "flows.yaml", _resources()).waiting] == [said]
    assert [flow.place for flow in flows.flows] == ["flows.yaml:13"]


def test_the_nearest_file_is_taken(tmp_path):
    deep = tmp_path / "k8s" / "overlays" / "local"
    deep.mkdir(parents=True)
    assert find_flows([deep]) is None
    (tmp_path / "k8s" / "flows.yaml").write_text(FILE)
    assert find_flows(["-", deep]) == tmp_path / "k8s" / "flows.yaml"
