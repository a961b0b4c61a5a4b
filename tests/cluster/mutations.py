"""One small change of a set of documents, of the kind that a hand slips into: a policy dropped, a label lost, an action turned round."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random

TIERED = ("ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy")


def mutate(documents, seed: int) -> list[dict]:
    """A copy with one change; the same for the same seed."""
    rng = Random(seed)
    changes = [*CHANGES]
    rng.shuffle(changes)
    for change in changes:
        copy = deepcopy(documents)
        if change(copy, rng) and copy != documents:
            return copy
    raise ValueError("nothing in it can be changed")


def drop_policy(documents, rng) -> bool:
    """A policy is gone."""
    policies = [each for each in documents if _is_policy(each)]
    if policies:
        documents.remove(rng.choice(policies))
    return bool(policies)


def drop_policy_type(documents, rng) -> bool:
    """A policy is for one direction less; where that was the last, for what its rules say."""
    chosen = _any(
        rng, [each["spec"] for each in documents if each["kind"] == "NetworkPolicy" and each["spec"].get("policyTypes")]
    )
    if chosen is not None:
        chosen["policyTypes"].remove(rng.choice(chosen["policyTypes"]))
    return chosen is not None


def drop_except(documents, rng) -> bool:
    """A range has no hole any more."""
    chosen = _any(rng, [each for each in _mappings(documents) if each.get("except")])
    if chosen is not None:
        chosen["except"].remove(rng.choice(chosen["except"]))
    return chosen is not None


def drop_label(documents, rng) -> bool:
    """A selector asks for one label or expression less."""
    chosen = _any(rng, [each for policy in documents if _is_policy(policy) for each in _selectors(policy)])
    if chosen is not None:
        part = chosen["matchLabels"] if chosen.get("matchLabels") else chosen["matchExpressions"]
        part.pop(rng.choice([*part]) if isinstance(part, dict) else rng.randrange(len(part)))
    return chosen is not None


def flip_operator(documents, rng) -> bool:
    """An expression says the opposite."""
    opposite = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}
    chosen = _any(rng, [each for each in _mappings(documents) if each.get("operator") in opposite])
    if chosen is not None:
        chosen["operator"] = opposite[chosen["operator"]]
    return chosen is not None


def flip_action(documents, rng) -> bool:
    """A rule of an administrator does something else."""
    chosen = _any(rng, [(each["kind"], rule) for each in documents if each["kind"] in TIERED for _, rule in _rules(each)])
    if chosen is not None:
        kind, rule = chosen
        accept = "Accept" if kind == "ClusterNetworkPolicy" else "Allow"
        actions = {accept, "Deny"} if kind == "BaselineAdminNetworkPolicy" else {accept, "Deny", "Pass"}
        rule["action"] = rng.choice(sorted(actions - {rule["action"]}))
    return chosen is not None


def widen_ports(documents, rng) -> bool:
    """A span of ports reaches one further, or a port becomes a span."""
    rules = [rule for _, rule in _all_rules(documents)]
    ports = [
        each
        for rule in rules
        for part in (rule.get("ports"), rule.get("protocols"))
        for each in _mappings(part)
        if isinstance(_last(each), int)
    ]
    chosen = _any(rng, ports)
    if chosen is None or _last(chosen) >= 65535:
        return False
    last = _last(chosen) + 1
    if "number" in chosen:
        chosen["range"] = {"start": chosen.pop("number"), "end": last}
    else:
        key = next(each for each in ("end", "endPort", "port") if each in chosen)
        chosen[key] = last
    return True


def drop_ports(documents, rng) -> bool:
    """A rule is for one port less; where that was the last, for all."""
    chosen = _any(rng, [(rule, key) for _, rule in _all_rules(documents) for key in ("ports", "protocols") if rule.get(key)])
    if chosen is not None:
        rule, key = chosen
        rule[key].pop(rng.randrange(len(rule[key])))
        if not rule[key]:
            del rule[key]
    return chosen is not None


def drop_peer(documents, rng) -> bool:
    """A rule of a NetworkPolicy is for one peer less; where that was the last, for everyone."""
    rules = [rule for kind, rule in _all_rules(documents) if kind == "NetworkPolicy"]
    chosen = _any(rng, [rule[side] for rule in rules for side in ("from", "to") if rule.get(side)])
    if chosen is not None:
        chosen.pop(rng.randrange(len(chosen)))
    return chosen is not None


def drop_rule(documents, rng) -> bool:
    """A policy has one rule less."""
    chosen = _any(
        rng,
        [each["spec"][way] for each in documents if _is_policy(each) for way in ("ingress", "egress") if each["spec"].get(way)],
    )
    if chosen is not None:
        chosen.pop(rng.randrange(len(chosen)))
    return chosen is not None


def widen_range(documents, rng) -> bool:
    """A range becomes everything."""
    chosen = _any(rng, [each for each in _mappings(documents) if "cidr" in each])
    if chosen is not None:
        chosen["cidr"] = "::/0" if ":" in chosen["cidr"] else "0.0.0.0/0"
        chosen.pop("except", None)
    return chosen is not None


def open_egress(documents, rng) -> bool:
    """Somebody adds a policy that opens everything outward."""
    name = rng.choice([each["metadata"]["name"] for each in documents if each["kind"] == "Namespace"])
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}
    documents.append(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"debug{len(documents)}", "namespace": name},
            "spec": spec,
        }
    )
    return True


def use_host_network(documents, rng) -> bool:
    """A pod moves into its node's network."""
    nodes = {each["metadata"]["name"]: each for each in documents if each["kind"] == "Node"}
    chosen = _any(rng, [each for each in documents if each["kind"] == "Pod" and not each["spec"].get("hostNetwork")])
    if chosen is not None:
        addresses = [
            each["address"] for each in nodes[chosen["spec"]["nodeName"]]["status"]["addresses"] if each["type"] == "InternalIP"
        ]
        chosen["spec"]["hostNetwork"] = True
        chosen["status"] |= {"podIP": addresses[0], "podIPs": [{"ip": each} for each in addresses]}
    return chosen is not None


def relabel(documents, rng) -> bool:
    """A pod or a namespace loses a label."""
    labelled = [
        each["metadata"]["labels"]
        for each in documents
        if each["kind"] in ("Pod", "Namespace") and each["metadata"].get("labels")
    ]
    chosen = _any(rng, labelled)
    if chosen is not None:
        chosen.pop(rng.choice([*chosen]))
    return chosen is not None


def swap_priority(documents, rng) -> bool:
    """A policy of an administrator comes first."""
    chosen = _any(rng, [each["spec"] for each in documents if each["kind"] in TIERED[:2]])
    if chosen is not None:
        chosen["priority"] = 0
    return chosen is not None


CHANGES = (
    drop_policy, drop_policy_type, drop_except, drop_label, flip_operator, flip_action, widen_ports, drop_ports, drop_peer, drop_rule, widen_range, open_egress,
    use_host_network, relabel, swap_priority,
)  # fmt: skip


def _any(rng: Random, found: list):
    return rng.choice(found) if found else None


def _is_policy(document) -> bool:
    return document["kind"] == "NetworkPolicy" or document["kind"] in TIERED


def _rules(policy) -> Iterator[tuple[str, dict]]:
    for direction in ("ingress", "egress"):
        for rule in policy["spec"].get(direction) or []:
            yield policy["kind"], rule


def _all_rules(documents) -> Iterator[tuple[str, dict]]:
    for each in documents:
        if _is_policy(each):
            yield from _rules(each)


def _mappings(value) -> Iterator[dict]:
    """Every mapping in it, however deep."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _mappings(each)


def _selectors(policy) -> Iterator[dict]:
    yield from (each for each in _mappings(policy["spec"]) if each.get("matchLabels") or each.get("matchExpressions"))


def _last(port) -> object:
    return port.get("end") or port.get("endPort") or port.get("number") or port.get("port")
