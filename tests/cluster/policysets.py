"""Random clusters with random policies, drawn from small pools so that rules meet each other often. Every object would pass validation.

One seed makes one set, on every machine. What is worth asking about a set is in `probes`, small changes of it are in `mutations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from random import Random

POD_RANGES = ("10.0.0.0/16", "fd00::/48")
NODE_RANGES = ("172.16.0.0/24", "fd00:0:f::/64")
SERVICE_RANGES = ("10.96.0.0/16", "fd00:0:e::/112")
NAMESPACES = ("red", "green", "blue")
PROTOCOLS = ("TCP", "UDP", "SCTP")
NUMBERS = (53, 80, 443, 8080, 8081, 9000)
SPANS = ((80, 443), (443, 8080), (8080, 8081), (8000, 9000), (53, 53), (1, 65535))
WORKLOAD = "many"
NAMES = ("web", "dns", "db")
POD_LABELS = {"app": ("a", "b", "c"), "tier": ("x", "y")}
NAMESPACE_LABELS = {"team": ("a", "b"), "kubernetes.io/metadata.name": NAMESPACES}
RANGES = {
    4: (
        "0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.2.0/24", "10.0.1.0/30", "10.0.1.2/31", "10.0.2.1/32",
        "172.16.0.0/24", "172.16.0.1/32", "203.0.113.0/24", "203.0.113.128/25", "203.0.113.77/28",
    ),
    6: (
        "::/0", "8000::/1", "fd00::/8", "fd00::/48", "fd00:0:0:1::/64", "fd00:0:0:2::/64", "fd00:0:0:1::/126", "fd00:0:0:1::2/127",
        "fd00:0:0:2::1/128", "fd00:0:f::/64", "fd00:0:f::1/128", "2001:db8::/32", "2001:db8:0:8000::/49", "2001:db8::77/124",
    ),
}  # fmt: skip
HOLES = {4: ("0.0.0.0/0", "203.0.113.0/24"), 6: ("::/0", "2001:db8::/32")}
"""A range, and one in it that is excepted, of which parts are then put back."""
STYLES = {
    "mixed": 10, "tiers": 6, "no policy": 1, "deny all": 2, "ingress only": 1, "excepted and put back": 2, "overlapping": 2, "only IPv6 rules": 2, "nothing selected": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Pools:
    """What NetworkPolicies may speak of."""

    families: Sequence[int]
    ranges: Mapping[int, Sequence[str]] = field(default_factory=lambda: RANGES)
    holes: Mapping[int, tuple[str, str]] = field(default_factory=lambda: HOLES)
    numbers: Sequence[int] = NUMBERS
    spans: Sequence[tuple[int, int]] = SPANS
    names: Sequence[str] = NAMES
    pod_labels: Mapping[str, Sequence[str]] = field(default_factory=lambda: POD_LABELS)
    namespace_labels: Mapping[str, Sequence[str]] = field(default_factory=lambda: NAMESPACE_LABELS)


def random_set(seed: int) -> list[dict]:
    """The objects of one small cluster."""
    rng = Random(seed)
    families = rng.choice(((4,), (4,), (6,), (4, 6), (4, 6)))
    style = rng.choices([*STYLES], [*STYLES.values()])[0]
    names = NAMESPACES[: rng.randint(2, 3)]
    documents = [_namespace(rng, name) for name in names] + [_node(number, families) for number in (1, 2)]
    documents += [_pod(rng, number, names, families) for number in range(1, rng.randint(3, 5) + 1)]
    if rng.random() < 0.3:
        documents.append(_deployment(rng, rng.choice(names)))
    if style != "no policy":
        documents += _policies(rng, style, names, Pools(families))
    if style in ("tiers", "deny all") or rng.random() < 0.25:
        documents += _tiers(rng, families)
    rng.shuffle(documents)
    return documents


# --- what policies are about


def random_policies(seed: int, names) -> list[dict]:
    """One or two NetworkPolicies in namespaces of a cluster that is already there, and now and then what an administrator adds."""
    rng = Random(seed)
    made = [_policy(rng, rng.choice(names), Pools((4, 6))) for _ in range(rng.randint(1, 2))]
    for number, each in enumerate(made):
        each["metadata"]["name"] = f"added{number}"
    return made + (_tiers(rng, (4, 6)) if rng.random() < 0.3 else [])


def network_policies(seed: int, names, pools: Pools) -> list[dict]:
    """The NetworkPolicies of one seed for a cluster that is already there: each with a name and one of the namespaces."""
    rng = Random(seed)
    weights = {name: weight for name, weight in STYLES.items() if name not in ("tiers", "no policy")}
    styles = rng.choices([*weights], [*weights.values()], k=rng.choice((1, 1, 2, 3)))
    made = [each for style in styles for each in _policies(rng, style, names, pools)]
    return [{**each, "metadata": {**each["metadata"], "name": f"policy{number}"}} for number, each in enumerate(made)]


def random_pod(seed: int, names, pool) -> dict:
    """A pod that may come to one of the namespaces, with labels of a pool."""
    rng = Random(seed)
    metadata = {"name": f"newcomer{seed}", "namespace": rng.choice(names), "labels": _labels(rng, pool)}
    ips = [{"ip": f"10.0.200.{1 + seed % 250}"}, {"ip": f"fd00::c8:{1 + seed % 250}"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": _containers(rng)},
        "status": {"podIPs": ips},
    }


def _labels(rng: Random, pool: dict) -> dict:
    return {key: rng.choice(values) for key, values in pool.items() if rng.random() < 0.8}


def _namespace(rng: Random, name: str) -> dict:
    labels = _labels(rng, {"team": NAMESPACE_LABELS["team"]})
    # The API server sets it, whether it is written or not.
    if rng.random() < 0.5:
        labels["kubernetes.io/metadata.name"] = name
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **({"labels": labels} if labels else {})}}


def _node(number: int, families) -> dict:
    ips = [{4: f"172.16.0.{number}", 6: f"fd00:0:f::{number}"}[family] for family in families]
    addresses = [{"type": "Hostname", "address": f"node{number}"}, *({"type": "InternalIP", "address": ip} for ip in ips)]
    labels = {"pool": "xy"[number - 1], "kubernetes.io/hostname": f"node{number}"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"node{number}", "labels": labels},
        "status": {"addresses": addresses},
    }


def _containers(rng: Random) -> list[dict]:
    ports = []
    for name in rng.sample(NAMES, rng.randint(0, 2)):
        port = {"name": name, "containerPort": rng.choice(NUMBERS)}
        ports.append(port if rng.random() < 0.6 else {**port, "protocol": rng.choice(PROTOCOLS)})
    return [{"name": "main", "image": "example.org/image@sha256:" + "0" * 64, **({"ports": ports} if ports else {})}]


def _pod(rng: Random, number: int, names, families) -> dict:
    namespace, node = rng.choice(names), rng.randint(1, 2)
    spec = {"nodeName": f"node{node}", "containers": _containers(rng)}
    at = NAMESPACES.index(namespace) + 1
    ips = {4: f"10.0.{at}.{number}", 6: f"fd00:0:0:{at}::{number}"}
    if rng.random() < 0.15:
        spec["hostNetwork"] = True
        ips = {4: f"172.16.0.{node}", 6: f"fd00:0:f::{node}"}
    own = [ips[family] for family in families]
    host = {4: f"172.16.0.{node}", 6: f"fd00:0:f::{node}"}[families[0]]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod{number}", "namespace": namespace, "labels": _labels(rng, POD_LABELS)},
        "spec": spec, "status": {"phase": "Running", "hostIP": host, "podIP": own[0], "podIPs": [{"ip": ip} for ip in own]},
    }  # fmt: skip


def _deployment(rng: Random, namespace: str) -> dict:
    labels = {**_labels(rng, POD_LABELS), "app": rng.choice(POD_LABELS["app"])}
    spec = {"containers": _containers(rng), **({"hostNetwork": True} if rng.random() < 0.1 else {})}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": WORKLOAD, "namespace": namespace},
        "spec": {"replicas": rng.randint(1, 3), "selector": {"matchLabels": {"app": labels["app"]}}, "template": {"metadata": {"labels": labels}, "spec": spec}},
    }  # fmt: skip


# --- NetworkPolicy


def _policies(rng: Random, style: str, names, pools) -> list[dict]:
    """The NetworkPolicies of one style. Each is its own function of (rng, namespaces, pools)."""
    special = {
        "deny all": _deny_all, "ingress only": _ingress_only, "excepted and put back": _put_back, "overlapping": _overlapping,
        "only IPv6 rules": _only_ipv6, "nothing selected": _nothing_selected,
    }  # fmt: skip
    made = special[style](rng, names, pools) if style in special else []
    made += [_policy(rng, rng.choice(names), pools) for _ in range(rng.randint(0 if made else 1, 4))]
    for number, each in enumerate(made):
        each["metadata"]["name"] = f"policy{number}"
    return made


def _network_policy(namespace: str, **spec) -> dict:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "", "namespace": namespace},
        "spec": spec,
    }


def _deny_all(rng, names, pools):
    return [_network_policy(name, podSelector={}, policyTypes=["Ingress", "Egress"]) for name in names if rng.random() < 0.8]


def _ingress_only(rng, names, pools):
    return [_network_policy(name, podSelector={}, ingress=[_rule(rng, "from", pools)]) for name in names]


def _put_back(rng, names, pools):
    family = rng.choice(pools.families)
    whole, inner = pools.holes[family]
    back = rng.choice([cidr for cidr in pools.ranges[family] if _inside(cidr, inner)])
    hole, again = {"ipBlock": {"cidr": whole, "except": [inner]}}, {"ipBlock": {"cidr": back}}
    rules = [{"to": [hole, again]}] if rng.random() < 0.5 else [{"to": [hole]}, {"to": [again], **_ports(rng, pools)}]
    return [
        _network_policy(rng.choice(names), podSelector=_selector(rng, pools.pod_labels), policyTypes=["Egress"], egress=rules)
    ]


def _overlapping(rng, names, pools):
    spans = [{"protocol": "TCP", "port": first, "endPort": last} for first, last in rng.sample(pools.spans, 3)]
    rules = [{"from": [_block(rng, pools)], "ports": [span]} for span in spans]
    return [_network_policy(rng.choice(names), podSelector={}, policyTypes=["Ingress"], ingress=rules)]


def _only_ipv6(rng, names, pools):
    only = replace(pools, families=(6,))
    rules = [{"to": [_block(rng, only)], **_ports(rng, pools)}, {"to": [_block(rng, only)]}]
    return [
        _network_policy(rng.choice(names), podSelector=_selector(rng, pools.pod_labels), policyTypes=["Egress"], egress=rules)
    ]


def _nothing_selected(rng, names, pools):
    typo = {"matchLabels": {"app": "typo"}}
    return [_network_policy(name, podSelector=typo, policyTypes=["Ingress", "Egress"]) for name in names]


def _policy(rng: Random, namespace: str, pools) -> dict:
    spec = {}
    if rng.random() < 0.9:
        spec["podSelector"] = rng.choice((None, {}, {}, *(_selector(rng, pools.pod_labels) for _ in range(5))))
    types = rng.choice(("absent", None, [], ["Ingress"], ["Egress"], ["Egress"], ["Ingress", "Egress"], ["Ingress", "Egress"]))
    if types != "absent":
        spec["policyTypes"] = types
    for direction, side in (("ingress", "from"), ("egress", "to")):
        rules = [_rule(rng, side, pools) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
        if rules or rng.random() < 0.3:
            spec[direction] = rules or rng.choice(([], None))
    return _network_policy(namespace, **spec)


def _rule(rng: Random, side: str, pools) -> dict:
    rule = _ports(rng, pools)
    kind = rng.random()
    if kind < 0.1:
        rule[side] = rng.choice(([], None))
    elif kind < 0.9:
        rule[side] = [_peer(rng, pools) for _ in range(rng.choice((1, 1, 2, 3)))]
    return rule


def _peer(rng: Random, pools) -> dict:
    kind = rng.random()
    if kind < 0.35:
        return _block(rng, pools)
    peer = {}
    if kind < 0.75:
        peer["podSelector"] = _selector(rng, pools.pod_labels)
    if kind >= 0.55:
        peer["namespaceSelector"] = _selector(rng, pools.namespace_labels)
    if len(peer) == 1 and rng.random() < 0.1:
        peer |= {"ipBlock": None}
    return peer


def _block(rng: Random, pools) -> dict:
    cidr = rng.choice(pools.ranges[rng.choice(pools.families)])
    inner = [each for each in pools.ranges[ip_network(cidr, strict=False).version] if _inside(each, cidr)]
    excepted = rng.sample(inner, min(len(inner), rng.choice((0, 0, 1, 1, 2))))
    return {"ipBlock": {"cidr": cidr, **({"except": excepted} if excepted else {})}}


def _inside(cidr: str, outer: str) -> bool:
    """Whether it is a true part of the other, as `except` must be."""
    small, large = ip_network(cidr, strict=False), ip_network(outer, strict=False)
    return small.version == large.version and small != large and small.subnet_of(large)


def _selector(rng: Random, pool: dict) -> dict:
    kind = rng.random()
    if kind < 0.15:
        return {}
    selector = {}
    if kind < 0.7:
        key = rng.choice([*pool])
        selector["matchLabels"] = {key: rng.choice(pool[key])}
    if kind > 0.55:
        selector["matchExpressions"] = [_expression(rng, pool) for _ in range(rng.choice((1, 1, 2)))]
    return selector


def _expression(rng: Random, pool: dict) -> dict:
    key, operator = rng.choice([*pool]), rng.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    if operator in ("Exists", "DoesNotExist"):
        return {"key": key, "operator": operator}
    return {"key": key, "operator": operator, "values": rng.sample(pool[key], rng.randint(1, 2))}


def _ports(rng: Random, pools: Pools) -> dict:
    kind = rng.random()
    if kind < 0.3:
        return {}
    return {"ports": [_port(rng, pools) for _ in range(rng.choice((0, 1, 1, 1, 2)))]}


def _port(rng: Random, pools: Pools) -> dict:
    port = {} if rng.random() < 0.4 else {"protocol": rng.choice(PROTOCOLS)}
    kind = rng.random()
    if kind < 0.45:
        port["port"] = rng.choice(pools.numbers)
    elif kind < 0.65:
        port["port"], port["endPort"] = rng.choice(pools.spans)
    elif kind < 0.85:
        port["port"] = rng.choice(pools.names)
    return port


# --- the policies of administrators


def _tiers(rng: Random, families) -> list[dict]:
    version = rng.choices(("v1alpha2", "v1alpha1", "both"), (6, 4, 2))[0]
    made = []
    if version != "v1alpha1":
        made += [_tiered(rng, "ClusterNetworkPolicy", families) for _ in range(rng.randint(1, 3))]
    if version != "v1alpha2":
        made += [_tiered(rng, "AdminNetworkPolicy", families) for _ in range(rng.randint(0, 2))]
        made += [_tiered(rng, "BaselineAdminNetworkPolicy", families)] if rng.random() < 0.6 else []
    # Mostly each has its own place; a tie now and then, and then they shall meet.
    tied = rng.random() < 0.2
    priorities = [3] * 6 if tied else rng.sample(range(6), 6)
    for number, each in enumerate([policy for policy in made if policy["kind"] != "BaselineAdminNetworkPolicy"]):
        each["metadata"]["name"], each["spec"]["priority"] = f"admin{number}", priorities[number]
        if tied and rng.random() < 0.7:
            wide = {"action": rng.choice(("Deny", "Pass")), "to": [{"networks": ["0.0.0.0/0", "::/0"]}]}
            each["spec"] |= {"subject": {"namespaces": {}}, "egress": [*each["spec"].get("egress", []), wide]}
    return made


def _tiered(rng: Random, kind: str, families) -> dict:
    if rng.random() < 0.5:
        subject = {"namespaces": _selector(rng, NAMESPACE_LABELS)}
    else:
        subject = {"pods": {"namespaceSelector": _selector(rng, NAMESPACE_LABELS), "podSelector": _selector(rng, POD_LABELS)}}
    spec = {"subject": subject}
    if kind == "ClusterNetworkPolicy":
        spec["tier"] = rng.choice(("Admin", "Admin", "Baseline"))
    for direction in ("ingress", "egress"):
        rules = [_tier_rule(rng, kind, direction, families) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
        if rules:
            spec[direction] = rules
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    return {"apiVersion": f"policy.networking.k8s.io/{version}", "kind": kind, "metadata": {"name": "default"}, "spec": spec}


def _tier_rule(rng: Random, kind: str, direction: str, families) -> dict:
    accept = "Accept" if kind == "ClusterNetworkPolicy" else "Allow"
    actions = (accept, "Deny") if kind == "BaselineAdminNetworkPolicy" else (accept, "Deny", "Pass")
    peers = [_tier_peer(rng, direction, families) for _ in range(rng.choice((1, 1, 2)))]
    rule = {"action": rng.choice(actions), "from" if direction == "ingress" else "to": peers}
    # Validation: no names of ports beside peers that have none.
    named = not any({"networks", "nodes"} & set(each) for each in peers)
    if rng.random() < 0.6:
        item = _protocol if kind == "ClusterNetworkPolicy" else _old_port
        rule["protocols" if kind == "ClusterNetworkPolicy" else "ports"] = [
            item(rng, named) for _ in range(rng.choice((1, 1, 2)))
        ]
    return rule


def _tier_peer(rng: Random, direction: str, families) -> dict:
    kind = rng.random()
    if direction == "egress" and kind < 0.4:
        return {"networks": rng.sample(RANGES[rng.choice(families)], rng.choice((1, 1, 2)))}
    if direction == "egress" and kind < 0.5:
        return {"nodes": rng.choice(({}, {"matchLabels": {"pool": "x"}}))}
    if kind < 0.75:
        return {"namespaces": _selector(rng, NAMESPACE_LABELS)}
    return {"pods": {"namespaceSelector": _selector(rng, NAMESPACE_LABELS), "podSelector": _selector(rng, POD_LABELS)}}


def _span(rng: Random) -> dict:
    first, last = rng.choice([(first, last) for first, last in SPANS if first < last])
    return {"start": first, "end": last}


def _protocol(rng: Random, named: bool) -> dict:
    if named and rng.random() < 0.25:
        return {"destinationNamedPort": rng.choice(NAMES)}
    port = {"number": rng.choice(NUMBERS)} if rng.random() < 0.6 else {"range": _span(rng)}
    return {rng.choice(PROTOCOLS).lower(): {"destinationPort": port}}


def _old_port(rng: Random, named: bool) -> dict:
    if named and rng.random() < 0.25:
        return {"namedPort": rng.choice(NAMES)}
    protocol = {} if rng.random() < 0.3 else {"protocol": rng.choice(PROTOCOLS)}
    if rng.random() < 0.6:
        return {"portNumber": {**protocol, "port": rng.choice(NUMBERS)}}
    return {"portRange": {**protocol, **_span(rng)}}
