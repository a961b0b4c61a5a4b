"""The resources of `k8s/` by the brute-force evaluator: every pod that a flow names, and pods that none names, reach exactly what flows declare."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import pytest
import yaml
from tests.cluster.oracle import Address, Pod, addresses_of, allowed_any_family
from tests.servers.kustomize import build

K8S = Path(__file__).parents[2] / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
ADDED = ("cluster-network-policy", "dns", "metrics-push", "vault")
"""Components that no overlay has by itself."""
STRANGERS = {
    "pii-raw": {},
    "pii-airlock": {},
    "pii-sanitized": {},
    "kube-system": {"app": "x"},
    "elsewhere": {"airlock.dev/role": "driver"},
}
OUTSIDE = ("203.0.113.9", "169.254.169.254", "169.254.170.23")


class Cluster:
    """One overlay as it is built, with a pod for each party and some that belong to none."""

    def __init__(self, folder: Path) -> None:
        self.documents = [each for each in yaml.safe_load_all(build(folder)) if each]
        self.claim = yaml.safe_load((K8S / "flows.yaml").read_text(encoding="utf-8"))
        place = self.claim["site"]
        self.site = next(
            each["data"]
            for each in self.documents
            if each["kind"] == "ConfigMap"
            and (each["metadata"]["namespace"], each["metadata"]["name"]) == (place["namespace"], place["configMap"])
        )
        self.components = {(each["metadata"].get("labels") or {}).get("airlock.dev/component") for each in self.documents} | {
            None
        }
        self.flows = [each for each in self.claim["flows"] if each.get("with") in self.components]
        self.zones = {name for names in self.claim["zones"].values() for name in names}
        self.policies = [each for each in self.documents if each["kind"].endswith("NetworkPolicy")]
        self.ends = [*self._pods(), *(Address(ip) for ip in self._addresses())]

    def value(self, text: str) -> list[str]:
        """What a place in the file stands for: several, where its value has commas."""
        word = self.site[text.split("site:")[1]] if "site:" in text else text
        prefix = text.split("site:", maxsplit=1)[0] if "site:" in text else ""
        return [prefix + each.strip() for each in word.split(",") if each.strip()]

    def is_party(self, name: str, end: Pod | Address) -> bool:
        """Whether an end is what a flow calls so."""
        party = self.claim["parties"][name]
        if isinstance(end, Address) or "addresses" in party:
            return isinstance(end, Address) and "addresses" in party and end in self._first_addresses(party)
        namespaces = self.value(party["namespaces"]) if "namespaces" in party else [party["namespace"]]
        return end.namespace in namespaces and party.get("pods", {}).items() <= end.labels.items()

    def declared(self, source: Pod | Address, destination: Pod | Address) -> set[str]:
        """The ports that flows declare from one to the other."""
        found = [each for each in self.flows if self.is_party(each["from"], source) and self.is_party(each["to"], destination)]
        return {port for flow in found for text in flow["ports"] for port in self.value(text)}

    def ports(self) -> list[str]:
        """Every port of any flow in every protocol, its neighbours in TCP, and one of no flow."""
        numbers = {
            22,
            *(int(port.split()[1]) for flow in self.claim["flows"] for text in flow["ports"] for port in self.value(text)),
        }
        around = {number + step for number in numbers for step in (-1, 0, 1)}
        return [f"TCP {number}" for number in sorted(around)] + [
            f"{each} {number}" for each in ("UDP", "SCTP") for number in sorted(numbers)
        ]

    def _pods(self) -> Iterator[Pod]:
        wanted = [
            (party.get("namespace") or name, party.get("pods", {}))
            for party in self.claim["parties"].values()
            for name in self._places(party)
        ]
        # Two drivers and two executors: how those of one kind stand to each other is a question too.
        inside = self.site["pod-cidr"].split("/")[0].rpartition(".")[0]
        for number, (namespace, labels) in enumerate([*wanted, *wanted[:2], *STRANGERS.items()], 10):
            own = next(
                (each["metadata"].get("labels") or {} for each in self.documents if each["metadata"]["name"] == namespace), {}
            )
            part = {"app.kubernetes.io/part-of": "airlock"} if "airlock.dev/role" in labels else {}
            named = {**own, "kubernetes.io/metadata.name": namespace}
            yield Pod(namespace, {**labels, **part}, named, (), (f"{inside}.{number}",), name=f"pod{number}")

    def _places(self, party) -> list[str]:
        return (
            self.value(party["namespaces"]) if "namespaces" in party else [party["namespace"]] if "namespace" in party else []
        )

    def _first_addresses(self, party) -> list[Address]:
        return [Address(cidr.split("/")[0]) for cidr in self.value(party["addresses"])]

    def _addresses(self) -> Iterator[str]:
        yield from OUTSIDE
        for party in self.claim["parties"].values():
            # The node's own range holds the API server's; what is no party of a flow is asked about by `OUTSIDE`.
            if "addresses" in party and "site:" in party["addresses"]:
                yield from (end.ip for end in self._first_addresses(party))


def _with_components(overlay: str, components: Sequence[str], folder: Path) -> Path:
    """A folder to build from: Kustomize takes other folders by relative paths alone."""
    near = Path(os.path.relpath(K8S, folder.resolve()))
    made = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(near / "overlays" / overlay)],
        "components": [str(near / "components" / each) for each in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(made), encoding="utf-8")
    return folder


@pytest.mark.parametrize("components", [(), ADDED], ids=["as it is", "with more"])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_resources_permit_exactly_what_flows_declare(overlay, components, tmp_path, require):
    require("kustomize")
    cluster = Cluster(_with_components(overlay, components, tmp_path))
    assert set(components) - {"cluster-network-policy"} <= cluster.components
    opened = set()
    for source, destination in product(cluster.ends, cluster.ends):
        if (
            not any(isinstance(end, Pod) and end.namespace in cluster.zones for end in (source, destination))
            or source == destination
        ):
            continue
        declared = cluster.declared(source, destination)
        for port in cluster.ports():
            protocol, number = port.split()
            found = allowed_any_family(cluster.policies, source, destination, protocol, int(number))
            assert found is (port in declared), f"{source} -> {destination} {port}"
            opened |= {(addresses_of(source), addresses_of(destination), port)} if found else set()
    assert len(opened) >= len(cluster.flows)
